"""Databases to load into: a Connection for Airflow, and a separate driver that reads the rows back."""

from __future__ import annotations

import json
import secrets
import socket
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import _duckdb
import duckdb
import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAYS = ("duckdb", "postgres", "postgres-dbapi", "sqlite", "sqlite-dbapi", "mysql")
"""Each is a database and a way to load into it."""

MYSQL = ("127.0.0.1", 3306)
NO_MYSQL = (
    "no MySQL or MariaDB on 127.0.0.1:3306 with user root, no password and a database test: docker run -p 3306:3306"
    " -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 -e MARIADB_DATABASE=test mariadb (or apt-get install mariadb-server)"
)


@dataclass
class DatabaseUnderTest:
    """A separate database or schema.

    :param missing: module that is treated as not installed.
    """

    name: str
    connection: dict[str, Any]
    schema: str | None
    connect: Callable[[], Any]
    missing: str | None = None
    setup: list[str] = field(default_factory=list)

    @property
    def dialect(self) -> str:
        """Return its SQL dialect."""
        return next(each for each in ("duckdb", "postgres", "sqlite", "mysql") if each in self.name)

    @property
    def connection_json(self) -> str:
        """Return the Connection for an environment variable."""
        return json.dumps(self.connection)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement in the schema, commit, and return its rows."""
        with self._cursor() as cursor:
            return _rows(cursor, sql)

    def tables(self) -> dict[str, list[str]]:
        """Return all rows of all tables."""
        sql = {
            "duckdb": "SELECT table_name FROM duckdb_tables() WHERE schema_name = current_schema()",
            "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
            "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
            "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = database()",
        }[self.dialect]
        with self._cursor() as cursor:
            names = sorted(name for (name,) in _rows(cursor, sql))
            return {name: sorted(map(repr, _rows(cursor, f"SELECT * FROM {name}"))) for name in names}

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            for statement in self.setup:
                cursor.execute(statement)
            yield cursor
            connection.commit()


def _rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return list(map(tuple, cursor.fetchall())) if cursor.description else []


@contextmanager
def database_under_test(way: str, directory: Path, postgres: dict[str, Any]) -> Iterator[DatabaseUnderTest]:
    """Create a separate database, and drop it."""
    schema = f"esg_{secrets.token_hex(4)}"
    if "duckdb" in way:
        path = str(directory / "esg.duckdb")
        connection = {"conn_type": "duckdb", "host": path}
        if way == "duckdb-warehouse":
            driver = {"driver": _duckdb.__file__, "entrypoint": "duckdb_adbc_init", "dialect": "snowflake"}
            connection = {"conn_type": "adbc", "extra": {**driver, "db_kwargs": {"path": path}}}
        yield DatabaseUnderTest(way, connection, None, lambda: duckdb.connect(path))
    elif "sqlite" in way:
        path = str(directory / "esg.sqlite")
        adbc = {"conn_type": "adbc", "host": path, "extra": {"dialect": "sqlite"}}
        connection = adbc if way == "adbc-sqlite" else {"conn_type": "sqlite", "host": path}
        missing = "adbc_driver_sqlite" if way == "sqlite-dbapi" else None
        yield DatabaseUnderTest(way, connection, None, lambda: sqlite3.connect(path), missing)
    elif "postgres" in way:
        args = {"host": postgres["host"], "user": postgres["login"], "dbname": postgres["schema"]}
        adbc = postgres | {"conn_type": "adbc", "extra": {"dialect": "postgresql"}}
        connection = adbc if way == "adbc-postgres" else postgres | {"conn_type": "postgres"}
        missing = "adbc_driver_postgresql" if way == "postgres-dbapi" else None
        setup = [f"SET search_path = {schema}", "SET TimeZone = 'UTC'"]
        database = DatabaseUnderTest(way, connection, schema, lambda: psycopg.connect(**args), missing, setup)
        try:
            yield database
        finally:
            database.query(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    else:
        import mysql.connector

        extra = {"client": "mysql-connector-python"}
        connection = {"conn_type": "mysql", "host": MYSQL[0], "port": MYSQL[1], "login": "root", "schema": "test"}
        args = {"host": MYSQL[0], "port": MYSQL[1], "user": "root", "database": "test"}
        database = DatabaseUnderTest(
            way, connection | {"extra": extra}, schema, lambda: mysql.connector.connect(**args), None,
            [f"CREATE SCHEMA IF NOT EXISTS {schema}", f"USE {schema}"],
        )  # fmt: skip
        try:
            yield database
        finally:
            database.query(f"DROP SCHEMA IF EXISTS {schema}")


def mysql_is_available() -> bool:
    """Return whether there is a MySQL or MariaDB to test with."""
    try:
        socket.create_connection(MYSQL, timeout=1).close()
    except OSError:
        return False
    return True
