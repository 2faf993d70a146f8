"""A run into a DuckDB database, by Arrow."""

# ruff: noqa: S608 - names are quoted, texts escaped: a table's name cannot be a bound parameter

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_fixed

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.writers.sql import (
    OWNERS,
    RUN_ID,
    SqlRunWriter,
    TableFound,
    TableWanted,
    columns_to_add,
    described,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_provider_openesg.writers.run import Run

log = logging.getLogger(__name__)

LOCK_WAIT = 60.0
"""Seconds to wait for another process to let go of the file: two tasks may well load into the same one."""

_STAGE = "openesg_stage"
_TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
}


class DuckDBRunWriter(SqlRunWriter):
    """Stages a run and loads it into DuckDB.

    DuckDB locks its file for a whole process, so the database is open only while it is checked and while it is loaded.

    :param connect: opens the database, such as ``DuckDBHook.get_conn``.
    :param database: its file, for messages and the result.
    :param schema: schema of the tables, made where it does not exist; ``None`` for the database's own (``main``).
    """

    def __init__(
        self,
        connect: Callable[[], duckdb.DuckDBPyConnection],
        database: str,
        schema: str | None,
        tables: Sequence[str],
        write_mode: str,
        run: Run,
    ) -> None:
        super().__init__(tables, write_mode, run)
        self._connect = connect
        self._database = database
        self._schema = schema or "main"
        self._catalog = ""

    def check(self) -> None:
        """Open the database and compare its tables with ours.

        :raises OpenESGConfigError: where it cannot be opened or written, or a table there is in the way.
        """
        with self._opened() as connection:
            for wanted in self.wanted:
                if found := self._found(connection, wanted.name):
                    columns_to_add(self._where(wanted.name), wanted, _types(wanted), found)

    def load(self) -> dict[str, Any]:
        """Make and fill the tables in one transaction.

        :raises OpenESGContractError: where the platform sent two rows with one key.
        """
        with self._opened() as connection:
            # Whatever ends the process before COMMIT leaves the tables as they were.
            connection.execute("BEGIN TRANSACTION")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._in_catalog()}")
            for wanted in self.wanted:
                self._prepare(connection, wanted)
            for wanted in self.wanted:
                self._fill(connection, wanted.name)
            connection.execute("COMMIT")
        return {"database": self._database, "schema": self._schema}

    def _prepare(self, connection: duckdb.DuckDBPyConnection, wanted: TableWanted) -> None:
        target, types = self._target(wanted.name), _types(wanted)
        found = self._found(connection, wanted.name)
        if found is None:
            columns = [
                f"{_quoted(field.name)} {types[field.name]}{'' if field.nullable else ' NOT NULL'}"
                for field in wanted.fields
            ]
            key = f"PRIMARY KEY ({', '.join(map(_quoted, wanted.key))})"
            connection.execute(f"CREATE TABLE {target} ({', '.join([*columns, key])})")
            connection.execute(f"COMMENT ON TABLE {target} IS {_text(wanted.comment)}")
            new = list(wanted.fields)
        else:
            new = columns_to_add(self._where(wanted.name), wanted, types, found)
            for field in new:
                connection.execute(f"ALTER TABLE {target} ADD COLUMN {_quoted(field.name)} {types[field.name]}")
        for field in new:
            connection.execute(f"COMMENT ON COLUMN {target}.{_quoted(field.name)} IS {_text(described(field))}")

    def _fill(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        target, columns = self._target(table), "*"
        if self.write_mode == "replace":
            connection.execute(f"DELETE FROM {target}")
        elif self.write_mode == "append":
            connection.execute(f"DELETE FROM {target} WHERE {RUN_ID.name} = {_text(self.run.token)}")
            columns = f"*, {_text(self.run.token)} AS {RUN_ID.name}"
        elif table in OWNERS:
            owner, column = OWNERS[table]
            self._run_on_stage(connection, owner, f"DELETE FROM {target} WHERE {column} IN (SELECT id FROM {_STAGE})")
        rows = self._run_on_stage(
            connection, table, f"INSERT OR REPLACE INTO {target} BY NAME SELECT {columns} FROM {_STAGE}"
        )
        if rows != self.stage.rows[table]:
            raise OpenESGContractError(
                f"table {table}: {self.stage.rows[table]} rows came from the platform, and only {rows} differ in their"
                f" key ({', '.join(TABLES[table])}). Nothing was written."
            )

    def _run_on_stage(self, connection: duckdb.DuckDBPyConnection, staged: str, statement: str) -> int:
        """Run a statement that reads a staged table, and return the rows that it touched."""
        connection.register(_STAGE, self.stage.reader(staged))
        try:
            ((rows,),) = connection.execute(statement).fetchall()
        finally:
            connection.unregister(_STAGE)
        return int(rows)

    def _found(self, connection: duckdb.DuckDBPyConnection, table: str) -> TableFound | None:
        here = "database_name = current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)"
        columns = connection.execute(
            f"SELECT lower(column_name), data_type, is_nullable, column_default FROM duckdb_columns() WHERE {here}",
            [self._schema, table],
        ).fetchall()
        if not columns:
            return None
        key = connection.execute(
            "SELECT constraint_column_names FROM duckdb_constraints()"
            f" WHERE {here} AND constraint_type = 'PRIMARY KEY'",
            [self._schema, table],
        ).fetchall()
        return TableFound(
            types={name: type_ for name, type_, _, _ in columns},
            required=frozenset(name for name, _, nullable, default in columns if not nullable and default is None),
            key=tuple(name.lower() for name in key[0][0]) if key else (),
        )

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        waiting = Retrying(
            retry=retry_if_exception(_is_locked),
            wait=wait_fixed(0.5),
            stop=stop_after_delay(LOCK_WAIT),
            before_sleep=before_sleep_log(log, logging.INFO),
            reraise=True,
        )
        try:
            connection = waiting(self._connect)
        except duckdb.Error as error:
            todo = (
                "Stop that process, or wait until it is done: DuckDB lets one process at a time write."
                if _is_locked(error)
                else "Give a path that the worker's user may write, in a directory that exists."
            )
            raise OpenESGConfigError(f"DuckDB database {self._database}: cannot be opened. {todo} ({error})") from error
        with connection:
            ((self._catalog,),) = connection.execute("SELECT current_database()").fetchall()
            yield connection

    def _target(self, table: str) -> str:
        return f"{self._in_catalog()}.{_quoted(table)}"

    def _in_catalog(self) -> str:
        """Return the schema with its database before it: in ``esg.duckdb``, ``esg`` alone is ambiguous."""
        return f"{_quoted(self._catalog)}.{_quoted(self._schema)}"

    def _where(self, table: str) -> str:
        return f"{self._schema}.{table} in DuckDB database {self._database}"


def _types(wanted: TableWanted) -> dict[str, str]:
    return {field.name: _type(field) for field in wanted.fields}


def _type(field: pa.Field) -> str:
    if pa.types.is_decimal(field.type):
        return f"DECIMAL({field.type.precision},{field.type.scale})"
    if (field.metadata or {}).get(b"content") == b"json":
        return "JSON"
    return _TYPES[field.type]


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "lock" in str(error)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"
