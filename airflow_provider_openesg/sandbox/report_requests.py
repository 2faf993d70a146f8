"""What a requestor writes to the platform: new report requests."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, time
from functools import cache
from typing import TYPE_CHECKING

from ninja.errors import HttpError, ValidationError

from airflow_provider_openesg.reports.requests.columns import COUNTRIES
from airflow_provider_openesg.sandbox.organizations import ENDINGS, LEGAL_FORMS, Organization
from airflow_provider_openesg.sandbox.reports import DAY, seconds
from airflow_provider_openesg.sandbox.state import Request, World, template_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.sandbox.schemas import NewReportRequest


def create_request(world: World, body: NewReportRequest) -> tuple[Request, bool]:
    """Create organization, contact, report and request, and write the contact an e-mail unless told not to.

    :return: the request, and whether the contact was registered already.
    :raises ValidationError: 422 for a template, legal form, country or time zone that does not exist.
    :raises HttpError: 409 for a request that another stands for, where the platform refuses that.
    """
    template = template_by(body.report_template)
    by_name = {name.lower(): form for form, name in ENDINGS.items()}
    form = by_name.get(body.organization_legal_form.lower(), body.organization_legal_form)
    faults = [
        (name, f"{value!r} is not known")
        for name, value, known in (
            ("report_template", body.report_template, template is not None),
            ("organization_legal_form", form, form in LEGAL_FORMS),
            ("organization_country", body.organization_country, body.organization_country in COUNTRIES),
            ("user_timezone", body.user_timezone, body.user_timezone in _timezones()),
        )
        if not known
    ]
    if template is None or faults:
        raise refusal(*((("body", name), message) for name, message in faults))
    with world.lock:
        key = (template.id, body.customer_identifier, body.reason)
        if world.options.unique_requests and body.customer_identifier and key in world.request_keys:
            raise HttpError(409, "There is a report request with this customer_identifier, report_template and reason.")
        world.request_keys.add(key)
        known = world.directory.find_user(body.user_email)
        request = world.add_request(
            created=seconds(datetime.combine(body.creation_date, time(), UTC)) if body.creation_date else None,
            organization=_organization(world, body, form),
            user=known or world.directory.add_user(body.user_email, body.user_first_name, body.user_last_name),
            template=template,
            customer_identifier=body.customer_identifier,
            reason=body.reason,
            personal_message=body.personal_message,
            submission_date=body.submission_date and body.submission_date.isoformat(),
        )
        if body.provider_notification != "no_notification":
            # The risk check takes the platform a day.
            later = DAY if body.provider_notification == "after_esg_risk_check" else 0
            world.write_email(body.user_email, request.id, later=later)
    return request, known is not None


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _organization(world: World, body: NewReportRequest, form: str) -> Organization:
    known = world.directory.find_organization(body.organization_vat_id, body.organization_name)
    if known is not None:
        return known
    number = len(world.organizations) + 1
    record = {
        "id": number,
        "name": body.organization_name,
        "type": form,
        "vat_id": body.organization_vat_id,
        "court_of_registration": body.organization_court_of_registration,
        "registration_number": body.organization_commercial_register_number,
        "homepage": body.organization_homepage,
        "scoped_external_data": body.scoped_external_data,
    }
    trade = ("", "96.09", "Other personal service activities")
    return world.directory.add_organization(
        Organization(number, record, {}, trade, body.organization_city, body.organization_country)
    )


def refusal(*faults: tuple[Sequence[str | int], str]) -> ValidationError:
    """Return a 422 as django-ninja reports it: where in the body, and what is wrong."""
    return ValidationError([{"type": "value_error", "loc": ["body", *loc], "msg": message} for loc, message in faults])
