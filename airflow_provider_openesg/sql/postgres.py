"""PostgreSQL, by ADBC. The driver loads Arrow data by COPY in binary format."""

# ruff: noqa: S608 - names are quoted, texts escaped

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_openesg.sql.adbc import AdbcDatabase, AdbcSession
from airflow_provider_openesg.sql.dbapi_types import type_name
from airflow_provider_openesg.sql.locks import LOCK_WAIT, POSTGRES_LOCK, wait_for_lock
from airflow_provider_openesg.sql.session import ExistingTable
from airflow_provider_openesg.sql.storable import without_nul

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import adbc_driver_manager.dbapi as adbc
    import pyarrow as pa

    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table


class PostgresDatabase(AdbcDatabase):
    """A PostgreSQL database."""

    description = "PostgreSQL, by ADBC (COPY)"

    def session(self, connection: adbc.Connection) -> PostgresSession:
        """Return a session."""
        return PostgresSession(connection, self.name, self.schema)

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Replace U+0000, which PostgreSQL cannot store, by U+FFFD, and add the original text to ``extra``."""
        return without_nul(batch)


class PostgresSession(AdbcSession):
    """An open PostgreSQL database."""

    longest_name = 63

    def __init__(self, connection: adbc.Connection, name: str, schema: str | None) -> None:
        super().__init__(connection, name)
        self._without_key: set[str] = set()
        self.schema = schema or self.execute("SELECT coalesce(current_schema()::text, 'public')")[0][0]
        self.schema_option = {"db_schema_name": self.schema}

    def begin(self) -> None:
        """Begin. The lock is released with the transaction, even if the load is killed."""
        self.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}s'")
        lock = POSTGRES_LOCK.format(self.literal(self.schema))
        wait_for_lock(f"{self.name}: another load into schema {self.schema}", lambda: self.execute(lock) == [(True,)])
        # CREATE SCHEMA IF NOT EXISTS requires the right to create even if the schema exists.
        if not self.execute(f"SELECT 1 FROM pg_namespace WHERE nspname = {self.literal(self.schema)}"):
            self.execute(f"CREATE SCHEMA {self.quoted(self.schema)}")

    def type_of(self, field: pa.Field, *, in_key: bool) -> str:
        """Return the type of a column as ``format_type()`` returns it."""
        return type_name("postgresql", field, in_key=in_key).lower().replace(", ", ",")

    def commit(self) -> None:
        """Commit."""
        self.connection.commit()

    def folded(self, name: str) -> str:
        """Return the name unchanged: quoted names differ by case."""
        return name

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table or view."""
        condition = f"n.nspname = {self.literal(self.schema)} AND c.relname = {self.literal(wanted.name)}"
        columns = self.execute(
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull AND NOT a.atthasdef"
            " AND a.attidentity = '', array_position(i.indkey::int2[], a.attnum)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            f" LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary WHERE {condition}"
        )
        if not columns:
            return None
        key = sorted((position, name) for name, _, _, position in columns if position is not None)
        return ExistingTable(
            types={name: type_ for name, type_, _, _ in columns},
            required=frozenset(name for name, _, required, _ in columns if required),
            key=tuple(name for _, name in key),
        )

    def constraints(self, wanted: Table) -> list[str]:
        """Return no primary key: it is added after the first insert, which is faster."""
        self._without_key.add(wanted.name)
        return []

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert all staged rows, and add the primary key to a new table."""
        inserted = super().insert(wanted, rows)
        if wanted.name in self._without_key:
            self.execute(f"ALTER TABLE {self.target(wanted.name)} ADD PRIMARY KEY ({self.names(wanted.key)})")
            self._without_key.remove(wanted.name)
        return inserted

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key; only insert if the table is new."""
        if wanted.name in self._without_key:
            return self.insert(wanted, rows)
        return super().merge(wanted, rows, owners)

    @contextmanager
    def queryable(self, rows: StagedTable, columns: Sequence[str] | None = None) -> Iterator[str]:
        """Load the rows into a temporary table and analyze it for the planner."""
        with super().queryable(rows, columns) as staged:
            self.execute(f"ANALYZE {staged}")
            yield staged
