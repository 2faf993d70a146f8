"""The interface that each database module implements.

A :class:`Database` is opened, and a :class:`Session` inspects, creates and loads tables in that database's SQL.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from airflow_provider_openesg.sql.identity import DatabaseIdentity
    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table

RUN_ID = pa.field("run_id", pa.string(), nullable=False, metadata={"description": "Run that wrote the row."})
"""Column that ``append`` adds."""


@dataclass(frozen=True, slots=True)
class ExistingTable:
    """An existing table.

    :param types: column to type, as the database names it.
    :param required: columns with NOT NULL and without a default.
    :param key: columns of the primary key, in order; empty if the table has none.
    """

    types: Mapping[str, str]
    required: frozenset[str]
    key: tuple[str, ...]


class Database(ABC):
    """A database that can be opened.

    :param identity: names of the database.
    :param schema: schema of the tables; by default the database's default schema.
    :param secrets: texts that messages must not show.
    """

    description: str
    """Database and load method for the log, such as ``PostgreSQL, by ADBC (COPY)``."""

    def __init__(self, identity: DatabaseIdentity, schema: str | None, secrets: Sequence[str] = ()) -> None:
        self.identity = identity
        self.name = identity.name
        self.schema = schema
        self._secrets = secrets

    @abstractmethod
    def opened(self) -> AbstractContextManager[Session]:
        """Open the database. Changes that the session has not committed are rolled back.

        :raises OpenESGConfigError: if it cannot be opened.
        """

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with values that this database cannot store converted to values that it can."""
        return batch

    def unusable(self, error: Exception) -> OpenESGConfigError:
        """Return the error for a database that cannot be opened.

        Raise it ``from None``: the driver's own error may contain the options of the connection.
        """
        message = str(error).strip()
        for secret in self._secrets:
            message = message.replace(secret, "***")
        return OpenESGConfigError(
            f"{self.name}: cannot be opened: {message.rstrip('.')}. Check host, login and driver of the Connection."
        )


class Session(ABC):
    """A connection to a database, with one transaction."""

    errors: tuple[type[Exception], ...]
    """Exceptions of the driver."""
    longest_name: int | None = None
    """Maximum length of a table or column name in bytes."""

    name: str
    """Name of the database, for messages."""
    schema: str
    """Schema of the tables, if the database has schemas."""

    @abstractmethod
    def begin(self) -> None:
        """Begin the transaction, acquire the lock for loads, and create the schema if it does not exist."""

    @abstractmethod
    def commit(self) -> None:
        """Commit the transaction."""

    @abstractmethod
    def type_of(self, field: pa.Field, *, in_key: bool) -> str:
        """Return the database's type for a column, as :meth:`existing_table` returns it."""

    @abstractmethod
    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table. A type that is equivalent to the required one has that one's name."""

    @abstractmethod
    def create(self, wanted: Table) -> None:
        """Create a table, with its primary key and comments."""

    @abstractmethod
    def add(self, wanted: Table, field: pa.Field) -> None:
        """Add a column to an existing table."""

    @abstractmethod
    def probe(self, wanted: Table) -> None:
        """Insert, update and delete no rows, so that the database checks the rights."""

    @abstractmethod
    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:
        """Delete all rows, or the rows of one run.

        :param rows: rows that are inserted next; a database whose insert replaces rows may keep those.
        """

    @abstractmethod
    def clear(self, wanted: Table, column: str, **equal: str) -> None:
        """Set a column to null, in all rows or in those with these values."""

    @abstractmethod
    def select(
        self, wanted: Table, columns: Sequence[str], limit: int | None = None, **equal: str
    ) -> list[tuple[Any, ...]]:
        """Return some columns of all rows, or of those with these values."""

    @abstractmethod
    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert rows, and return how many different rows the table has for them."""

    @abstractmethod
    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write rows by key, and return how many different rows the table has for them.

        :param owners: parent records, whose existing rows are deleted first.
        """

    def where(self, table: str) -> str:
        """Return a table's full name, for messages."""
        return f"{self.schema}.{table} in {self.name}"

    def folded(self, name: str) -> str:
        """Return a name as this database compares names."""
        return name.lower()


def described(item: pa.Field | pa.Schema) -> str | None:
    """Return the comment of a column or table: its description and unit."""
    metadata = {key.decode(): value.decode() for key, value in (item.metadata or {}).items()}
    unit = f" [{metadata['unit']}]" if "unit" in metadata else ""
    return metadata["description"] + unit if "description" in metadata else None
