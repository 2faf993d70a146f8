"""Shared polls: waits on one Connection in one triggerer look at the platform together.

Their looks fall on the ticks of a grid, so that waits that began at different times meet. A tick's batch runs in one
thread. Few waits ask for their own records; many share one sweep of the lists, whichever takes fewer calls.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGAuthError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.triggers.list_snapshot import Sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.reports.waiting import ReportSelector, Sighting


FIRST_SWEEP_FROM = 10
"""Different waits from which a sweep is tried; afterwards it is known how many calls one takes."""


class SharedPolls:
    """The looks of all waits on one Connection in this event loop.

    :param openesg_conn_id: Connection of type ``openesg``.
    """

    def __init__(self, openesg_conn_id: str) -> None:
        self.openesg_conn_id = openesg_conn_id
        self._began = asyncio.get_running_loop().time()
        self._batches: dict[float, list[tuple[str, ReportSelector, asyncio.Future[Sighting]]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._calls_of_a_sweep = FIRST_SWEEP_FROM

    async def look(self, selector: ReportSelector, interval: float, delay: float = 0) -> Sighting:
        """Wait for the next tick of the grid of ``interval`` seconds, and look together with all who wait for it.

        :param delay: seconds that must pass before the tick, too.
        :raises OpenESGError: what the look ended in.
        """
        loop = asyncio.get_running_loop()
        passed = loop.time() + delay - self._began
        tick = round(self._began + (math.floor(passed / interval) + 1) * interval, 3)
        found: asyncio.Future[Sighting] = loop.create_future()
        if tick not in self._batches:
            self._batches[tick] = []
            task = loop.create_task(self._run(tick))
            self._running.add(task)  # the loop itself holds tasks weakly
            task.add_done_callback(self._running.discard)
        self._batches[tick].append((_key(selector), selector, found))
        return await found

    async def _run(self, tick: float) -> None:
        await asyncio.sleep(max(0, tick - asyncio.get_running_loop().time()))
        async with self._one_at_a_time:
            batch = [wait for wait in self._batches.pop(tick) if not wait[2].done()]
            different = {key: selector for key, selector, _ in batch}
            if not different:
                return
            seen: list[Sighting | Exception]
            try:
                # asgiref's: from its threads Airflow reaches the triggerer's supervisor, for Connections and masking.
                seen = await sync_to_async(self._look, thread_sensitive=False)(list(different.values()))
            except Exception as error:
                seen = [error] * len(different)
        results = dict(zip(different, seen, strict=True))
        for key, _, found in batch:
            await asyncio.sleep(0)  # one in a turn of the event loop: thousands that decide and log would hold it up
            result = results[key]
            if found.done():
                continue
            if isinstance(result, Exception):
                found.set_exception(result)
            else:
                found.set_result(result)

    def _look(self, selectors: Sequence[ReportSelector]) -> list[Sighting | Exception]:
        """Look for all of them, in a thread."""
        with OpenESGHook(self.openesg_conn_id) as hook:
            sweep = None
            if len(selectors) > self._calls_of_a_sweep:
                sweep = Sweep(hook.client, with_requests=any(each.report_id is None for each in selectors))
                self._calls_of_a_sweep = max(FIRST_SWEEP_FROM, sweep.calls)
            results: list[Sighting | Exception] = []
            for selector in selectors:
                try:
                    results.append(selector.look(sweep or hook.client))
                except Exception as error:
                    if _of_all(error):
                        raise
                    results.append(error)
            return results


def _of_all(error: Exception) -> bool:
    """Tell whether the Connection or the platform is at fault: asking for the others, too, would be a storm."""
    unavailable = isinstance(error, OpenESGApiError) and error.status in (None, 429, 502, 503, 504)
    return unavailable or isinstance(error, OpenESGAuthError)


def _key(selector: ReportSelector) -> str:
    return json.dumps(asdict(selector), sort_keys=True, default=str)


_POLLS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedPolls]] = WeakKeyDictionary()


def shared_polls(openesg_conn_id: str) -> SharedPolls:
    """Return the polls that all waits on a Connection share in the running event loop."""
    of_loop = _POLLS.setdefault(asyncio.get_running_loop(), {})
    if openesg_conn_id not in of_loop:
        of_loop[openesg_conn_id] = SharedPolls(openesg_conn_id)
    return of_loop[openesg_conn_id]
