"""Fixtures of all tests: a sandbox to talk to, settings for it, and a separate token cache."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from postgres_server import postgres_server

from airflow_provider_openesg.sandbox.process import SandboxProcess
from airflow_provider_openesg.settings import OpenESGSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Before anything imports Airflow, which writes its configuration there: tests must not write to ~/airflow.
_airflow_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _airflow_home.name


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    """The sandbox of the session, in the state of the last test. Tests use ``sandbox``."""
    with SandboxProcess(reports=200, seed=1, clients=2) as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    """A reset sandbox with 200 reports: no requests counted, no tokens, clock at its start."""
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture
def sandbox_factory() -> Iterator[Callable[..., SandboxProcess]]:
    """Return a function that starts sandboxes. They end with the test."""
    started: list[SandboxProcess] = []

    def start(**arguments: Any) -> SandboxProcess:
        started.append(SandboxProcess(**arguments))
        return started[-1].start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def settings_for() -> Callable[..., OpenESGSettings]:
    """Return a function that makes settings for a sandbox.

    Overrides: ``login``, ``password``, ``host`` and the Connection's extra fields.
    """

    def settings(sandbox: SandboxProcess, **overrides: Any) -> OpenESGSettings:
        given: dict[str, Any] = {
            "host": sandbox.base_url,
            "login": sandbox.client_id,
            "password": sandbox.client_secret,
        }
        given |= {name: overrides.pop(name) for name in list(overrides) if name in given}
        return OpenESGSettings.from_connection(**given, extra=overrides)

    return settings


@pytest.fixture
def token_cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private token cache, for this process and its children."""
    directory = tmp_path / "token-cache"
    monkeypatch.setenv("AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR", str(directory))
    return directory


@pytest.fixture
def openesg_connection(sandbox: SandboxProcess, token_cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox as Airflow's Connection ``openesg_default``."""
    monkeypatch.setenv("AIRFLOW_CONN_OPENESG_DEFAULT", sandbox.connection_json)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets Connection ``openesg_default`` to a sandbox, with extra fields."""

    def connection(sandbox: SandboxProcess, **extra: Any) -> None:
        fields = json.loads(sandbox.connection_json) | {"extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_OPENESG_DEFAULT", json.dumps(fields))

    return connection


@pytest.fixture
def task_log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Log lines of operators. Airflow 3 prints them; Airflow 2 does not pass them to the root logger."""
    caplog.set_level("INFO", "airflow.task")
    operators = logging.getLogger("airflow.task.operators.airflow_provider_openesg")
    operators.addHandler(caplog.handler)
    yield lambda: caplog.text + capsys.readouterr().out
    operators.removeHandler(caplog.handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """Fields of a Connection to PostgreSQL."""
    with postgres_server() as server:
        yield server
