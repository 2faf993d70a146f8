"""State of the platform: seeded data, changes, clock, and options."""

from __future__ import annotations

import threading
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_openesg.sandbox.contacts import Contacts
from airflow_provider_openesg.sandbox.organizations import make_organizations
from airflow_provider_openesg.sandbox.reports import (
    DAY,
    PERSONAL_MESSAGE,
    Report,
    Stage,
    iso,
    make_report,
    stages_of_request,
)
from airflow_provider_openesg.sandbox.templates import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_openesg.sandbox.organizations import Organization

ORGANIZATIONS = 240
FIRST_REPORT, STEP = 1000, 10
"""Report IDs have gaps, so that a report can be inserted at any position."""

Filters = dict[str, Any]


@dataclass(slots=True)
class Options:
    """Variants of the platform's behavior. It is not documented which of them the real v1 API has.

    ``list_field_values``: lists of reports contain field values.
    ``references``: ``v1`` (organizations nested, all others IDs), ``ids`` or ``nested``.
    ``envelope``: ``items`` (with count), ``results`` (with next, as in 2023) or ``bare``.
    ``order``: order of lists. ``page_cap``: maximum number of rows in a page.
    ``organizations``: the list of organizations exists.
    ``unique_requests``: a second request with the same template, ``customer_identifier`` and reason is rejected (409).
    ``updated_after``: lists of reports and requests have this filter.
    ``token_lifetime``: lifetime of new tokens in seconds.
    ``shape``: names of :data:`airflow_provider_openesg.sandbox.shapes.table.SHAPES`.
    """

    list_field_values: bool = True
    references: Literal["v1", "ids", "nested"] = "v1"
    envelope: Literal["items", "results", "bare"] = "items"
    order: Literal["id", "-id", "updated_at"] = "id"
    page_cap: int | None = None
    organizations: bool = True
    unique_requests: bool = False
    updated_after: bool = False
    token_lifetime: int = 3600
    shape: Sequence[str] = ()


@dataclass(slots=True)
class Request:
    """A report request."""

    id: int
    report_id: int | None
    report: Report
    personal_message: str = PERSONAL_MESSAGE
    submission_date: str | None = "2026-04-30"
    created_by_api: bool = False
    withdrawn: bool = False

    def status(self, now: int) -> str:
        """Return the status. It is ``created`` until the request is approved, which requires a report."""
        if self.withdrawn:
            return "withdrawn"
        status = self.report.stage(now).status
        if self.report_id is None or (self.created_by_api and status == "requested"):
            return "created"
        return "declined" if status == "declined" else "approved"

    def updated_at(self, now: int) -> int:
        """Return the time of the last change. After approval, this is the time of the report's stage."""
        return self.report.stages[0].at if self.status(now) == "created" else self.report.stage(now).at

    def record(self, now: int) -> dict[str, Any]:
        """Return the record in the platform's format, with nested ``organization``."""
        report, created = self.report, iso(self.report.stages[0].at)
        approved = self.status(now) != "created"
        return {
            "id": self.id,
            "organization": report.organization and report.organization.record,
            "user": report.user,
            "report_template": report.template.id,
            "status": self.status(now),
            "approved_at": created if approved else None,
            "report": self.report_id,
            "customer_identifier": report.customer_identifier,
            "reason": report.reason,
            "personal_message": self.personal_message,
            "submission_date": self.submission_date,
            "created_at": created,
            "updated_at": iso(self.updated_at(now)),
        }


class PlatformState:
    """All data that the API serves. The methods are thread-safe.

    :param reports: number of reports at the start.
    :param seed: seed of all data.
    :param token_lifetime: initial value of the option ``token_lifetime`` in seconds; 3600 by default.
    :param shape: initial value of the option ``shape``; none by default.
    """

    def __init__(self, reports: int, seed: int, token_lifetime: int = 3600, shape: Sequence[str] = ()) -> None:
        self.lock = threading.RLock()
        self._count, self._seed, self._token_lifetime, self._shape = reports, seed, token_lifetime, shape
        self.reset()

    def reset(self) -> None:
        """Restore the initial state."""
        with self.lock:
            self.now = 0
            self.options = Options(token_lifetime=self._token_lifetime, shape=self._shape)
            self._emails: list[tuple[int, dict[str, Any]]] = []
            self.files: dict[int, bytes] = {}
            self.contacts = Contacts(make_organizations(ORGANIZATIONS, self._seed))
            self.request_keys: set[tuple[Any, ...]] = set()
            self.report_ids = [FIRST_REPORT + STEP * number for number in range(1, self._count + 1)]
            # The last requests have no report.
            self.report_request_ids = list(range(1, self._count + self._count // 40 + 1))
            self._reports: dict[int, Report] = {}
            self._requests: dict[int, Request] = {}
            self._report_ids = set(self.report_ids)
            self._lists: dict[Any, list[int]] = {}

    @property
    def organizations(self) -> dict[int, Organization]:
        """All organizations by ID."""
        return self.contacts.organizations

    def write_email(self, to: str, report_request_id: int, *, later: int = 0) -> None:
        """Add an e-mail to the outbox. ``later`` is the delay in seconds."""
        with self.lock:
            at = self.now + later
            self._emails.append((at, {"to": to, "report_request": report_request_id, "at": iso(at)}))

    def outbox(self) -> list[dict[str, Any]]:
        """Return the e-mails sent up to the current time of the clock."""
        with self.lock:
            return [email for at, email in self._emails if at <= self.now]

    def generated_count(self) -> int:
        """Return the number of reports generated so far. A report is generated when it is first read."""
        return len(self._reports)

    def shown_organizations(self) -> dict[int, Organization] | None:
        """Return the organizations, or ``None`` if the option ``organizations`` is off."""
        return self.organizations if self.options.organizations else None

    def turn_clock(self, seconds: float) -> str:
        """Advance the clock and return the new time."""
        with self.lock:
            self.now += int(seconds)
            self._changed()
            return iso(self.now)

    def report(self, report_id: int) -> Report | None:
        """Return a report by id."""
        with self.lock:
            if report_id not in self._report_ids:
                return None
            if report_id not in self._reports:
                number = (report_id - FIRST_REPORT) // STEP
                self._reports[report_id] = make_report(report_id, number, self.organizations, str(self._seed))
            return self._reports[report_id]

    def request(self, report_request_id: int) -> Request | None:
        """Return a report request by id."""
        with self.lock:
            if report_request_id in self._requests:
                return self._requests[report_request_id]
            if not 1 <= report_request_id <= self._count + self._count // 40:
                return None
            report_id = FIRST_REPORT + STEP * report_request_id
            report = self.report(report_id) if report_request_id <= self._count else None
            report = report or make_report(report_id, None, self.organizations, str(self._seed))
            linked = report.report_request_id == report_request_id
            self._requests[report_request_id] = Request(report_request_id, report_id if linked else None, report)
            return self._requests[report_request_id]

    def find_reports(self, filters: Filters) -> list[int]:
        """Return the ids of the matching reports in the order of the options."""

        def tests(report: Report) -> dict[str, Any]:
            return {
                "customer_identifier": report.customer_identifier,
                "report_template": (report.template.id, report.template.key),
                "report_request": report.report_request_id,
                "organization": report.organization and report.organization.id,
                "status": report.stage(self.now).status,
            }

        return self._find("reports", self.report_ids, filters, self.report, tests)

    def find_requests(self, filters: Filters) -> list[int]:
        """Return the ids of the matching report requests in the order of the options."""

        def tests(request: Request) -> dict[str, Any]:
            template = request.report.template
            return {
                "customer_identifier": request.report.customer_identifier,
                "report_template": (template.id, template.key),
                "status": request.status(self.now),
            }

        return self._find("requests", self.report_request_ids, filters, self.request, tests)

    def _find(
        self,
        name: str,
        ids: list[int],
        filters: Filters,
        get: Callable[[int], Any],
        tests: Callable[[Any], dict[str, Any]],
    ) -> list[int]:
        equal = {name: value for name, value in filters.items() if name != "updated_after"}
        after = filters.get("updated_after")
        with self.lock:
            order = self.options.order
            key = (name, order, tuple(sorted(filters.items())))
            if key not in self._lists:
                matching_ids = [each for each in ids if not equal or _matches(equal, tests(get(each)))]
                if after is not None:
                    matching_ids = [each for each in matching_ids if get(each).updated_at(self.now) > after]
                if order == "updated_at":
                    matching_ids.sort(key=lambda each: (get(each).updated_at(self.now), each))
                self._lists[key] = matching_ids[::-1] if order == "-id" else matching_ids
            return self._lists[key]

    def insert_report(self, position: str = "end", late: int = 0) -> Report:
        """Insert a submitted report with an ID at the ``start``, ``middle`` or ``end`` of the report IDs.

        :param late: seconds between its last change and the insertion, as with a long transaction; 0 by default.
        """
        with self.lock:
            ids = self.report_ids
            middle = range(len(ids) // 2, len(ids))
            if position == "start":
                report_id = min(ids, default=FIRST_REPORT) - 1
            else:
                after_all = max(ids, default=FIRST_REPORT) + STEP
                free = (ids[index] - 1 for index in middle if ids[index] - 1 > (ids[index - 1] if index else 0))
                report_id = next(free, after_all) if position == "middle" else after_all
            return self._add(
                report_id,
                None,
                (Stage(self.tick() - late - DAY, "requested", 0), Stage(self.now - late, "submitted", 100)),
            )

    def _add(self, report_id: int, report_request_id: int | None, stages: tuple[Stage, ...]) -> Report:
        report = make_report(report_id, report_request_id, self.organizations, str(self._seed), stages)
        self._reports[report_id] = report
        self._report_ids.add(report_id)
        insort(self.report_ids, report_id)
        self._changed()
        return report

    def remove_report(self, report_id: int) -> bool:
        """Remove a report and return whether it existed."""
        with self.lock:
            if report_id not in self._report_ids:
                return False
            request = self.request(getattr(self.report(report_id), "report_request_id", None) or 0)
            if request is not None:
                request.report_id = None
            self._report_ids.discard(report_id)
            self.report_ids.remove(report_id)
            self._changed()
            return True

    def withdraw_request(self, report_request_id: int) -> bool:
        """Withdraw a report request and its report, and return whether the request existed."""
        with self.lock:
            request = self.request(report_request_id)
            if request is None:
                return False
            now = self.tick()
            request.withdrawn = True
            earlier = (stage for stage in request.report.stages if stage.at < now)
            request.report.stages = (*earlier, Stage(now, "withdrawn", 0))
            self._changed()
            return True

    def edit_report(self, report: Report, edits: dict[int, dict[str, Any]]) -> None:
        """Write changed field values, by value ID, to a report."""
        with self.lock:
            report.edits |= edits
            report.touched = self.tick()
            self._changed()

    def submit_report(self, report: Report) -> None:
        """Submit a report with its present values. The seed adds no more answers."""
        with self.lock:
            report.answered = report.stage(self.now).progress
            report.touched = self.tick()
            earlier = tuple(stage for stage in report.stages if stage.at < self.now)
            report.stages = (*earlier, Stage(self.now, "submitted", 100))
            self._changed()

    def add_request(self, *, created: int | None, **details: Any) -> Request:
        """Add a report request and its report. The report changes status when the clock is advanced.

        :param created: time of creation; by default the current time of the clock.
        :param details: ``organization``, ``user``, ``template``, ``customer_identifier``, ``reason``,
            ``personal_message``, ``submission_date``.
        """
        with self.lock:
            now = self.tick() if created is None else created
            report_request_id = (self.report_request_ids[-1] if self.report_request_ids else 0) + 1
            report_id = (self.report_ids[-1] if self.report_ids else FIRST_REPORT) + STEP
            report = self._add(
                report_id, report_request_id, stages_of_request(report_id, str(self._seed), now, max(now, self.now))
            )
            report.report_request_id, report.from_request = report_request_id, True
            for name in ("organization", "user", "template", "customer_identifier", "reason"):
                setattr(report, name, details[name])
            request = Request(
                report_request_id,
                report.id,
                report,
                details["personal_message"],
                details["submission_date"],
                created_by_api=True,
            )
            self._requests[report_request_id] = request
            self.report_request_ids.append(report_request_id)
            self._changed()
            return request

    def tick(self) -> int:
        """Advance the clock by one second and return the new time. Every write does this."""
        self.now += 1
        return self.now

    def _changed(self) -> None:
        self._lists = {}

    def set_options(self, changes: dict[str, Any]) -> None:
        """Change options by name."""
        with self.lock:
            for name, value in changes.items():
                setattr(self.options, name, value)
            self._changed()


def template_by(id_or_key: int | str) -> Any:
    """Return a template by ID or key, or ``None`` if it does not exist."""
    return next((each for each in TEMPLATES.values() if str(id_or_key) in (str(each.id), each.key)), None)


def _matches(filters: Filters, given: dict[str, Any]) -> bool:
    return all(
        str(value) in map(str, given[name]) if isinstance(given[name], tuple) else str(given[name]) == str(value)
        for name, value in filters.items()
    )
