"""The example DAGs, each run by ``dag.test()`` against the sandbox. Under a real scheduler: ``tests/airflow``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.tables import TABLES

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.process import SandboxProcess

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "dags_examples"
RUNNER = ROOT / "airflow_provider_openesg" / "sandbox" / "local_airflow" / "run_dag_file.py"

pytestmark = pytest.mark.airflow


class Examples:
    """Run examples, and read what they wrote."""

    def __init__(self, home: Path, target: Path, sandbox: SandboxProcess) -> None:
        self.database = target / "openesg.duckdb"
        self.lake = target / "lake"
        self.environment = environment(home) | {
            "AIRFLOW_CONN_OPENESG_DEFAULT": sandbox.connection_json,
            "AIRFLOW_CONN_DUCKDB_DEFAULT": json.dumps({"conn_type": "duckdb", "host": str(self.database)}),
            "AIRFLOW_VAR_OPENESG_LAKE": self.lake.as_uri(),
            "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(target / "cache"),
        }

    def start(self, name: str, **conf: Any) -> subprocess.Popen[str]:
        command = [sys.executable, str(RUNNER), str(EXAMPLES / name), json.dumps(conf)]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        import duckdb

        with duckdb.connect(str(self.database), read_only=True) as database:
            rows: list[tuple[Any, ...]] = database.sql(sql).fetchall()
        return rows

    def rows_in_database(self) -> dict[str, int]:
        return {table: self.query(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}

    def rows_in_files(self) -> dict[str, int]:
        from pyarrow.parquet import read_metadata

        return {
            table: sum(read_metadata(path).num_rows for path in self.lake.glob(f"{table}/*.parquet"))
            for table in TABLES
        }


def environment(home: Path) -> dict[str, str]:
    options = {"AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return {**os.environ, "AIRFLOW_HOME": str(home), **options}


def finish(process: subprocess.Popen[str]) -> None:
    try:
        output, _ = process.communicate(timeout=200)
    finally:
        process.kill()
    assert process.returncode == 0, output


@pytest.fixture
def examples(airflow_home: Path, tmp_path: Path, sandbox: SandboxProcess) -> Examples:
    return Examples(airflow_home, tmp_path, sandbox)


def test_nightly_extract(examples: Examples, sandbox: SandboxProcess) -> None:
    finish(examples.start("openesg_nightly_extract.py"))

    rows = examples.rows_in_database()
    assert rows["reports"] == 200
    assert all(rows.values())
    assert examples.rows_in_files() == rows
    assert sandbox.state()["token_requests"]["total"] == 1

    finish(examples.start("openesg_nightly_extract.py"))  # the next night: merged, not added
    assert examples.rows_in_database() == rows


def test_checked_extract(examples: Examples, sandbox: SandboxProcess) -> None:
    finish(examples.start("openesg_checked_extract.py"))
    assert examples.rows_in_database()["reports"] == 200

    sandbox.options(shape=["status-german"])
    examples.database.unlink()
    process = examples.start("openesg_checked_extract.py")
    output, _ = process.communicate(timeout=200)
    assert process.returncode != 0
    assert "eingereicht" in output
    assert not examples.database.exists()


def test_scaled_extract(examples: Examples, sandbox: SandboxProcess) -> None:
    from airflow_provider_openesg.lake.manifest import read_manifest

    finish(examples.start("openesg_scaled_extract.py"))

    run = read_manifest(examples.lake)
    assert [(part.task_id, part.map_index) for part in run.parts] == [
        ("organizations", -1),
        ("reports", 0),
        ("reports", 1),
    ]
    assert run.tables.keys() == TABLES.keys()
    assert run.tables["reports"].rows == 200
    assert sandbox.state()["token_requests"]["total"] == 1


def test_wait_for_report(examples: Examples, sandbox: SandboxProcess) -> None:
    customer = "K-10014"  # one report, in progress, that is submitted some days later
    process = examples.start("openesg_wait_for_report.py", customer_identifier=customer)
    try:
        while sandbox.state()["calls"].get("GET /api/v1/reports", 0) < 2:
            assert process.poll() is None, "the sensor has not waited"
            time.sleep(0.1)
        assert not examples.database.exists()
        sandbox.turn_clock(10 * 24 * 3600)
    finally:
        finish(process)

    assert examples.query("SELECT customer_identifier, status FROM reports") == [(customer, "submitted")]
    assert examples.query("SELECT count(*) > 0 FROM field_values JOIN reports r ON r.id = report_id")[0][0]
