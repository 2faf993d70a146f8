"""What can be written to the platform: new report requests, field values of a report."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from ninja.errors import HttpError, ValidationError

from airflow_provider_openesg.sandbox.organizations import ENDINGS, LEGAL_FORMS, Organization
from airflow_provider_openesg.sandbox.reports import VALUE_IDS, Report, answers_of, iso, seconds
from airflow_provider_openesg.sandbox.world import Request, World, template_by

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.schemas import NewReportRequest, ReportChange


def create_request(world: World, body: NewReportRequest) -> tuple[Request, bool]:
    """Create organization, contact, report and request, and write the contact an e-mail unless told not to.

    :return: the request, and whether the contact was registered already.
    :raises ValidationError: 422 for a template or legal form that does not exist.
    """
    template = template_by(body.report_template)
    if template is None:
        raise _refusal("report_template", f"there is no report template {body.report_template!r}")
    by_name = {name.lower(): form for form, name in ENDINGS.items()}
    form = by_name.get(body.organization_legal_form.lower(), body.organization_legal_form)
    if form not in LEGAL_FORMS:
        raise _refusal("organization_legal_form", f"{form!r} is not one of {', '.join(LEGAL_FORMS)}")
    with world.lock:
        user, registered = _user(world, body)
        request = world.add_request(
            created=seconds(datetime.combine(body.creation_date, time(), UTC)) if body.creation_date else None,
            organization=_organization(world, body, form),
            user=user,
            template=template,
            customer_identifier=body.customer_identifier,
            reason=body.reason,
            personal_message=body.personal_message,
            submission_date=body.submission_date and body.submission_date.isoformat(),
        )
        if body.provider_notification != "no_notification":
            world.emails.append({"to": body.user_email, "report_request": request.id, "at": iso(world.now)})
    return request, registered


def _organization(world: World, body: NewReportRequest, form: str) -> Organization:
    """The platform knows a company by its VAT id, else by its name (assumed)."""
    for known in world.organizations.values():
        same_vat = body.organization_vat_id and known.record["vat_id"] == body.organization_vat_id
        if same_vat or known.record["name"] == body.organization_name:
            return known
    number = max(world.organizations) + 1
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
    world.organizations[number] = Organization(
        number, record, {}, trade, body.organization_city, body.organization_country
    )
    return world.organizations[number]


def _user(world: World, body: NewReportRequest) -> tuple[dict[str, Any], bool]:
    email = body.user_email.lower()
    users = [known.user for known in world.organizations.values() if known.user] + world.users
    for user in users:
        if user["email"].lower() == email:
            return user, True
    user = {
        "id": max(user["id"] for user in users) + 1,
        "email": body.user_email,
        "first_name": body.user_first_name,
        "last_name": body.user_last_name,
    }
    world.users.append(user)
    return user, False


def change_report(world: World, report: Report, body: ReportChange) -> None:
    """Write field values: found by id, else by field type and instance, added where the instance is new.

    :raises HttpError: 409 where the report is closed.
    :raises ValidationError: 422 for a value or field type that the report does not have.
    """
    with world.lock:
        stage = report.stage(world.now)
        if stage.status == "declined":
            raise HttpError(409, f"The report is {stage.status}.")
        values = [report.edits.get(value["id"], value) for value in answers_of(report, stage.progress)]
        values += [value for value in report.edits.values() if value not in values]
        edits = {}
        for change in body.field_values:
            value = _find(report, values, change.id, change.field_type, change.instance_id)
            written = change.dict(exclude_unset=True, include={"value", "value_complex", "comment", "measurement"})
            value |= written | {"valid": True}
            edits[value["id"]] = value
        world.edit_report(report, edits)


def _find(
    report: Report,
    values: list[dict[str, Any]],
    value_id: int | None,
    field_type_id: int | None,
    instance_id: int | None,
) -> dict[str, Any]:
    for value in values:
        if value["id"] == value_id or (
            value_id is None and (value["field_type"], value["instance_id"]) == (field_type_id, instance_id)
        ):
            return value
    if value_id is not None or field_type_id not in report.template.field_types:
        raise _refusal("field_values", f"the report has no field value {value_id}, field type {field_type_id}")
    section, field_type = report.template.field_types[field_type_id]
    if section.multi_instance == (instance_id is None):
        raise _refusal("instance_id", f"section {section.key} {'needs one' if section.multi_instance else 'has none'}")
    value = {
        # Above the ids of all answers that the seed gives.
        "id": max([report.id * VALUE_IDS + VALUE_IDS // 2, *(value["id"] for value in values)]) + 1,
        "organization": report.organization and report.organization.id,
        "value": None,
        "value_complex": None,
        "comment": "",
        "measurement": None,
        "attachment": None,
        "instance_id": instance_id,
        "valid": True,
        "required": field_type.required,
        "section": section.id,
        "field_type": field_type.id,
    }
    values.append(value)
    return value


def _refusal(field: str, message: str) -> ValidationError:
    return ValidationError([{"type": "value_error", "loc": ["body", "body", field], "msg": message}])
