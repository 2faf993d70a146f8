"""Shared polls: deferred sensors with the same Connection in one triggerer share their polls.

Polls are at multiples of the interval, so that sensors that started at different times poll together, in one thread.
A few sensors request single records; many share one snapshot of the lists, if that needs fewer requests.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async

from airflow_provider_openesg.exceptions import TEMPORARY_STATUSES, OpenESGApiError, OpenESGAuthError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.triggers.list_snapshot import ListSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.reports.waiting import ReportCounts, ReportSelector


LONGEST_BACKOFF = 3600.0
"""Maximum pause after failed polls, in seconds."""

SNAPSHOT_FROM = 10
"""Number of different sensors from which a snapshot is read. Later the number of its requests is used."""


class SharedPolls:
    """The polls of all deferred sensors with one Connection in this event loop.

    :param openesg_conn_id: Connection of type ``openesg``.
    """

    def __init__(self, openesg_conn_id: str) -> None:
        self.openesg_conn_id = openesg_conn_id
        self._started_at = asyncio.get_running_loop().time()
        self._batches: dict[float, list[tuple[str, ReportSelector, asyncio.Future[ReportCounts]]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._requests_of_snapshot = SNAPSHOT_FROM

    async def poll(self, selector: ReportSelector, interval: float, delay: float = 0) -> ReportCounts:
        """Wait for the next multiple of ``interval`` seconds, and poll together with all sensors of that time.

        :param delay: additional pause in seconds.
        :raises OpenESGError: if the poll fails.
        """
        loop = asyncio.get_running_loop()
        passed = loop.time() + delay - self._started_at
        tick = round(self._started_at + (math.floor(passed / interval) + 1) * interval, 3)
        future: asyncio.Future[ReportCounts] = loop.create_future()
        if tick not in self._batches:
            self._batches[tick] = []
            task = loop.create_task(self._run(tick))
            self._running.add(task)  # the event loop has only weak references to tasks
            task.add_done_callback(self._running.discard)
        self._batches[tick].append((_key(selector), selector, future))
        return await future

    async def _run(self, tick: float) -> None:
        await asyncio.sleep(max(0, tick - asyncio.get_running_loop().time()))
        async with self._one_at_a_time:
            batch = [wait for wait in self._batches.pop(tick) if not wait[2].done()]
            different = {key: selector for key, selector, _ in batch}
            if not different:
                return
            results_of_polls: list[ReportCounts | Exception]
            try:
                # Airflow can read Connections only from the threads of asgiref.
                results_of_polls = await sync_to_async(self._poll, thread_sensitive=False)(list(different.values()))
            except Exception as error:
                results_of_polls = [error] * len(different)
        results = dict(zip(different, results_of_polls, strict=True))
        for key, _, future in batch:
            await asyncio.sleep(0)  # thousands of results at once would block the event loop
            result = results[key]
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _poll(self, selectors: Sequence[ReportSelector]) -> list[ReportCounts | Exception]:
        """Poll for all selectors, in a thread."""
        with OpenESGHook(self.openesg_conn_id) as hook:
            snapshot = None
            if len(selectors) > self._requests_of_snapshot:
                snapshot = ListSnapshot(hook.client, with_requests=any(each.report_id is None for each in selectors))
                self._requests_of_snapshot = max(SNAPSHOT_FROM, snapshot.requests)
            results: list[ReportCounts | Exception] = []
            for selector in selectors:
                try:
                    results.append(selector.poll(snapshot or hook.client))
                except Exception as error:
                    if _affects_all(error):
                        raise
                    results.append(error)
            return results


def _affects_all(error: Exception) -> bool:
    """Return whether the error is not specific to a record, so that the other records are not requested.

    A 500 may be caused by one record; the other temporary statuses are those of the platform.
    """
    unavailable = isinstance(error, OpenESGApiError) and error.status in {None, *TEMPORARY_STATUSES} - {500}
    return unavailable or isinstance(error, OpenESGAuthError)


def _key(selector: ReportSelector) -> str:
    return json.dumps(asdict(selector), sort_keys=True, default=str)


_POLLS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedPolls]] = WeakKeyDictionary()


def shared_polls(openesg_conn_id: str) -> SharedPolls:
    """Return the polls that all sensors with a Connection share in the running event loop."""
    of_loop = _POLLS.setdefault(asyncio.get_running_loop(), {})
    if openesg_conn_id not in of_loop:
        of_loop[openesg_conn_id] = SharedPolls(openesg_conn_id)
    return of_loop[openesg_conn_id]
