"""Databases by their Airflow hook: MySQL, and a database that Alembic does not support."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
from contextlib import closing

import mysql.connector
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.providers.postgres.hooks.postgres import PostgresHook
from databases import MYSQL, NO_MYSQL, database_under_test, mysql_is_available
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.sql import locks
from airflow_provider_openesg.sql.dbapi import DbApiDatabase
from airflow_provider_openesg.sql.identity import DatabaseIdentity
from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.transfers.databases import database_of

TABLES = ("report_templates", "reports", "field_values")
needs_mysql = pytest.mark.skipif(not mysql_is_available(), reason=NO_MYSQL)


class OtherDialect(SQLiteDialect_pysqlite):
    name = "otherdb"
    supports_statement_cache = True


class OtherHook(DbApiHook):
    """A hook that a user wrote."""

    conn_name_attr = "other_conn_id"

    def __init__(self, path):
        super().__init__()
        self.path = path

    def get_conn(self):
        return sqlite3.connect(self.path)

    def get_uri(self):
        return "otherdb://"


@pytest.fixture
def mysql_database(tmp_path, monkeypatch):
    with database_under_test("mysql", tmp_path, {}) as each:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", each.connection_json)
        yield each


@pytest.fixture
def write(make_run):
    def load(database, batches):
        with closing(SqlRunWriter(database, TABLES, "merge", make_run())) as writer:
            writer.check()
            for table, batch in batches:
                writer.write(table, batch)
            return writer.commit(None)

    return load


def test_database_without_alembic_support(write, pull, tmp_path):
    registry.register("otherdb", __name__, "OtherDialect")
    registry.impls["otherdb"] = lambda: OtherDialect
    path = tmp_path / "other.sqlite"
    for first in (0, 10):
        write(
            DbApiDatabase(OtherHook(str(path)), DatabaseIdentity.of_server("otherdb", "here"), None),
            pull(range(first, first + 20)),
        )
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM reports").fetchone() == (30,)
        assert connection.execute("SELECT count(*), sum(value_decimal) FROM field_values").fetchone() == (90, 135)


def test_existing_column_of_another_type_is_kept_and_logged(write, pull, tmp_path, caplog):
    """Without Alembic's comparison it is not known whether the types are equivalent."""
    registry.impls["otherdb"] = lambda: OtherDialect
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE reports (id CHAR(300) NOT NULL PRIMARY KEY)")
    write(DbApiDatabase(OtherHook(str(path)), DatabaseIdentity.of_server("otherdb", "here"), None), pull(range(3)))
    assert "reports in otherdb://here: column id has type CHAR(300); a new table gets " in caplog.text
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM reports").fetchone() == (3,)


@needs_mysql
def test_comments_of_mysql(write, pull, mysql_database):
    write(database_of("warehouse", mysql_database.schema), pull(range(1)))
    [(comment,)] = mysql_database.query(
        "SELECT column_comment FROM information_schema.columns"
        " WHERE table_schema = database() AND table_name = 'reports' AND column_name = 'updated_at'"
    )
    assert (comment if isinstance(comment, str) else comment.decode()) == "When the record last changed. [UTC]"


@needs_mysql
def test_concurrent_loads_run_one_after_the_other(load_concurrently, mysql_database):
    load_concurrently(mysql_database.schema, 3, 20)
    assert mysql_database.query("SELECT count(*), count(DISTINCT report_id) FROM field_values") == [(66, 22)]


@needs_mysql
def test_mysql_lock_timeout_is_an_error(write, pull, mysql_database, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_WAIT", 1)
    name = f"airflow-provider-openesg {mysql_database.schema}"
    with closing(mysql.connector.connect(host=MYSQL[0], port=MYSQL[1], user="root")) as other:
        cursor = other.cursor()
        cursor.execute(f"SELECT GET_LOCK(MD5('{name}'), 0)")
        assert cursor.fetchall() == [(1,)]
        with pytest.raises(OpenESGConfigError, match=r"another load into schema .* is still running after 1 s"):
            write(database_of("warehouse", mysql_database.schema), [])
    write(database_of("warehouse", mysql_database.schema), pull(range(1)))


@needs_mysql
def test_mysql_user_without_rights_is_an_error(write, pull, mysql_database, monkeypatch):
    write(database_of("warehouse", mysql_database.schema), pull(range(1)))
    user = f"esg_{secrets.token_hex(4)}"
    mysql_database.query(f"CREATE USER {user} IDENTIFIED BY 'geheim'")
    try:
        mysql_database.query(f"GRANT SELECT ON {mysql_database.schema}.* TO {user}")
        fields = {"login": user, "password": "geheim", "schema": mysql_database.schema}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(mysql_database.connection | fields))
        with pytest.raises(OpenESGConfigError, match=r"cannot be written: .*command denied to user"):
            write(database_of("warehouse", mysql_database.schema), [])
        mysql_database.query(f"GRANT INSERT, UPDATE, DELETE ON {mysql_database.schema}.* TO {user}")
        write(database_of("warehouse", mysql_database.schema), pull(range(2)))
        assert mysql_database.query("SELECT count(*) FROM reports") == [(2,)]
    finally:
        mysql_database.query(f"DROP USER {user}")


@needs_mysql
def test_mysql_rolls_back_a_failed_load(write, pull, rows, mysql_database):
    target = database_of("warehouse", mysql_database.schema)
    write(target, pull(range(3)))
    before = mysql_database.tables()
    mysql_database.query("ALTER TABLE field_values ADD CONSTRAINT mine CHECK (value <> 'bad')")
    bad = rows("field_values", [{"id": "x", "report_id": "1", "value": "bad"}])
    with pytest.raises(Exception, match="mine"):
        write(target, [*pull(range(5)), ("field_values", bad)])
    assert mysql_database.tables() == before


def test_autocommit_of_a_driver_is_switched_off(write, pull, rows, tmp_path, postgres, monkeypatch):
    """As Snowflake's connector does by default."""
    connect = PostgresHook.get_conn

    def connect_with_autocommit(hook):
        connection = connect(hook)
        connection.autocommit = True
        return connection

    monkeypatch.setattr(PostgresHook, "get_conn", connect_with_autocommit)
    with database_under_test("postgres-dbapi", tmp_path, postgres) as each:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", each.connection_json)
        monkeypatch.setitem(sys.modules, each.missing, None)
        warehouse = database_of("warehouse", each.schema)
        write(warehouse, pull(range(3)))
        before = each.tables()
        with pytest.raises(OpenESGContractError):
            write(
                warehouse, [*pull(range(5)), ("field_values", rows("field_values", [{"id": "3-0", "report_id": "3"}]))]
            )
        assert each.tables() == before
