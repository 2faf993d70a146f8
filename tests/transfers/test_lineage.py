"""The OpenLineage events of transfers, in a real Airflow (``dag.test()``) with the file transport."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from airflow_provider_openesg.sql.identity import DatabaseIdentity
from airflow_provider_openesg.utils.openlineage import Place, TransferLineage

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.process import SandboxProcess

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("file:///data/esg", Place("file:///data/esg/reports", "file", "/data/esg/reports")),
        ("s3://bucket/esg/", Place("s3://bucket/esg/reports", "s3://bucket", "esg/reports")),
        ("s3://bucket", Place("s3://bucket/reports", "s3://bucket", "reports")),
    ],
)
def test_locations_in_storage(path, place):
    assert Place.in_storage(path, "reports") == place


@pytest.mark.parametrize(
    ("database", "schema", "place"),
    [
        (
            DatabaseIdentity.of_server("postgres", "h:5432", "esg"),
            "esg",
            ("postgres://h:5432/esg/esg/reports", "postgres://h:5432", "esg.esg.reports"),
        ),
        (
            DatabaseIdentity.of_server("mysql", "h:3306"),
            "esg",
            ("mysql://h:3306/esg/reports", "mysql://h:3306", "esg.reports"),
        ),
        (
            DatabaseIdentity.of_file("duckdb", "/d/e.duckdb"),
            "main",
            ("duckdb:///d/e.duckdb/main/reports", "duckdb:///d/e.duckdb", "main.reports"),
        ),
        (
            DatabaseIdentity.of_file("sqlite", "/d/e.db"),
            None,
            ("sqlite:///d/e.db/reports", "sqlite:///d/e.db", "reports"),
        ),
        (DatabaseIdentity.of_bigquery("acme"), "esg", ("bigquery://acme/esg/reports", "bigquery", "acme.esg.reports")),
    ],
)
def test_locations_in_databases(database, schema, place):
    assert Place.in_database(database, schema, "reports") == Place(*place)


def test_server_that_cannot_be_read_gives_no_dataset(caplog):
    lineage = TransferLineage(SimpleNamespace(settings=SimpleNamespace(base_url="https://esg.example")), None)
    unknown = Place.in_database(DatabaseIdentity.of_server("postgres", ""), "esg", "reports")
    with caplog.at_level("INFO"):
        lineage.emit({"reports": unknown}, "run", {}, None)
    assert lineage.facets().outputs == []
    assert "the server cannot be read from the connection string" in caplog.text
    known = Place.in_database(DatabaseIdentity.of_server("postgres", "h:5432"), "esg", "reports")
    lineage.emit({"reports": known}, "run", {}, None)
    assert [each.namespace for each in lineage.facets().outputs] == ["postgres://h:5432"]


@pytest.mark.airflow
def test_nightly_extract(sandbox: SandboxProcess, tmp_path: Path):
    events_file, database, lake = tmp_path / "events.jsonl", tmp_path / "openesg.duckdb", tmp_path / "lake"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags_examples"),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "append": True, "log_file_path": str(events_file)}
        ),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "test",
        "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(tmp_path / "cache"),
        "AIRFLOW_CONN_OPENESG_DEFAULT": sandbox.connection_json,
        "AIRFLOW_CONN_DUCKDB_DEFAULT": json.dumps({"conn_type": "duckdb", "host": str(database)}),
        "AIRFLOW_VAR_OPENESG_LAKE": lake.as_uri(),
    }
    run = [
        sys.executable,
        str(ROOT / "airflow_provider_openesg" / "sandbox" / "local_airflow" / "run_dag_file.py"),
        str(ROOT / "dags_examples" / "openesg_nightly_extract.py"),
    ]
    for command in ([sys.executable, "-m", "airflow", "db", "migrate"], run):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    events = [json.loads(line) for line in events_file.read_text().splitlines()]
    ends = {each["job"]["name"].rpartition(".")[2]: each for each in events if each["eventType"] == "COMPLETE"}
    host = sandbox.base_url.removeprefix("http://")
    for task, namespace, name in (
        ("to_duckdb", f"duckdb://{database}", "main.reports"),
        ("to_parquet", "file", f"{lake}/reports"),
    ):
        (source,) = ends[task]["inputs"]
        assert (source["namespace"], source["name"]) == (f"openesg://{host}", "reports")
        outputs = {(each["namespace"], each["name"]): each for each in ends[task]["outputs"]}
        assert len(outputs) == 7
        reports = outputs[namespace, name]
        assert reports["outputFacets"]["outputStatistics"]["rowCount"] == 200
        assert reports["outputFacets"]["outputStatistics"]["size"] > 10_000
        columns = {each["name"]: each for each in reports["facets"]["schema"]["fields"]}
        assert columns["submitted_at"]["type"] == "timestamp[us, tz=UTC]"
        assert columns["progress"]["description"]
    assert sandbox.client_secret not in events_file.read_text()
