"""Each type of Connection: the load method, the result, and errors before any call."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from types import SimpleNamespace

import pytest
from databases import MYSQL, NO_MYSQL, database_under_test, mysql_is_available

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql import locks
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

SECRET = "geheim/+'\\ \"@:1"


def run(schema=None, sql_conn_id="warehouse", **arguments):
    task = SimpleNamespace(dag_id="nightly", run_id="r", map_index=-1)
    return OpenESGToSqlOperator(task_id="load", sql_conn_id=sql_conn_id, schema=schema, **arguments).execute(
        {"ti": task}
    )


@pytest.fixture
def connect(monkeypatch):
    def set_connection(**fields):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))

    return set_connection


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("duckdb", "DuckDB, by Arrow"),
        ("postgres", "PostgreSQL, by ADBC (COPY)"),
        ("adbc-postgres", "PostgreSQL, by ADBC (COPY)"),
        ("postgres-dbapi", "postgresql by PostgresHook, in batches of parameters"),
        ("sqlite", "SQLite, by ADBC"),
        ("adbc-sqlite", "SQLite, by ADBC"),
        ("sqlite-dbapi", "sqlite by SqliteHook, in batches of parameters"),
        ("mysql", "mysql by MySqlHook, in batches of parameters"),
    ],
)
def test_load_method_is_logged(
    way, message, tmp_path, postgres, monkeypatch, openesg_connection, task_log, caplog, sandbox
):
    if way == "mysql" and not mysql_is_available():
        pytest.skip(NO_MYSQL)
    caplog.set_level("INFO")
    with database_under_test(way, tmp_path, postgres) as database:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", database.connection_json)
        if database.missing:
            monkeypatch.setitem(sys.modules, database.missing, None)
        result = run(database.schema, updated_after="2026-02-20")
        assert {table: len(rows) for table, rows in database.tables().items()} == result["tables"]
        assert result["tables"]["field_values"] > 100
        log = task_log()
        assert f": {message}" in log
        assert "No asset event" not in log + caplog.text
        assert f"database {result['database']}, schema {result['schema']}" in log


def assert_error(message, sandbox, **arguments):
    with pytest.raises(OpenESGConfigError, match=message) as raised:
        run(**arguments)
    text, error = "", raised.value
    while error is not None:
        text += repr(error) + str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "geheim" not in text
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize("missing", ["", "adbc_driver_postgresql"])
def test_unreachable_server_is_an_error(connect, openesg_connection, sandbox, monkeypatch, missing):
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    connect(conn_type="postgres", host="127.0.0.1", port=1, login="u", password=SECRET, schema="db")
    assert_error("postgres://127.0.0.1:1/db: cannot be opened: .*refused", sandbox)


def test_settings_of_a_postgres_connection_are_used(connect, postgres, openesg_connection, sandbox):
    """Those of libpq; libpq would reject the settings that only the hook has."""
    extra = {"options": "-c default_transaction_read_only=on", "cursor": "dictcursor", "aws_conn_id": "aws_default"}
    connect(**postgres, conn_type="postgres", extra=extra)
    assert_error("(?s)cannot be written: .*in a read-only transaction", sandbox, schema="esg_new")


def test_invalid_uris_are_an_error(connect, openesg_connection, sandbox):
    for uri in (f"postgresqlx://u:{SECRET}@127.0.0.1/db", f"postgresql://u:{SECRET}@127.0.0.1:x/db"):
        extra = {"dialect": "postgresql", "db_kwargs": {"uri": uri}}
        connect(conn_type="adbc", extra=extra)
        assert_error("cannot be opened", sandbox)
        connect(conn_type="adbc", host=uri, extra={"dialect": "postgresql"})
        assert_error("cannot be opened", sandbox)


@pytest.mark.parametrize("password", ["ab%3acd%2fef", "%61bcdefgh9", "ab%cd"])
@pytest.mark.parametrize("conn_type", ["postgres", "adbc"])
def test_password_is_not_shown_as_it_is_written(connect, openesg_connection, sandbox, conn_type, password):
    for host in (f"postgresql://u:{password}@127.0.0.1:1/db", f"host=127.0.0.1 port=1 password='{password}'"):
        connect(conn_type=conn_type, host=host, extra={"dialect": "postgresql"} if conn_type == "adbc" else {})
        with pytest.raises(OpenESGConfigError) as raised:
            run()
        assert password not in str(raised.value)


@pytest.mark.parametrize("host", ["host=127.0.0.1", "postgresql://127.0.0.1/db"])
def test_connection_string_and_other_fields_are_an_error(connect, openesg_connection, sandbox, host):
    extra = {"dialect": "postgresql"}
    connect(conn_type="adbc", host=host, port=1, password=SECRET, extra=extra)
    assert_error("port, password given together with a connection string in host; allowed: one of them", sandbox)


@pytest.mark.skipif(not mysql_is_available(), reason=NO_MYSQL)
def test_wrong_password_is_an_error(connect, openesg_connection, sandbox):
    extra = {"client": "mysql-connector-python"}
    connect(conn_type="mysql", host=MYSQL[0], port=MYSQL[1], login="root", password=SECRET, schema="test", extra=extra)
    assert_error("mysql://127.0.0.1:3306: cannot be opened: .*Access denied for user 'root'", sandbox)


def test_missing_packages_are_an_error(connect, openesg_connection, sandbox, monkeypatch):
    connect(conn_type="mysql", host="127.0.0.1")
    assert_error("cannot be opened: .*(mysqlclient|MySQLdb)", sandbox)
    connect(conn_type="adbc", host="x", extra={"dialect": "nosuch"})
    assert_error("driver adbc_driver_nosuch is not installed: pip install adbc-driver-nosuch", sandbox)
    connect(conn_type="adbc", host="x", extra={"driver": "adbc_driver_sqlite", "dialect": "oracle"})
    assert_error("'warehouse': extra field dialect: 'oracle' given; allowed: postgresql, sqlite", sandbox)
    monkeypatch.setitem(sys.modules, "airflow.providers.apache.arrow.hooks.adbc", None)
    assert_error(r"pip install 'airflow-provider-openesg\[adbc\]'", sandbox)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.delitem(sys.modules, "airflow_provider_openesg.sql.duckdb", raising=False)
    connect(conn_type="duckdb", host="x.duckdb")
    assert_error(r"DuckDB needs duckdb, .* pip install 'airflow-provider-openesg\[duckdb\]'", sandbox)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("", 'Unknown hook type "nosuch"'),
        # Without any provider of a SQL database, this package is missing too.
        ("airflow.providers.common.sql.hooks.sql", "import of airflow.providers.common.sql.hooks.sql halted"),
    ],
)
def test_missing_provider_of_a_type_is_an_error(connect, openesg_connection, sandbox, monkeypatch, missing, message):
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    connect(conn_type="nosuch", host="127.0.0.1")
    assert_error(f"a Connection of type 'nosuch': {message}.*Install the provider of that type", sandbox)


def test_unknown_connection_is_an_error(openesg_connection, sandbox):
    assert_error("sql_conn_id 'nowhere': this Connection does not exist", sandbox, sql_conn_id="nowhere")
    assert_error("sql_conn_id None: this Connection does not exist", sandbox, sql_conn_id=None)


@pytest.mark.parametrize("schema", [5, "dwh.esg"])
def test_invalid_schema_is_an_error(openesg_connection, sandbox, schema):
    message = f"schema: {schema!r} given; allowed: the name of a schema"
    with pytest.raises(OpenESGConfigError, match=message):
        OpenESGToSqlOperator(task_id="t", sql_conn_id="nowhere", schema=schema)
    task = OpenESGToSqlOperator(task_id="t", sql_conn_id="nowhere", schema="{{ schema }}")
    task.schema = schema  # rendered
    with pytest.raises(OpenESGConfigError, match=message):
        task.execute({})
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize("schema", ["", "None"])
def test_schema_that_rendered_to_nothing_is_the_default_schema(connect, openesg_connection, tmp_path, schema):
    connect(conn_type="sqlite", host=str(tmp_path / "esg.sqlite"))
    assert run(schema, tables=["organizations"])["schema"] == "main"


@pytest.mark.parametrize("missing", ["", "adbc_driver_sqlite"])
def test_unusable_sqlite_files_are_an_error(connect, openesg_connection, sandbox, tmp_path, monkeypatch, missing):
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    file = tmp_path / "esg.sqlite"
    connect(conn_type="sqlite")
    assert_error("an in-memory database ends with the task", sandbox)
    connect(conn_type="sqlite", host=str(tmp_path / "no" / "esg.sqlite"))
    assert_error("no/esg.sqlite: cannot be opened: its directory does not exist", sandbox)
    connect(conn_type="sqlite", host=str(file))
    assert_error("schema: 'esg' given, but SQLite has no schemas", sandbox, schema="esg")
    sqlite3.connect(file).execute("CREATE TABLE mine (x)").connection.close()
    connect(conn_type="sqlite", host=str(file), extra={"mode": "ro"})
    assert_error("esg.sqlite, schema main: cannot be written: .*readonly", sandbox)
    monkeypatch.setattr(locks, "FILE_WAIT", 0.3)
    connect(conn_type="sqlite", host=str(file))
    # Of another process: a process does not lock itself out.
    code = (
        f"import sqlite3; c = sqlite3.connect({str(file)!r}); c.execute('BEGIN IMMEDIATE'); print(flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert_error("esg.sqlite, schema main: cannot be written: .*locked", sandbox)
        other.communicate(b"\n")
    file.write_text("not a database " * 1000)
    assert_error("esg.sqlite(, schema main)?: cannot be (opened|written): .*not a database", sandbox)
