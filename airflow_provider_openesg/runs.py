"""Runs of a transfer: their identity, what they select and how far they have read; the interface of all writers."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa


OVERLAP = timedelta(minutes=10)
"""Time by which the high-water mark stays behind the latest change that was read.

A platform sets ``updated_at`` when a change starts and shows it when the change is committed, so a change may appear
after a later one was read. The next run reads this period again; rows that did not change are the same.
"""

UPDATED_AFTER = "updated_after"


@dataclass(slots=True)
class Run:
    """One task instance. All its tries are the same run; another DAG run is another run.

    :param api_url: URL of the API that is read.
    :param selection: tables, templates and filters, and ``updated_after`` as soon as it is known.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    api_url: str
    selection: Mapping[str, Any]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def token(self) -> str:
        """Readable name for the files and rows of this run, the same for each try."""
        identity = "\0".join((self.dag_id, self.task_id, self.run_id, str(self.map_index)))
        readable = re.sub(r"[^A-Za-z0-9]+", "-", self.run_id)[:48].strip("-")
        return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    @property
    def series(self) -> str:
        """Name of the runs that this one continues; see :func:`series_of`."""
        return series_of(self.dag_id, self.task_id, self.api_url, self.selection)

    def set_updated_after(self, moment: datetime | None) -> None:
        """Add the time after which changes are read to the selection."""
        self.selection = {**self.selection, UPDATED_AFTER: None if moment is None else moment.isoformat()}

    def high_water_mark(self, newest: datetime | None, updated_after: datetime | None) -> datetime | None:
        """Return the time up to which this run has certainly read every change: ``updated_after`` of the next run.

        It is :data:`OVERLAP` before ``newest``, and never later than :data:`OVERLAP` before the start of the run: a
        record that changes during the run may have been read before the change.

        :param newest: time of the latest change that was read.
        :param updated_after: time after which changes were read; kept if nothing newer was read.
        """
        moments = [newest - OVERLAP] if newest else []
        moments += [updated_after] if updated_after else []
        return min(max(moments), self.started_at - OVERLAP) if moments else None


def series_of(dag_id: str, task_id: str, api_url: str, selection: Mapping[str, Any]) -> str:
    """Return the name that all runs of a task share that read the same reports from the same platform.

    Tables and ``updated_after`` are not part of it. Neither is the map index of a mapped task, because it changes with
    the list that the task is mapped over.
    """
    shared = {name: value for name, value in selection.items() if name not in ("tables", UPDATED_AFTER)}
    identity = json.dumps([dag_id, task_id, api_url, shared], sort_keys=True, default=str)
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """A committed run, as recorded in its target.

    :param run: token of the run.
    :param updated_after: time after which changes were read; ``None``: everything was read.
    :param high_water_mark: time up to which every change was read; ``None`` if there was no change.
    """

    run: str
    updated_after: datetime | None
    high_water_mark: datetime | None
    started_at: datetime
    committed_at: datetime


def next_updated_after(history: Sequence[CompletedRun], run: str) -> datetime | None:
    """Return the time up to which the runs of a history have read every change; ``None``: read everything.

    The runs must follow each other without a gap, from a run that read everything. If a run was removed, the changes
    after it are read again. The same holds for a run that committed while another one was still running, because the
    other one may have overwritten newer rows with older ones. A run that is in the history and is repeated starts where
    it started the first time, because its rows are replaced.

    :param run: token of the run that is about to start.
    """
    for each in history:
        if each.run == run:
            return each.updated_after
    reached: datetime | None = None
    usable = [each for each in history if not any(o.started_at < each.committed_at < o.committed_at for o in history)]
    for each in sorted(usable, key=lambda each: (each.updated_after is not None, each.updated_after)):
        follows = each.updated_after is None or (reached is not None and each.updated_after <= reached)
        if follows and each.high_water_mark is not None:
            reached = max(reached or each.high_water_mark, each.high_water_mark)
    return reached


class RunWriter(Protocol):
    """Write the batches of one run. :meth:`commit` makes the whole run visible to readers at once."""

    pulls: Sequence[str]
    """Tables that the writer needs: those that were selected, and others that it needs to write them."""

    def check(self) -> None:
        """Check that the target can be written, before anything is read from the platform."""

    def run_history(self) -> Sequence[CompletedRun]:
        """Return the committed runs of this series whose rows are still in the target, for all tables of this run."""

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Write a batch. Batches of several tables may arrive interleaved."""

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        """Commit the whole run and return its location, small enough for an XCom."""

    def close(self) -> None:
        """Release all resources and discard what was not committed."""
