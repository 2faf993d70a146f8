"""Base classes of databases that are loaded by ADBC."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import adbc_driver_manager.dbapi as adbc

from airflow_provider_openesg.sql.session import Database
from airflow_provider_openesg.sql.statements import StatementSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_openesg.sql.identity import DatabaseIdentity
    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table

_STAGE = "openesg_stage"


class AdbcDatabase(Database):
    """A database behind an ADBC driver.

    :param connect: function that connects, such as ``AdbcHook.get_conn``.
    :param secrets: texts that messages must not show: drivers quote their options.
    """

    def __init__(
        self,
        connect: Callable[[], adbc.Connection],
        identity: DatabaseIdentity,
        schema: str | None,
        secrets: Sequence[str] = (),
    ) -> None:
        super().__init__(identity, schema, secrets)
        self._connect = connect

    @contextmanager
    def opened(self) -> Iterator[AdbcSession]:
        """Connect."""
        try:
            connection = self._connect()
        except adbc.Error as error:
            raise self.unusable(error) from None
        with connection:
            yield self.session(connection)

    @abstractmethod
    def session(self, connection: adbc.Connection) -> AdbcSession:
        """Return a session of an open connection."""


class AdbcSession(StatementSession):
    """An open connection by ADBC."""

    errors = (adbc.Error,)
    schema_option: Mapping[str, str] = MappingProxyType({})
    """Option of ``adbc_ingest`` for the schema, if the driver needs it."""

    def __init__(self, connection: adbc.Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def queryable(self, rows: StagedTable, columns: Sequence[str] | None = None) -> Iterator[str]:
        """Load the rows into a temporary table."""
        fields = map(self.column, rows.schema_of(columns))
        self.execute(f"CREATE TEMPORARY TABLE {_STAGE} ({', '.join(fields)})")
        self._ingest(_STAGE, rows, columns, temporary=True)
        yield _STAGE
        self.execute(f"DROP TABLE {_STAGE}")

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert all staged rows."""
        self._ingest(wanted.name, rows, **self.schema_option)
        return rows.rows

    def _ingest(self, table: str, rows: StagedTable, columns: Sequence[str] | None = None, **options: Any) -> None:
        with self.connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows.reader(columns), mode="append", **options)
