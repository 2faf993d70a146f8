"""Killed with SIGKILL at any moment and run again, the result equals that of an uninterrupted run."""

from __future__ import annotations

import json
import random
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from forking import worker
from s3_server import S3Server

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.lake.manifest import read_manifests
from airflow_provider_openesg.runs import Run
from airflow_provider_openesg.tables import TABLES

pytestmark = pytest.mark.processes

KILLS = 12
FILES = ("airflow_provider_openesg.transfers.openesg_to_object_storage", "OpenESGToObjectStorageOperator")
COMMIT = (FILES[0], "OpenESGCommitRunOperator")
SQL = ("airflow_provider_openesg.transfers.openesg_to_sql", "OpenESGToSqlOperator")


@pytest.fixture
def platform(sandbox_factory, token_cache_dir, monkeypatch):
    """A small sandbox: a run takes a good part of a second."""
    sandbox = sandbox_factory(reports=20)
    monkeypatch.setenv("AIRFLOW_CONN_OPENESG_DEFAULT", sandbox.connection_json)
    return sandbox


@pytest.fixture
def attempt(platform, monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW_CONN_DUCK", json.dumps({"conn_type": "duckdb", "host": str(tmp_path / "esg.duckdb")}))
    with worker(Path(__file__).with_name("worker.py"), tmp_path / "worker.log") as run:

        def attempt(operator, arguments, run_id, kill_after=None, **place):
            task = {"module": operator[0], "name": operator[1], "arguments": arguments, "run_id": run_id, **place}
            return run(task, kill_after)

        yield attempt


def moments() -> list[float]:
    """Shares of a run: spread over it, and denser at its end, where it is committed."""
    draw = random.Random(7)
    return [*((number + draw.random()) / 8 for number in range(8)), *(draw.uniform(0.7, 1) for _ in range(KILLS - 8))]


def expected_rows() -> dict[str, list[str]]:
    """Return the rows of the platform, by a pull that is not killed."""
    rows: dict[str, list[str]] = {table: [] for table in TABLES}
    with OpenESGHook() as hook:
        for table, batch in hook.iter_tables():
            rows[table] += map(repr, batch.to_pylist())
    return {table: sorted(each) for table, each in rows.items()}


@pytest.fixture(params=["disk", "s3"])
def lake(request, tmp_path, monkeypatch):
    """A folder for files, on disk and in S3."""
    if request.param == "disk":
        yield Lake(str(tmp_path / "esg"))
        return
    with S3Server() as s3:
        # A Connection only for this test: Airflow keeps an opened file system until the process ends.
        monkeypatch.setenv("AIRFLOW_CONN_KILLED", s3.connection())
        yield Lake("s3://killed@lake/esg")


class Lake:
    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: dict[str, list[str]] = {}

    def committed(self) -> dict[str, dict[str, list[str]]]:
        """Return the rows of each table of each committed run. Files never change, so each is read once."""
        path = ObjectStoragePath(self.path)
        found: dict[str, dict[str, list[str]]] = {}
        for run in read_manifests(path):
            tables = found[run.run_id] = {}
            for table, written in run.tables.items():
                for file in written.files:
                    if file.path not in self._seen:
                        with (path / file.path).open("rb") as handle:
                            self._seen[file.path] = [*map(repr, pq.read_table(handle).to_pylist())]
                tables[table] = sorted(row for file in written.files for row in self._seen[file.path])
        return found

    def files_with(self, text: str) -> list[str]:
        """Return the files that have a text in their name."""
        path = ObjectStoragePath(self.path)
        path.fs.invalidate_cache()
        return [name for name in path.fs.find(path.path) if text in name.rpartition("/")[2]]


def test_files(platform, lake, attempt):
    seconds = attempt(FILES, {"path": lake.path}, "first")["seconds"]
    first = expected_rows()
    assert lake.committed() == {"first": first}
    killed = 0
    kills = moments() if lake.path.startswith("/") else moments()[1::2]
    for number, moment in enumerate(kills):
        platform.turn_clock(86_400)
        before = lake.committed()
        run_id = f"killed-{number % 3}"  # a committed run is killed when it is repeated as well
        killed += attempt(FILES, {"path": lake.path}, run_id, moment * seconds)["status"] == -9
        now = expected_rows()
        assert lake.committed() in (before, before | {run_id: now})
        if number % 3 == 2:
            seconds = attempt(FILES, {"path": lake.path}, run_id)["seconds"]
            assert lake.committed() == before | {run_id: now}
            assert lake.committed()["first"] == first
            # Its files and its manifest: nothing is left of the tries that were killed.
            assert len(lake.files_with(f"-{run_id}-")) == len(TABLES)
            assert len(lake.files_with(f"{run_id}-")) == len(TABLES) + 1
    assert killed >= len(kills) / 3


def test_parts(platform, attempt, tmp_path):
    """Tasks that write parts, and the one that commits them, killed and run again."""
    lake, draw = Lake(str(tmp_path / "esg")), random.Random(3)
    tables = [table for table in TABLES if table != "organizations"]
    runs = []
    took = {"part": 0.6, "commit": 0.05}
    for number in range(3):
        platform.turn_clock(86_400)
        before = lake.committed()
        run_id = f"run-{number % 2}"  # the last one is committed already
        for index in (0, 1):
            arguments = {"path": lake.path, "tables": tables, "templates": [index + 1], "commit": False}
            place = {"task_id": "part", "map_index": index}
            runs.append(attempt(FILES, arguments, run_id, draw.uniform(0.3, 1.1) * took["part"], **place)["status"])
            took["part"] = attempt(FILES, arguments, run_id, **place)["seconds"]
            assert lake.committed() == before
        parts = [Run("nightly", "part", run_id, index, "", {}).token for index in (0, 1)]
        arguments = {"path": lake.path, "parts": [{"run": part, "part": "", "malformed_values": 0} for part in parts]}
        after = before | {run_id: {table: rows for table, rows in expected_rows().items() if table in tables}}
        runs.append(
            attempt(COMMIT, arguments, run_id, draw.uniform(0.2, 1) * took["commit"], task_id="commit")["status"]
        )
        assert lake.committed() in (before, after)
        took["commit"] = attempt(COMMIT, arguments, run_id, task_id="commit")["seconds"]
        assert lake.committed() == after
        data = [name for name in lake.files_with(f"-{run_id}-") if name.endswith(".parquet")]
        assert len(data) == 2 * len(tables)
        assert not lake.files_with(".unfinished")
    assert runs.count(-9) >= 3


def test_duckdb(platform, attempt, tmp_path):
    """Kill it during the pull; tests/sql/test_killed.py is about the load."""
    arguments = {"sql_conn_id": "duck", "schema": "esg"}

    def tables():
        with duckdb.connect(str(tmp_path / "esg.duckdb")) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            rows = {name: connection.sql(f"FROM esg.esg.{name}").to_arrow_table().to_pylist() for name in found}
            return {name: sorted(map(repr, each)) for name, each in rows.items()}

    seconds = attempt(SQL, arguments | {"schema": "warm_up"}, "warm-up")["seconds"]
    (tmp_path / "esg.duckdb").unlink()
    killed, before = 0, {}
    for number, moment in enumerate(moments()[-6:]):
        killed += attempt(SQL, arguments, f"run-{number}", moment * seconds)["status"] == -9
        after_kill = tables()
        seconds = attempt(SQL, arguments, f"run-{number}")["seconds"]
        after = tables()
        assert after_kill in (before, after)
        assert after == expected_rows()
        before = after
        platform.turn_clock(86_400)
    assert killed
