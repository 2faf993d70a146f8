"""SQLite, by ADBC."""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_openesg.sql import locks
from airflow_provider_openesg.sql.adbc import AdbcDatabase, AdbcSession
from airflow_provider_openesg.sql.dbapi_types import type_name
from airflow_provider_openesg.sql.session import ExistingTable
from airflow_provider_openesg.sql.storable import as_text

if TYPE_CHECKING:
    import adbc_driver_manager.dbapi as adbc
    import pyarrow as pa

    from airflow_provider_openesg.tables.layout import Table


class SqliteDatabase(AdbcDatabase):
    """A SQLite file."""

    description = "SQLite, by ADBC"

    def session(self, connection: adbc.Connection) -> SqliteSession:
        """Return a session."""
        return SqliteSession(connection, self.name)

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert values of types that SQLite does not have to text."""
        return as_text(batch)


class SqliteSession(AdbcSession):
    """An open SQLite file."""

    schema = "main"

    def __init__(self, connection: adbc.Connection, name: str) -> None:
        super().__init__(connection, name)
        self.execute(f"PRAGMA busy_timeout = {locks.FILE_WAIT * 1000:.0f}")
        # The driver's own transactions begin without the lock, and fail if another process has it.
        connection.adbc_connection.set_autocommit(True)

    def begin(self) -> None:
        """Begin, with the lock for writing."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit."""
        self.execute("COMMIT")

    def type_of(self, field: pa.Field, *, in_key: bool) -> str:
        """Return the declared type of a column."""
        return type_name("sqlite", field, in_key=in_key)

    def comment(self, item: str, text: str | None) -> None:
        """Do nothing: SQLite has no comments."""

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table or view."""
        info = f"pragma_table_info({self.literal(wanted.name)})"
        columns = self.execute(f'SELECT lower(name), upper(type), "notnull", dflt_value, pk FROM {info}')
        if not columns:
            return None
        key = sorted((position, name) for name, _, _, _, position in columns if position)
        return ExistingTable(
            types={name: type_ for name, type_, _, _, _ in columns},
            required=frozenset(name for name, _, required, default, _ in columns if required and default is None),
            key=tuple(name for _, name in key),
        )
