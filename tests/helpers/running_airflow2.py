"""Scheduler and triggerer of Airflow 2, with a separate home and SQLite database.

with RunningAirflow2(home, dag_file, environment) as airflow:
    airflow.wait_for(lambda: airflow.query("SELECT state FROM dag_run") == [("success",)], what="the run")
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

AIRFLOW = [sys.executable, "-m", "airflow"]


class RunningAirflow2:
    """The components as child processes, ended with the ``with`` block.

    :param home: ``AIRFLOW_HOME``: an empty directory.
    :param dag_file: its text; the DAGs are not paused.
    :param environment: more environment variables.
    """

    def __init__(self, home: Path, dag_file: str, environment: Mapping[str, str]) -> None:
        self.home = home
        (home / "dags").mkdir()
        (home / "dags" / "dags.py").write_text(dag_file)
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # the executor looks for "airflow"
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
            "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(home / "cache"),
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            **environment,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        subprocess.run([*AIRFLOW, "db", "migrate"], env=self.environment, check=True, capture_output=True)
        self.start("scheduler")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
        for name in list(self._processes):
            self.kill(name)

    def start(self, name: str) -> None:
        """Start ``scheduler`` or ``triggerer``, or start it again; its log is continued."""
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*AIRFLOW, name, "--skip-serve-logs"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a component and what it has started with SIGKILL."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def query(self, sql: str) -> list[Any]:
        """Read from Airflow's database."""
        with sqlite3.connect(f"file:{self.home / 'airflow.db'}?mode=ro", uri=True) as database:
            return database.execute(sql).fetchall()

    def wait_for(self, ready: Callable[[], bool], *, seconds: float = 200, what: str) -> None:
        """Wait until a condition holds.

        :raises AssertionError: if it does not hold after ``seconds``, or a component has ended.
        """
        end = time.monotonic() + seconds
        while not ready():
            for name, process in self._processes.items():
                assert process.poll() is None, (self.home / f"{name}.log").read_text()[-4000:]
            assert time.monotonic() < end, f"Waited {seconds:g} s for {what}; logs are in {self.home}"
            time.sleep(0.3)
