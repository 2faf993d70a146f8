"""Killed with SIGKILL at any moment and run again, the result is that of one clean run."""

from __future__ import annotations

import json
import random
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from forking import worker

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.writers.manifest import read_manifests

pytestmark = pytest.mark.processes

KILLS = 12
FILES = ("airflow_provider_openesg.transfers.openesg_to_object_storage", "OpenESGToObjectStorageOperator")
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

        def attempt(operator, arguments, run_id, kill_after=None):
            task = {"module": operator[0], "name": operator[1], "arguments": arguments, "run_id": run_id}
            return run(task, kill_after)

        yield attempt


def moments() -> list[float]:
    """Shares of a run: spread over it, and denser at its end, where it is committed."""
    draw = random.Random(7)
    return [*((number + draw.random()) / 8 for number in range(8)), *(draw.uniform(0.7, 1) for _ in range(KILLS - 8))]


def truth() -> dict[str, list[str]]:
    """What the platform holds now, by a pull that nothing disturbs."""
    rows: dict[str, list[str]] = {table: [] for table in TABLES}
    with OpenESGHook() as hook:
        for table, batch in hook.iter_tables():
            rows[table] += map(repr, batch.to_pylist())
    return {table: sorted(each) for table, each in rows.items()}


def test_files(platform, attempt, tmp_path):
    path = tmp_path / "esg"

    def counted():
        return {
            manifest.run_id: {
                table: sorted(map(repr, pq.read_table(manifest.files(table)).to_pylist())) for table in manifest.tables
            }
            for manifest in read_manifests(path)
        }

    seconds = attempt(FILES, {"path": str(path)}, "first")["seconds"]
    first = truth()
    assert counted() == {"first": first}
    killed = 0
    for number, moment in enumerate(moments()):
        platform.turn_clock(86_400)
        before = counted()
        run_id = f"killed-{number % 3}"  # a run that counts already is killed on its second go as well
        killed += attempt(FILES, {"path": str(path)}, run_id, moment * seconds)["status"] == -9
        now = truth()
        assert counted() in (before, before | {run_id: now})
        if number % 3 == 2:
            seconds = attempt(FILES, {"path": str(path)}, run_id)["seconds"]
            assert counted() == before | {run_id: now}
            assert counted()["first"] == first
            assert not list(path.glob(f"_openesg/tries/*-{run_id}-*"))
            assert len(list(path.glob(f"*/*-{run_id}-*"))) == len(TABLES)
    assert killed >= KILLS / 3


def test_duckdb(platform, attempt, tmp_path):
    """While it pulls; tests/writers/test_killed.py is about the load."""
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
        assert after == truth()
        before = after
        platform.turn_clock(86_400)
    assert killed
