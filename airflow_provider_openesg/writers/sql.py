"""A run into a database: what all of them have in common.

A database is a :class:`Database` that opens, and a :class:`Session` that looks, creates and loads in its own words.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.layout import Table, tidy
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.writers.past import RUNS, forget, past_runs, remember
from airflow_provider_openesg.writers.stage import StagedTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_openesg.writers.run import PastRun, Run

log = logging.getLogger(__name__)

RUN_ID = pa.field("run_id", pa.string(), nullable=False, metadata={"description": "Run that the row came with."})
"""Column that ``append`` adds."""


@dataclass(frozen=True, slots=True)
class TableFound:
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

    way: str
    """What it is and how rows get there, for people: ``PostgreSQL by ADBC``."""

    def __init__(self, name: str, schema: str | None) -> None:
        self.name = name
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
        """Return the database's type for a column, as :meth:`found` returns it."""

    @abstractmethod
    def found(self, wanted: Table) -> TableFound | None:
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


class SqlRunWriter:
    """A run into a database: staged while it is pulled, then loaded in one transaction.

    :param tables: tidy tables to write.
    :param write_mode: one of :data:`airflow_provider_openesg.writers.WRITE_MODES`.
    """

    def __init__(self, database: Database, tables: Sequence[str], write_mode: str, run: Run) -> None:
        self.write_mode = write_mode
        self.run = run
        self.wanted: list[Table] = []
        self._database = database
        self._stage: dict[str, StagedTable] = {}
        self._open = ExitStack()
        self._goes_on = False
        for table in tables:
            self.expect(tidy(table))
        owners = {wanted.owner[0] for wanted in self.wanted if wanted.owner and write_mode == "merge"}
        for owner in owners - self._stage.keys():
            self._staged(owner, pa.schema([SCHEMAS[owner].field("id")]))
        self.pulls: Sequence[str] = [table for table in TABLES if table in self._stage]

    def expect(self, wanted: Table) -> None:
        """Take one more table, to be written like the others."""
        if self.write_mode == "append":
            # Each run's rows stay apart.
            wanted = replace(wanted, schema=wanted.schema.append(RUN_ID), key=(RUN_ID.name, *wanted.key))
        self.wanted.append(wanted)
        self._staged(wanted.name, self._database.storable(pa.RecordBatch.from_pylist([], wanted.schema)).schema)

    def check(self) -> None:
        """Make the tables fit, without committing it: whatever is in the way shows before anything is pulled.

        :raises OpenESGConfigError: where the database cannot be opened or written, or a table there is in the way.
        """
        with self._database.opened() as session:
            log.info("Will load into %s, schema %s: %s", self._database.name, session.schema, self._database.way)
            try:
                session.begin()
                self._prepare(session)
                for wanted in self.wanted:
                    session.probe(wanted)
            except session.errors as error:
                message = str(error).strip()
                raise OpenESGConfigError(
                    f"{self._database.name}, schema {session.schema}: cannot be written: {message}. Needed are the"
                    " rights to make the schema and its tables, where they do not exist, and to insert, update and"
                    " delete rows."
                ) from error

    def past(self) -> Sequence[PastRun]:
        """Return the runs of this series whose rows are there. From now on this one is to be found among them."""
        self._goes_on = True
        with self._database.opened() as session:
            _missing(session, RUNS, session.found(RUNS))
            return past_runs(session, self.run.series, self.wanted)

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Stage a batch."""
        staged = self._stage[table]
        if RUN_ID.name in staged.schema.names:
            batch = batch.append_column(RUN_ID, pa.repeat(self.run.token, batch.num_rows))
        elif staged.schema.names != batch.schema.names:
            batch = batch.select(staged.schema.names)
        staged.write(self._database.storable(batch))

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        """Load the run.

        :raises OpenESGContractError: where the platform sent two rows with one key.
        """
        for staged in self._stage.values():
            staged.finish()
        total = sum(self._stage[wanted.name].rows for wanted in self.wanted)
        log.info("Loading %d rows into %s", total, self._database.name)
        with self._database.opened() as session:
            # Whatever ends the process before the commit leaves the tables as they were.
            session.begin()
            self._prepare(session)
            for wanted in self.wanted:
                self._fill(session, wanted)
            if self.write_mode == "replace":
                forget(session, self.wanted)
            if self._goes_on:
                rows = {wanted.name: self._stage[wanted.name].rows for wanted in self.wanted}
                remember(session, self.run, rows, high_water_mark)
            session.commit()
            return {"database": self._database.name, "schema": session.schema}

    def close(self) -> None:
        """Drop the stage."""
        self._open.close()

    def _staged(self, table: str, schema: pa.Schema) -> None:
        self._stage[table] = StagedTable(table, schema)
        self._open.callback(self._stage[table].close)

    def _prepare(self, session: Session) -> None:
        """Make all tables fit. Those in the way are found before any is changed: not every database takes that back."""
        tables = [*self.wanted, RUNS] if self._goes_on else self.wanted
        changes = [(wanted, _missing(session, wanted, session.found(wanted))) for wanted in tables]
        # Before they are made: a database that commits new tables at once then commits this with them.
        forget(session, [wanted for wanted, missing in changes if missing is None])
        for wanted, missing in changes:
            if missing is None:
                session.create(wanted)
            else:
                for field in missing:
                    session.add(wanted, field)

    def _fill(self, session: Session, wanted: Table) -> None:
        rows = self._stage[wanted.name]
        try:
            if self.write_mode == "merge":
                owners = self._stage[wanted.owner[0]] if wanted.owner else None
                # What is written by key would take two rows with one key for one that changed.
                written = rows.distinct(wanted.key) if owners is None else rows.rows
                if written == rows.rows:
                    written = session.merge(wanted, rows, owners)
            else:
                session.delete(wanted, rows, self.run.token if self.write_mode == "append" else None)
                written = session.insert(wanted, rows)
        except session.errors:
            written = rows.distinct(wanted.key)
            if written == rows.rows:
                raise
        if written != rows.rows:
            raise OpenESGContractError(
                f"table {wanted.name}: {rows.rows} rows came from the platform, and only {written} differ in their"
                f" key ({', '.join(wanted.key)}). Nothing was written."
            )


def _missing(session: Session, wanted: Table, found: TableFound | None) -> list[pa.Field] | None:
    """Compare a table with what it shall be, and return the columns that it lacks; ``None`` where there is no table.

    :raises OpenESGConfigError: for a difference that cannot be made good without touching what is there.
    """
    where = session.where(wanted.name)
    for name in (wanted.name, *wanted.schema.names):
        if session.longest_name is not None and len(name.encode()) > session.longest_name:
            raise OpenESGConfigError(
                f"table {where}: {name!r} has {len(name.encode())} bytes; this database takes names of up to"
                f" {session.longest_name}."
            )
    if found is None:
        return None
    way_out = "Give another schema, or rename that table."
    types = {field.name: session.type_of(field, in_key=field.name in wanted.key) for field in wanted.schema}
    for name, type_ in types.items():
        given = found.types.get(session.folded(name))
        if given is None and name in wanted.key:
            raise OpenESGConfigError(f"table {where}: key column {name} ({type_}) is missing there. {way_out}")
        if given is not None and given != type_:
            raise OpenESGConfigError(f"table {where}: column {name} is {given} there, and has to be {type_}. {way_out}")
    if found.key != tuple(map(session.folded, wanted.key)):
        has = f"({', '.join(found.key)})" if found.key else "missing"
        raise OpenESGConfigError(
            f"table {where}: the primary key is {has} there, and has to be ({', '.join(wanted.key)}). {way_out}"
            " Tables of write_mode append have run_id in their key, the others have not."
        )
    if foreign := sorted(found.required - set(map(session.folded, types))):
        raise OpenESGConfigError(
            f"table {where}: column {foreign[0]} ({found.types[foreign[0]]}) there takes no null, and the platform has"
            f" nothing to put into it. Drop its NOT NULL, or give it a default."
        )
    return [field for field in wanted.schema if session.folded(field.name) not in found.types]


def described(item: pa.Field | pa.Schema) -> str | None:
    """Return the comment of a column or table: description, and unit where there is one."""
    metadata = {key.decode(): value.decode() for key, value in (item.metadata or {}).items()}
    unit = f" [{metadata['unit']}]" if "unit" in metadata else ""
    return metadata["description"] + unit if "description" in metadata else None
