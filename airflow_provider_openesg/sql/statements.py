"""Databases that are spoken to in SQL text and take Arrow: DuckDB, PostgreSQL, SQLite, Snowflake, BigQuery."""

# ruff: noqa: S608 - names are quoted, texts escaped: a table's name cannot be a bound parameter

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from airflow_provider_openesg.sql.session import RUN_ID, Session, described
from airflow_provider_openesg.tables.schemas import is_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table


class StatementSession(Session):
    """A session in standard SQL, with ``INSERT … ON CONFLICT``."""

    types: ClassVar[Mapping[pa.DataType, str]]
    """Arrow type to type, but for those that follow."""
    decimal: ClassVar[str]
    json: ClassVar[str]

    @abstractmethod
    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""

    @abstractmethod
    def queryable(self, rows: StagedTable, columns: Sequence[str] | None = None) -> AbstractContextManager[str]:
        """Make staged rows readable under the name that is given: for one statement."""

    def write(self, statement: str) -> None:
        """Run a statement that changes rows."""
        self.execute(statement)

    def quoted(self, name: str) -> str:
        """Return a name as this database takes any."""
        return quoted(name)

    def names(self, columns: Iterable[str]) -> str:
        """Return a list of names."""
        return ", ".join(map(self.quoted, columns))

    def literal(self, text: str | None) -> str:
        """Return a text as this database takes any."""
        return literal(text)

    def target(self, table: str) -> str:
        """Return a table's name, with where it stands."""
        return f"{self.quoted(self.schema)}.{self.quoted(table)}"

    def comment(self, what: str, text: str | None) -> None:
        """Leave a comment."""
        self.execute(f"COMMENT ON {what} IS {self.literal(text)}")

    def type_of(self, field: pa.Field, *, in_key: bool) -> str:  # noqa: ARG002 - one type, in a key and elsewhere
        """Return the type of a column."""
        if pa.types.is_decimal(field.type):
            return self.decimal.format(field.type)
        return self.json if is_json(field) else self.types[field.type]

    def create(self, wanted: Table) -> None:
        """Make a table."""
        target = self.target(wanted.name)
        parts = [*map(self.column, wanted.schema), *self.constraints(wanted)]
        self.execute(f"CREATE TABLE {target} ({', '.join(parts)}){self.table_options(wanted)}")
        self.comment(f"TABLE {target}", described(wanted.schema))
        for field in wanted.schema:
            self.comment(f"COLUMN {target}.{self.quoted(field.name)}", described(field))

    def constraints(self, wanted: Table) -> list[str]:
        """Return what a new table is made with beside its columns."""
        return [f"PRIMARY KEY ({self.names(wanted.key)})"]

    def table_options(self, wanted: Table) -> str:  # noqa: ARG002 - for those that have any
        """Return what a new table is made with behind them."""
        return ""

    def add(self, wanted: Table, field: pa.Field) -> None:
        """Add a column."""
        target = self.target(wanted.name)
        self.execute(f"ALTER TABLE {target} ADD COLUMN {self.column(field)}")
        self.comment(f"COLUMN {target}.{self.quoted(field.name)}", described(field))

    def probe(self, wanted: Table) -> None:
        """Write no rows."""
        target, columns, key = self.target(wanted.name), self.names(wanted.schema.names), self.quoted(wanted.key[0])
        self.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {target} WHERE false")
        self.execute(f"UPDATE {target} SET {key} = {key} WHERE false")
        self.execute(f"DELETE FROM {target} WHERE false")

    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:  # noqa: ARG002
        """Take away rows. Not TRUNCATE, which readers would wait for, or see."""
        self.write(f"DELETE FROM {self.target(wanted.name)} WHERE {self.of_run(run)}")

    def clear(self, wanted: Table, column: str, **equal: str) -> None:
        """Empty a column."""
        self.write(f"UPDATE {self.target(wanted.name)} SET {self.quoted(column)} = NULL{self._where(equal)}")

    def select(
        self, wanted: Table, columns: Sequence[str], limit: int | None = None, **equal: str
    ) -> list[tuple[Any, ...]]:
        """Return rows."""
        end = "" if limit is None else f" LIMIT {limit}"
        return self.execute(f"SELECT {self.names(columns)} FROM {self.target(wanted.name)}{self._where(equal)}{end}")

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key: rows of owners are taken away and inserted, others updated where they are there."""
        target = self.target(wanted.name)
        if wanted.owner is None or owners is None:
            others = [name for name in wanted.schema.names if name not in wanted.key]
            updates = ", ".join(f"{self.quoted(name)} = excluded.{self.quoted(name)}" for name in others)
            with self.queryable(rows) as staged:
                self.write(
                    f"INSERT INTO {target} ({self.names(wanted.schema.names)})"
                    f" SELECT {self.names(wanted.schema.names)} FROM {staged} WHERE true"
                    f" ON CONFLICT ({self.names(wanted.key)}) DO UPDATE SET {updates}"
                )
            return rows.rows
        with self.queryable(owners, ["id"]) as ids:
            self.write(f"DELETE FROM {target} WHERE {self.quoted(wanted.owner[1])} IN (SELECT id FROM {ids})")
        # A row may have moved here from a record that was not pulled.
        if self.execute(f"SELECT 1 FROM {target} LIMIT 1"):
            with self.queryable(rows, wanted.key) as keys:
                same = " AND ".join(f"k.{self.quoted(name)} = t.{self.quoted(name)}" for name in wanted.key)
                self.write(f"DELETE FROM {target} AS t WHERE EXISTS (SELECT 1 FROM {keys} AS k WHERE {same})")
        return self.insert(wanted, rows)

    def of_run(self, run: str | None) -> str:
        """Return the condition for the rows of a run, or for all."""
        return "true" if run is None else f"{self.quoted(RUN_ID.name)} = {self.literal(run)}"

    def column(self, field: pa.Field) -> str:
        """Declare a column."""
        required = "" if field.nullable else " NOT NULL"
        return f"{self.quoted(field.name)} {self.type_of(field, in_key=False)}{required}"

    def _where(self, equal: Mapping[str, str]) -> str:
        conditions = " AND ".join(f"{self.quoted(name)} = {self.literal(value)}" for name, value in equal.items())
        return f" WHERE {conditions}" if equal else ""


def quoted(name: str) -> str:
    """Return a name as SQL takes any."""
    return '"' + name.replace('"', '""') + '"'


def names(columns: Iterable[str]) -> str:
    """Return a list of names."""
    return ", ".join(map(quoted, columns))


def literal(text: str | None) -> str:
    """Return a text as SQL takes any."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"
