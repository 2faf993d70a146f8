"""Which reports had their event, kept in Airflow Variables, so that a restarted watcher continues where it was.

A triggerer stores an event some time after the trigger has yielded it. An id is therefore saved at the first poll
that is at least :data:`STORED_AFTER` seconds later: a triggerer that is killed before that delivers the event again,
with the same ``event_id``. Ids are kept and no times, so reports with equal times, late changes and clocks that
differ do not matter.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from airflow_provider_openesg import clock

if TYPE_CHECKING:
    from collections.abc import Iterable

SHARDS = 16
"""Variables that the ids are spread over: MySQL limits a Variable to 64 KiB, about 7,000 ids."""

STORED_AFTER = 60.0
"""Seconds after which an event that was yielded is taken as stored. Airflow stores events every second or so."""


class EventStore:
    """The reports that a watcher has delivered, and those that had the status before it started.

    :param watcher: name of the watcher; its Variables begin with it.
    """

    def __init__(self, watcher: str) -> None:
        self._watcher = watcher
        self._ids: set[str] = set()
        self._unsaved: list[tuple[float, str]] = []

    async def load(self) -> bool:
        """Read the saved ids, and return whether the watcher has been started before."""
        started = bool(await self._read(self._watcher))
        if started:
            for number in range(SHARDS):
                self._ids.update(await self._read(self._key(number)))
        return started

    async def start(self, ids: Iterable[str]) -> None:
        """Save the reports that need no event. If this is interrupted, the next start begins again."""
        self._ids.update(ids)
        await self._save(range(SHARDS), self._ids)
        await self._write(self._watcher, ["started"])

    def is_new(self, report_id: str) -> bool:
        """Return whether a report had no event yet."""
        return report_id not in self._ids

    def add(self, report_id: str) -> None:
        """Note that an event was yielded."""
        self._ids.add(report_id)
        self._unsaved.append((clock.monotonic(), report_id))

    async def save(self) -> None:
        """Save the ids whose events were yielded at least :data:`STORED_AFTER` seconds ago."""
        pending = [each for each in self._unsaved if clock.monotonic() - each[0] < STORED_AFTER]
        if len(pending) < len(self._unsaved):
            shards = {_shard(report_id) for _, report_id in {*self._unsaved} - {*pending}}
            await self._save(shards, self._ids - {report_id for _, report_id in pending})
            self._unsaved = pending

    async def _save(self, shards: Iterable[int], ids: Iterable[str]) -> None:
        for number in shards:
            await self._write(self._key(number), sorted(each for each in ids if _shard(each) == number))

    def _key(self, number: int) -> str:
        return f"{self._watcher}_{number:02}"

    async def _read(self, key: str) -> list[str]:
        from airflow.providers.common.compat.sdk import Variable

        return list(await sync_to_async(Variable.get)(key, default=[], deserialize_json=True))

    async def _write(self, key: str, value: list[str]) -> None:
        from airflow.providers.common.compat.sdk import Variable

        await sync_to_async(Variable.set)(key, value, serialize_json=True)


def _shard(report_id: str) -> int:
    return zlib.crc32(report_id.encode()) % SHARDS
