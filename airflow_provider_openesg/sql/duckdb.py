"""DuckDB, by Arrow."""

# ruff: noqa: S608 - names are quoted: the name of a table cannot be a bound parameter

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import pyarrow as pa
from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_fixed

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql.session import RUN_ID, Database, ExistingTable
from airflow_provider_openesg.sql.statements import StatementSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_openesg.sql.identity import DatabaseIdentity
    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table

log = logging.getLogger(__name__)

_THREAD_MB = 128
"""Memory that a thread of DuckDB needs (125 MB in its documentation), plus a megabyte per column: a row group is built
column by column, in blocks of 256 KiB."""

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
"""Units in which DuckDB shows sizes."""

LOCK_WAIT = 60.0
"""Seconds to wait for the lock of the file: two tasks may load into the same file."""


class DuckDBDatabase(Database):
    """A DuckDB file.

    DuckDB locks its file for a whole process, so the database is open only while it is checked and while it is loaded.

    :param connect: function that opens the database, such as ``DuckDBHook.get_conn``.
    :param has_limit: whether the Connection has a ``memory_limit``, which is then kept.
    """

    description = "DuckDB, by Arrow"

    def __init__(
        self,
        connect: Callable[[], duckdb.DuckDBPyConnection],
        identity: DatabaseIdentity,
        schema: str | None,
        *,
        has_limit: bool = False,
    ) -> None:
        super().__init__(identity, schema)
        self._connect = connect
        self._has_limit = has_limit

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
            advice = (
                "Another process uses the file. Stop it, or wait until it ends: only one process at a time can write."
                if _is_locked(error)
                else "Set the Connection's host to a path in an existing directory that the worker's user may write."
                if isinstance(error, duckdb.IOException)
                else "Correct the settings in the Connection's extra."
            )
            raise OpenESGConfigError(f"DuckDB database {self.name}: cannot be opened. {advice} ({error})") from error
        with connection:
            try:
                yield DuckDBSession(connection, self.name, self.schema or "main", has_limit=self._has_limit)
            except duckdb.OutOfMemoryException as error:
                example = '{"settings": {"memory_limit": "4GB"}}'
                raise OpenESGConfigError(
                    f"DuckDB database {self.name}: the load needs more memory than memory_limit. Nothing was"
                    f" written. Raise the limit in the Connection's extra, for example {example}. ({error})"
                ) from error


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

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, name: str, schema: str, *, has_limit: bool = False
    ) -> None:
        self._connection = connection
        self._has_limit = has_limit
        self.name = f"DuckDB database {name}"
        self.schema = schema
        ((self._catalog,),) = self.execute("SELECT current_database()")

    def begin(self) -> None:
        """Begin the transaction. The lock of the file excludes other loads."""
        self.execute("SET preserve_insertion_order = false")  # loads in parallel; rows have keys
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
        """Register the staged rows as a view."""
        stage = f"openesg_stage_{rows.name}"
        self._connection.register(stage, rows.reader(columns))
        yield self.quoted(stage)
        self._connection.unregister(stage)  # not after an error, which this would hide: the session ends with it

    def target(self, table: str) -> str:
        """Return a table's quoted name, with its database and schema."""
        return f"{self._in_catalog()}.{self.quoted(table)}"

    def constraints(self, wanted: Table) -> list[str]:
        """Return the primary key, except for tables with many rows per report.

        Those may have many millions of rows. DuckDB's index of a primary key is larger than the rows and has to fit
        into memory. A load replaces whole reports, which needs no index, and counts the different keys itself.
        """
        return [] if _in_reports(wanted) else super().constraints(wanted)

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table. DuckDB compares names without case.

        If no key is enforced, the columns with NOT NULL are the key.
        """
        of_table = (
            "database_name = current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)"
        )
        columns = self._connection.execute(
            f"SELECT lower(column_name), data_type, is_nullable, column_default FROM duckdb_columns() WHERE {of_table}",
            [self.schema, wanted.name],
        ).fetchall()
        if not columns:
            return None
        enforced = self._connection.execute(
            "SELECT constraint_column_names FROM duckdb_constraints()"
            f" WHERE {of_table} AND constraint_type = 'PRIMARY KEY'",
            [self.schema, wanted.name],
        ).fetchall()
        key = tuple(name.lower() for name in enforced[0][0]) if enforced else ()
        not_null = {name for name, _, nullable, _ in columns if not nullable}
        if _in_reports(wanted) and not enforced:
            key = tuple(name for name in dict.fromkeys((RUN_ID.name, *wanted.key)) if name in not_null)
        return ExistingTable(
            types={name: type_ for name, type_, _, _ in columns},
            required=frozenset(name for name, _, _, default in columns if name in not_null and default is None),
            key=key,
        )

    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:
        """Delete rows. In tables with a primary key, keep the rows that the next insert replaces.

        Deleting a key from its index and inserting it again takes DuckDB several times as long.
        """
        if _in_reports(wanted):
            super().delete(wanted, rows, run)
        elif not self.is_empty(wanted):
            key = self.names(wanted.key)
            with self.queryable(rows, wanted.key) as keys:
                self.execute(
                    f"DELETE FROM {self.target(wanted.name)}"
                    f" WHERE {self.of_run(run)} AND ({key}) NOT IN (SELECT ({key}) FROM {keys})"
                )

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert all staged rows. In tables with a primary key, existing rows are updated if a value has changed.

        An update without a change would take as long as one with a change.
        """
        target, columns = self.target(wanted.name), self.names(wanted.schema.names)
        with self._bounded(wanted):
            with self.queryable(rows) as staged:
                if _in_reports(wanted) or self.is_empty(wanted):
                    self.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {staged}")
                else:
                    self.execute(self.merge_statement(wanted, staged, only_changed=True))
            # Without an index, two rows with the same key are no error; a merge may take either of them.
            with self.queryable(rows, wanted.key) as keys:
                return self.count_keys(wanted, keys)

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key: delete and insert the rows of the given parent records; without parent, update or insert."""
        return super().merge(wanted, rows, owners) if wanted.owner else self.insert(wanted, rows)

    @contextmanager
    def _bounded(self, wanted: Table) -> Iterator[None]:
        """Limit the memory to what a load of any number of rows needs. DuckDB would use more, but only as a cache.

        Tables with a primary key have no limit: they have few rows, but a merge holds all of them in memory.
        """
        if self._has_limit or not _in_reports(wanted):
            yield
            return
        ((threads, before),) = self.execute("SELECT current_setting('threads'), current_setting('memory_limit')")
        needed = threads * (_THREAD_MB + len(wanted.schema))
        size, unit = before.split()
        if float(size) * 1024 ** _UNITS.index(unit) > needed * 10**6:  # a small machine's own limit is not raised
            self.execute(f"SET memory_limit = '{needed}MB'")
        yield
        self.execute(f"SET memory_limit = '{before}'")  # not after an error: the session ends with it

    def _in_catalog(self) -> str:
        """Return database and schema. In a file ``esg.duckdb``, the name of a schema ``esg`` would be ambiguous."""
        return f"{self.quoted(self._catalog)}.{self.quoted(self.schema)}"


def _in_reports(wanted: Table) -> bool:
    """Return whether a table has many rows per report."""
    return wanted.owner is not None and wanted.owner[1] == "report_id"


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "lock" in str(error)
