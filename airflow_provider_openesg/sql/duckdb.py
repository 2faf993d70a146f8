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
from airflow_provider_openesg.sql.session import RUN_ID, Database, ExistingTable
from airflow_provider_openesg.sql.statements import StatementSession, names, quoted

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

    :param connect: function that opens the database, such as ``DuckDBHook.get_conn``
    :param has_limit: whether the Connection has a ``memory_limit``, which is then kept
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
            todo = (
                "Stop that process, or wait until it is done: DuckDB lets one process at a time write."
                if _is_locked(error)
                else "Give a path that the worker's user may write, in a directory that exists."
                if isinstance(error, duckdb.IOException)
                else "Correct the settings in the Connection's extra."
            )
            raise OpenESGConfigError(f"DuckDB database {self.name}: cannot be opened. {todo} ({error})") from error
        with connection:
            try:
                yield DuckDBSession(connection, self.name, self.schema or "main", has_limit=self._has_limit)
            except duckdb.OutOfMemoryException as error:
                example = '{"settings": {"memory_limit": "4GB"}}'
                raise OpenESGConfigError(
                    f"DuckDB database {self.name}: needs more memory than it may take. Nothing was written."
                    f" Give it more in the Connection's extra, such as {example}. ({error})"
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
        self._name = name
        self.schema = schema
        ((self._catalog,),) = self.execute("SELECT current_database()")

    def begin(self) -> None:
        """Begin. The lock of the file keeps other loads out."""
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
        yield quoted(stage)
        self._connection.unregister(stage)  # not after an error, which this would hide: the session ends with it

    def target(self, table: str) -> str:
        """Return a table's name."""
        return f"{self._in_catalog()}.{quoted(table)}"

    def where(self, table: str) -> str:
        """Return a table's name for messages."""
        return f"{self.schema}.{table} in DuckDB database {self._name}"

    def constraints(self, wanted: Table) -> list[str]:
        """Return the primary key, but not of what stands in reports.

        There may be many millions of those rows, and DuckDB's index of a key takes more room than they do, all of which
        has to fit into memory. A load replaces whole reports, which needs no index, and tells the rows apart itself.
        """
        return [] if _in_reports(wanted) else super().constraints(wanted)

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table. DuckDB compares names without case.

        If no key is enforced, the columns with NOT NULL are the key.
        """
        here = "database_name = current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)"
        columns = self._connection.execute(
            f"SELECT lower(column_name), data_type, is_nullable, column_default FROM duckdb_columns() WHERE {here}",
            [self.schema, wanted.name],
        ).fetchall()
        if not columns:
            return None
        enforced = self._connection.execute(
            "SELECT constraint_column_names FROM duckdb_constraints()"
            f" WHERE {here} AND constraint_type = 'PRIMARY KEY'",
            [self.schema, wanted.name],
        ).fetchall()
        key = tuple(name.lower() for name in enforced[0][0]) if enforced else ()
        filled = {name for name, _, nullable, _ in columns if not nullable}
        if _in_reports(wanted) and not enforced:
            key = tuple(name for name in dict.fromkeys((RUN_ID.name, *wanted.key)) if name in filled)
        return ExistingTable(
            types={name: type_ for name, type_, _, _ in columns},
            required=frozenset(name for name, _, _, default in columns if name in filled and default is None),
            key=key,
        )

    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:
        """Take away rows; of those with a key in an index not the ones that the next insert replaces.

        To take a key out of its index and in again costs DuckDB several times as much.
        """
        if _in_reports(wanted):
            super().delete(wanted, rows, run)
        elif not self._is_empty(wanted):
            key = names(wanted.key)
            with self.queryable(rows, wanted.key) as keys:
                self.execute(
                    f"DELETE FROM {self.target(wanted.name)}"
                    f" WHERE {self.of_run(run)} AND ({key}) NOT IN (SELECT ({key}) FROM {keys})"
                )

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert; what is there with a key in an index is updated where it differs.

        An update that changes nothing would cost as much.
        """
        target, columns, key = self.target(wanted.name), names(wanted.schema.names), names(wanted.key)
        with self._bounded(wanted):
            with self.queryable(rows) as staged:
                if _in_reports(wanted) or self._is_empty(wanted):
                    self.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {staged}")
                else:
                    others = [quoted(name) for name in wanted.schema.names if name not in wanted.key]
                    there, new = (", ".join(f"{each}.{name}" for name in others) for each in ("there", "new"))
                    updates = ", ".join(f"{name} = new.{name}" for name in others)
                    self.execute(
                        f"MERGE INTO {target} AS there USING {staged} AS new USING ({key})"
                        f" WHEN MATCHED AND ({there}) IS DISTINCT FROM ({new}) THEN UPDATE SET {updates}"
                        " WHEN NOT MATCHED THEN INSERT BY NAME"
                    )
            # No index refuses rows that have one key; and of two for one that is there, a merge may take either.
            with self.queryable(rows, wanted.key) as keys:
                ((different,),) = self.execute(f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {keys})")
        return int(different)

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key: rows of owners are taken away and inserted, others updated where they are there."""
        return super().merge(wanted, rows, owners) if wanted.owner else self.insert(wanted, rows)

    @contextmanager
    def _bounded(self, wanted: Table) -> Iterator[None]:
        """Keep memory within what a load into a table needs, however many rows it has: more than that is mere cache.

        Not for tables with an index: they have few rows, but a merge holds all of them.
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

    def _is_empty(self, wanted: Table) -> bool:
        return not self.execute(f"SELECT 1 FROM {self.target(wanted.name)} LIMIT 1")

    def _in_catalog(self) -> str:
        """Return the schema with its database before it: in ``esg.duckdb``, ``esg`` alone is ambiguous."""
        return f"{quoted(self._catalog)}.{quoted(self.schema)}"


def _in_reports(wanted: Table) -> bool:
    """Tell whether a table has many rows for each report."""
    return wanted.owner is not None and wanted.owner[1] == "report_id"


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "lock" in str(error)
