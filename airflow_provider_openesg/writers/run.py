"""A run of a transfer: its name, what it was asked for, what it has seen; and what every writer can do."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Run:
    """One task instance, whichever of its tries: a retry is the same run, another DAG run is another one.

    :param api_url: the API that is read.
    :param selection: what was asked for: tables, templates, updated_after, filters.
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

    def high_water_mark(self, newest: datetime | None, before: datetime | None) -> datetime | None:
        """Return the time up to which this run has seen every change: ``updated_after`` of the next one.

        Never later than the run's start: a record that changed while the run went on may have been read before that.

        :param newest: latest change of a record that was seen.
        :param before: the mark that this run began from; it stands where nothing newer came.
        """
        seen = [moment for moment in (newest, before) if moment is not None]
        return min(max(seen), self.started_at) if seen else None


class RunWriter(Protocol):
    """Takes the batches of one run; nothing of it counts before :meth:`commit` and all of it does after."""

    pulls: Sequence[str]
    """Tables that the writer has to be given: those asked for, and what it needs besides to write them rightly."""

    def check(self) -> None:
        """Refuse what cannot end well, before anything is pulled."""

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Take a batch; tables may come interleaved."""

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        """Make the whole run count, and say where it is (small, fit for an XCom)."""

    def close(self) -> None:
        """Let go of everything; what was not committed is dropped."""
