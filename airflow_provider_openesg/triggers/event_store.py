"""Ids of the reports that had their event, stored by Airflow, so that a restart does not repeat old events.

Ids are stored, not times: equal times, late changes and wrong clocks do not matter. They are spread over several keys,
so that one event rewrites only a small one.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Protocol

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHARDS = 16
WATCHER = "openesg_"
"""What the name of every watcher begins with."""

Id = str | int


def key_of(watcher: str, report_id: Id) -> str:
    """Return the key that a report's id is kept under."""
    return f"{watcher}_{zlib.crc32(str(report_id).encode()) % SHARDS:02}"


class Store(Protocol):
    """A key-value store that keeps the ids of a watcher."""

    async def get(self, key: str) -> list[Any]:
        """Return the stored list, or an empty one."""

    async def set(self, key: str, value: list[Any]) -> None:
        """Store the list."""


class AssetStore:
    """The state store of the watched asset (Airflow 3.3), by its public methods.

    :param accessor: ``asset_state_store`` of the trigger. Its methods raise ValueError if several assets share the
        trigger; the trigger then uses Variables.
    """

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    async def get(self, key: str) -> list[Any]:
        """Return the stored list."""
        return list(await self._accessor.aget(key, []))

    async def set(self, key: str, value: list[Any]) -> None:
        """Store the list."""
        await self._accessor.aset(key, value)


class VariableStore:
    """Airflow Variables, where the assets have no state store, as on Airflow 3.0 to 3.2."""

    async def get(self, key: str) -> list[Any]:
        """Return what the Variable holds."""
        from airflow.providers.common.compat.sdk import Variable

        return list(await sync_to_async(Variable.get)(key, default=[], deserialize_json=True))

    async def set(self, key: str, value: list[Any]) -> None:
        """Write the Variable."""
        from airflow.providers.common.compat.sdk import Variable

        await sync_to_async(Variable.set)(key, value, serialize_json=True)


class SeenReports:
    """Ids of the reports that had their event, or had the status at the first poll.

    :param store: store of the ids.
    :param watcher: name of the watcher, equal for equal parameters.
    """

    def __init__(self, store: Store, watcher: str) -> None:
        self._store = store
        self._watcher = watcher
        self._ids: set[str] = set()

    async def load(self) -> bool:
        """Read the stored ids. Return whether the first poll was stored completely."""
        started = bool(await self._store.get(self._watcher))
        if started:
            for number in range(SHARDS):
                self.add(await self._store.get(f"{self._watcher}_{number:02}"))
        return started

    async def begin(self, ids: Iterable[Id]) -> None:
        """Store the reports of the first poll, which trigger no event."""
        self.add(ids)
        await self._write({f"{self._watcher}_{number:02}" for number in range(SHARDS)})
        await self._store.set(self._watcher, ["begun"])

    async def save(self, ids: Iterable[Id]) -> None:
        """Store ids whose events Airflow has had time to store."""
        stored: dict[str, set[str]] = {}
        for each in ids:
            stored.setdefault(key_of(self._watcher, each), set()).add(str(each))
        for key, added in stored.items():
            await self._store.set(key, sorted({*await self._store.get(key), *added}))

    def new(self, ids: Sequence[Id]) -> set[str]:
        """Return the ids that had no event."""
        return set(map(str, ids)) - self._ids

    def add(self, ids: Iterable[Id]) -> None:
        """Add ids in this process only."""
        self._ids |= set(map(str, ids))

    async def _write(self, keys: Iterable[str]) -> None:
        for key in sorted(keys):
            await self._store.set(key, sorted(each for each in self._ids if key_of(self._watcher, each) == key))
