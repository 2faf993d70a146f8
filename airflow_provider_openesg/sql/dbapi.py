"""Every other database, by its Airflow hook: SQLAlchemy speaks its SQL, rows go in by batches of parameters."""

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

from airflow_provider_openesg.exceptions import OpenESGConfigError
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
"""Rows of one statement: databases bound the number of parameters, and the size of a packet."""

_LOCKS = {
    "mysql": "SELECT GET_LOCK(MD5(CONCAT('airflow-provider-openesg ', :schema)), 0)",
    "postgresql": POSTGRES_LOCK.format(":schema"),
}
"""Locks that end with the session or the transaction, also with one that was killed."""


class DbApiDatabase(Database):
    """A database behind a hook.

    :param name: for messages and the result.
    :param secrets: what no message may show.
    :raises OpenESGConfigError: where SQLAlchemy does not know the database, or its driver is not installed.
    """

    def __init__(
        self, hook: DbApiHook, identity: DatabaseIdentity, schema: str | None, secrets: Sequence[str] = ()
    ) -> None:
        super().__init__(identity, schema)
        self._secrets = secrets
        try:
            self._engine = hook.get_sqlalchemy_engine(
                # Whose e-mail address it was is nothing for a log.
                {"creator": partial(_connected, hook), "poolclass": NullPool, "hide_parameters": True, "future": True}
            )
        except Exception as error:
            raise self._unusable(error) from None
        self.description = f"{self._engine.dialect.name} by {type(hook).__name__}, in batches of parameters"

    def storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Put what the database cannot hold into what it can."""
        return storable(dialect_name(self._engine), batch)

    @contextmanager
    def opened(self) -> Iterator[DbApiSession]:
        """Connect."""
        try:
            connection = self._engine.connect()
        except Exception as error:
            raise self._unusable(error) from None
        with connection:
            yield DbApiSession(connection, self.name, self.schema)

    def _unusable(self, error: Exception) -> OpenESGConfigError:
        message = str(error).strip()
        for secret in self._secrets:
            message = message.replace(secret, "***")
        # Without the driver's own error: what it was given may stand in there.
        return OpenESGConfigError(f"{self.name}: cannot be opened: {message}")


def _connected(hook: DbApiHook) -> Any:
    connection = hook.get_conn()
    if hook.supports_autocommit:
        # Some drivers, such as Snowflake's, would commit each statement.
        hook.set_autocommit(connection, autocommit=False)
    return connection


class DbApiSession(Session):
    """An open connection by SQLAlchemy."""

    errors = (sa.exc.SQLAlchemyError,)

    def __init__(self, connection: sa.engine.Connection, name: str, schema: str | None) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._dialect_name = dialect_name(connection)
        self._name = name
        self._given_schema = schema
        self.schema = schema or sa.inspect(connection).default_schema_name or ""
        self.longest_name = self._dialect.max_identifier_length
        self._migration = _migration(connection)

    def begin(self) -> None:
        """Begin, with a lock where the database has one for us to take."""
        if self._dialect_name == "sqlite":
            # Python's driver would begin by itself, but only with the first row.
            driver: Any = self._connection.connection.dbapi_connection
            driver.isolation_level = None
            self._connection.exec_driver_sql(f"PRAGMA busy_timeout = {locks.FILE_WAIT * 1000:.0f}")
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif lock := _LOCKS.get(self._dialect_name):
            statement = sa.text(lock).bindparams(schema=self.schema)
            wait_for_lock(
                f"{self._name}: another load into schema {self.schema}",
                lambda: bool(self._connection.execute(statement).scalar()),
            )
        if self._given_schema and self._given_schema not in sa.inspect(self._connection).get_schema_names():
            self._connection.execute(CreateSchema(self._given_schema))

    def commit(self) -> None:
        """Commit."""
        self._connection.commit()

    def where(self, table: str) -> str:
        """Return a table's name for messages."""
        return f"{self.schema}.{table} in {self._name}"

    def folded(self, name: str) -> str:
        """Fold case but in PostgreSQL, where quoted names differ by it."""
        return name if self._dialect_name == "postgresql" else name.lower()

    def type_of(self, field: pa.Field, *, in_key: bool) -> str:
        """Return the type of a column."""
        return self._compiled(column_type(self._dialect_name, field, in_key=in_key))

    def existing_table(self, wanted: Table) -> ExistingTable | None:
        """Look a table, or a view, up. Alembic knows which types are the same by another name."""
        inspector = sa.inspect(self._connection)
        schema = self._given_schema
        if not inspector.has_table(wanted.name, schema) and wanted.name not in inspector.get_view_names(schema):
            return None
        table = self._table(wanted)
        ours = {self.folded(column.name): column for column in table.columns}
        types, required = {}, set()
        for column in inspector.get_columns(wanted.name, schema):
            name = self.folded(column["name"])
            types[name] = self._type_there(wanted, column["type"], ours.get(name))
            if not column["nullable"] and column.get("default") is None and column.get("autoincrement") is not True:
                required.add(name)
        key = inspector.get_pk_constraint(wanted.name, schema).get("constrained_columns") or ()
        return ExistingTable(types, frozenset(required), tuple(map(self.folded, key)))

    def create(self, wanted: Table) -> None:
        """Make a table, with comments where the database has any."""
        self._table(wanted).create(self._connection)

    def add(self, wanted: Table, field: pa.Field) -> None:
        """Add a column."""
        Operations(self._migration).add_column(wanted.name, self._column(wanted, field), schema=self._given_schema)

    def probe(self, wanted: Table) -> None:
        """Write no rows."""
        table = self._table(wanted)
        nothing = sa.select(*table.columns).where(sa.false())
        self._connection.execute(sa.insert(table).from_select(list(table.columns), nothing))
        key = table.c[wanted.key[0]]
        self._connection.execute(sa.update(table).values({key: key}).where(sa.false()))
        self._connection.execute(sa.delete(table).where(sa.false()))

    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:  # noqa: ARG002
        """Take away rows."""
        table = self._table(wanted)
        statement = sa.delete(table)
        self._connection.execute(statement if run is None else statement.where(table.c[RUN_ID.name] == run))

    def clear(self, wanted: Table, column: str, **equal: str) -> None:
        """Empty a column."""
        table = self._table(wanted)
        self._connection.execute(sa.update(table).where(*_equal(table, equal)).values({column: None}))

    def select(
        self, wanted: Table, columns: Sequence[str], limit: int | None = None, **equal: str
    ) -> list[tuple[Any, ...]]:
        """Return rows."""
        table = self._table(wanted)
        found = sa.select(*(table.c[name] for name in columns)).where(*_equal(table, equal)).limit(limit)
        return [tuple(row) for row in self._connection.execute(found)]

    def insert(self, wanted: Table, rows: StagedTable) -> int:
        """Insert."""
        statement = sa.insert(self._table(wanted))
        for batch in _slices(rows):
            self._connection.execute(statement, batch.to_pylist())
        return rows.rows

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key: rows of owners are taken away and inserted, others updated where they are there."""
        table = self._table(wanted)
        if wanted.owner is None or owners is None:
            self._update_or_insert(table, wanted.key, rows)
            return rows.rows
        for ids in _keys(owners, ["id"]):
            self._connection.execute(sa.delete(table).where(_is_one_of([table.c[wanted.owner[1]]], ids)))
        # A row may have moved here from a record that was not pulled.
        if self._connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            columns = [table.c[name] for name in wanted.key]
            for keys in _keys(rows, wanted.key):
                self._connection.execute(sa.delete(table).where(_is_one_of(columns, keys)))
        return self.insert(wanted, rows)

    def _update_or_insert(self, table: sa.Table, key: Sequence[str], rows: StagedTable) -> None:
        """Write by key in words that every database has, leaving the columns alone that are not ours."""
        columns = [table.c[name] for name in key]
        others = [column.name for column in table.columns if column.name not in key]
        update = sa.update(table).where(*(column == sa.bindparam(f"key_{column.name}") for column in columns))
        update = update.values({name: sa.bindparam(name) for name in others})
        for batch in _slices(rows):
            keys, new, known = _tuples(batch, key), [], []
            there = set(map(tuple, self._connection.execute(sa.select(*columns).where(_is_one_of(columns, keys)))))
            for each, row in zip(keys, batch.to_pylist(), strict=True):
                if each in there:
                    known.append({name: row[name] for name in others} | {f"key_{name}": row[name] for name in key})
                else:
                    new.append(row)
            if new:
                self._connection.execute(sa.insert(table), new)
            if known:
                self._connection.execute(update, known)

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

    def _type_there(self, wanted: Table, type_: TypeEngine[Any], ours: sa.Column[Any] | None) -> str:
        """Return the type of a column that is there; by the name of ours where it is as good."""
        if isinstance(type_, sa.types.NullType):  # SQLite has columns without a type.
            return "without a type"
        there, compiled = sa.Column("there", type_), self._compiled(type_)
        if ours is None or (self._migration.impl.compare_type(there, ours) and self._dialect_name in KNOWN):
            return compiled
        if (wanted_type := self._compiled(ours.type)) != compiled and self._dialect_name not in KNOWN:
            # What a database calls the types that it was given is not ours to know for all of them.
            log.warning(
                "%s: column %s is %s; made here it is %s", self.where(wanted.name), ours.name, compiled, wanted_type
            )
        return wanted_type

    def _compiled(self, type_: Any) -> str:
        return str(type_.compile(self._dialect))


def _equal(table: sa.Table, values: Mapping[str, str]) -> list[Any]:
    return [table.c[name] == value for name, value in values.items()]


def _migration(connection: sa.engine.Connection) -> MigrationContext:
    try:
        return MigrationContext.configure(connection)
    except KeyError:
        # Alembic knows no database of that name; what all have in common is its to say for any that is declared.
        type("Impl", (DefaultImpl,), {"__dialect__": connection.dialect.name})
        return MigrationContext.configure(connection)


def _slices(rows: StagedTable) -> Iterator[pa.RecordBatch]:
    for batch in rows.batches():
        for first in range(0, batch.num_rows, _AT_ONCE):
            yield batch.slice(first, _AT_ONCE)


def _keys(rows: StagedTable, key: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Read keys, as many at once as one condition may name."""
    at_once = _AT_ONCE if len(key) == 1 else _AT_ONCE // 10
    for batch in rows.batches(key):
        for first in range(0, batch.num_rows, at_once):
            yield _tuples(batch.slice(first, at_once), key)


def _tuples(batch: pa.RecordBatch, key: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(batch.column(name).to_pylist() for name in key), strict=True))


def _is_one_of(columns: Sequence[sa.Column[Any]], keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    if len(columns) == 1:
        return columns[0].in_([each for (each,) in keys])
    # Not every database compares tuples.
    return sa.or_(*(sa.and_(*(column == part for column, part in zip(columns, each, strict=True))) for each in keys))
