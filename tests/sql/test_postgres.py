"""PostgreSQL: U+0000 in texts, locks and rights; by ADBC and by the hook."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import psycopg
import pyarrow as pa
import pytest
from databases import database_under_test

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql import locks
from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.tables.layout import Table
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.transfers.databases import database_of

TABLES = ("report_templates", "reports", "field_values")


@pytest.fixture(params=["postgres", "postgres-dbapi"])
def database(request, tmp_path, postgres, monkeypatch):
    with database_under_test(request.param, tmp_path, postgres) as each:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", each.connection_json)
        if each.missing:
            monkeypatch.setitem(sys.modules, each.missing, None)
        yield each


@pytest.fixture
def write(database, make_run):
    def load(batches, mode="merge", tables=TABLES):
        with closing(SqlRunWriter(database_of("warehouse", database.schema), tables, mode, make_run())) as writer:
            writer.check()
            for table, batch in batches:
                writer.write(table, batch)
            return writer.commit(None)

    return load


def test_comments(write, database, pull):
    write(pull(range(1)))
    relation = f"'{database.schema}.reports'::regclass"
    assert database.query(f"SELECT obj_description({relation})") == [
        (SCHEMAS["reports"].metadata[b"description"].decode(),)
    ]
    sql = f"SELECT attname, col_description({relation}, attnum) FROM pg_attribute WHERE attrelid = {relation}"
    comments = dict(database.query(sql))
    assert comments["progress"] == "Share of the report that is filled. [%]"
    database.query("ALTER TABLE reports DROP COLUMN progress")
    write(pull(range(1)))
    assert dict(database.query(sql))["progress"] == comments["progress"]


def test_nul_is_replaced_and_the_original_kept_in_extra(write, database, rows, caplog):
    values = [
        {"id": "1", "report_id": "r", "value": "a\0b\0", "comment": "\0", "extra": '{"x": 1.00}'},
        {"id": "2", "report_id": "r", "value": "ab", "extra": '{"y": 2}'},
        {"id": "3", "report_id": "r", "value": "\0c"},
    ]
    write([("reports", rows("reports", [{"id": "r"}])), ("field_values", rows("field_values", values))])
    assert database.query("SELECT id, value, comment, extra::text FROM field_values ORDER BY id") == [
        ("1", "a\ufffdb\ufffd", "\ufffd", '{"x": 1.00, "value": "a\\u0000b\\u0000", "comment": "\\u0000"}'),
        ("2", "ab", None, '{"y": 2}'),
        ("3", "\ufffdc", None, '{"value": "\\u0000c"}'),
    ]
    assert "Column value: 2 texts contain U+0000" in caplog.text


def test_user_without_create_rights(write, database, pull, monkeypatch):
    role = f"esg_{secrets.token_hex(4)}"
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    try:
        user = {"login": role, "password": role}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(database.connection | user))
        with pytest.raises(OpenESGConfigError, match=r"(?s)permission denied for database.*The user needs the rights"):
            write([])
        database.query(f"CREATE SCHEMA {database.schema}")
        database.query(f"GRANT USAGE ON SCHEMA {database.schema} TO {role}")
        with pytest.raises(OpenESGConfigError, match=r"cannot be written: .*permission denied for schema"):
            write([])
        database.query(f"GRANT CREATE ON SCHEMA {database.schema} TO {role}")
        write(pull(range(3)))
        database.query(f"REVOKE CREATE ON SCHEMA {database.schema} FROM {role}")
        write(pull(range(4)))  # Schema and tables exist, so no right to create is needed.
        assert database.query("SELECT count(*) FROM reports") == [(4,)]
        database.query(f"ALTER TABLE reports OWNER TO {database.connection['login']}")
        with pytest.raises(OpenESGConfigError, match=r"cannot be written: .*permission denied for table reports"):
            write([])
    finally:
        database.query(f"DROP OWNED BY {role}")
        database.query(f"DROP ROLE {role}")


def test_read_only_server_is_an_error(write, database, monkeypatch):
    """A read-only session raises the error of a read-only server."""
    database.query(f"CREATE ROLE {database.schema} LOGIN SUPERUSER")
    database.query(f"ALTER ROLE {database.schema} SET default_transaction_read_only = on")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(database.connection | {"login": database.schema}))
    with pytest.raises(OpenESGConfigError, match=r"cannot be written: .*read-only transaction"):
        write([])
    database.query(f"DROP ROLE {database.schema}")


def test_readers_see_old_or_new_rows_while_all_are_replaced(write, database, pull):
    write(pull(range(100)), "replace")
    row_counts, done = set(), threading.Event()

    def read():
        with psycopg.connect(**postgres_arguments(database), autocommit=True) as connection:
            while not done.is_set():
                row_counts.add(connection.execute(f"SELECT count(*) FROM {database.schema}.field_values").fetchone()[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for count in (200, 100, 200):
            write(pull(range(count)), "replace")
    finally:
        done.set()
        reader.join()
    assert row_counts == {300, 600}


def postgres_arguments(database):
    given = database.connection
    return {"host": given["host"], "user": given["login"], "dbname": given["schema"], "options": "-c lock_timeout=5s"}


def test_concurrent_loads_run_one_after_the_other(load_concurrently, database):
    """Also loads that create the tables. In reverse order, locks on tables only would cause a deadlock."""
    load_concurrently(database.schema, 4, 50)
    assert database.query("SELECT count(*), count(DISTINCT report_id) FROM field_values") == [(53 * 3, 53)]
    assert {
        count for (count,) in database.query("SELECT count(DISTINCT value) FROM field_values GROUP BY report_id")
    } == {1}


def test_load_waits_for_another_load_up_to_the_lock_timeout(write, database, pull, monkeypatch, caplog):
    write(pull(range(1)))
    caplog.set_level("INFO")
    monkeypatch.setattr(locks, "LOCK_WAIT", 1)
    lock = locks.POSTGRES_LOCK.format(f"'{database.schema}'")
    with psycopg.connect(**postgres_arguments(database)) as other:
        assert other.execute(lock).fetchone() == (True,)
        with pytest.raises(
            OpenESGConfigError, match=f"another load into schema {database.schema} is still running after 1 s"
        ):
            write([])
        assert "Waiting: " in caplog.text
        threading.Timer(0.5, other.rollback).start()
        monkeypatch.setattr(locks, "LOCK_WAIT", 30)
        write(pull(range(2)))
    assert database.query("SELECT count(*) FROM reports") == [(2,)]


def test_lock_of_a_killed_load_is_released(write, database, pull):
    """The server may notice late that the client is gone."""
    code = (
        "import psycopg, sys, time\n"
        f"connection = psycopg.connect(**{postgres_arguments(database)!r})\n"
        f"connection.execute({locks.POSTGRES_LOCK.format(repr(database.schema))!r})\n"
        "print('locked', flush=True)\n"
        "connection.execute('SELECT pg_sleep(1)')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as load:
        assert load.stdout.readline() == b"locked\n"
        time.sleep(0.2)
        os.kill(load.pid, signal.SIGKILL)
    write(pull(range(2)))
    assert database.query("SELECT count(*) FROM reports") == [(2,)]


def test_too_long_column_name_is_an_error(write, database, make_run):
    name = "é" * 32
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), (name, pa.string())])
    with closing(SqlRunWriter(database_of("warehouse", database.schema), ["reports"], "merge", make_run())) as writer:
        writer.expect(Table("wide", schema, ("id",)))
        with pytest.raises(OpenESGConfigError, match=f"wide in .*'{name}' has 64 bytes; .* up to 63"):
            writer.check()
