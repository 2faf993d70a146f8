"""Tasks under a real scheduler with LocalExecutor: tokens, secrets, and the nightly extract."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.auth.token import Identity, Token
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.lake.manifest import read_manifest, read_manifests
from airflow_provider_openesg.settings import OpenESGSettings
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.read import iter_tables

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.airflow, pytest.mark.processes, pytest.mark.xdist_group("running-airflow")]


def test_thirty_mapped_tasks_need_one_token(airflow: RunningAirflow, platform: SandboxProcess):
    platform.reset()
    run = airflow.run_dag("mapped_reads")

    assert run["state"] == "success"
    reads = [task for task in run["task_instances"] if task["task_id"] == "read"]
    assert len({task["pid"] for task in reads}) == 30
    assert platform.state()["token_requests"]["total"] == 1


def test_two_connections_need_one_token_each(airflow: RunningAirflow, platform: SandboxProcess):
    platform.reset()
    names = []
    for number, (client_id, client_secret) in enumerate(platform.clients[1:]):
        names.append(f"openesg_client_{number}")
        airflow.add_connection(names[-1], host=platform.base_url, login=client_id, password=client_secret)
    run = airflow.run_dag("mapped_reads", conf={"connections": names})

    assert run["state"] == "success"
    assert platform.state()["token_requests"]["by_client"] == {client_id: 1 for client_id, _ in platform.clients[1:]}


def test_nightly_extract(airflow: RunningAirflow, platform: SandboxProcess):
    import duckdb

    platform.reset()
    run = airflow.run_dag("openesg_nightly_extract")

    assert {task["task_id"]: task["state"] for task in run["task_instances"]} == {
        "to_duckdb": "success",
        "to_parquet": "success",
    }
    with duckdb.connect(airflow.home.parent / "openesg.duckdb", read_only=True) as database:

        def count(source: str) -> int:
            return database.sql(f"SELECT count(*) FROM {source}").fetchall()[0][0]

        lake = airflow.home.parent / "lake"
        in_database = {name: count(name) for name in TABLES}
        in_files = {name: count(f"'{lake}/{name}/**/*.parquet'") for name in TABLES}
    assert in_database["reports"] == 40
    assert all(in_database.values())
    assert in_files == in_database


def test_worker_process_decodes_a_long_pull(airflow: RunningAirflow, platform: SandboxProcess):
    platform.reset()
    run = airflow.run_dag("long_extract")

    assert run["state"] == "success"
    assert read_manifest(airflow.home.parent / "lake" / "long").tables["reports"].rows == 40
    (log,) = (airflow.home / "logs" / "dag_id=long_extract").rglob("attempt=1.log")
    (process_id,) = re.findall(r"worker process (\d+)", log.read_text())
    assert not Path("/proc", process_id).exists()


def test_sixteen_mapped_tasks_write_one_run(airflow: RunningAirflow, platform: SandboxProcess, settings_for):
    """Some are killed; a reader sees nothing before the commit, and each row once after it."""
    import pyarrow.dataset as ds

    platform.reset()
    lake = airflow.home.parent / "lake" / "mapped"
    run = airflow.run_dag("mapped_extract", retries=True)

    assert run["state"] == "success"
    parts = {task["map_index"]: task for task in run["task_instances"] if task["task_id"] == "part"}
    assert sorted(index for index, task in parts.items() if task["try_number"] == 2) == [0, 5, 10, 15]
    assert platform.state()["token_requests"]["total"] == 1
    manifest = read_manifest(lake)
    assert len(manifest.parts) == 17
    with OpenESGClient(settings_for(platform), cache=open_cache("memory")) as client:
        everything = {"reports": {}, "report_requests": {}, "organizations": {}}
        for table, batch in iter_tables(client, list(everything)):
            everything[table] |= {row["id"]: row for row in batch.to_pylist()}
    customers = {part.selection["filters"]["customer_identifier"] for part in manifest.parts if part.map_index >= 0}
    assert len(customers) == 16
    for table, rows in everything.items():
        wanted = [
            id_ for id_, row in rows.items() if table == "organizations" or row["customer_identifier"] in customers
        ]
        found = ds.dataset(manifest.files(table)).to_table(columns=["id"])["id"].to_pylist()
        assert sorted(found) == sorted(wanted)
    assert {str(file.relative_to(lake)) for file in lake.glob("*/*.parquet*")} == {*manifest.paths}

    empty_run = airflow.run_dag("mapped_extract", conf={"customers": 0})
    states = {task["task_id"]: task["state"] for task in empty_run["task_instances"]}
    assert states == {"customers": "success", "others": "success", "part": "skipped", "commit": "skipped"}
    assert read_manifests(lake) == [manifest]


def test_no_file_of_airflow_contains_a_token_or_secret(airflow: RunningAirflow, platform: SandboxProcess):
    """Logs at DEBUG, XComs, rendered fields and the database file are all in AIRFLOW_HOME."""
    platform.reset()
    assert airflow.run_dag("mapped_reads", conf={"tasks": 3})["state"] == "success"
    settings = OpenESGSettings.from_connection(
        host=platform.base_url, login=platform.client_id, password=platform.client_secret
    )
    identity = Identity.of(settings)
    cache = open_cache("disk", airflow.environment["AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR"])
    token = cache.get(identity, no_fetch).value
    basic = base64.b64encode(f"{platform.client_id}:{platform.client_secret}".encode()).decode()

    contents = {path: path.read_bytes() for path in airflow.home.rglob("*") if path.is_file()}
    logs = [content for path, content in contents.items() if "task_id=read" in str(path)]
    assert len(logs) >= 3
    assert all(b"/api/v1/report-templates" in log for log in logs), "the tasks' logs are not at DEBUG"
    for secret in (token, basic, platform.client_secret):
        assert [path for path, content in contents.items() if secret.encode() in content] == []


def no_fetch() -> Token:
    raise AssertionError("the cache has no usable token of the tasks")
