"""DuckDB, by Arrow."""

# ruff: noqa: S608 - names are quoted: a table's name cannot be a bound parameter

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import pyarrow as pa
from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_fixed

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.writers.sql import Database, TableFound
from airflow_provider_openesg.writers.statements import StatementSession, names, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_openesg.tables.layout import Table
    from airflow_provider_openesg.writers.stage import StagedTable

log = logging.getLogger(__name__)

LOCK_WAIT = 60.0
"""Seconds to wait for another process to let go of the file: two tasks may well load into the same one."""


class DuckDBDatabase(Database):
    """A DuckDB file.

    DuckDB locks its file for a whole process, so the database is open only while it is checked and while it is loaded.

    :param connect: opens the database, such as ``DuckDBHook.get_conn``.
    :param name: its file, for messages and the result.
    """

    way = "DuckDB, by Arrow"

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection], name: str, schema: str | None) -> None:
        super().__init__(name, schema)
        self._connect = connect

    @contextmanager
    def opened(self) -> Iterator[DuckDBSession]:
        """Open the file."""
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
            raise OpenESGConfigError(f"DuckDB database {self.name}: cannot be opened. {todo} ({error})") from error
        with connection:
            yield DuckDBSession(connection, self.name, self.schema or "main")


class DuckDBSession(StatementSession):
    """An open DuckDB file."""

    errors = (duckdb.Error,)
    types: ClassVar[Mapping[pa.DataType, str]] = {
        pa.string(): "VARCHAR",
        pa.bool_(): "BOOLEAN",
        pa.int64(): "BIGINT",
        pa.float64(): "DOUBLE",
        pa.date32(): "DATE",
        pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
    }
    decimal = "DECIMAL({0.precision},{0.scale})"
    json = "JSON"

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, schema: str) -> None:
        self._connection = connection
        self._name = name
        self.schema = schema
        ((self._catalog,),) = self.execute("SELECT current_database()")

    def begin(self) -> None:
        """Begin; the file's lock keeps other loads away."""
        self.execute("SET preserve_insertion_order = false")  # loads in parallel; rows are told apart by their key
        self.execute("BEGIN TRANSACTION")
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {self._in_catalog()}")

    def commit(self) -> None:
        """Commit."""
        self.execute("COMMIT")

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        return self._connection.execute(statement).fetchall()

    @contextmanager
    def queryable(self, rows: StagedTable, columns: Sequence[str] | None = None) -> Iterator[str]:
        """Let DuckDB read the stage itself."""
        stage = f"openesg_stage_{rows.name}"
        self._connection.register(stage, rows.reader(columns))
        try:
            yield quoted(stage)
        finally:
            self._connection.unregister(stage)

    def target(self, table: str) -> str:
        """Return a table's name."""
        return f"{self._in_catalog()}.{quoted(table)}"

    def where(self, table: str) -> str:
        """Return a table's name for messages."""
        return f"{self.schema}.{table} in DuckDB database {self._name}"

    def found(self, wanted: Table) -> TableFound | None:
        """Look a table up. DuckDB compares names without case."""
        here = "database_name = current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)"
        columns = self._connection.execute(
            f"SELECT lower(column_name), data_type, is_nullable, column_default FROM duckdb_columns() WHERE {here}",
            [self.schema, wanted.name],
        ).fetchall()
        if not columns:
            return None
        key = self._connection.execute(
            "SELECT constraint_column_names FROM duckdb_constraints()"
            f" WHERE {here} AND constraint_type = 'PRIMARY KEY'",
            [self.schema, wanted.name],
        ).fetchall()
        return TableFound(
            types={name: type_ for name, type_, _, _ in columns},
            required=frozenset(name for name, _, nullable, default in columns if not nullable and default is None),
            key=tuple(name.lower() for name in key[0][0]) if key else (),
        )

    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:
        """Take away the rows that do not come again."""
        self._delete_absent(wanted, rows, self.of_run(run))

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert; what is there is updated where it differs: an update that changes nothing would cost as much."""
        target, columns = self.target(wanted.name), names(wanted.schema.names)
        with self.queryable(rows) as staged:
            if self._is_empty(wanted):
                ((written,),) = self.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {staged}")
                return int(written)
            others = [quoted(name) for name in wanted.schema.names if name not in wanted.key]
            there, new = (", ".join(f"{each}.{name}" for name in others) for each in ("there", "new"))
            updates = ", ".join(f"{name} = new.{name}" for name in others)
            self.execute(
                f"MERGE INTO {target} AS there USING {staged} AS new USING ({names(wanted.key)})"
                f" WHEN MATCHED AND ({there}) IS DISTINCT FROM ({new}) THEN UPDATE SET {updates}"
                " WHEN NOT MATCHED THEN INSERT BY NAME"
            )
        # Of two rows for one that is there, DuckDB may take either.
        return rows.distinct(wanted.key)

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Insert, and take away what the owners no longer have."""
        if owners is not None:
            assert wanted.owner is not None
            with self.queryable(owners, ["id"]) as ids:
                self._delete_absent(wanted, rows, f"{quoted(wanted.owner[1])} IN (SELECT id FROM {ids})")
        return self.insert(wanted, rows)

    def _delete_absent(self, wanted: Table, rows: StagedTable, which: str) -> None:
        """Take away rows, but not those that the next insert replaces.

        To take a key out of its index and in again costs DuckDB several times as much.
        """
        if self._is_empty(wanted):
            return
        key = names(wanted.key)
        with self.queryable(rows, wanted.key) as keys:
            self.execute(
                f"DELETE FROM {self.target(wanted.name)} WHERE {which} AND ({key}) NOT IN (SELECT ({key}) FROM {keys})"
            )

    def _is_empty(self, wanted: Table) -> bool:
        return not self.execute(f"SELECT 1 FROM {self.target(wanted.name)} LIMIT 1")

    def _in_catalog(self) -> str:
        """Return the schema with its database before it: in ``esg.duckdb``, ``esg`` alone is ambiguous."""
        return f"{quoted(self._catalog)}.{quoted(self.schema)}"


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "lock" in str(error)
