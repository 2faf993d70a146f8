"""Each shape into DuckDB: after a load without shape, with ``merge`` and with ``replace``."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import duckdb
import pytest

from airflow_provider_openesg.sandbox.shapes.table import SHAPES
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator


def load(run_id, **arguments):
    task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
    return OpenESGToSqlOperator(task_id="load", sql_conn_id="duck", **arguments).execute({"ti": task})


def tables_in(database):
    """Return the rows of all tables."""
    tables = {}
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            result = connection.execute(f"FROM {table}")
            names = [column[0] for column in result.description]
            tables[table] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return tables


@pytest.fixture(scope="session")
def first_loads():
    """Database files with a load without shape, by name of the sandbox."""
    return {}


@pytest.fixture
def database(tmp_path, monkeypatch, tmp_path_factory, first_loads, platform_of, use):
    """A database that has the tables of the sandbox without shape."""
    path = tmp_path / "esg.duckdb"
    monkeypatch.setenv("AIRFLOW_CONN_DUCK", json.dumps({"conn_type": "duckdb", "host": str(path)}))
    if "first" not in first_loads:
        use(platform_of())
        load("first")
        first_loads["first"] = shutil.copy(path, tmp_path_factory.mktemp("first") / "first.duckdb")
        path.unlink()
    shutil.copy(first_loads["first"], path)
    return path


@pytest.mark.parametrize("name", SHAPES)
def test_tables_in_a_database_are_those_without_shape(name, database, platform_of, use, truth):
    platform = platform_of(name)
    use(platform)
    # UUIDs are other keys than the numbers before.
    modes = ("replace", "merge") if platform.shape.ids == "uuid" else ("merge", "replace")
    for mode in modes:
        result = load(mode, write_mode=mode)
        assert result["tables"] == {table: len(rows) for table, rows in truth.tables.items()}
        differences = platform.normal.differences(truth.tables, tables_in(database))
        assert not differences, "\n".join([mode, *differences])
