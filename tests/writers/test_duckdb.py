from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from decimal import Decimal

import duckdb
import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.writers import duckdb as writer_module
from airflow_provider_openesg.writers.duckdb import DuckDBDatabase
from airflow_provider_openesg.writers.sql import SqlRunWriter


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "esg.duckdb")


@pytest.fixture
def write(database, make_run):
    def load(batches, mode="merge", tables=("report_templates", "reports", "field_values"), schema=None, run=None):
        there = DuckDBDatabase(lambda: duckdb.connect(database), database, schema)
        writer = SqlRunWriter(there, tables, mode, run or make_run())
        with closing(writer):
            writer.check()
            for table, batch in batches:
                if table in writer.pulls:
                    writer.write(table, batch)
            return writer.commit(None)

    return load


@pytest.fixture
def query(database):
    def run(sql):
        with duckdb.connect(database) as connection:
            return connection.execute(sql).fetchall()

    return run


def test_tables_have_types_keys_and_comments(write, query, pull, rows, database):
    assert write(((table, rows(table, [])) for table in TABLES), tables=tuple(TABLES)) == {
        "database": database,
        "schema": "main",
    }
    write(pull(range(2)))
    types = dict(query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'field_values'"))
    assert types["value_decimal"] == "DECIMAL(38,12)"
    assert types["value_complex"] == "JSON"
    assert types["valid"] == "BOOLEAN"
    keys = dict(
        query(
            "SELECT table_name, constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        )
    )
    assert keys == {table: list(key) for table, key in TABLES.items()}
    [(comment,)] = query(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'reports' AND column_name = 'progress'"
    )
    assert comment == "How much of the report is filled. [%]"
    assert query("SELECT value_decimal, value_complex ->> 'a' FROM field_values LIMIT 1") == [(Decimal("1.5"), 'b"c')]


def test_reserved_words_and_mixed_case(write, query, pull):
    for _ in range(2):
        write(pull(range(3)), schema='Sel"ect From')
    assert query('SELECT count(*) FROM "Sel""ect From".reports') == [(3,)]


def test_a_database_locked_by_another_process_is_named(write, pull, database, monkeypatch):
    monkeypatch.setattr(writer_module, "LOCK_WAIT", 0.6)
    code = f"import duckdb; c = duckdb.connect({database!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(
            OpenESGConfigError, match=rf"{database}: cannot be opened\. Stop that process.*PID {other.pid}"
        ):
            write(pull(range(1)))
        other.communicate(b"\n")
    write(pull(range(1)))


def test_a_lock_that_is_let_go_of_is_waited_for(write, query, pull, database):
    code = f"import duckdb; c = duckdb.connect({database!r}); print('open', flush=True); import time; time.sleep(1)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        write(pull(range(1)))
    assert query("SELECT count(*) FROM reports") == [(1,)]


def test_a_database_that_cannot_be_opened_is_named(make_run, tmp_path):
    missing = str(tmp_path / "no" / "esg.duckdb")
    garbage = tmp_path / "garbage.duckdb"
    garbage.write_text("not a database " * 1000)
    for path in (missing, str(garbage)):
        there = DuckDBDatabase(lambda path=path: duckdb.connect(path), path, None)
        writer = SqlRunWriter(there, ["reports"], "merge", make_run())
        with closing(writer), pytest.raises(OpenESGConfigError, match=rf"{path}: cannot be opened"):
            writer.check()
