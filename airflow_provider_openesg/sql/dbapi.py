"""Any database with an Airflow hook. SQLAlchemy generates the SQL; rows are inserted in batches of parameters."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from airflow_provider_openesg.sql import locks
from airflow_provider_openesg.sql.dbapi_types import KNOWN, column_type, dialect_name, storable
from airflow_provider_openesg.sql.locks import POSTGRES_LOCK, wait_for_lock
from airflow_provider_openesg.sql.session import RUN_ID, Database, ExistingTable, Session, described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from sqlalchemy.types import TypeEngine

    from airflow_provider_openesg.sql.identity import DatabaseIdentity
    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table

log = logging.getLogger(__name__)

_AT_ONCE = 1000
"""Rows of one statement. Databases limit the number of parameters and the size of a packet."""

_LOCKS = {
    "mysql": "SELECT GET_LOCK(MD5(CONCAT('airflow-provider-openesg ', :schema)), 0)",
    "postgresql": POSTGRES_LOCK.format(":schema"),
}
"""Locks for loads. They are released with the session or transaction, even if the process is killed."""


class DbApiDatabase(Database):
    """A database behind a ``DbApiHook``.

    :raises OpenESGConfigError: if SQLAlchemy does not support the database, or its driver is not installed.
    """

    def __init__(
        self, hook: DbApiHook, identity: DatabaseIdentity, schema: str | None, secrets: Sequence[str] = ()
    ) -> None:
        super().__init__(identity, schema, secrets)
        try:
            self._engine = hook.get_sqlalchemy_engine(
                # Rows contain personal data, which must not be logged.
                {"creator": partial(_connected, hook), "poolclass": NullPool, "hide_parameters": True, "future": True}
            )
        except Exception as error:
            raise self.unusable(error) from None
        self.description = f"{self._engine.dialect.name} by {type(hook).__name__}, in batches of parameters"

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert values that this database cannot store."""
        return storable(dialect_name(self._engine), batch)

    @contextmanager
    def opened(self) -> Iterator[DbApiSession]:
        """Connect."""
        try:
            connection = self._engine.connect()
        except Exception as error:
            raise self.unusable(error) from None
        with connection:
            yield DbApiSession(connection, self.name, self.schema)


def _connected(hook: DbApiHook) -> Any:
    connection = hook.get_conn()
    if hook.supports_autocommit:
        # By default, some drivers (Snowflake's) commit each statement.
        hook.set_autocommit(connection, autocommit=False)
    return connection


class DbApiSession(Session):
    """An open connection by SQLAlchemy."""

    errors = (sa.exc.SQLAlchemyError,)

    def __init__(self, connection: sa.engine.Connection, name: str, schema: str | None) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._dialect_name = dialect_name(connection)
        self.name = name
        self._given_schema = schema
        self.schema = schema or sa.inspect(connection).default_schema_name or ""
        self.longest_name = self._dialect.max_identifier_length
        self._migration = _migration(connection)

    def begin(self) -> None:
        """Begin, with a lock if the database has a suitable one."""
        if self._dialect_name == "sqlite":
            # By default, Python's driver begins the transaction only with the first insert.
            driver: Any = self._connection.connection.dbapi_connection
            driver.isolation_level = None
            self._connection.exec_driver_sql(f"PRAGMA busy_timeout = {locks.FILE_WAIT * 1000:.0f}")
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif lock := _LOCKS.get(self._dialect_name):
            statement = sa.text(lock).bindparams(schema=self.schema)
            wait_for_lock(
                f"{self.name}: another load into schema {self.schema}",
                lambda: bool(self._connection.execute(statement).scalar()),
            )
        if self._given_schema and self._given_schema not in sa.inspect(self._connection).get_schema_names():
            self._connection.execute(CreateSchema(self._given_schema))

    def commit(self) -> None:
        """Commit."""
        self._connection.commit()

    def folded(self, name: str) -> str:
        """Return the name in lower case; unchanged for PostgreSQL, which compares quoted names with case."""
        return name if self._dialect_name == "postgresql" else name.lower()

    def type_of(self, field: pa.Field, *, in_key: bool) -> str:
        """Return the type of a column."""
        return self._compiled(column_type(self._dialect_name, field, in_key=in_key))

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Return the existing table or view. Alembic compares the types."""
        inspector = sa.inspect(self._connection)
        schema = self._given_schema
        if not inspector.has_table(wanted.name, schema) and wanted.name not in inspector.get_view_names(schema):
            return None
        table = self._table(wanted)
        wanted_columns = {self.folded(column.name): column for column in table.columns}
        types, required = {}, set()
        for column in inspector.get_columns(wanted.name, schema):
            name = self.folded(column["name"])
            types[name] = self._existing_type(wanted, column["type"], wanted_columns.get(name))
            if not column["nullable"] and column.get("default") is None and column.get("autoincrement") is not True:
                required.add(name)
        key = inspector.get_pk_constraint(wanted.name, schema).get("constrained_columns") or ()
        return ExistingTable(types, frozenset(required), tuple(map(self.folded, key)))

    def create(self, wanted: Table) -> None:
        """Create a table, with comments if the database has them."""
        self._table(wanted).create(self._connection)

    def add(self, wanted: Table, field: pa.Field) -> None:
        """Add a column."""
        Operations(self._migration).add_column(wanted.name, self._column(wanted, field), schema=self._given_schema)

    def probe(self, wanted: Table) -> None:
        """Insert, update and delete no rows."""
        table = self._table(wanted)
        nothing = sa.select(*table.columns).where(sa.false())
        self._connection.execute(sa.insert(table).from_select(list(table.columns), nothing))
        key = table.c[wanted.key[0]]
        self._connection.execute(sa.update(table).values({key: key}).where(sa.false()))
        self._connection.execute(sa.delete(table).where(sa.false()))

    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:  # noqa: ARG002
        """Delete rows."""
        table = self._table(wanted)
        statement = sa.delete(table)
        self._connection.execute(statement if run is None else statement.where(table.c[RUN_ID.name] == run))

    def clear(self, wanted: Table, column: str, **equal: str) -> None:
        """Set a column to null."""
        table = self._table(wanted)
        self._connection.execute(sa.update(table).where(*_equal(table, equal)).values({column: None}))

    def select(
        self, wanted: Table, columns: Sequence[str], limit: int | None = None, **equal: str
    ) -> list[tuple[Any, ...]]:
        """Return rows."""
        table = self._table(wanted)
        statement = sa.select(*(table.c[name] for name in columns)).where(*_equal(table, equal)).limit(limit)
        return [tuple(row) for row in self._connection.execute(statement)]

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert all staged rows."""
        statement = sa.insert(self._table(wanted))
        for batch in _slices(rows):
            self._connection.execute(statement, batch.to_pylist())
        return rows.rows

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key: delete and insert the rows of the given parent records; without parent, update or insert."""
        table = self._table(wanted)
        if wanted.owner is None or owners is None:
            self._update_or_insert(table, wanted.key, rows)
            return rows.rows
        for ids in _keys(owners, ["id"]):
            self._connection.execute(sa.delete(table).where(_is_one_of([table.c[wanted.owner[1]]], ids)))
        # A row may have belonged to a record that is not part of this run.
        if self._connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            columns = [table.c[name] for name in wanted.key]
            for keys in _keys(rows, wanted.key):
                self._connection.execute(sa.delete(table).where(_is_one_of(columns, keys)))
        return self.insert(wanted, rows)

    def _update_or_insert(self, table: sa.Table, key: Sequence[str], rows: StagedTable) -> None:
        """Write by key with SELECT, INSERT and UPDATE only. Other columns of existing rows are not changed."""
        columns = [table.c[name] for name in key]
        others = [column.name for column in table.columns if column.name not in key]
        update = sa.update(table).where(*(column == sa.bindparam(f"key_{column.name}") for column in columns))
        update = update.values({name: sa.bindparam(name) for name in others})
        for batch in _slices(rows):
            keys, inserts, updates = _tuples(batch, key), [], []
            existing = set(map(tuple, self._connection.execute(sa.select(*columns).where(_is_one_of(columns, keys)))))
            for each, row in zip(keys, batch.to_pylist(), strict=True):
                if each in existing:
                    updates.append({name: row[name] for name in others} | {f"key_{name}": row[name] for name in key})
                else:
                    inserts.append(row)
            if inserts:
                self._connection.execute(sa.insert(table), inserts)
            if updates:
                self._connection.execute(update, updates)

    def _table(self, wanted: Table) -> sa.Table:
        columns: list[Any] = [self._column(wanted, field) for field in wanted.schema]
        columns.append(sa.PrimaryKeyConstraint(*wanted.key))
        return sa.Table(
            wanted.name, sa.MetaData(), *columns, schema=self._given_schema, comment=described(wanted.schema)
        )

    def _column(self, wanted: Table, field: pa.Field) -> sa.Column[Any]:
        in_key = field.name in wanted.key
        return sa.Column(
            field.name,
            column_type(self._dialect_name, field, in_key=in_key),
            nullable=field.nullable,
            autoincrement=False,
            comment=described(field),
        )

    def _existing_type(self, wanted: Table, type_: TypeEngine[Any], column: sa.Column[Any] | None) -> str:
        """Return the type of an existing column; the name of the required type if both are equivalent."""
        if isinstance(type_, sa.types.NullType):  # SQLite has columns without a type.
            return "without a type"
        existing, compiled = sa.Column("existing", type_), self._compiled(type_)
        if column is None or (self._migration.impl.compare_type(existing, column) and self._dialect_name in KNOWN):
            return compiled
        if (wanted_type := self._compiled(column.type)) != compiled and self._dialect_name not in KNOWN:
            # Other databases may report a type under another name than the one in CREATE TABLE.
            log.warning(
                "table %s: column %s has type %s; a new table gets %s",
                self.where(wanted.name), column.name, compiled, wanted_type,
            )  # fmt: skip
        return wanted_type

    def _compiled(self, type_: Any) -> str:
        return str(type_.compile(self._dialect))


def _equal(table: sa.Table, values: Mapping[str, str]) -> list[Any]:
    return [table.c[name] == value for name, value in values.items()]


def _migration(connection: sa.engine.Connection) -> MigrationContext:
    try:
        return MigrationContext.configure(connection)
    except KeyError:
        # Alembic has no class for this database. Declaring one registers its default implementation.
        type("Impl", (DefaultImpl,), {"__dialect__": connection.dialect.name})
        return MigrationContext.configure(connection)


def _slices(rows: StagedTable) -> Iterator[pa.RecordBatch]:
    for batch in rows.batches():
        for first in range(0, batch.num_rows, _AT_ONCE):
            yield batch.slice(first, _AT_ONCE)


def _keys(rows: StagedTable, key: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield lists of keys, each short enough for one condition."""
    at_once = _AT_ONCE if len(key) == 1 else _AT_ONCE // 10
    for batch in rows.batches(key):
        for first in range(0, batch.num_rows, at_once):
            yield _tuples(batch.slice(first, at_once), key)


def _tuples(batch: pa.RecordBatch, key: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(batch.column(name).to_pylist() for name in key), strict=True))


def _is_one_of(columns: Sequence[sa.Column[Any]], keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    if len(columns) == 1:
        return columns[0].in_([each for (each,) in keys])
    # Not every database can compare tuples.
    return sa.or_(*(sa.and_(*(column == part for column, part in zip(columns, each, strict=True))) for each in keys))
