"""Send report requests, each once. A request whose response is lost is looked up before it is sent again."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg import clock
from airflow_provider_openesg.client.envelope import single_record
from airflow_provider_openesg.client.names import plain_name
from airflow_provider_openesg.client.progress import Progress
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGContractError,
    OpenESGError,
    OpenESGUntraceableError,
)
from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.reports.requests.lookup import ExistingRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests import Response

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.reports.requests.lookup import Requests
    from airflow_provider_openesg.reports.requests.rows import Key, RequestRow

log = logging.getLogger(__name__)

MAX_LOST_IN_A_ROW = 10
"""Lost responses in a row after which a round ends and the requests are looked up."""

MAX_ROUNDS_WITHOUT_PROGRESS = 3
"""Rounds in a row without a known outcome after which the task fails."""

_ROW_STATUSES = frozenset({400, 409, 413, 422})
"""HTTP statuses with which the platform rejects one row, and not the client."""


@dataclass(slots=True)
class SendResult:
    """Outcomes of the rows that were sent, by key.

    :param created: sent by this run, as shown by the response or by a later lookup.
    :param existing: sent by another task in the meantime, or rejected as a conflict and found on the platform.
    :param rejected: the platform's message about the row.
    """

    created: dict[Key, ExistingRequest] = field(default_factory=dict)
    existing: dict[Key, ExistingRequest] = field(default_factory=dict)
    rejected: dict[Key, str] = field(default_factory=dict)

    def has(self, row: RequestRow) -> bool:
        """Return whether the outcome of a row is known."""
        return row.key in self.created or row.key in self.existing or row.key in self.rejected


class _LostResponses:
    """Lost responses of one round. Too many in a row end the round."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.last: OpenESGError | None = None
        self._in_a_row = 0
        self._lock = threading.Lock()

    def count(self, error: OpenESGError | None) -> None:
        """Count a response: ``None``, or the error of a lost one."""
        with self._lock:
            self._in_a_row = 0 if error is None else self._in_a_row + 1
            self.last = error or self.last
            if self._in_a_row == MAX_LOST_IN_A_ROW:
                self.stop.set()


class Sender:
    """Send rows, several at the same time, until the outcome of each row is known.

    A row whose response is lost is looked up after the Connection's ``settle_time``, before it is sent again.

    :param requests: looks up requests.
    """

    def __init__(self, client: OpenESGClient, requests: Requests) -> None:
        self._client = client
        self._requests = requests
        self._assumed_names = False
        self._settle_seconds = client.settings.settle_time
        self.sent = SendResult()

    def send(self, rows: Sequence[RequestRow]) -> SendResult:
        """Send all rows.

        Only the first row is sent, and looked up before the second. If the platform did not show requests by their
        keys, every retry would send them again. The same lookup shows whether another task is sending these rows.

        :raises OpenESGApiError: if the platform rejects the client, or does not respond.
        :raises OpenESGUntraceableError: if a request that was sent cannot be found by its key. Do not retry.
        """
        progress = Progress("report requests sent")
        waiting, rounds_without_progress, verified = self._without_outcome(rows), 0, False
        while waiting:
            batch = waiting if verified else waiting[:1]
            lost = self._round(batch, progress, len(rows))
            if lost is not None:
                self._look_up_lost(batch, lost)
                if not verified:
                    self._check_lost(batch, lost)
            if not verified and batch[0].key in self.sent.created:
                if not self._verify_first(batch[0].key, waiting):
                    self.wait_for_other_senders(waiting)
                verified = True
            before, waiting = len(waiting), self._without_outcome(waiting)
            rounds_without_progress = rounds_without_progress + 1 if len(waiting) == before else 0
            if lost is not None and rounds_without_progress == MAX_ROUNDS_WITHOUT_PROGRESS:
                raise lost
        return self.sent

    def _without_outcome(self, rows: Sequence[RequestRow]) -> list[RequestRow]:
        return [row for row in rows if not self.sent.has(row)]

    def _round(self, rows: Sequence[RequestRow], progress: Progress, total: int) -> OpenESGError | None:
        """Send each row once, and return the error of the last lost response, if any."""
        lost = _LostResponses()

        def post(row: RequestRow) -> None:
            if lost.stop.is_set():
                return
            try:
                lost.count(self._post(row))
            except BaseException:
                lost.stop.set()  # here, because the thread that waits for the results may be late
                raise

        # On exit, the pool waits for requests in flight: the lock must not be released before they have ended.
        with ThreadPoolExecutor(self._client.settings.parallel_requests, thread_name_prefix="openesg") as pool:
            try:
                calls = {pool.submit(post, row): row for row in rows}
                for call in as_completed(calls):
                    call.result()
                    progress.add(self.sent.has(calls[call]), total)
            finally:
                lost.stop.set()
        return lost.last

    def _post(self, row: RequestRow) -> OpenESGError | None:
        """Send a row, and return the error if its response is lost."""
        try:
            response = self._request(row)
        except OpenESGApiError as error:
            if error.may_have_been_processed:
                return error
            if error.status not in _ROW_STATUSES:
                raise
            if error.status == 409 and row.key in (existing := self._requests.find({row.key})):
                self.sent.existing[row.key] = existing[row.key]
            else:
                self.sent.rejected[row.key] = f"HTTP {error.status}: {error.message}"
            return None
        try:
            record = self._created(response.json())
            created = ExistingRequest.of(record)
        except (ValueError, LookupError, TypeError):
            return OpenESGContractError("POST report-requests: the response has no id of the request that was created.")
        # The API of 2023 returns only ids. If the response has the key that was stored, compare it with the row's.
        if (
            record.keys() >= {"customer_identifier", "report_template", "reason"}
            and (stored := self._requests.key_of(record)) != row.key
        ):
            raise OpenESGUntraceableError(
                f"Report request {created.report_request_id} was sent as {row.key} and stored as {stored}. A "
                "retry would not find it, so nothing more is sent. Correct the row so that the platform stores it "
                "unchanged."
            )
        self.sent.created[row.key] = created
        return None

    def _look_up_lost(self, batch: Sequence[RequestRow], lost: OpenESGError) -> None:
        keys = {row.key for row in self._without_outcome(batch)}
        log.warning(
            "The outcome of %d report requests is not known. Looking them up in %.0f s. Last error: %s",
            len(keys),
            self._settle_seconds,
            lost,
        )
        clock.sleep(self._settle_seconds)
        self.sent.created |= self._requests.find(keys)

    def _check_lost(self, batch: Sequence[RequestRow], lost: OpenESGError) -> None:
        """Check that a request which was not found may be sent again.

        :raises OpenESGUntraceableError: if the platform has accepted it, or has never shown a request by its key.
        """
        missing = self._without_outcome(batch)
        if missing and (isinstance(lost, OpenESGContractError) or not self._requests.are_traceable):
            raise OpenESGUntraceableError(
                f"A report request was sent as {missing[0].key}, and may have been carried out, but the platform's "
                f"list does not show it. A second one might contact the provider twice, so nothing more is sent. {lost}"
            )

    def wait_for_other_senders(self, rows: Sequence[RequestRow]) -> None:
        """Wait until no other sender (an earlier try, or a task on another machine) adds requests for these rows."""
        keys = {row.key for row in self._without_outcome(rows)}
        while keys:
            clock.sleep(self._settle_seconds)
            added = self._requests.find(keys)
            if not added:
                return
            self.sent.existing |= added
            keys -= added.keys()
            log.warning(
                "Another task is sending these rows: %d added since the last lookup, %d missing. Next in %.0f s.",
                len(added),
                len(keys),
                self._settle_seconds,
            )

    def _verify_first(self, first: Key, rows: Sequence[RequestRow]) -> bool:
        """Look up the first request by its key, and return whether no other task is sending these rows.

        If two tasks start at the same moment, both find both first requests: the sender of the older one continues.
        """
        keys = {first} | {row.key for row in self._without_outcome(rows)}
        for pause in (0, self._settle_seconds):
            clock.sleep(pause)
            existing = self._requests.find_all(keys)
            if first in existing:
                oldest = existing.pop(first)[0]
                self.sent.existing |= {key: requests[0] for key, requests in existing.items()}
                return not existing and oldest.report_request_id == self.sent.created[first].report_request_id
        raise OpenESGUntraceableError(
            f"Report request {self.sent.created[first].report_request_id} was sent, but the platform's list does not "
            f"show it by its {first}. A retry would send it again, so nothing more is sent. Find out under which name "
            "or filter the list shows it, and " + in_profile("[names] or [filters]")
        )

    def _request(self, row: RequestRow) -> Response:
        """Send a row with the names of the platform. If it rejects those of its responses, with those that are assumed.

        A rejected request was not carried out, so it may be sent again.
        """
        path = self._client.api.path("report-requests")
        body = self._body(row)
        if self._assumed_names or body == row.body:
            return self._client.request("POST", path, json=row.body if self._assumed_names else body)
        try:
            return self._client.request("POST", path, json=body)
        except OpenESGApiError as error:
            if error.status not in (400, 422) or self._client.api.write.request:
                raise
            rejected = error
        try:
            response = self._client.request("POST", path, json=row.body)
        except OpenESGApiError as error:
            raise (error if error.may_have_been_processed else rejected) from None
        self._assumed_names = True
        return response

    def _body(self, row: RequestRow) -> dict[str, Any]:
        """Return the body of the request, with the names of the platform."""
        given, translator = self._client.api.write.request, self._client.translator("report-requests")
        return {
            given.get("template" if name == "report_template" else name) or translator.their_name(name): value
            for name, value in row.body.items()
        }

    def _created(self, content: Any) -> dict[str, Any]:
        """Return the record of the request in a response: inside of an object, or the response itself.

        :raises ValueError: if there is none.
        """
        if not isinstance(content, dict):
            raise ValueError("no object")
        inside = next((part for name, part in content.items() if plain_name(name) == "report_request"), content)
        if isinstance(inside, int | str):
            inside = {"id": inside}
        return self._client.translator("report-requests").record(
            single_record(inside, self._client.translator("report-requests").fields_of)
        )
