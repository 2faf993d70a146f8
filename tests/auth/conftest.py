"""Real processes against the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_openesg.sandbox.process import SandboxProcess


class Job:
    """A program that forks ``processes`` children, each with its own session and a common token cache.

    :param calls_before_ready: each child makes so many calls, waits for :meth:`release`, and makes one more. ``None``:
        one call each, one child after the other.
    :param clock: seconds that the children's clock is ahead.
    :param uid: user that the children become.
    :param die: moment at which they kill themselves.
    """

    def __init__(self, connection: dict[str, Any], directory: Path | None, **options: Any) -> None:
        job = {
            "connection": connection,
            "directory": None if directory is None else str(directory),
            "processes": 1,
            "calls_before_ready": None,
            "clock": 0,
            "uid": None,
            "die": None,
            "path": "reports?limit=1",
        }
        environment = options.pop("environment", None)
        assert set(options) <= set(job)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), json.dumps(job | options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.waiting = (job | options)["calls_before_ready"] is not None
        self.processes = (job | options)["processes"]
        self.pids: list[int] = []
        self.results: list[dict[str, Any]] = []
        self.errors = ""

    def ready(self) -> Job:
        """Wait until all children are ready."""
        assert self.process.stdout is not None
        missing = self.processes
        while missing:
            message = json.loads(self.process.stdout.readline())
            if "ready" in message:
                self.pids.append(message["pid"])
                missing -= 1
            else:
                self.results.append(message)
        return self

    def release(self) -> None:
        """Let the children make their last call."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def finish(self) -> Job:
        """Let the children make their last call, and wait for all."""
        output, errors = self.process.communicate()
        self.results += [json.loads(line) for line in output.splitlines()]
        self.errors = errors.decode()
        assert self.process.returncode == 0, self.errors
        return self

    def failures(self) -> list[dict[str, Any]]:
        return [result for result in self.results if "ok" not in result]


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def connection() -> Callable[..., dict[str, Any]]:
    def make(sandbox: SandboxProcess, client: int = 0, **extra: Any) -> dict[str, Any]:
        login, password = sandbox.clients[client]
        return {"host": sandbox.base_url, "login": login, "password": password, "extra": extra}

    return make


@pytest.fixture
def start(
    sandbox: SandboxProcess, cache_dir: Path, connection: Callable[..., dict[str, Any]]
) -> Iterator[Callable[..., Job]]:
    started: list[Job] = []

    def start_job(*, directory: Path | None = cache_dir, **options: Any) -> Job:
        started.append(Job(options.pop("connection", connection(sandbox)), directory, **options))
        return started[-1]

    yield start_job
    for job in started:
        if job.process.poll() is None:
            job.process.kill()
            job.process.wait()


@pytest.fixture
def token_requests(sandbox: SandboxProcess) -> Callable[[], int]:
    return lambda: int(sandbox.state()["token_requests"]["total"])
