"""Sending requests: each once. A POST whose answer is lost is looked up before it is tried again."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_openesg import clock
from airflow_provider_openesg.api import RESOURCES
from airflow_provider_openesg.client.progress import Progress
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGContractError,
    OpenESGError,
    OpenESGUntraceableError,
)
from airflow_provider_openesg.reports.requests.lookup import (
    Known,
    find_all_requests,
    find_requests,
    key_of,
    known_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.reports.requests.rows import Key, RequestRow

log = logging.getLogger(__name__)

MAX_LOST_IN_A_ROW = 10
"""Then the platform is left alone until it was looked at again."""

MAX_VAIN_ROUNDS = 3
"""Rounds in a row that settle not one row: then it is an error."""

_ABOUT_THE_ROW = frozenset({400, 409, 413, 422})


@dataclass(slots=True)
class Sent:
    """What became of the rows that were sent, by key.

    :param created: sent by this run, whether the answer said so or a later look.
    :param existing: sent by somebody else in the meantime, or refused as a conflict and there.
    :param refused: what the platform says against a row.
    """

    created: dict[Key, Known] = field(default_factory=dict)
    existing: dict[Key, Known] = field(default_factory=dict)
    refused: dict[Key, str] = field(default_factory=dict)

    def settled(self, row: RequestRow) -> bool:
        """Tell whether it is known what became of a row."""
        return row.key in self.created or row.key in self.existing or row.key in self.refused


class _Losses:
    """Answers lost in one round; it is stopped when too many are in a row."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.last: OpenESGError | None = None
        self._in_a_row = 0
        self._lock = threading.Lock()

    def count(self, error: OpenESGError | None) -> None:
        """Count an answer that came, or one that was lost."""
        with self._lock:
            self._in_a_row = 0 if error is None else self._in_a_row + 1
            self.last = error or self.last
            if self._in_a_row == MAX_LOST_IN_A_ROW:
                self.stop.set()


class Sender:
    """Sends rows, several at once, until it is known of each what became of it.

    A row whose answer is lost is looked for after the Connection's ``settle_time``, before it is sent again.
    """

    def __init__(self, client: OpenESGClient) -> None:
        self._client = client
        self._settle_seconds = client.settings.settle_time
        self.sent = Sent()

    def send(self, rows: Sequence[RequestRow]) -> Sent:
        """Send every row.

        The first alone, and it is looked up before the second leaves: a platform that does not show a request by its
        key would be asked anew by every retry. The same look shows whether somebody else is sending these rows.

        :raises OpenESGApiError: the platform refuses more than a row, or does not come back.
        :raises OpenESGUntraceableError: what was sent cannot be found again by its key. Never retry that by machine.
        """
        progress = Progress("report requests sent")
        waiting, vain, proven = [row for row in rows if not self.sent.settled(row)], 0, False
        while waiting:
            batch = waiting if proven else waiting[:1]
            lost = self._round(batch, progress, len(rows))
            if lost is not None:
                self._look_for_lost(batch, lost)
            if not proven and batch[0].key in self.sent.created:
                if not self._prove(batch[0].key, waiting):
                    self.wait_for_others(waiting)
                proven = True
            before, waiting = len(waiting), [row for row in waiting if not self.sent.settled(row)]
            vain = vain + 1 if len(waiting) == before else 0
            if lost is not None and vain == MAX_VAIN_ROUNDS:
                raise lost
        return self.sent

    def _round(self, rows: Sequence[RequestRow], progress: Progress, total: int) -> OpenESGError | None:
        """Send each row once; return the error of a lost answer, where one was lost."""
        losses = _Losses()

        def post(row: RequestRow) -> None:
            if not losses.stop.is_set():
                losses.count(self._post(row))

        # On the way out the pool waits for calls that are under way: nobody else's turn begins before they have ended.
        with ThreadPoolExecutor(self._client.settings.parallel_requests, thread_name_prefix="openesg") as pool:
            try:
                calls = {pool.submit(post, row): row for row in rows}
                for call in as_completed(calls):
                    call.result()
                    progress.add(self.sent.settled(calls[call]), total)
            finally:
                losses.stop.set()
        return losses.last

    def _post(self, row: RequestRow) -> OpenESGError | None:
        """Send a row; return the error where the answer is lost."""
        try:
            response = self._client.request("POST", RESOURCES["report-requests"].path, json=row.body)
        except OpenESGApiError as error:
            if error.status is None or error.status >= 500:
                return error
            if error.status not in _ABOUT_THE_ROW:
                raise
            if error.status == 409 and row.key in (found := find_requests(self._client, {row.key})):
                self.sent.existing[row.key] = found[row.key]
            else:
                self.sent.refused[row.key] = f"HTTP {error.status}: {error.message}"
            return None
        try:
            record = response.json()["report_request"]
            known = known_of(record)
        except (ValueError, LookupError, TypeError):
            return OpenESGContractError("POST report-requests: the answer does not say which request was created.")
        # The answer of 2023 says no more than ids; where it says what it has stored, that is held against the row.
        if record.keys() >= {"customer_identifier", "report_template", "reason"} and key_of(record) != row.key:
            raise OpenESGUntraceableError(
                f"Report request {known.request_id} was sent as {row.key} and stored as {key_of(record)}: it will not "
                "be found again, so nothing more is sent."
            )
        self.sent.created[row.key] = known
        return None

    def _look_for_lost(self, batch: Sequence[RequestRow], lost: OpenESGError) -> None:
        open_keys = {row.key for row in batch if not self.sent.settled(row)}
        log.warning(
            "%d report requests are not settled; looking which of them the platform has, in %.0f s. Last loss: %s",
            len(open_keys),
            self._settle_seconds,
            lost,
        )
        clock.sleep(self._settle_seconds)
        self.sent.created |= find_requests(self._client, open_keys)

    def wait_for_others(self, rows: Sequence[RequestRow]) -> None:
        """Wait as long as somebody else (an earlier try, a task on another machine) is still sending these rows."""
        open_keys = {row.key for row in rows if not self.sent.settled(row)}
        while open_keys:
            clock.sleep(self._settle_seconds)
            found = find_requests(self._client, open_keys)
            if not found:
                return
            self.sent.existing |= found
            open_keys -= found.keys()
            log.warning(
                "Somebody else is sending these rows: %d since the last look, %d left; looking again in %.0f s.",
                len(found),
                len(open_keys),
                self._settle_seconds,
            )

    def _prove(self, first: Key, rows: Sequence[RequestRow]) -> bool:
        """Look whether the first is there by its key; tell whether nobody else is sending these rows.

        Where two have begun at the same moment, both see both first requests: the older one's sender goes on.
        """
        keys = {first} | {row.key for row in rows if not self.sent.settled(row)}
        for pause in (0, self._settle_seconds):
            clock.sleep(pause)
            found = find_all_requests(self._client, keys)
            if first in found:
                oldest = found.pop(first)[0]
                self.sent.existing |= {key: requests[0] for key, requests in found.items()}
                return not found and oldest.request_id == self.sent.created[first].request_id
        raise OpenESGUntraceableError(
            f"Report request {self.sent.created[first].request_id} was sent, but the platform's list does not show it "
            f"by its {first}. A retry would send it again, so nothing more is sent. See "
            "airflow_provider_openesg/api.py for what the API is taken to be."
        )
