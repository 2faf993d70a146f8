"""Base classes of Snowflake and BigQuery, which are loaded by ADBC."""

# ruff: noqa: S608 - names are quoted, texts escaped

from __future__ import annotations

import secrets
from abc import abstractmethod
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql.adbc import AdbcDatabase, AdbcSession
from airflow_provider_openesg.sql.session import RUN_ID, ExistingTable
from airflow_provider_openesg.sql.stage import StagedTable
from airflow_provider_openesg.sql.storable import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import adbc_driver_manager.dbapi as adbc

    from airflow_provider_openesg.tables.layout import Table


class WarehouseDatabase(AdbcDatabase):
    """A warehouse."""

    @contextmanager
    def opened(self) -> Iterator[WarehouseSession]:
        """Connect, and drop the staging tables at the end."""
        with super().opened() as session:
            assert isinstance(session, WarehouseSession)
            try:
                yield session
            finally:
                session.drop_stages()

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert decimals, dates and times to text, which the merge casts: each driver treats them differently."""
        return as_text(batch)


class WarehouseSession(AdbcSession):
    """An open connection to a warehouse, which commits with every CREATE TABLE and does not enforce primary keys.

    So rows are first loaded into staging tables, which the warehouse drops by itself. Statements that change rows
    are queued, and run in one transaction on commit.
    """

    def __init__(self, connection: adbc.Connection, name: str, schema: str | None) -> None:
        super().__init__(connection, name)
        connection.adbc_connection.set_autocommit(True)
        if not schema:
            raise OpenESGConfigError(f"{name}: schema: not given, and the Connection has none. Set the schema.")
        self.schema = schema
        self._queued: list[str] = []
        self._stages: list[str] = []
        self._in_transaction = False

    @abstractmethod
    def has_schema(self) -> bool:
        """Return whether the schema exists."""

    @abstractmethod
    def columns(self, table: str) -> list[tuple[Any, ...]]:
        """Return the columns of a table: name in lower case, type, and whether it needs a value."""

    @abstractmethod
    def create_stage(self, stage: str, columns: str) -> None:
        """Create a table that the warehouse drops by itself."""

    def begin(self) -> None:
        """Create the schema if it does not exist."""
        if not self.has_schema():
            self.execute(f"CREATE SCHEMA {self.quoted(self.schema)}")

    def commit(self) -> None:
        """Change the rows, in one transaction."""
        if self._queued:
            self._in_transaction = True
            self.transact(self._queued)
            self._in_transaction = False
        self._queued = []

    def transact(self, statements: Sequence[str]) -> None:
        """Run statements in one transaction; one that fails ends with the connection."""
        self.connection.adbc_connection.set_autocommit(False)
        for statement in statements:
            self.execute(statement)
        self.connection.commit()
        self.connection.adbc_connection.set_autocommit(True)

    def write(self, statement: str) -> None:
        """Queue a statement until the commit."""
        self._queued.append(statement)

    def comment(self, item: str, text: str | None) -> None:
        """Do nothing: comments are part of CREATE TABLE, because every statement takes a second or more."""

    def create(self, wanted: Table) -> None:
        """Create a table. Statements that are queued are committed with it."""
        self.commit()
        super().create(wanted)

    def add(self, wanted: Table, field: pa.Field) -> None:
        """Add a column. Statements that are queued are committed with it."""
        self.commit()
        super().add(wanted, field)

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table or view. Its key is taken from its columns, as no key is enforced."""
        columns = self.columns(wanted.name)
        if not columns:
            return None
        types = {name: type_ for name, type_, _ in columns}
        required = frozenset(name for name, _, required in columns if required)
        run = [RUN_ID.name] if RUN_ID.name in required and RUN_ID.name not in wanted.key else []
        return ExistingTable(types, required, (*run, *map(self.folded, wanted.key)))

    def probe(self, wanted: Table) -> None:
        """Insert, update and delete no rows, and stage one row, which needs other rights."""
        super().probe(wanted)
        if not self._stages:
            with closing(StagedTable(wanted.name, pa.schema([("id", pa.string())]))) as row:
                row.write(pa.RecordBatch.from_pylist([{"id": "1"}], row.schema))
                row.finish()
                with self.queryable(row):
                    pass

    @contextmanager
    def queryable(self, rows: StagedTable, columns: Sequence[str] | None = None) -> Iterator[str]:
        """Load the rows into a staging table, which is dropped after the commit."""
        stage = f"OPENESG_STAGE_{secrets.token_hex(8).upper()}"
        self._stages.append(self.target(stage))
        fields = [f"{self.quoted(field.name)} {self.type_of(field, in_key=False)}" for field in rows.schema_of(columns)]
        self.create_stage(self.target(stage), ", ".join(fields))
        self._ingest(stage, rows, columns, **self.schema_option)
        yield self.target(stage)

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Write by key, and return the number of different keys."""
        if not rows.rows:
            return 0
        with self.queryable(rows) as staged:
            keys = self.count_keys(wanted, staged)
            columns = ", ".join(self._value(field, rows.schema.field(field.name)) for field in wanted.schema)
            self.write(self.merge_statement(wanted, f"(SELECT {columns} FROM {staged})"))
        return keys

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key, and delete rows that the given parent records no longer have."""
        if wanted.owner is not None and owners is not None and owners.rows:
            self.delete_owned(wanted, owners)
        return self.insert(wanted, rows)

    def _value(self, field: pa.Field, staged: pa.Field) -> str:
        """Return a column of the staging table, cast to its type."""
        name = self.quoted(field.name)
        return name if field.type == staged.type else f"CAST({name} AS {self.type_of(field, in_key=False)}) AS {name}"

    def drop_stages(self) -> None:
        """Drop the staging tables, except after a failed transaction, which DROP TABLE would commit."""
        if not self._in_transaction:
            with suppress(*self.errors):  # the warehouse drops them later by itself
                for stage in self._stages:
                    self.execute(f"DROP TABLE {stage}")
