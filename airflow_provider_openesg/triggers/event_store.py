"""Which reports had their event, kept by Airflow: across restarts of watcher and triggerer, none is made twice.

The reports' ids are kept, and no time: rows with equal times, changes that turn up late and clocks that differ cannot
matter. They are spread over a few keys, so that none grows large and an event changes one of them. The trigger writes
where a watcher begins; of each event, the listener does (:mod:`airflow_provider_openesg.listeners.asset_events`).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import conf
from asgiref.sync import sync_to_async

from airflow_provider_openesg.version_compat import AIRFLOW_3_3

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHARDS = 16
WATCHER = "openesg_"
"""What the name of every watcher begins with."""

Id = str | int


def key_of(watcher: str, report_id: Id) -> str:
    """Return the key that a report's id is kept under."""
    return f"{watcher}_{zlib.crc32(str(report_id).encode()) % SHARDS:02}"


def in_asset_store() -> bool:
    """Tell whether the assets have a state store that both trigger and listener read and write; else it is Variables.

    A backend that workers alone use would hide its values from the listener.
    """
    return AIRFLOW_3_3 and not conf.get("workers", "state_store_backend", fallback="")


class Store(Protocol):
    """Where Airflow keeps a watcher's memory."""

    async def get(self, key: str) -> list[Any]:
        """Return what is kept; all of it, where it is kept in several places."""

    async def set(self, key: str, value: list[Any]) -> None:
        """Keep it."""


class AssetStore:
    """The state store of the watched assets (Airflow 3.3).

    :param accessors: what the triggerer has given the trigger: of one asset, or of several whose watchers are the same.
    """

    def __init__(self, accessors: Any) -> None:
        self._assets = list(accessors._by_name.values())

    async def get(self, key: str) -> list[Any]:
        """Return what any of the assets has: an event is one of all of them."""
        return [value for asset in self._assets for value in await asset.aget(key, [])]

    async def set(self, key: str, value: list[Any]) -> None:
        """Keep it for each of the assets."""
        for asset in self._assets:
            await asset.aset(key, value)


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
    """The reports that a watcher has made events of, and those that were there before it began.

    :param watcher: its name: the same for the same question to the same Connection.
    """

    def __init__(self, store: Store, watcher: str) -> None:
        self._store = store
        self._watcher = watcher
        self._ids: set[str] = set()

    async def load(self) -> bool:
        """Read what is kept; tell whether the watcher has ever begun."""
        begun = bool(await self._store.get(self._watcher))
        if begun:
            for number in range(SHARDS):
                self.add(await self._store.get(f"{self._watcher}_{number:02}"))
        return begun

    async def begin(self, ids: Iterable[Id]) -> None:
        """Take what is there for no news, and keep that; what was kept half before an end counts for nothing."""
        self.add(ids)
        for number in range(SHARDS):
            key = f"{self._watcher}_{number:02}"
            await self._store.set(key, sorted(each for each in self._ids if key_of(self._watcher, each) == key))
        await self._store.set(self._watcher, ["begun"])

    def new(self, ids: Sequence[Id]) -> set[str]:
        """Return those that have had no event."""
        return set(map(str, ids)) - self._ids

    def add(self, ids: Iterable[Id]) -> None:
        """Remember them, in this process."""
        self._ids |= set(map(str, ids))
