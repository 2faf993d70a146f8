"""What a database must be able to do for a load: the interface that each database module implements.

A :class:`Database` is opened, and a :class:`Session` inspects, creates and loads tables in that database's SQL.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from airflow_provider_openesg.sql.identity import DatabaseIdentity
    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table

RUN_ID = pa.field("run_id", pa.string(), nullable=False, metadata={"description": "Run that the row came with."})
"""Column that ``append`` adds."""


@dataclass(frozen=True, slots=True)
class ExistingTable:
    """A table as the database holds it.

    :param types: column to type, as the database writes it.
    :param required: columns that take no null and fill in nothing themselves.
    :param key: columns of the primary key, in order; empty where there is none.
    """

    types: Mapping[str, str]
    required: frozenset[str]
    key: tuple[str, ...]


class Database(ABC):
    """A database that can be opened, and the way into it.

    :param schema: schema of the tables; ``None`` for the database's own.
    """

    description: str
    """What it is and how rows get there, for people: ``PostgreSQL by ADBC``."""

    def __init__(self, identity: DatabaseIdentity, schema: str | None) -> None:
        self.identity = identity
        self.name = identity.name
        self.schema = schema

    @abstractmethod
    def opened(self) -> AbstractContextManager[Session]:
        """Open the database; what its session has not committed in the end is undone.

        :raises OpenESGConfigError: where it cannot be opened.
        """

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with what this database cannot hold put into what it can."""
        return batch


class Session(ABC):
    """A connection to a database: one transaction, of which others see nothing until it is committed."""

    errors: tuple[type[Exception], ...]
    """What the driver raises."""
    longest_name: int | None = None
    """Bytes that a table's or column's name may have."""

    schema: str
    """Schema of the tables, where the database has any."""

    @abstractmethod
    def begin(self) -> None:
        """Begin the transaction, wait until no other load goes on, and make the schema where it does not exist."""

    @abstractmethod
    def commit(self) -> None:
        """Let others see it."""

    @abstractmethod
    def where(self, table: str) -> str:
        """Return a table's full name, for messages."""

    @abstractmethod
    def type_of(self, field: pa.Field, *, in_key: bool) -> str:
        """Return the database's type for a column, as :meth:`existing_table` returns it."""

    @abstractmethod
    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the table that is there; a type that is as good as the one wanted by that one's name."""

    @abstractmethod
    def create(self, wanted: Table) -> None:
        """Make a table, with its primary key and comments."""

    @abstractmethod
    def add(self, wanted: Table, field: pa.Field) -> None:
        """Add a column to a table that is there."""

    @abstractmethod
    def probe(self, wanted: Table) -> None:
        """Insert, update and delete no rows: whether we may is for the database to say."""

    @abstractmethod
    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:
        """Take away the rows that are there, all of them or those of a run.

        :param rows: what is inserted next; a database whose insert replaces rows may leave the ones that come again.
        """

    @abstractmethod
    def clear(self, wanted: Table, column: str, **equal: str) -> None:
        """Empty a column, in all rows or in those with these values."""

    @abstractmethod
    def select(
        self, wanted: Table, columns: Sequence[str], limit: int | None = None, **equal: str
    ) -> list[tuple[Any, ...]]:
        """Return some columns of all rows, or of those with these values."""

    @abstractmethod
    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert rows, and return how many there are now for them."""

    @abstractmethod
    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write rows by key, and return how many there are now for them.

        :param owners: records whose rows are taken away before.
        """

    def folded(self, name: str) -> str:
        """Return a name as this database compares it."""
        return name.lower()


def described(item: pa.Field | pa.Schema) -> str | None:
    """Return the comment of a column or table: description, and unit where there is one."""
    metadata = {key.decode(): value.decode() for key, value in (item.metadata or {}).items()}
    unit = f" [{metadata['unit']}]" if "unit" in metadata else ""
    return metadata["description"] + unit if "description" in metadata else None
