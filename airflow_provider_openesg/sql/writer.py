"""Write a run into a database: stage it, then load all tables in one transaction."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.sql.runs_table import RUNS_TABLE, forget_tables, read_runs, record_run
from airflow_provider_openesg.sql.session import RUN_ID
from airflow_provider_openesg.sql.stage import StagedTable
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.layout import Table, tidy
from airflow_provider_openesg.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_provider_openesg.runs import CompletedRun, Run
    from airflow_provider_openesg.sql.session import Database, ExistingTable, Session

log = logging.getLogger(__name__)


class SqlRunWriter:
    """Write a run into a database: stage it while it is read, then load it in one transaction.

    :param tables: names of the tidy tables to write.
    :param write_mode: one of :data:`airflow_provider_openesg.sql.WRITE_MODES`.
    """

    def __init__(self, database: Database, tables: Sequence[str], write_mode: str, run: Run) -> None:
        self.write_mode = write_mode
        self.run = run
        self.wanted: list[Table] = []
        self._database = database
        self._stage: dict[str, StagedTable] = {}
        self._open = ExitStack()
        self._has_history = False
        for table in tables:
            self.expect(tidy(table))
        owners = {wanted.owner[0] for wanted in self.wanted if wanted.owner and write_mode == "merge"}
        for owner in owners - self._stage.keys():
            self._staged(owner, pa.schema([SCHEMAS[owner].field("id")]))
        self.pulls: Sequence[str] = [table for table in TABLES if table in self._stage]

    def expect(self, wanted: Table) -> None:
        """Add a table to be written."""
        if self.write_mode == "append":
            # The key contains the run, so that runs do not overwrite each other.
            wanted = replace(wanted, schema=wanted.schema.append(RUN_ID), key=(RUN_ID.name, *wanted.key))
        self.wanted.append(wanted)
        self._staged(wanted.name, self._database.storable(pa.RecordBatch.from_pylist([], wanted.schema)).schema)

    def check(self) -> None:
        """Create and alter the tables without a commit, so that errors show before any record is read.

        :raises OpenESGConfigError: if the database cannot be opened or written, or a table has another layout.
        """
        with self._database.opened() as session:
            log.info(
                "Will load into %s, schema %s: %s", self._database.name, session.schema, self._database.description
            )
            try:
                session.begin()
                self._prepare(session)
                for wanted in self.wanted:
                    session.probe(wanted)
            except session.errors as error:
                message = str(error).strip()
                raise OpenESGConfigError(
                    f"{self._database.name}, schema {session.schema}: cannot be written: {message}. The user"
                    " needs the rights to create the schema and tables, if they do not exist, and to insert, update"
                    " and delete rows."
                ) from error

    def run_history(self) -> Sequence[CompletedRun]:
        """Return the runs of this series whose rows exist. The commit adds this run to them."""
        self._has_history = True
        with self._database.opened() as session:
            _missing(session, RUNS_TABLE, session.existing_table(RUNS_TABLE))
            return read_runs(session, self.run.series, self.wanted)

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

        :raises OpenESGContractError: if the platform sent two rows with the same key.
        """
        for staged in self._stage.values():
            staged.finish()
        total = sum(self._stage[wanted.name].rows for wanted in self.wanted)
        log.info("Loading %d rows into %s", total, self._database.name)
        with self._database.opened() as session:
            # A process that ends before the commit leaves the tables unchanged.
            session.begin()
            self._prepare(session)
            for wanted in self.wanted:
                self._fill(session, wanted)
            if self.write_mode == "replace":
                forget_tables(session, self.wanted)
            if self._has_history:
                rows = {wanted.name: self._stage[wanted.name].rows for wanted in self.wanted}
                record_run(session, self.run, rows, high_water_mark)
            session.commit()
            return {"database": self._database.name, "schema": session.schema}

    def close(self) -> None:
        """Delete the staging files."""
        self._open.close()

    def _staged(self, table: str, schema: pa.Schema) -> None:
        self._stage[table] = StagedTable(table, schema)
        self._open.callback(self._stage[table].close)

    def _prepare(self, session: Session) -> None:
        """Create or alter all tables. All are compared before any is changed: not every database can roll back DDL."""
        tables = [*self.wanted, RUNS_TABLE] if self._has_history else self.wanted
        changes = [(wanted, _missing(session, wanted, session.existing_table(wanted))) for wanted in tables]
        # Before the tables are created: a database that commits DDL at once commits this with it.
        forget_tables(session, [wanted for wanted, missing in changes if missing is None])
        for wanted, missing in changes:
            if missing is None:
                session.create(wanted)
            else:
                for field in missing:
                    session.add(wanted, field)

    def _fill(self, session: Session, wanted: Table) -> None:
        rows = self._stage[wanted.name]
        had_rows = not rows.rows and self.write_mode != "append" and _has_rows(session, wanted)
        try:
            if self.write_mode == "merge":
                owners = self._stage[wanted.owner[0]] if wanted.owner else None
                # A merge would treat two rows with one key as one changed row.
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
                f"table {wanted.name}: the platform sent {rows.rows} rows with only {written} different"
                f" keys ({', '.join(wanted.key)}). Nothing was written. If a retry fails too, report it"
                " to the platform's vendor."
            )
        if had_rows and not _has_rows(session, wanted):
            raise OpenESGContractError(
                f"table {wanted.name}: this run has no row for it, so it would remove all rows of"
                f" {session.where(wanted.name)}. Nothing was written. Check templates, filters and the differences in"
                " the log; if the table is to be empty, delete its rows yourself."
            )


def _has_rows(session: Session, wanted: Table) -> bool:
    return bool(session.select(wanted, [wanted.key[0]], limit=1))


def _missing(session: Session, wanted: Table, existing: ExistingTable | None) -> list[pa.Field] | None:
    """Return the columns that an existing table lacks; ``None`` if the table does not exist.

    :raises OpenESGConfigError: for a difference that adding columns cannot resolve.
    """
    where = session.where(wanted.name)
    for name in (wanted.name, *wanted.schema.names):
        if session.longest_name is not None and len(name.encode()) > session.longest_name:
            raise OpenESGConfigError(
                f"table {where}: {name!r} has {len(name.encode())} bytes; allowed in this database: names of up to"
                f" {session.longest_name} bytes."
            )
    if existing is None:
        return None
    advice = "Use another schema, or rename the existing table."
    types = {field.name: session.type_of(field, in_key=field.name in wanted.key) for field in wanted.schema}
    for name, type_ in types.items():
        given = existing.types.get(session.folded(name))
        if given is None and name in wanted.key:
            raise OpenESGConfigError(f"table {where}: key column {name} ({type_}) is missing. {advice}")
        if given is not None and given != type_:
            raise OpenESGConfigError(f"table {where}: column {name} is {given}, but must be {type_}. {advice}")
    if existing.key != tuple(map(session.folded, wanted.key)):
        key = f"({', '.join(existing.key)})" if existing.key else "missing"
        raise OpenESGConfigError(
            f"table {where}: the primary key is {key}, but must be ({', '.join(wanted.key)}). {advice}"
            " The key contains run_id in tables of write_mode 'append' only."
        )
    if foreign := sorted(existing.required - set(map(session.folded, types))):
        raise OpenESGConfigError(
            f"table {where}: column {foreign[0]} ({existing.types[foreign[0]]}) is NOT NULL and has no default, but the"
            " platform has no value for it. Drop NOT NULL, or set a default."
        )
    return [field for field in wanted.schema if session.folded(field.name) not in existing.types]
