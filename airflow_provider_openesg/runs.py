"""A run of a transfer: its name, what it was asked for, what it has seen; and what every writer can do."""

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
"""How far the high-water mark stays behind the latest change that was seen.

A platform writes ``updated_at`` when a change begins and shows it when the change is committed, so a change may turn up
after a later one was read. The next run reads this time again: what was there already is the same row.
"""

UPDATED_AFTER = "updated_after"


@dataclass(slots=True)
class Run:
    """One task instance, whichever of its tries: a retry is the same run, another DAG run is another one.

    :param api_url: the API that is read.
    :param selection: what was asked for: tables, templates, filters; and ``updated_after`` once it is known.
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
        """A name for files and rows of this run: readable, and the same for each try."""
        identity = "\0".join((self.dag_id, self.task_id, self.run_id, str(self.map_index)))
        readable = re.sub(r"[^A-Za-z0-9]+", "-", self.run_id)[:48].strip("-")
        return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    @property
    def series(self) -> str:
        """A name for the runs that this one goes on from; see :func:`series_of`."""
        return series_of(self.dag_id, self.task_id, self.api_url, self.selection)

    def begin_after(self, moment: datetime | None) -> None:
        """Note from which time on changes are read."""
        self.selection = {**self.selection, UPDATED_AFTER: None if moment is None else moment.isoformat()}

    def high_water_mark(self, newest: datetime | None, before: datetime | None) -> datetime | None:
        """Return the time up to which this run has surely seen every change: ``updated_after`` of the next one.

        Never later than the run's start: a record that changed while the run went on may have been read before that.
        It stays :data:`OVERLAP` behind both.

        :param newest: latest change of a record that was seen.
        :param before: the mark that this run began from; it stands where nothing newer came.
        """
        seen = [newest - OVERLAP] if newest else []
        seen += [before] if before else []
        return min(max(seen), self.started_at - OVERLAP) if seen else None


def series_of(dag_id: str, task_id: str, api_url: str, selection: Mapping[str, Any]) -> str:
    """Return a name that all runs of a task have in common which ask one platform for the same reports.

    Which tables they ask for is not part of it, nor from which time on; nor is the place of a mapped task among the
    others, which changes with what it is mapped over.
    """
    asked = {name: value for name, value in selection.items() if name not in ("tables", UPDATED_AFTER)}
    identity = json.dumps([dag_id, task_id, api_url, asked], sort_keys=True, default=str)
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """A run that counts, as its target remembers it: it read what changed from one time to another.

    :param run: its token.
    :param updated_after: where it began; ``None``: it read everything.
    :param high_water_mark: up to where it has seen every change; ``None`` where it saw none.
    """

    run: str
    updated_after: datetime | None
    high_water_mark: datetime | None
    started_at: datetime
    committed_at: datetime


def seen_up_to(past: Sequence[CompletedRun], run: str) -> datetime | None:
    """Return the time up to which past runs together have seen every change: where ``run`` has to begin.

    They have to join up, beginning with one that read everything: where one was taken out, what came after it is read
    again. So is what a run brought while another one was under way, which may have written older rows over newer ones.
    A run that counts already and is repeated begins where it began, as its rows are replaced.
    """
    for each in past:
        if each.run == run:
            return each.updated_after
    reached: datetime | None = None
    last = [each for each in past if not any(o.started_at < each.committed_at < o.committed_at for o in past)]
    for each in sorted(last, key=lambda each: (each.updated_after is not None, each.updated_after)):
        joins = each.updated_after is None or (reached is not None and each.updated_after <= reached)
        if joins and each.high_water_mark is not None:
            reached = max(reached or each.high_water_mark, each.high_water_mark)
    return reached


class RunWriter(Protocol):
    """Takes the batches of one run; nothing of it counts before :meth:`commit` and all of it does after."""

    pulls: Sequence[str]
    """Tables that the writer has to be given: those asked for, and what it needs besides to write them rightly."""

    def check(self) -> None:
        """Refuse what cannot end well, before anything is pulled."""

    def run_history(self) -> Sequence[CompletedRun]:
        """Return the runs of this run's series whose rows of all these tables the target still has."""

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Take a batch; tables may come interleaved."""

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        """Make the whole run count, and say where it is (small, fit for an XCom)."""

    def close(self) -> None:
        """Let go of everything; what was not committed is dropped."""
