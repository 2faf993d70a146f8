from __future__ import annotations

import json
import logging
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from itertools import count

import duckdb
import pytest

from airflow_provider_openesg import clock
from airflow_provider_openesg.client.progress import INTERVAL
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql import duckdb as writer_module
from airflow_provider_openesg.sql.duckdb import DuckDBDatabase, DuckDBSession
from airflow_provider_openesg.sql.identity import DatabaseIdentity
from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.transfers.databases import database_of


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "esg.duckdb")


@pytest.fixture
def write(database, make_run):
    def load(
        batches,
        mode="merge",
        tables=("report_templates", "reports", "field_values"),
        schema=None,
        run=None,
        target=None,
    ):
        target = target or DuckDBDatabase(
            lambda: duckdb.connect(database), DatabaseIdentity.of_file("duckdb", database), schema
        )
        writer = SqlRunWriter(target, tables, mode, run or make_run())
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
    assert keys == {table: list(key) for table, key in TABLES.items() if table != "field_values"}
    required = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'field_values' AND NOT is_nullable"
    assert query(required) == [("id",)]
    [(comment,)] = query(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'reports' AND column_name = 'progress'"
    )
    assert comment == "Share of the report that is filled. [%]"
    assert query("SELECT value_decimal, value_complex ->> 'a' FROM field_values LIMIT 1") == [(Decimal("1.5"), 'b"c')]


def test_progress_of_a_long_load_is_logged(write, pull, caplog, monkeypatch):
    times = count(step=INTERVAL)
    monkeypatch.setattr(clock, "monotonic", lambda: next(times))
    with caplog.at_level(logging.INFO, "airflow_provider_openesg.sql.stage"):
        write(pull(range(30)))
    assert [line for line in caplog.messages if line.startswith("Table reports: loaded")] == [
        "Table reports: loaded 10 of 30 rows (33%)",
        "Table reports: loaded 20 of 30 rows (67%)",
        "Table reports: loaded 30 of 30 rows (100%)",
    ]


def test_reserved_words_and_mixed_case(write, query, pull):
    for _ in range(2):
        write(pull(range(3)), schema='Sel"ect From')
    assert query('SELECT count(*) FROM "Sel""ect From".reports') == [(3,)]


def test_database_locked_by_another_process_is_an_error(write, pull, database, monkeypatch):
    monkeypatch.setattr(writer_module, "LOCK_WAIT", 0.6)
    code = f"import duckdb; c = duckdb.connect({database!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(
            OpenESGConfigError,
            match=rf"{database}: cannot be opened\. Another process uses the file\..*PID {other.pid}",
        ):
            write(pull(range(1)))
        other.communicate(b"\n")
    write(pull(range(1)))


def test_load_waits_until_a_lock_is_released(write, query, pull, database):
    code = f"import duckdb; c = duckdb.connect({database!r}); print('open', flush=True); import time; time.sleep(1)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        write(pull(range(1)))
    assert query("SELECT count(*) FROM reports") == [(1,)]


def test_missing_directory_or_invalid_file_is_an_error(make_run, tmp_path):
    missing = str(tmp_path / "no" / "esg.duckdb")
    garbage = tmp_path / "garbage.duckdb"
    garbage.write_text("not a database " * 1000)
    for path in (missing, str(garbage)):
        target = DuckDBDatabase(lambda path=path: duckdb.connect(path), DatabaseIdentity.of_file("duckdb", path), None)
        writer = SqlRunWriter(target, ["reports"], "merge", make_run())
        with closing(writer), pytest.raises(OpenESGConfigError, match=rf"{path}: cannot be opened"):
            writer.check()


def test_primary_key_added_by_the_user_is_kept(write, query, pull):
    write(pull(range(3)))
    query("ALTER TABLE field_values ADD PRIMARY KEY (id)")
    write(pull(range(1, 4), value="2.00"))
    write(pull(range(1, 5), value="3.00"), "replace")
    assert query("SELECT value, count(*) FROM field_values GROUP BY 1") == [("3.00", 12)]
    with pytest.raises(duckdb.ConstraintException, match="Duplicate key"):
        query("INSERT INTO field_values (id) SELECT id FROM field_values LIMIT 1")


@pytest.fixture
def limits(monkeypatch):
    """The memory limit of DuckDB while each table is written."""
    seen = []

    def execute_and_record(session, statement):
        if statement.startswith(("INSERT", "MERGE")) and "WHERE false" not in statement:
            [(limit,)] = execute(session, "SELECT current_setting('memory_limit')")
            seen.append((statement.partition(" (")[0].partition(" AS ")[0].rpartition(".")[2], limit))
        return execute(session, statement)

    execute = DuckDBSession.execute
    monkeypatch.setattr(DuckDBSession, "execute", execute_and_record)
    return seen


def test_memory_limit_is_reduced_while_values_are_loaded(write, pull, limits):
    with duckdb.connect() as connection:
        [(threads,)] = connection.execute("SELECT current_setting('threads')").fetchall()
        connection.execute(f"SET memory_limit = '{threads * (128 + len(SCHEMAS['field_values']))}MB'")
        [(least,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    for _ in range(2):
        write(pull(range(3)), tables=["field_values", "reports"])
        (values, at_values), (reports, at_reports) = limits
        assert (values, reports) == ('"field_values"', '"reports"')
        assert at_values == least != at_reports
        limits.clear()


@pytest.fixture
def database_with_settings(database, monkeypatch):
    """Return a function that makes the database from a Connection with settings."""

    def with_settings(**settings):
        connection = {"conn_type": "duckdb", "host": database, "extra": {"settings": settings}}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
        return database_of("warehouse", None)

    return with_settings


def test_memory_limit_of_the_connection_is_kept(write, pull, limits, database_with_settings):
    write(pull(range(3)), tables=["field_values"], target=database_with_settings(memory_limit="2GiB"))
    assert limits == [('"field_values"', "2.0 GiB")]


def test_small_memory_limit_is_not_raised(write, pull, limits, database):
    limit = {"memory_limit": "100MiB"}
    identity = DatabaseIdentity.of_file("duckdb", database)
    small = DuckDBDatabase(lambda: duckdb.connect(database, config=limit), identity, None)
    write(pull(range(3)), tables=["field_values"], target=small)
    assert limits == [('"field_values"', "100.0 MiB")]


def test_load_above_the_memory_limit_is_an_error(write, pull, query, database_with_settings):
    write(pull(range(3)))
    with pytest.raises(OpenESGConfigError, match=r"needs more memory .* Nothing was written\. .*memory_limit.*Memory"):
        write(pull(range(4000)), target=database_with_settings(memory_limit="4MB"))
    assert query("SELECT count(*) FROM reports") == [(3,)]


@pytest.mark.parametrize("settings", [{"memory_limit": "lots"}, {"memory_limitt": "1GB"}])
def test_invalid_duckdb_settings_are_an_error(write, pull, database_with_settings, settings):
    with pytest.raises(OpenESGConfigError, match=r"cannot be opened\. Correct the settings in the Connection's extra"):
        write(pull(range(1)), target=database_with_settings(**settings))
