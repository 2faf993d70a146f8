"""Select awaited reports, read their states and decide whether a wait ends. The same for poke and deferred mode."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import ENDED_STATUSES, REPORT_STATUSES
from airflow_provider_openesg.client.source import our_status, reference, with_template_id
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.filters import check_filters, filters_of
from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.parameters import check_id, check_list, check_record_id, require_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_openesg.client.source import Source

SHOWN = 10
"""Number of reports that a log line lists."""

MAX_IDS = 1000
"""Maximum number of report ids in the result."""

DELETED = "deleted"
"""Status of a request of a list that is not on the platform, or whose report is not."""


@dataclass(frozen=True, slots=True)
class AwaitedReport:
    """A report, or a request without a report.

    :param name: name in messages.
    :param report_id: ``None`` for a request without a report.
    """

    name: str
    report_id: str | int | None
    status: str


@dataclass(slots=True)
class ReportCounts:
    """The awaited reports after one poll: with an awaited status, missing, and ended without one.

    :param unknown: number of the missing reports by a status that is not known.
    """

    reached: list[AwaitedReport] = field(default_factory=list)
    missing: list[AwaitedReport] = field(default_factory=list)
    ended: list[AwaitedReport] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Number of known reports and requests."""
        return len(self.reached) + len(self.missing) + len(self.ended)

    def __str__(self) -> str:
        if not self.total:
            return "No report and no request found yet."
        parts = [f"{len(self.reached)} of {self.total} reports have the status"]
        parts += [f"missing: {_listed(self.missing)}"] if self.missing else []
        parts += [f"ended without it: {_listed(self.ended)}"] if self.ended else []
        if self.unknown:
            words = ", ".join(f"{word!r:.60} ({count})" for word, count in self.unknown.most_common(SHOWN))
            parts.append(
                f"statuses that are not known: {words}. They count as missing. If one means a known status, "
                + in_profile(f'[words.status] "{next(iter(self.unknown)):.60}" = "submitted"')
            )
        return "; ".join(parts) + "."


def _listed(awaited: Sequence[AwaitedReport]) -> str:
    more = f" and {len(awaited) - SHOWN} more" if len(awaited) > SHOWN else ""
    return ", ".join(f"{each.name} ({each.status})" for each in awaited[:SHOWN]) + more


@dataclass(frozen=True, slots=True)
class Expected:
    """Number or share of reports that end a wait.

    :param share: share of the known reports, 0 to 1; ``None`` if a number is given.
    :param number: smallest number of reports; ``None`` if a share is given.
    """

    share: float | None = None
    number: int | None = None

    @classmethod
    def parse(cls, value: Any, of: int | None = None) -> Expected:
        """Read ``"all"``, a number from 1, or a share such as ``"80%"``.

        :param of: number of possible reports; ``None`` if it is not known.
        :raises OpenESGConfigError: if the value is anything else, or a number above ``of``.
        """
        text = "" if isinstance(value, bool) else str(value).strip().lower()
        if text == "all":
            return cls(share=1)
        if text.isdecimal() and int(text) > 0:
            if of is not None and int(text) > of:
                raise OpenESGConfigError(f'expected: {value!r} given; allowed: at most {of}. A share ends in "%".')
            return cls(number=int(text))
        try:
            percent = float(text.removesuffix("%")) if text.endswith("%") else 0
        except ValueError:
            percent = 0
        if not 0 < percent <= 100:
            raise OpenESGConfigError(
                f'expected: {value!r:.100} given; allowed: "all", a number from 1, or a share above "0%" such as "80%".'
            )
        return cls(share=percent / 100)

    def is_met(self, counts: ReportCounts) -> bool:
        """Return whether enough reports have the status: at least one."""
        return len(counts.reached) >= max(1, self._needed(counts))

    def is_unreachable(self, counts: ReportCounts) -> bool:
        """Return whether too many known reports have ended. Reports that are not known yet may still reach a number."""
        return self._needed(counts) <= counts.total and counts.total - len(counts.ended) < self._needed(counts)

    def _needed(self, counts: ReportCounts) -> int:
        if self.number is not None:
            return self.number
        # Rounded first, because 0.07 * 100 is slightly more than 7.
        return math.ceil(round((self.share or 0) * counts.total, 9))


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a poll for the wait.

    :param status: ``waiting``, ``done`` or ``unreachable``.
    :param message: reason if it is unreachable.
    :param result: return value of the task.
    """

    status: str
    message: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def only_report(self) -> str | None:
        """Id of the report that has the status, if it is the only one."""
        ids = self.result.get("report_ids", ())
        return ids[0] if len(ids) == 1 else None

    @classmethod
    def not_found(cls, error: Exception) -> Decision:
        """Return the decision for a poll whose report or request was not found."""
        return cls("unreachable", f"The report or request was deleted, or the client has no access to it. {error}")

    def event(self) -> dict[str, Any]:
        """Return the payload of the trigger's event."""
        return {"status": self.status, "message": self.message, "result": dict(self.result)}


def decide(counts: ReportCounts, expected: Expected, given: str | int) -> Decision:
    """Return the decision for a poll.

    :param given: value of ``expected`` in messages.
    """
    result = {
        "report_ids": [str(each.report_id) for each in counts.reached[:MAX_IDS]],
        "reached": len(counts.reached),
        "missing": len(counts.missing),
        "ended": len(counts.ended),
    }
    if expected.is_met(counts):
        return Decision("done", result=result)
    reports = [each for each in (*counts.missing, *counts.ended) if each.report_id is not None]
    if counts.unknown and counts.unknown.total() == len(reports) and not counts.reached:
        return Decision(
            "unreachable", f"No status of the awaited reports is known, so none can be reached. {counts}", result
        )
    if expected.is_unreachable(counts):
        return Decision("unreachable", f"expected={given!r} cannot be reached: {counts}", result)
    return Decision("waiting", result=result)


SELECTORS = ("report_id", "report_request_id", "customer_identifier", "filters")
"""Parameters that select reports: exactly one is given."""


@dataclass(frozen=True, slots=True)
class ReportSelector:
    """The awaited reports.

    :param statuses: statuses that end the wait.
    """

    statuses: Sequence[str]
    report_id: str | int | None = None
    report_request_id: str | int | list[str | int] | None = None
    customer_identifier: str | None = None
    filters: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, given: Any, *, statuses: Sequence[str]) -> ReportSelector:
        """Check the rendered parameters of a sensor or trigger.

        :raises OpenESGConfigError: if a value is empty, or if a filter is not known.
        """
        values = {name: getattr(given, name) for name in SELECTORS}
        name = require_one(values, SELECTORS)
        value = values[name]
        if name == "filters":
            check_filters(value)
            if not value:
                raise OpenESGConfigError("filters: an empty dict given; allowed: at least one filter.")
        elif name == "report_request_id" and isinstance(value, list | tuple | set):
            check_list(name, value)
            values[name] = [check_id(name, each) for each in value]
        elif name == "customer_identifier":
            check_id(name, value)
        else:
            check_record_id(name, value)
        return cls(statuses=statuses, **values)

    @property
    def number(self) -> int | None:
        """Number of possible reports; ``None`` if only the platform knows it."""
        if isinstance(self.report_request_id, list):
            return len(set(map(str, self.report_request_id)))
        return None if self.report_id is None and self.report_request_id is None else 1

    def poll(self, source: Source) -> ReportCounts:
        """Read the awaited reports from the platform or from a snapshot.

        :raises OpenESGNotFoundError: if the single awaited report or request does not exist.
        """
        counts = ReportCounts()
        awaited = {our_status(source.api, each) for each in self.statuses}
        known = {*REPORT_STATUSES, *awaited, DELETED}
        for each in self._awaited(source):
            if each.report_id is not None and each.status not in known:
                counts.unknown[each.status] += 1
            # The status of a request does not show whether its report exists, so only reports count.
            if each.report_id is not None and each.status in awaited:
                counts.reached.append(each)
            elif each.status in (*ENDED_STATUSES, DELETED):
                counts.ended.append(each)
            else:
                counts.missing.append(each)
        return counts

    def _awaited(self, source: Source) -> Iterator[AwaitedReport]:
        if self.report_id is not None:
            yield _report(source.get_record("reports", self.report_id))
        elif self.report_request_id is not None:
            if isinstance(self.report_request_id, list):
                yield from self._of_requests(source, list(dict.fromkeys(map(str, self.report_request_id))))
                return
            request = source.get_record("report-requests", self.report_request_id)
            report_id = reference(request, "report")
            if "report" not in request:  # only the report may name the other
                pages = source.iter_pages("reports", filters={"report_request": self.report_request_id})
                rows = (row for page in pages for row in page)
                report_id = next((row["id"] for row in rows), None)
            yield self._state(request, None if report_id is None else _report(source.get_record("reports", report_id)))
        else:
            filters = with_template_id(source, self.filters or {"customer_identifier": self.customer_identifier})
            # Requests first: a request that gets its report in between is then in both lists, never in none.
            yield from self._requests_without_report(source, filters)
            yield from (_report(row) for page in source.iter_pages("reports", filters=filters) for row in page)

    def _state(self, request: Mapping[str, Any], report: AwaitedReport | None) -> AwaitedReport:
        withdrawn = request.get("status") in ENDED_STATUSES and report and report.status not in self.statuses
        return _request(request) if report is None or withdrawn else report

    def _of_requests(self, source: Source, ids: Sequence[str]) -> Iterator[AwaitedReport]:
        """Read both lists, requests first. A request that is missing, or whose report is missing, counts as deleted."""
        wanted = set(ids)
        requests = {id_: row for id_, row in _rows(source, "report-requests") if id_ in wanted}
        report_ids = {
            id_: str(report) for id_, row in requests.items() if (report := reference(row, "report")) is not None
        }
        wanted = set(report_ids.values())
        reports = {id_: _report(row) for id_, row in _rows(source, "reports") if id_ in wanted}
        for each in ids:
            deleted = each not in requests or (each in report_ids and report_ids[each] not in reports)
            yield (
                AwaitedReport(f"request {each}", None, DELETED)
                if deleted
                else self._state(requests[each], reports.get(report_ids.get(each, "")))
            )

    def _requests_without_report(self, source: Source, filters: Mapping[str, Any]) -> Iterator[AwaitedReport]:
        """Yield requests without a report: without them, ``all`` would ignore companies that have not started."""
        # ``status`` is a filter of reports. Requests cannot be selected by filters that they do not have.
        usable = filters.keys() <= {*filters_of("report-requests")} - {"status"}
        for page in source.iter_pages("report-requests", filters=filters) if usable else ():
            yield from (_request(row) for row in page if reference(row, "report") is None)


def _rows(source: Source, resource: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for page in source.iter_pages(resource, filters={}):
        yield from ((str(row["id"]), row) for row in page)


def _report(record: Mapping[str, Any]) -> AwaitedReport:
    if not isinstance(record.get("status"), str):
        raise OpenESGContractError(
            f"report {record.get('id')}: the response has no status; expected: a text. If it has another name, "
            + in_profile('[names] report.status = "..."')
        )
    return AwaitedReport(f"report {record['id']}", record["id"], record["status"])


def _request(record: Mapping[str, Any]) -> AwaitedReport:
    return AwaitedReport(f"request {record['id']}", None, str(record.get("status") or "no report yet"))
