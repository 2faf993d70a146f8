"""Create report requests, as a requestor does."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, time
from functools import cache
from typing import TYPE_CHECKING

from ninja.errors import HttpError, ValidationError

from airflow_provider_openesg.reports.requests.columns import COUNTRIES
from airflow_provider_openesg.sandbox.organizations import ENDINGS, LEGAL_FORMS, Organization
from airflow_provider_openesg.sandbox.reports import DAY, seconds
from airflow_provider_openesg.sandbox.state import PlatformState, Request, template_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.sandbox.schemas import NewReportRequest


def create_request(platform: PlatformState, body: NewReportRequest) -> tuple[Request, bool]:
    """Create organization, contact, report and report request, and e-mail the contact unless the body disables it.

    :return: the report request, and whether the contact was already registered.
    :raises ValidationError: if a template, legal form, country or time zone does not exist (422).
    :raises HttpError: if the option ``unique_requests`` is set and the same report request exists (409).
    """
    template = template_by(body.report_template)
    by_name = {name.lower(): form for form, name in ENDINGS.items()}
    form = by_name.get(body.organization_legal_form.lower(), body.organization_legal_form)
    errors = [
        (name, f"{value!r} is not known")
        for name, value, valid in (
            ("report_template", body.report_template, template is not None),
            ("organization_legal_form", form, form in LEGAL_FORMS),
            ("organization_country", body.organization_country, body.organization_country in COUNTRIES),
            ("user_timezone", body.user_timezone, body.user_timezone in _timezones()),
        )
        if not valid
    ]
    if template is None or errors:
        raise refusal(*((("body", name), message) for name, message in errors))
    with platform.lock:
        key = (template.id, body.customer_identifier, body.reason)
        if platform.options.unique_requests and body.customer_identifier and key in platform.request_keys:
            raise HttpError(409, "There is a report request with this customer_identifier, report_template and reason.")
        platform.request_keys.add(key)
        existing_user = platform.contacts.find_user(body.user_email)
        request = platform.add_request(
            created=seconds(datetime.combine(body.creation_date, time(), UTC)) if body.creation_date else None,
            organization=_organization(platform, body, form),
            user=existing_user
            or platform.contacts.add_user(body.user_email, body.user_first_name, body.user_last_name),
            template=template,
            customer_identifier=body.customer_identifier,
            reason=body.reason,
            personal_message=body.personal_message,
            submission_date=body.submission_date and body.submission_date.isoformat(),
        )
        if body.provider_notification != "no_notification":
            # The risk check takes one day.
            later = DAY if body.provider_notification == "after_esg_risk_check" else 0
            platform.write_email(body.user_email, request.id, later=later)
    return request, existing_user is not None


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _organization(platform: PlatformState, body: NewReportRequest, form: str) -> Organization:
    existing = platform.contacts.find_organization(body.organization_vat_id, body.organization_name)
    if existing is not None:
        return existing
    number = len(platform.organizations) + 1
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
    return platform.contacts.add_organization(
        Organization(number, record, {}, trade, body.organization_city, body.organization_country)
    )


def refusal(*errors: tuple[Sequence[str | int], str]) -> ValidationError:
    """Return a 422 error in django-ninja's format, from paths in the body and messages."""
    return ValidationError([{"type": "value_error", "loc": ["body", *loc], "msg": message} for loc, message in errors])
