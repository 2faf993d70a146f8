"""The platform's data: what the seed gives, what was written since, the clock, and the options that shape answers."""

from __future__ import annotations

import threading
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_openesg.sandbox.contacts import Directory
from airflow_provider_openesg.sandbox.organizations import make_organizations
from airflow_provider_openesg.sandbox.reports import (
    DAY,
    PERSONAL_MESSAGE,
    Report,
    Stage,
    course_of_request,
    iso,
    make_report,
)
from airflow_provider_openesg.sandbox.templates import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.sandbox.organizations import Organization

ORGANIZATIONS = 240
FIRST_REPORT, STEP = 1000, 10
"""Ids of reports leave room between and before them, so that one inserted later can stand anywhere in their order."""

Filters = dict[str, Any]


@dataclass(slots=True)
class Options:
    """How the platform answers; nobody outside knows which of these v1 does.

    ``list_field_values``: lists of reports carry field values. ``references``: ``v1`` (organizations nested, all others
    ids), ``ids``, ``nested``. ``envelope``: ``items`` (with count), ``results`` (with next, 2023), ``bare``. ``order``:
    of lists. ``page_cap``: most rows of a page, whatever is asked for. ``organizations``: the list exists.
    ``unique_requests``: a second request with the template, ``customer_identifier`` and reason of another is refused
    (409). ``updated_after``: lists of reports and requests take this filter. ``token_lifetime``: seconds, of new ones.
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


@dataclass(slots=True)
class Request:
    """A report request."""

    id: int
    report_id: int | None
    report: Report
    personal_message: str = PERSONAL_MESSAGE
    submission_date: str | None = "2026-04-30"
    written: bool = False
    withdrawn: bool = False

    def status(self, now: int) -> str:
        """Return ``created`` until the platform approved it, which takes a report."""
        if self.withdrawn:
            return "withdrawn"
        status = self.report.stage(now).status
        if self.report_id is None or (self.written and status == "requested"):
            return "created"
        return "declined" if status == "declined" else "approved"

    def updated_at(self, now: int) -> int:
        """Return when it last changed: with its report, once it is approved."""
        return self.report.stages[0].at if self.status(now) == "created" else self.report.stage(now).at

    def record(self, now: int) -> dict[str, Any]:
        """Return it as the platform sends it, with ``organization`` nested."""
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


class World:
    """Everything the API shows. All methods may be called from any thread.

    :param reports: how many there are at the start.
    :param seed: all data follows from it.
    :param token_lifetime: seconds; the option's value after a reset.
    """

    def __init__(self, reports: int, seed: int, token_lifetime: int = 3600) -> None:
        self.lock = threading.RLock()
        self._count, self._seed, self._token_lifetime = reports, seed, token_lifetime
        self.reset()

    def reset(self) -> None:
        """Back to the start."""
        with self.lock:
            self.now = 0
            self.options = Options(token_lifetime=self._token_lifetime)
            self._emails: list[tuple[int, dict[str, Any]]] = []
            self.files: dict[int, bytes] = {}
            self.directory = Directory(make_organizations(ORGANIZATIONS, self._seed))
            self.request_keys: set[tuple[Any, ...]] = set()
            self.report_ids = [FIRST_REPORT + STEP * number for number in range(1, self._count + 1)]
            # A few requests have no report yet.
            self.request_ids = list(range(1, self._count + self._count // 40 + 1))
            self._reports: dict[int, Report] = {}
            self._requests: dict[int, Request] = {}
            self._known = set(self.report_ids)
            self._lists: dict[Any, list[int]] = {}

    @property
    def organizations(self) -> dict[int, Organization]:
        """All organizations by id."""
        return self.directory.organizations

    def write_email(self, to: str, request_id: int, *, later: int = 0) -> None:
        """Write an e-mail, now or so many seconds later."""
        with self.lock:
            at = self.now + later
            self._emails.append((at, {"to": to, "report_request": request_id, "at": iso(at)}))

    def outbox(self) -> list[dict[str, Any]]:
        """Return the e-mails that have been sent by now."""
        with self.lock:
            return [email for at, email in self._emails if at <= self.now]

    def made(self) -> int:
        """Return how many reports were made so far: they are made when first asked for."""
        return len(self._reports)

    def shown_organizations(self) -> dict[int, Organization] | None:
        """Return the organizations, where the platform has a list of them."""
        return self.organizations if self.options.organizations else None

    def turn_clock(self, seconds: float) -> str:
        """Advance the clock and return its time."""
        with self.lock:
            self.now += int(seconds)
            self._changed()
            return iso(self.now)

    def report(self, report_id: int) -> Report | None:
        """Return a report by id."""
        with self.lock:
            if report_id not in self._known:
                return None
            if report_id not in self._reports:
                number = (report_id - FIRST_REPORT) // STEP
                self._reports[report_id] = make_report(report_id, number, self.organizations, str(self._seed))
            return self._reports[report_id]

    def request(self, request_id: int) -> Request | None:
        """Return a report request by id."""
        with self.lock:
            if request_id in self._requests:
                return self._requests[request_id]
            if not 1 <= request_id <= self._count + self._count // 40:
                return None
            report_id = FIRST_REPORT + STEP * request_id
            report = self.report(report_id) if request_id <= self._count else None
            report = report or make_report(report_id, None, self.organizations, str(self._seed))
            linked = report.request_id == request_id
            self._requests[request_id] = Request(request_id, report_id if linked else None, report)
            return self._requests[request_id]

    def find_reports(self, filters: Filters) -> list[int]:
        """Return the ids of the matching reports in the order of the options."""

        def tests(report: Report) -> dict[str, Any]:
            return {
                "customer_identifier": report.customer_identifier,
                "report_template": (report.template.id, report.template.key),
                "report_request": report.request_id,
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

        return self._find("requests", self.request_ids, filters, self.request, tests)

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
                found = [each for each in ids if not equal or _matches(equal, tests(get(each)))]
                if after is not None:
                    found = [each for each in found if get(each).updated_at(self.now) > after]
                if order == "updated_at":
                    found.sort(key=lambda each: (get(each).updated_at(self.now), each))
                self._lists[key] = found[::-1] if order == "-id" else found
            return self._lists[key]

    def insert_report(self, position: str = "end", late: int = 0) -> Report:
        """Insert a submitted report whose id puts it at the ``start``, ``middle`` or ``end`` of the others.

        :param late: seconds that went by from its last change until the platform shows it, as in a long transaction.
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

    def _add(self, report_id: int, request_id: int | None, stages: tuple[Stage, ...]) -> Report:
        report = make_report(report_id, request_id, self.organizations, str(self._seed), stages)
        self._reports[report_id] = report
        self._known.add(report_id)
        insort(self.report_ids, report_id)
        self._changed()
        return report

    def remove_report(self, report_id: int) -> bool:
        """Remove a report; tell whether there was one."""
        with self.lock:
            if report_id not in self._known:
                return False
            request = self.request(getattr(self.report(report_id), "request_id", None) or 0)
            if request is not None:
                request.report_id = None
            self._known.discard(report_id)
            self.report_ids.remove(report_id)
            self._changed()
            return True

    def withdraw_request(self, request_id: int) -> bool:
        """Withdraw a request, and its report with it; tell whether there was one."""
        with self.lock:
            request = self.request(request_id)
            if request is None:
                return False
            now = self.tick()
            request.withdrawn = True
            past = (stage for stage in request.report.stages if stage.at < now)
            request.report.stages = (*past, Stage(now, "withdrawn", 0))
            self._changed()
            return True

    def edit_report(self, report: Report, edits: dict[int, dict[str, Any]]) -> None:
        """Write changed field values, by id, to a report."""
        with self.lock:
            report.edits |= edits
            report.touched = self.tick()
            self._changed()

    def submit_report(self, report: Report) -> None:
        """Submit a report with the values that it has: the seed answers nothing more."""
        with self.lock:
            report.answered = report.stage(self.now).progress
            report.touched = self.tick()
            past = tuple(stage for stage in report.stages if stage.at < self.now)
            report.stages = (*past, Stage(self.now, "submitted", 100))
            self._changed()

    def add_request(self, *, created: int | None, **details: Any) -> Request:
        """Store a new report request and its report, which moves on as the clock is turned.

        :param created: when, where that is not now.
        :param details: ``organization``, ``user``, ``template``, ``customer_identifier``, ``reason``,
            ``personal_message``, ``submission_date``.
        """
        with self.lock:
            now = self.tick() if created is None else created
            request_id = (self.request_ids[-1] if self.request_ids else 0) + 1
            report_id = (self.report_ids[-1] if self.report_ids else FIRST_REPORT) + STEP
            report = self._add(
                report_id, request_id, course_of_request(report_id, str(self._seed), now, max(now, self.now))
            )
            report.request_id, report.asked = request_id, True
            for name in ("organization", "user", "template", "customer_identifier", "reason"):
                setattr(report, name, details[name])
            request = Request(
                request_id, report.id, report, details["personal_message"], details["submission_date"], written=True
            )
            self._requests[request_id] = request
            self.request_ids.append(request_id)
            self._changed()
            return request

    def tick(self) -> int:
        """Let a second pass, as every write does, and return the time."""
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
    """Return a template by its id or key; ``None`` where there is none."""
    return next((each for each in TEMPLATES.values() if str(id_or_key) in (str(each.id), each.key)), None)


def _matches(filters: Filters, given: dict[str, Any]) -> bool:
    return all(
        str(value) in map(str, given[name]) if isinstance(given[name], tuple) else str(given[name]) == str(value)
        for name, value in filters.items()
    )
