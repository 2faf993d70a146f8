"""What all databases have in common: staging on local disk, the tables wanted, and what may not be in the way.

A database is a subclass of :class:`SqlRunWriter` that opens, looks, creates and loads in its own words.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_openesg.writers.run import PastRun, Run

OWNERS: Mapping[str, tuple[str, str]] = {
    "sections": ("report_templates", "template_id"),
    "field_types": ("report_templates", "template_id"),
    "field_values": ("reports", "report_id"),
}
"""Tables whose rows come and go with a record of another table, and the column that names it.

A merge takes away all rows of the records that were pulled before it writes the new ones: a value that was deleted from
a report on the platform would otherwise stay for ever.
"""

RUN_ID = pa.field("run_id", pa.string(), nullable=False, metadata={"description": "Run that the row came with."})
"""Column that ``append`` adds."""


@dataclass(frozen=True, slots=True)
class TableWanted:
    """A table as the database shall hold it."""

    name: str
    fields: Sequence[pa.Field]
    key: tuple[str, ...]
    comment: str | None

    @classmethod
    def of(cls, table: str, write_mode: str) -> TableWanted:
        """Describe a table; ``append`` keeps each run's rows apart."""
        schema, key = SCHEMAS[table], TABLES[table]
        fields = list(schema)
        if write_mode == "append":
            fields, key = [*fields, RUN_ID], (RUN_ID.name, *key)
        return cls(table, fields, key, described(schema))


@dataclass(frozen=True, slots=True)
class TableFound:
    """A table as the database holds it. Names in lower case, as databases compare them.

    :param types: column to type, as the database writes it.
    :param required: columns that take no null and fill in nothing themselves.
    :param key: columns of the primary key, in order; empty where there is none.
    """

    types: Mapping[str, str]
    required: frozenset[str]
    key: tuple[str, ...]


def columns_to_add(where: str, wanted: TableWanted, types: Mapping[str, str], found: TableFound) -> list[pa.Field]:
    """Compare a table with what it shall be, and return the columns that it lacks.

    :param where: the table's full name, for messages.
    :param types: the database's type for each column of ours.
    :raises OpenESGConfigError: for a difference that cannot be made good without touching what is there.
    """
    way_out = "Give another schema, or rename that table."
    for name, type_ in types.items():
        given = found.types.get(name)
        if given is None and name in wanted.key:
            raise OpenESGConfigError(f"table {where}: key column {name} ({type_}) is missing there. {way_out}")
        if given is not None and given != type_:
            raise OpenESGConfigError(f"table {where}: column {name} is {given} there, and has to be {type_}. {way_out}")
    if found.key != wanted.key:
        has = f"({', '.join(found.key)})" if found.key else "missing"
        raise OpenESGConfigError(
            f"table {where}: the primary key is {has} there, and has to be ({', '.join(wanted.key)}). {way_out}"
            " Tables of write_mode append have run_id in their key, the others have not."
        )
    if foreign := sorted(found.required - types.keys()):
        raise OpenESGConfigError(
            f"table {where}: column {foreign[0]} ({found.types[foreign[0]]}) there takes no null, and the platform has"
            f" nothing to put into it. Drop its NOT NULL, or give it a default."
        )
    return [field for field in wanted.fields if field.name not in found.types]


def described(item: pa.Field | pa.Schema) -> str | None:
    """Return the comment of a column or table: description, and unit where there is one."""
    metadata = {key.decode(): value.decode() for key, value in (item.metadata or {}).items()}
    unit = f" [{metadata['unit']}]" if "unit" in metadata else ""
    return metadata["description"] + unit if "description" in metadata else None


class Stage:
    """Batches on local disk until they are loaded, one file per table.

    The files have no name (they stand in ``TMPDIR``): whatever kills the process, nothing is left of them. They keep
    memory bounded, and the database open only for as long as loading takes.
    """

    def __init__(self) -> None:
        self._files: dict[str, Any] = {}
        self._writers: dict[str, pa.ipc.RecordBatchStreamWriter] = {}
        self.rows: dict[str, int] = {}

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Add a batch."""
        if table not in self._writers:
            self._files[table] = tempfile.TemporaryFile(prefix="openesg-")  # noqa: SIM115 - closed with the stage
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[table] = pa.ipc.new_stream(self._files[table], batch.schema, options=options)
            self.rows[table] = 0
        self._writers[table].write_batch(batch)
        self.rows[table] += batch.num_rows

    def finish(self) -> None:
        """End all files; nothing can be added any more."""
        for writer in self._writers.values():
            writer.close()

    def reader(self, table: str) -> pa.RecordBatchReader:
        """Read a table from its start; each reader is good for one pass, and for one at a time."""
        self._files[table].seek(0)
        return pa.ipc.open_stream(self._files[table])

    def close(self) -> None:
        """Let go of the disk."""
        for file in self._files.values():
            file.close()


class SqlRunWriter(ABC):
    """A run into a database: staged while it is pulled, then loaded in one transaction.

    :param tables: tables to write.
    :param write_mode: one of :data:`airflow_provider_openesg.writers.WRITE_MODES`.
    """

    def __init__(self, tables: Sequence[str], write_mode: str, run: Run) -> None:
        self.tables = tables
        self.wanted = [TableWanted.of(table, write_mode) for table in tables]
        self.write_mode = write_mode
        self.run = run
        owners = {OWNERS[table][0] for table in tables if table in OWNERS} if write_mode == "merge" else set()
        self.pulls: Sequence[str] = [table for table in TABLES if table in tables or table in owners]
        self.stage = Stage()

    @abstractmethod
    def check(self) -> None:
        """Refuse what cannot end well, before anything is pulled."""

    @abstractmethod
    def load(self) -> dict[str, Any]:
        """Write the stage into the tables in one transaction, and say where."""

    def past(self) -> Sequence[PastRun]:
        """Return the runs of this series whose rows are there."""
        raise OpenESGConfigError("updated_after: 'last_run' is for files, not yet for databases.")

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Stage a batch."""
        self.stage.write(table, batch)

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:  # noqa: ARG002 - tables do not keep it
        """Load the run."""
        self.stage.finish()
        return self.load()

    def close(self) -> None:
        """Drop the stage."""
        self.stage.close()
