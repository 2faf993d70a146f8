"""A run: check all rows, look up what was asked before, send the rest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.reports.requests.lookup import Known, find_requests
from airflow_provider_openesg.reports.requests.rows import Checked, Fault, Key, RequestRow, check_rows
from airflow_provider_openesg.reports.requests.send import Sender, Sent
from airflow_provider_openesg.reports.requests.worker_lock import Turn, turn
from airflow_provider_openesg.reports.source import template_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_openesg.client.client import OpenESGClient

log = logging.getLogger(__name__)

ON_INVALID = ("fail", "skip")
ON_DUPLICATE = ("fail", "first")
Outcome = Literal["created", "existing", "skipped", "to_create"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row.

    :param row: its number in the input.
    :param why: why it was skipped; names values of the row.
    """

    row: int
    outcome: Outcome
    key: Key | None = None
    known: Known | None = None
    why: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for an XCom."""
        answer: dict[str, Any] = {"row": self.row, "outcome": self.outcome}
        if self.key is not None:
            answer |= self.key._asdict()
        if self.known is not None:
            answer |= {"request_id": self.known.request_id, "report_id": self.known.report_id}
        return answer | ({"why": self.why} if self.why is not None else {})


def request_reports(
    client: OpenESGClient,
    rows: Iterable[Mapping[str, Any]] | Mapping[int, Mapping[str, Any]],
    *,
    template: str | int | None = None,
    on_invalid: str = "fail",
    on_duplicate: str = "fail",
    dry_run: bool = False,
    retried: bool = False,
    directory: str | None = None,
) -> list[Result]:
    """Ask for a report for each row, unless it was asked for before.

    :param rows: dicts by column (:data:`~airflow_provider_openesg.reports.requests.columns.COLUMNS`); a mapping
        says what number messages call each by, else it is from 1.
    :param template: id or key, of rows that name none.
    :param on_invalid: ``fail``: where a row is at fault nothing is sent; ``skip``: the others are.
    :param on_duplicate: of rows with one key, ``first``: the first is sent; ``fail``: nothing is.
    :param dry_run: send nothing.
    :param retried: an earlier try may have been cut off, maybe on another worker.
    :param directory: of the lock, as that of the token cache.
    :raises OpenESGConfigError: rows at fault (all of them are named), or no lock.
    :raises OpenESGApiError: the platform refuses, or does not come back.
    :raises OpenESGUntraceableError: what was asked before, or just now, cannot be told.
    """
    numbered = rows.items() if isinstance(rows, Mapping) else enumerate(rows, 1)
    checked = check_rows(numbered, template_ids(client), template)
    _raise_for_faults(checked, on_invalid, on_duplicate)
    keys = {row.key for row in checked.valid}
    # No lock for a dry run: it may read what another task is about to change.
    with nullcontext() if dry_run else turn(client.settings.api_url, directory) as own_turn:
        existing = find_requests(client, keys)
        missing = [row for row in checked.valid if row.key not in existing]
        log.info("%d rows: %d asked before, %d to send", len(checked.valid), len(existing), len(missing))
        sent = Sent()
        if own_turn is not None and missing:
            sent = _send(client, own_turn, missing, retried=retried)
    results = [_result(row, existing | sent.existing, sent) for row in checked.valid]
    results += [Result(number, "skipped", why="; ".join(map(str, faults))) for number, faults in checked.faults.items()]
    results += [
        Result(number, "skipped", why=f"the same request as row {first}") for number, first in checked.repeated.items()
    ]
    results.sort(key=lambda result: result.row)
    counts = Counter(result.outcome for result in results)
    log.info("%s", ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items())) or "no rows")
    return results


def _send(client: OpenESGClient, own_turn: Turn, missing: list[RequestRow], *, retried: bool) -> Sent:
    sender = Sender(client)
    if retried or own_turn.in_doubt:
        log.info(
            "An earlier try may have been cut off while it was sending, or still be at work elsewhere: looking again "
            "in %.0f s before anything is sent.",
            client.settings.settle_time,
        )
        sender.wait_for_others(missing)
    own_turn.begin_sending()
    sent = sender.send(missing)
    own_turn.all_known()
    return sent


def _result(row: RequestRow, existing: Mapping[Key, Known], sent: Sent) -> Result:
    if row.key in existing:
        return Result(row.number, "existing", row.key, existing[row.key])
    if row.key in sent.created:
        return Result(row.number, "created", row.key, sent.created[row.key])
    if row.key in sent.refused:
        return Result(row.number, "skipped", row.key, why=f"refused by the platform: {sent.refused[row.key]}")
    return Result(row.number, "to_create", row.key)


def _raise_for_faults(checked: Checked, on_invalid: str, on_duplicate: str) -> None:
    faults = Fault.listed(fault for row_faults in checked.faults.values() for fault in row_faults)
    repeated = [
        f"row {number}: the same request (customer_identifier, template, reason) as row {first}"
        for number, first in checked.repeated.items()
    ]
    fatal = (faults if on_invalid == "fail" else []) + (repeated if on_duplicate == "fail" else [])
    if fatal:
        ways = "; on_invalid='skip' sends the valid rows" if faults and on_invalid == "fail" else ""
        ways += "; on_duplicate='first' sends the first of equal rows" if repeated and on_duplicate == "fail" else ""
        raise OpenESGConfigError(f"requests: nothing was sent{ways}. Faults: {len(fatal)}\n" + "\n".join(fatal))
    for fault in faults:
        log.warning("Skipped: %s", fault)
