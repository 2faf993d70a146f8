"""Base class of databases that load Arrow data: DuckDB, PostgreSQL, SQLite, Snowflake, BigQuery. It writes SQL text."""

# ruff: noqa: S608 - names are quoted, texts escaped: the name of a table cannot be a bound parameter

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
    """Arrow type to column type, except decimals and JSON."""
    decimal: ClassVar[str]
    """Type of decimal columns, with ``{0}`` for the Arrow type."""
    json: ClassVar[str]
    """Type of JSON columns."""

    @abstractmethod
    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""

    @abstractmethod
    def queryable(self, rows: StagedTable, columns: Sequence[str] | None = None) -> AbstractContextManager[str]:
        """Make staged rows readable for one statement, and return the name to read them from."""

    def write(self, statement: str) -> None:
        """Run a statement that changes rows."""
        self.execute(statement)

    def quoted(self, name: str) -> str:
        """Return a quoted name."""
        return '"' + name.replace('"', '""') + '"'

    def names(self, columns: Iterable[str]) -> str:
        """Return quoted names, separated by commas."""
        return ", ".join(map(self.quoted, columns))

    def literal(self, text: str | None) -> str:
        """Return a text as a literal."""
        return "NULL" if text is None else "'" + text.replace("'", "''") + "'"

    def target(self, table: str) -> str:
        """Return a table's quoted name, with its schema."""
        return f"{self.quoted(self.schema)}.{self.quoted(table)}"

    def comment(self, item: str, text: str | None) -> None:
        """Set the comment of a table or column."""
        self.execute(f"COMMENT ON {item} IS {self.literal(text)}")

    def type_of(self, field: pa.Field, *, in_key: bool) -> str:  # noqa: ARG002 - the same type for key columns
        """Return the type of a column."""
        if pa.types.is_decimal(field.type):
            return self.decimal.format(field.type)
        return self.json if is_json(field) else self.types[field.type]

    def create(self, wanted: Table) -> None:
        """Create a table."""
        target = self.target(wanted.name)
        parts = [*map(self.column, wanted.schema), *self.constraints(wanted)]
        self.execute(f"CREATE TABLE {target} ({', '.join(parts)}){self.table_options(wanted)}")
        self.comment(f"TABLE {target}", described(wanted.schema))
        for field in wanted.schema:
            self.comment(f"COLUMN {target}.{self.quoted(field.name)}", described(field))

    def constraints(self, wanted: Table) -> list[str]:
        """Return the table constraints of CREATE TABLE."""
        return [f"PRIMARY KEY ({self.names(wanted.key)})"]

    def table_options(self, wanted: Table) -> str:  # noqa: ARG002 - for overrides
        """Return the table options at the end of CREATE TABLE."""
        return ""

    def add(self, wanted: Table, field: pa.Field) -> None:
        """Add a column."""
        target = self.target(wanted.name)
        self.execute(f"ALTER TABLE {target} ADD COLUMN {self.column(field)}")
        self.comment(f"COLUMN {target}.{self.quoted(field.name)}", described(field))

    def probe(self, wanted: Table) -> None:
        """Insert, update and delete no rows."""
        target, columns, key = self.target(wanted.name), self.names(wanted.schema.names), self.quoted(wanted.key[0])
        self.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {target} WHERE false")
        self.execute(f"UPDATE {target} SET {key} = {key} WHERE false")
        self.execute(f"DELETE FROM {target} WHERE false")

    def delete(self, wanted: Table, rows: StagedTable, run: str | None = None) -> None:  # noqa: ARG002
        """Delete rows. TRUNCATE would block readers, or show them an empty table."""
        self.write(f"DELETE FROM {self.target(wanted.name)} WHERE {self.of_run(run)}")

    def clear(self, wanted: Table, column: str, **equal: str) -> None:
        """Set a column to null."""
        self.write(f"UPDATE {self.target(wanted.name)} SET {self.quoted(column)} = NULL{self._where(equal)}")

    def select(
        self, wanted: Table, columns: Sequence[str], limit: int | None = None, **equal: str
    ) -> list[tuple[Any, ...]]:
        """Return rows."""
        end = "" if limit is None else f" LIMIT {limit}"
        return self.execute(f"SELECT {self.names(columns)} FROM {self.target(wanted.name)}{self._where(equal)}{end}")

    def merge(self, wanted: Table, rows: StagedTable, owners: StagedTable | None) -> int:
        """Write by key: delete and insert the rows of the given parent records; without parent, update or insert."""
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
        self.delete_owned(wanted, owners)
        # A row may have belonged to a record that is not part of this run.
        if not self.is_empty(wanted):
            with self.queryable(rows, wanted.key) as keys:
                same = " AND ".join(f"k.{self.quoted(name)} = t.{self.quoted(name)}" for name in wanted.key)
                self.write(f"DELETE FROM {target} AS t WHERE EXISTS (SELECT 1 FROM {keys} AS k WHERE {same})")
        return self.insert(wanted, rows)

    def delete_owned(self, wanted: Table, owners: StagedTable) -> None:
        """Delete the rows of the given parent records."""
        assert wanted.owner is not None
        owner, id_ = self.quoted(wanted.owner[1]), self.quoted("id")
        with self.queryable(owners, ["id"]) as ids:
            self.write(f"DELETE FROM {self.target(wanted.name)} WHERE {owner} IN (SELECT {id_} FROM {ids})")

    def merge_statement(self, wanted: Table, source: str, *, only_changed: bool = False) -> str:
        """Return a MERGE by key, for databases that have it.

        :param source: table or subquery with the new rows.
        :param only_changed: whether rows without a changed value are not updated.
        """
        key, others = wanted.key, [name for name in wanted.schema.names if name not in wanted.key]
        old, new = ({name: f"{row}.{self.quoted(name)}" for name in wanted.schema.names} for row in ("t", "s"))
        same = " AND ".join(f"{old[name]} = {new[name]}" for name in key)
        changed = " AND ({}) IS DISTINCT FROM ({})" if only_changed else ""
        updates = ", ".join(f"{self.quoted(name)} = {new[name]}" for name in others)
        changed = changed.format(*(", ".join(row[name] for name in others) for row in (old, new)))
        return (
            f"MERGE INTO {self.target(wanted.name)} AS t USING {source} AS s ON {same}"
            f" WHEN MATCHED{changed} THEN UPDATE SET {updates}"
            f" WHEN NOT MATCHED THEN INSERT ({self.names(new)}) VALUES ({', '.join(new.values())})"
        )

    def count_keys(self, wanted: Table, staged: str) -> int:
        """Return the number of different keys of staged rows."""
        sql = f"SELECT COUNT(*) FROM (SELECT DISTINCT {self.names(wanted.key)} FROM {staged}) AS k"
        return int(self.execute(sql)[0][0])

    def is_empty(self, wanted: Table) -> bool:
        """Return whether a table has no rows."""
        return not self.execute(f"SELECT 1 FROM {self.target(wanted.name)} LIMIT 1")

    def of_run(self, run: str | None) -> str:
        """Return the condition for the rows of a run, or for all rows."""
        return "true" if run is None else f"{self.quoted(RUN_ID.name)} = {self.literal(run)}"

    def column(self, field: pa.Field) -> str:
        """Return the declaration of a column."""
        required = "" if field.nullable else " NOT NULL"
        return f"{self.quoted(field.name)} {self.type_of(field, in_key=False)}{required}"

    def _where(self, equal: Mapping[str, str]) -> str:
        conditions = " AND ".join(f"{self.quoted(name)} = {self.literal(value)}" for name, value in equal.items())
        return f" WHERE {conditions}" if equal else ""
