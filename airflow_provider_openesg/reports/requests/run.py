"""Request reports: check all rows, look up existing requests, send the others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_openesg.client.source import read_template_ids
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGUntraceableError
from airflow_provider_openesg.parameters import (
    check_choice,
    check_id,
    check_request_options,
    check_request_rows,
    is_empty,
)
from airflow_provider_openesg.reports.requests.lookup import ExistingRequest, Requests
from airflow_provider_openesg.reports.requests.rows import CheckedRows, Key, RequestRow, RowError, check_rows
from airflow_provider_openesg.reports.requests.send import Sender, SendResult
from airflow_provider_openesg.reports.requests.worker_lock import WorkerLock, worker_lock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.parameters import OnDuplicate, OnInvalid

log = logging.getLogger(__name__)

Outcome = Literal["created", "existing", "skipped", "to_create"]


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one row.

    :param row: number of the row in the input.
    :param outcome: ``created``, ``existing``, ``skipped``, or with ``dry_run`` ``to_create``.
    :param key: template, customer identifier and reason; ``None`` if the row is not valid.
    :param report_request_id: id of the report request on the platform, if it exists.
    :param report_id: id of its report, if it exists.
    :param message: why the row was skipped; may contain values of the row.
    """

    row: int
    outcome: Outcome
    key: Key | None = None
    report_request_id: str | None = None
    report_id: str | None = None
    message: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON for an XCom. Parts that the row does not have are left out."""
        result: dict[str, Any] = {"row": self.row, "outcome": self.outcome}
        if self.key is not None:
            result |= self.key._asdict()
        if self.report_request_id is not None:
            result |= {"report_request_id": self.report_request_id, "report_id": self.report_id}
        return result | ({"message": self.message} if self.message is not None else {})


def request_reports(
    client: OpenESGClient,
    rows: Iterable[Mapping[str, Any]] | Mapping[int, Mapping[str, Any]],
    *,
    template: str | int | None = None,
    on_invalid: OnInvalid = "fail",
    on_duplicate: OnDuplicate = "fail",
    dry_run: bool = False,
    retried: bool = False,
    directory: str | None = None,
) -> list[Result]:
    """Request a report for each row, unless the platform already has the request.

    :param client: client of the platform.
    :param rows: dicts by column (:data:`~airflow_provider_openesg.reports.requests.columns.COLUMNS`); or a mapping from
        row numbers, which messages show, to such dicts. By default, rows are numbered from 1.
    :param template: id or key of the report template for rows without one.
    :param on_invalid: ``fail``: if a row is not valid, nothing is sent; ``skip``: the valid rows are sent.
    :param on_duplicate: ``fail``: if two rows have the same key, nothing is sent; ``first``: the first of them is sent.
    :param dry_run: whether nothing is sent.
    :param retried: whether an earlier try may have been interrupted, possibly on another worker.
    :param directory: directory of the lock file; by default that of the token cache.
    :return: result of each row, sorted by row number.
    :raises OpenESGConfigError: if a parameter cannot be used, if rows are not valid (all are listed), or if the lock
        cannot be used.
    :raises OpenESGApiError: if the platform rejects the client, or does not respond.
    :raises OpenESGUntraceableError: if the platform does not show earlier requests by their keys.
    """
    check_request_options(template, on_invalid, on_duplicate, dry_run, retried=retried)
    check_request_rows(rows)
    default_template = None if is_empty(template) else check_id("template", template)
    numbered = rows.items() if isinstance(rows, Mapping) else enumerate(rows, 1)
    templates = read_template_ids(client)
    if default_template is not None:
        check_choice("template", default_template, templates)
        if len(ids := templates[default_template]) > 1:
            raise OpenESGConfigError(
                f"template: {default_template!r:.100} given, the key of several templates; allowed: one of the ids"
                f" {', '.join(map(str, ids))}."
            )
    checked = check_rows(numbered, templates, default_template)
    _raise_for_errors(checked, on_invalid, on_duplicate)
    keys = {row.key for row in checked.valid}
    # A dry run needs no lock: it changes nothing.
    with nullcontext() if dry_run else worker_lock(client.settings.api_url, directory) as lock:
        if lock is not None:
            lock.check_traceable()
        requests = Requests(client, templates)
        existing = requests.find(keys)
        missing = [row for row in checked.valid if row.key not in existing]
        log.info("%d valid rows: %d already requested, %d to send", len(checked.valid), len(existing), len(missing))
        sent = SendResult()
        if lock is not None and missing:
            requests.check()
            sent = _send(client, requests, lock, missing, retried=retried)
    results = [_result(row, existing | sent.existing, sent) for row in checked.valid]
    results += [
        Result(number, "skipped", message="; ".join(map(str, errors))) for number, errors in checked.errors.items()
    ]
    results += [
        Result(number, "skipped", message=f"the same request as row {first}")
        for number, first in checked.duplicates.items()
    ]
    results.sort(key=lambda result: result.row)
    counts = Counter(result.outcome for result in results)
    log.info("%s", ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items())) or "no rows")
    return results


def _send(
    client: OpenESGClient, requests: Requests, lock: WorkerLock, missing: list[RequestRow], *, retried: bool
) -> SendResult:
    sender = Sender(client, requests)
    if retried or lock.interrupted:
        log.info(
            "An earlier try may have been interrupted, or may still be sending on another machine. Looking up its "
            "requests again in %.0f s, before anything is sent.",
            client.settings.settle_time,
        )
        sender.wait_for_other_senders(missing)
    lock.start_sending()
    try:
        sent = sender.send(missing)
    except OpenESGUntraceableError as error:
        lock.stop_later_runs(str(error))
        raise
    lock.finish_sending()
    return sent


def _result(row: RequestRow, existing: Mapping[Key, ExistingRequest], sent: SendResult) -> Result:
    if row.key in existing:
        return Result(row.number, "existing", row.key, *existing[row.key])
    if row.key in sent.created:
        return Result(row.number, "created", row.key, *sent.created[row.key])
    if row.key in sent.rejected:
        return Result(row.number, "skipped", row.key, message=f"rejected by the platform: {sent.rejected[row.key]}")
    return Result(row.number, "to_create", row.key)


def _raise_for_errors(checked: CheckedRows, on_invalid: OnInvalid, on_duplicate: OnDuplicate) -> None:
    errors = RowError.grouped(error for row_errors in checked.errors.values() for error in row_errors)
    duplicates = [
        f"row {number}: the same request (customer_identifier, template, reason) as row {first}"
        for number, first in checked.duplicates.items()
    ]
    fatal = (errors if on_invalid == "fail" else []) + (duplicates if on_duplicate == "fail" else [])
    if fatal:
        hints = " on_invalid='skip' sends the valid rows." if errors and on_invalid == "fail" else ""
        hints += " on_duplicate='first' sends the first of equal rows." if duplicates and on_duplicate == "fail" else ""
        raise OpenESGConfigError(
            f"requests: nothing was sent. Correct the rows.{hints} Errors: {len(fatal)}\n" + "\n".join(fatal)
        )
    for error in errors:
        log.warning("Skipped: %s", error)
