"""PostgreSQL, by ADBC: its driver copies Arrow in PostgreSQL's binary format."""

# ruff: noqa: S608 - names are quoted, texts escaped

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from airflow_provider_openesg.sql.adbc import AdbcDatabase, AdbcSession
from airflow_provider_openesg.sql.locks import LOCK_WAIT, POSTGRES_LOCK, wait_for_lock
from airflow_provider_openesg.sql.session import ExistingTable
from airflow_provider_openesg.sql.statements import literal, names, quoted
from airflow_provider_openesg.sql.storable import without_nul

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import adbc_driver_manager.dbapi as adbc

    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table


class PostgresDatabase(AdbcDatabase):
    """A PostgreSQL database."""

    description = "PostgreSQL, by ADBC (COPY)"

    def session(self, connection: adbc.Connection) -> PostgresSession:
        """Return a session."""
        return PostgresSession(connection, self.name, self.schema)

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Put U+FFFD in place of U+0000, which PostgreSQL's text cannot hold; the text as sent goes to ``extra``."""
        return without_nul(batch)


class PostgresSession(AdbcSession):
    """An open PostgreSQL database."""

    types: ClassVar[Mapping[pa.DataType, str]] = {
        pa.string(): "text",
        pa.bool_(): "boolean",
        pa.int64(): "bigint",
        pa.float64(): "double precision",
        pa.date32(): "date",
        pa.timestamp("us", tz="UTC"): "timestamp with time zone",
    }
    decimal = "numeric({0.precision},{0.scale})"
    json = "json"  # not jsonb, which changes numbers and order, and refuses \u0000
    longest_name = 63

    def __init__(self, connection: adbc.Connection, name: str, schema: str | None) -> None:
        super().__init__(connection, name)
        self._without_key: set[str] = set()
        self.schema = schema or self.execute("SELECT coalesce(current_schema()::text, 'public')")[0][0]
        self.place = {"db_schema_name": self.schema}

    def begin(self) -> None:
        """Begin. The lock is released with the transaction, even if the load is killed."""
        self.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}s'")
        lock = POSTGRES_LOCK.format(literal(self.schema))
        wait_for_lock(f"{self.name}: another load into schema {self.schema}", lambda: self.execute(lock) == [(True,)])
        # CREATE SCHEMA IF NOT EXISTS requires the right to create even if the schema exists.
        if not self.execute(f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(self.schema)}"):
            self.execute(f"CREATE SCHEMA {quoted(self.schema)}")

    def commit(self) -> None:
        """Commit."""
        self.connection.commit()

    def folded(self, name: str) -> str:
        """Return the name unchanged: quoted names differ by case."""
        return name

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table or view."""
        here = f"n.nspname = {literal(self.schema)} AND c.relname = {literal(wanted.name)}"
        columns = self.execute(
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull AND NOT a.atthasdef"
            " AND a.attidentity = '', array_position(i.indkey::int2[], a.attnum)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            f" LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary WHERE {here}"
        )
        if not columns:
            return None
        key = sorted((place, name) for name, _, _, place in columns if place is not None)
        return ExistingTable(
            types={name: type_ for name, type_, _, _ in columns},
            required=frozenset(name for name, _, required, _ in columns if required),
            key=tuple(name for _, name in key),
        )

    def constraints(self, wanted: Table) -> list[str]:
        """Return no key: it is added after the first rows, which is faster."""
        self._without_key.add(wanted.name)
        return []

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert, and add the key to a table that is new."""
        inserted = super().insert(wanted, rows)
        if wanted.name in self._without_key:
            self.execute(f"ALTER TABLE {self.target(wanted.name)} ADD PRIMARY KEY ({names(wanted.key)})")
            self._without_key.remove(wanted.name)
        return inserted

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key, or insert where the table is new."""
        if wanted.name in self._without_key:
            return self.insert(wanted, rows)
        return super().merge(wanted, rows, owners)

    @contextmanager
    def queryable(self, rows: StagedTable, columns: Sequence[str] | None = None) -> Iterator[str]:
        """Load the rows into a temporary table and analyze it for the planner."""
        with super().queryable(rows, columns) as staged:
            self.execute(f"ANALYZE {staged}")
            yield staged
