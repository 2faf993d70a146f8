"""An Airflow for the examples, and a function that runs one by ``dag.test()`` in a separate process."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_openesg.sandbox.process import SandboxProcess

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "dags_examples"
RUNNER = ROOT / "airflow_provider_openesg" / "sandbox" / "local_airflow" / "run_dag_file.py"


def options(home: Path) -> dict[str, str]:
    of_airflow = {"AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return {**os.environ, "AIRFLOW_HOME": str(home), **of_airflow}


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow with its database."""
    home = tmp_path_factory.mktemp("airflow")
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=options(home), capture_output=True, check=True)
    return home


@pytest.fixture
def start_example(
    airflow_home: Path, sandbox: SandboxProcess, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start an example: its file, more environment, its runs' configuration and number."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, variables: dict[str, str], *, times: int = 2, **conf: Any) -> subprocess.Popen[str]:
        environment = options(airflow_home) | {
            "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(tmp_path / "cache"),
            "AIRFLOW_CONN_OPENESG_DEFAULT": sandbox.connection_json,
            **variables,
        }
        command = [sys.executable, str(RUNNER), str(EXAMPLES / name), json.dumps(conf), str(times)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def run_example(start_example: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Run an example to its end and return its output."""

    def run(*arguments: Any, **conf: Any) -> str:
        process = start_example(*arguments, **conf)
        output, _ = process.communicate(timeout=200)
        assert process.returncode == 0, output
        return output

    return run


class Database:
    """A separate PostgreSQL database.

    :param server: fields of a Connection to its server.
    """

    def __init__(self, server: dict[str, Any]) -> None:
        self._server = server
        self.name = f"openesg_examples_{secrets.token_hex(4)}"
        connection = {"conn_type": "postgres", **server, "schema": self.name}
        self.variables = {"AIRFLOW_CONN_POSTGRES_DEFAULT": json.dumps(connection)}

    def query(self, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
        import psycopg2

        connection = psycopg2.connect(
            host=self._server["host"],
            port=self._server.get("port"),
            user=self._server["login"],
            dbname=database or self.name,
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


@pytest.fixture
def database(postgres: dict[str, Any]) -> Iterator[Database]:
    """A database that is dropped after the test, as the Connection ``postgres_default``."""
    database = Database(postgres)
    database.query(f"CREATE DATABASE {database.name}", postgres["schema"])
    yield database
    database.query(f"DROP DATABASE {database.name} WITH (FORCE)", postgres["schema"])
