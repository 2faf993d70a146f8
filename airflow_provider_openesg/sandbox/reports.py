"""Generate reports and their field values from the seed and the report ID."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_openesg.sandbox.company_answers import answer, facts_of
from airflow_provider_openesg.sandbox.organizations import Organization
from airflow_provider_openesg.sandbox.templates import TEMPLATES, FieldType, Section, Template

EPOCH = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""Initial time of the sandbox clock. Time does not pass by itself; each write advances the clock by one second."""

DAY = 86400
YEAR = 2025
VALUE_IDS = 1000
"""ID of a field value: report ID times this constant, plus the number of the value."""

MALFORMED = ("k. A.", "ca. 1200", "siehe Anhang", "n/a", "1,2,3", "zwölf")
PERSONAL_MESSAGE = "Bitte beantworten Sie unseren Fragebogen bis zum Quartalsende."


@dataclass(frozen=True, slots=True)
class Stage:
    """Status and progress of a report from a time on, in seconds since :data:`EPOCH`."""

    at: int
    status: str
    progress: int


@dataclass(slots=True)
class Report:
    """A report without its seeded values. ``edits`` stores changed values, ``touched`` the time of the last change.

    :param answered: percentage of questions answered by the seed, fixed at submission; ``None`` if it still grows.
    :param from_request: whether the report was created by a report request after the start.
    """

    id: int
    template: Template
    organization: Organization | None
    user: dict[str, Any] | None
    report_request_id: int | None
    customer_identifier: str | None
    reason: str | None
    stages: tuple[Stage, ...]
    extra: dict[str, Any]
    seed: str
    edits: dict[int, dict[str, Any]] = field(default_factory=dict)
    touched: int | None = None
    answered: int | None = None
    from_request: bool = False

    def stage(self, now: int) -> Stage:
        """Return the stage at time ``now``."""
        return next((stage for stage in reversed(self.stages) if stage.at <= now), self.stages[0])

    def progress(self, now: int) -> int:
        """Return the percentage of questions that the seed has answered at time ``now``."""
        return self.stage(now).progress if self.answered is None else self.answered

    def updated_at(self, now: int) -> int:
        """Return the time of the last change."""
        return max(self.stage(now).at, -(2**40) if self.touched is None else self.touched)

    def record(self, now: int) -> dict[str, Any]:
        """Return the record in the platform's format, with nested ``organization`` and without field values."""
        stage = self.stage(now)
        return {
            "id": self.id,
            "template": self.template.id,
            "report_request": self.report_request_id,
            "organization": self.organization and self.organization.record,
            "user": self.user,
            "status": stage.status,
            "progress": stage.progress,
            "period_start": f"{YEAR}-01-01",
            "period_end": f"{YEAR}-12-31",
            "customer_identifier": self.customer_identifier,
            "reason": self.reason,
            "created_at": iso(self.stages[0].at),
            "updated_at": iso(self.updated_at(now)),
            "submitted_at": iso(stage.at) if stage.status == "submitted" else None,
            **self.extra,
        }


def iso(seconds: float) -> str:
    """Return a sandbox time in the platform's format (ISO 8601)."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def seconds(time: datetime) -> int:
    """Return a time in seconds since :data:`EPOCH`."""
    return int((time - EPOCH).total_seconds())


def make_report(
    report_id: int,
    report_request_id: int | None,
    organizations: dict[int, Organization],
    seed: str,
    stages: tuple[Stage, ...] = (),
) -> Report:
    """Generate the report with this ID from the seed.

    :param stages: stages of the report; generated from the seed by default.
    """
    draw = random.Random(f"{seed}/report/{report_id}")  # noqa: S311 - not a secret
    organization = organizations[draw.randrange(1, len(organizations) + 1)]
    has_organization = draw.random() > 0.01
    template = TEMPLATES[1 if draw.random() < 0.85 else 2]
    return Report(
        id=report_id,
        template=template,
        organization=organization if has_organization else None,
        user=organization.user if has_organization else None,
        report_request_id=report_request_id if draw.random() > 0.02 else None,
        customer_identifier=f"K-{10000 + organization.id}" if draw.random() > 0.03 else None,
        reason=draw.choice((None, "Kreditprüfung 2025", "Lieferantenbewertung", "Portfolio ESG review")),
        stages=stages or _seeded_stages(draw),
        extra={"esg_risk_class": draw.choice("ABC")} if draw.random() < 0.03 else {},
        seed=seed,
    )


def _seeded_stages(draw: random.Random) -> tuple[Stage, ...]:
    """Return stages: about 67 % of reports start as submitted, 5 % are declined, and the others change later."""
    kind = draw.random()
    ahead = draw.randrange(600, 10 * DAY)
    if kind < 0.67:
        end = -draw.randrange(600, 80 * DAY)
    elif kind < 0.72:
        end = draw.choice((-1, 1)) * draw.randrange(600, 20 * DAY)
    else:
        end = ahead
    open_for = draw.randrange(2 * DAY, 40 * DAY)
    # About half of the open reports are in progress at the start.
    started = end - (draw.randrange(DAY, open_for) if kind < 0.86 else draw.randrange(300, ahead + 1))
    created = min(started, 0) - draw.randrange(DAY, 30 * DAY)
    if 0.67 <= kind < 0.72:
        return Stage(created, "requested", 0), Stage(end, "declined", 0)
    share = draw.randrange(15, 90)
    return Stage(created, "requested", 0), Stage(started, "in_progress", share), Stage(end, "submitted", 100)


def stages_of_request(report_id: int, seed: str, created: int, now: int) -> tuple[Stage, ...]:
    """Return the stages of a requested report. Most are started within days and submitted within weeks.

    5 % are declined and 10 % are never started.
    """
    draw = random.Random(f"{seed}/course/{report_id}")  # noqa: S311 - not a secret
    kind, started = draw.random(), now + draw.randrange(2 * DAY, 12 * DAY)
    submitted = started + draw.randrange(DAY, 25 * DAY)
    requested = Stage(created, "requested", 0)
    if kind < 0.05:
        return requested, Stage(started, "declined", 0)
    if kind < 0.15:
        return (requested,)
    return requested, Stage(started, "in_progress", draw.randrange(15, 90)), Stage(submitted, "submitted", 100)


def values_of(report: Report, progress: int) -> list[dict[str, Any]]:
    """Return a report's field values, including edits. The seed adds no values until the report is started."""
    values = answers_of(report, progress) if progress else []
    by_id = {value["id"]: value for value in values} | report.edits
    return list(by_id.values())


def answers_of(report: Report, progress: int) -> list[dict[str, Any]]:
    """Generate the provider's field values. Equal arguments produce equal values.

    :param progress: percentage of questions that have an answer, starting with the first question.
    """
    draw = random.Random(f"{report.seed}/values/{report.id}")  # noqa: S311 - not a secret
    company = report.organization
    facts = facts_of(company or UNKNOWN, YEAR, draw)
    questions: list[tuple[Section, FieldType, int | None, Any]] = []
    basic_only = facts["b1.module_option"] == "Basic Module only"
    for section in report.template.sections:
        name = section.key.rpartition(".")[2]
        if basic_only and name.startswith("c") and report.template.key == "vsme":
            continue
        instances = facts[name] if section.multi_instance else [None]
        for number, instance in enumerate(instances, 1):
            for each in section.field_types:
                if instance is None:
                    questions.append((section, each, None, facts.get(each.fact)))
                else:
                    questions.append((section, each, number, instance.get(each.fact.rpartition(".")[2])))
    answered = len(questions) * progress // 100
    owner = company.id if company else None
    return [
        _value(report.id * VALUE_IDS + number, owner, *question, number <= answered, draw)
        for number, question in enumerate(questions, 1)
    ]


def _value(
    value_id: int,
    owner: int | None,
    section: Section,
    field_type: FieldType,
    instance_id: int | None,
    fact: Any,
    answered: bool,
    draw: random.Random,
) -> dict[str, Any]:
    chance = draw.random()
    # Always draw an answer, so that later answers do not depend on the progress.
    given = answer(field_type.fact, field_type.datatype, draw) if fact is None else fact
    value, valid = _text(given, chance) if answered else (None, True)
    if chance < 0.04 and not field_type.required:
        value, valid = ("" if chance < 0.01 and answered else None), True
    value_complex = None
    if value and field_type.datatype == "eu_economic_activity":
        code, _, name = value.partition(" | ")
        value_complex = {"code": code, "name": name}
    attachment = None
    if value and (field_type.attachment == "required" or (field_type.attachment == "optional" and chance < 0.2)):
        name = f"{field_type.key.rpartition('.')[2]}.pdf"
        attachment = {"name": name, "url": f"/media/{value_id}/{name}", "size": 20_000 + value_id % 900_000}
    record = {
        "id": value_id,
        "organization": owner,
        "value": value,
        "value_complex": value_complex,
        "comment": "Geschätzt nach Vorjahr"
        if value is not None and field_type.is_commentable and chance < 0.15
        else "",
        "measurement": (1 if chance < 0.4 else 2) if value is not None and field_type.measured else None,
        "attachment": attachment,
        "instance_id": instance_id,
        "valid": valid,
        "required": field_type.required,
        "section": section.id,
        "field_type": field_type.id,
    }
    if chance > 0.999:
        record["source_page"] = value_id % 90
    return record


def _text(given: Any, chance: float) -> tuple[str | None, bool]:
    """Return a value as text, and whether it is valid. A few numbers use the German format or are malformed."""
    if isinstance(given, bool):
        return ("true" if given else "false"), True
    if given is None or isinstance(given, str):
        return given, True
    if 0.5 < chance < 0.503:
        return MALFORMED[int(chance * 1e6) % len(MALFORMED)], False
    text = f"{given:.2f}" if isinstance(given, float) else str(given)
    if 0.6 < chance < 0.61 and isinstance(given, float):
        text = f"{given:,.2f}".translate(str.maketrans(",.", ".,"))
    return text, True


UNKNOWN = Organization(
    0, {"name": "Unbekannt", "type": "other"}, {}, ("", "96.09", "Other personal service activities"), "", "DE"
)
"""Organization that generates the values of a report without an organization."""
