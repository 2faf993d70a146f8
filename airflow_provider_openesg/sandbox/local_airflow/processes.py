"""A separate Airflow 3 with real processes, free ports, and one directory for the metadata database and the logs.

    with RunningAirflow(home, dags=Path("dags_examples")) as airflow:
        airflow.add_connection("openesg_default", host=..., login=..., password=...)
        run = airflow.run_dag("openesg_to_duckdb")

It imports no Airflow. It uses Airflow's commands and REST API, as a user does.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

COMPONENTS = {
    "api-server": ("api-server", "--workers", "1"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
FINISHED = ("success", "failed")


class RunningAirflow:
    """Airflow's components as child processes, which end with the ``with`` block.

    :param home: ``AIRFLOW_HOME``, an empty directory for the database and the logs of tasks and components.
    :param dags: folder of DAG files.
    :param environment: more environment variables, such as ``AIRFLOW__…`` options.
    :param components: names from :data:`COMPONENTS` to start; must contain ``api-server``.
    :param parallelism: number of tasks that run at the same time.
    :param port: port of UI and API on 127.0.0.1; 0 selects a free one.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        environment: Mapping[str, str] | None = None,
        components: tuple[str, ...] = ("api-server", "scheduler", "dag-processor"),
        parallelism: int = 4,
        port: int = 0,
    ) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port or _free_port()}"
        self.components = components
        self.environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": self.url.rpartition(":")[2],
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            **(environment or {}),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy for loopback

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            self.command("db", "migrate")
            for name in self.components:
                self.start(name)
            self.wait_for(self._healthy, seconds=240, what="the API server's health")
            token = self._session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the components. The API server is last, because tasks report to it."""
        for name in sorted(self._processes, key=lambda name: name == "api-server"):
            process = self._processes.pop(name)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with contextlib.suppress(ProcessLookupError):  # usually all workers have ended already
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start(self, name: str) -> None:
        """Start or restart a component. A restarted component appends to its log."""
        with self.component_log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMPONENTS[name]],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def kill(self, name: str) -> None:
        """Kill a component and its child processes with SIGKILL, as the kernel does when memory runs out."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def component_log(self, name: str) -> Path:
        """Return the file that a component writes its output to."""
        return self.home / f"{name}.log"

    def command(self, *arguments: str) -> str:
        """Run ``airflow …`` and return what it prints.

        :raises RuntimeError: if the command fails; the message contains the output.
        """
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments], env=self.environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(
                f"airflow {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def api(self, method: str, path: str, **arguments: Any) -> Any:
        """Call Airflow's REST API, such as ``api("GET", "/dags")``, and return the JSON of the response.

        :raises requests.HTTPError: if the status is 400 or above.
        """
        response = self._session.request(method, f"{self.url}/api/v2{path}", timeout=60, **arguments)
        if not response.ok:
            raise requests.HTTPError(f"{method} {path}: {response.status_code}: {response.text}", response=response)
        return response.json() if response.content else None

    def add_connection(self, connection_id: str, **fields: Any) -> None:
        """Store an openESG Connection; ``extra`` is JSON text."""
        body = {"connection_id": connection_id, "conn_type": "openesg", **fields}
        self.api("POST", "/connections", json=body)

    def run_dag(
        self, dag_id: str, *, conf: Mapping[str, Any] | None = None, retries: bool = False, seconds: float = 240
    ) -> dict[str, Any]:
        """Unpause and trigger a DAG, wait for its end, and return the run and, as ``task_instances``, its tasks.

        :param retries: whether a task may fail in its first try; by default not.
        :raises AssertionError: if a task fails in its first try, the run has not finished after ``seconds``, or a
            component has ended.
        """
        self.unpause(dag_id)
        body = {"logical_date": None, "conf": dict(conf or {})}
        run_id = self.api("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]
        path = f"/dags/{dag_id}/dagRuns/{run_id}"
        self.wait_for(lambda: self._is_over(path, retries), seconds=seconds, what=f"{dag_id} to finish")
        return {**self.api("GET", path), "task_instances": self._tasks(path)}

    def unpause(self, dag_id: str) -> None:
        """Wait until a DAG is parsed, then unpause it."""
        self.wait_for(lambda: self._is_known(dag_id), seconds=60, what=f"DAG {dag_id} to be read")
        self.api("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def wait_for(self, ready: Callable[[], bool], *, seconds: float = 180, what: str) -> None:
        """Wait until ``ready`` returns true.

        :raises AssertionError: if it does not after ``seconds``, or a component has ended.
        """
        end = time.monotonic() + seconds
        while not ready():
            ended = [name for name, process in self._processes.items() if process.poll() is not None]
            assert not ended, f"Airflow's {ended[0]} has ended:\n{self.component_log(ended[0]).read_text()[-4000:]}"
            assert time.monotonic() < end, f"Waited {seconds:g} s for {what}; logs are in {self.home}"
            time.sleep(0.3)

    def _healthy(self) -> bool:
        try:
            return self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5).ok
        except requests.RequestException:
            return False

    def _is_known(self, dag_id: str) -> bool:
        try:
            return bool(self.api("GET", f"/dags/{dag_id}"))
        except requests.HTTPError:
            errors = self.api("GET", "/importErrors")["import_errors"]
            assert not errors, f"DAG files that cannot be read: {errors}"
            return False

    def _is_over(self, path: str, retries: bool) -> bool:
        bad = ("failed",) if retries else ("failed", "up_for_retry")
        failed = [task["task_id"] for task in self._tasks(path) if task["state"] in bad]
        assert not failed, f"{failed[0]} failed; the tasks' logs are in {self.home}/logs"
        return self.api("GET", path)["state"] in FINISHED

    def _tasks(self, path: str) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self.api("GET", f"{path}/taskInstances", params={"limit": 100})["task_instances"]
        return tasks


def _end_with_parent() -> None:
    """On Linux, end this child process when its parent is killed."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
