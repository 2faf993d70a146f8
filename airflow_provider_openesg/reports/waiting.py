"""Which reports are waited for, and what the platform says of them. No Airflow: each way of waiting asks the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import ENDED_STATUSES, RESOURCES, reference
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError, OpenESGNotFoundError
from airflow_provider_openesg.parameters import check_filters, check_list
from airflow_provider_openesg.reports.source import with_template_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_openesg.reports.source import Source

SHOWN = 10
"""Reports that a log line names."""

MAX_IDS = 1000
"""Report ids that go to the next task; more belong into a table."""

DELETED = "deleted"
"""Status, in our words, of one among many that is not on the platform."""

GONE = OpenESGNotFoundError
"""What a look ends in where the report or request is not on the platform."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A report, or a request that has none yet.

    :param name: as messages call it.
    :param report_id: ``None`` for a request without a report.
    """

    name: str
    report_id: str | int | None
    status: str


@dataclass(slots=True)
class Sighting:
    """What one look at the platform has found."""

    there: list[Awaited] = field(default_factory=list)
    missing: list[Awaited] = field(default_factory=list)
    ended: list[Awaited] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All that is waited for, as far as it is known."""
        return len(self.there) + len(self.missing) + len(self.ended)

    def __str__(self) -> str:
        if not self.total:
            return "Nothing found yet that could be waited for: no report, no request."
        parts = [f"{len(self.there)} of {self.total} reports are there"]
        parts += [f"missing: {_listed(self.missing)}"] if self.missing else []
        parts += [f"will not come: {_listed(self.ended)}"] if self.ended else []
        return "; ".join(parts) + "."


def _listed(awaited: Sequence[Awaited]) -> str:
    more = f" and {len(awaited) - SHOWN} more" if len(awaited) > SHOWN else ""
    return ", ".join(f"{each.name} ({each.status})" for each in awaited[:SHOWN]) + more


@dataclass(frozen=True, slots=True)
class Expected:
    """How many have to be there.

    :param share: of all that are known, 0 to 1; ``None`` where a number is given.
    :param number: at least that many; ``None`` where a share is given.
    """

    share: float | None = None
    number: int | None = None

    @classmethod
    def parse(cls, value: Any, of: int | None = None) -> Expected:
        """Read ``"all"``, a number from 1, or a share such as ``"80%"``.

        :param of: how many can come; ``None`` where that is not known.
        :raises OpenESGConfigError: for anything else, and for more than can come.
        """
        text = "" if isinstance(value, bool) else str(value).strip().lower()
        if text == "all":
            return cls(share=1)
        if text.isdecimal() and int(text) > 0:
            if of is not None and int(text) > of:
                raise OpenESGConfigError(f'expected: {value!r} given, of {of} that can come. A share ends in "%".')
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

    def met_by(self, seen: Sighting) -> bool:
        """Tell whether enough are there. Nothing at all is never enough."""
        return len(seen.there) >= max(1, self._needed(seen))

    def out_of_reach(self, seen: Sighting) -> bool:
        """Tell whether too many will not come. A number that more reports may still make up is within reach."""
        return self._needed(seen) <= seen.total and seen.total - len(seen.ended) < self._needed(seen)

    def _needed(self, seen: Sighting) -> int:
        if self.number is not None:
            return self.number
        # Rounded first: 0.07 * 100 is a little more than 7.
        return math.ceil(round((self.share or 0) * seen.total, 9))


@dataclass(frozen=True, slots=True)
class Decision:
    """What a look means for the wait.

    :param status: ``waiting``, ``done`` or ``unreachable``.
    :param message: why it is unreachable.
    :param result: of the wait, for the next task.
    """

    status: str
    message: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def only_report(self) -> str | int | None:
        """The report that is there, where it is the only one."""
        ids = self.result.get("report_ids", ())
        return ids[0] if len(ids) == 1 else None

    @classmethod
    def gone(cls, error: Exception) -> Decision:
        """Make the decision of a look that ended in :data:`GONE`."""
        return cls("unreachable", f"It will not come: deleted, or not to be seen by this client. {error}")

    def event(self) -> dict[str, Any]:
        """Return it as a trigger sends it."""
        return {"status": self.status, "message": self.message, "result": dict(self.result)}


def decide(seen: Sighting, expected: Expected, given: str | int) -> Decision:
    """Tell what a look means: the same for each way of waiting.

    :param given: ``expected`` as the user wrote it.
    """
    result = {
        "report_ids": [each.report_id for each in seen.there[:MAX_IDS]],
        "there": len(seen.there),
        "missing": len(seen.missing),
        "ended": len(seen.ended),
    }
    if expected.met_by(seen):
        return Decision("done", result=result)
    if expected.out_of_reach(seen):
        return Decision("unreachable", f"Expected {given}, which cannot be reached any more. {seen}", result)
    return Decision("waiting", result=result)


SELECTORS = ("report_id", "report_request_id", "customer_identifier", "filters")
"""What can be waited for: exactly one of these is given."""


@dataclass(frozen=True, slots=True)
class ReportSelector:
    """The reports that are waited for.

    :param statuses: of reports that are there.
    """

    statuses: Sequence[str]
    report_id: str | int | None = None
    report_request_id: str | int | list[str | int] | None = None
    customer_identifier: str | None = None
    filters: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, given: Any, *, statuses: Sequence[str]) -> ReportSelector:
        """Check what templates have made of a sensor's or trigger's parameters.

        :raises OpenESGConfigError: nothing is left to wait for, or a filter that is not known.
        """
        values = {name: getattr(given, name) for name in SELECTORS}
        if values["filters"] is not None:
            check_filters(values["filters"])
            if not values["filters"]:
                raise OpenESGConfigError("filters: an empty dict given; name what to wait for.")
        if isinstance(values["report_request_id"], list):
            check_list("report_request_id", values["report_request_id"])
        for name in SELECTORS[:3]:
            # A template that found nothing renders to nothing, or to the word: never to be taken for "everything".
            if values[name] is not None and str(values[name]).strip() in ("", "None"):
                raise OpenESGConfigError(f"{name}: {values[name]!r} given; the template found nothing to wait for.")
        return cls(statuses=statuses, **values)

    @property
    def number(self) -> int | None:
        """How many can come; ``None`` where only the platform knows."""
        if isinstance(self.report_request_id, list):
            return len(set(map(str, self.report_request_id)))
        return None if self.report_id is None and self.report_request_id is None else 1

    def look(self, source: Source) -> Sighting:
        """Ask the platform, or what was read from it.

        :raises OpenESGNotFoundError: the one report or request that is waited for is not there, or no more.
        """
        seen = Sighting()
        for each in self._awaited(source):
            # A request that was approved or submitted says nothing of its report: only a report can be there.
            if each.report_id is not None and each.status in self.statuses:
                seen.there.append(each)
            elif each.status in (*ENDED_STATUSES, DELETED):
                seen.ended.append(each)
            else:
                seen.missing.append(each)
        return seen

    def _awaited(self, source: Source) -> Iterator[Awaited]:
        if self.report_id is not None:
            yield _report(source.get_record("reports", self.report_id))
        elif self.report_request_id is not None:
            if isinstance(self.report_request_id, list):
                yield from self._of_requests(source, list(dict.fromkeys(map(str, self.report_request_id))))
                return
            request = source.get_record("report-requests", self.report_request_id)
            report_id = reference(request, "report")
            yield self._answer(request, None if report_id is None else _report(source.get_record("reports", report_id)))
        else:
            filters = with_template_id(source, self.filters or {"customer_identifier": self.customer_identifier})
            # Requests first: one that gets its report in between is then in both lists, and never in neither.
            yield from self._requests_without_report(source, filters)
            yield from (_report(row) for page in source.iter_pages("reports", filters=filters) for row in page)

    def _answer(self, request: Mapping[str, Any], report: Awaited | None) -> Awaited:
        withdrawn = request.get("status") in ENDED_STATUSES and report and report.status not in self.statuses
        return _request(request) if report is None or withdrawn else report

    def _of_requests(self, source: Source, ids: Sequence[str]) -> Iterator[Awaited]:
        """Read both lists, requests first; one that is not there, or whose report is not, will not come."""
        wanted = set(ids)
        asked = {id_: row for id_, row in _rows(source, "report-requests") if id_ in wanted}
        answers = {id_: str(report) for id_, row in asked.items() if (report := reference(row, "report")) is not None}
        wanted = set(answers.values())
        reports = {id_: _report(row) for id_, row in _rows(source, "reports") if id_ in wanted}
        for each in ids:
            gone = each not in asked or (each in answers and answers[each] not in reports)
            yield (
                Awaited(f"request {each}", None, DELETED)
                if gone
                else self._answer(asked[each], reports.get(answers.get(each, "")))
            )

    def _requests_without_report(self, source: Source, filters: Mapping[str, Any]) -> Iterator[Awaited]:
        """Companies that were asked and have not begun: without them "all" would be all that have begun."""
        # ``status`` is the report's; a filter that requests do not have leaves no way to know which of them are meant.
        usable = filters.keys() <= RESOURCES["report-requests"].filters.keys() - {"status"}
        for page in source.iter_pages("report-requests", filters=filters) if usable else ():
            yield from (_request(row) for row in page if reference(row, "report") is None)


def _rows(source: Source, resource: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for page in source.iter_pages(resource, filters={}):
        yield from ((str(row["id"]), row) for row in page)


def _report(record: Mapping[str, Any]) -> Awaited:
    if not isinstance(record.get("status"), str):
        raise OpenESGContractError(
            f"report {record.get('id')}: no status in it, so nobody can tell whether it is there."
        )
    return Awaited(f"report {record['id']}", record["id"], record["status"])


def _request(record: Mapping[str, Any]) -> Awaited:
    return Awaited(f"request {record['id']}", None, str(record.get("status") or "no report yet"))
