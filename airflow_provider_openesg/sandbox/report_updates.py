"""Write field values, attach files and submit reports, as a provider does."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ninja.errors import HttpError

from airflow_provider_openesg.sandbox.report_requests import refusal
from airflow_provider_openesg.sandbox.reports import VALUE_IDS, Report, answers_of, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_openesg.sandbox.schemas import FieldValueChange, ReportChange
    from airflow_provider_openesg.sandbox.state import PlatformState
    from airflow_provider_openesg.sandbox.templates import FieldType, Section

CLOSED = frozenset({"accepted", "declined", "withdrawn"})
MAX_FILE_BYTES = 10 * 1024 * 1024

_FORMS = {
    "decimal": (r"-?[0-9]+(\.[0-9]+)?", "a decimal such as 1.00"),
    "integer": (r"-?[0-9]+", "an integer such as 1"),
    "boolean": (r"true|false", "true or false"),
    "daterange": (
        r"[0-9]{4}-[0-9]{2}-[0-9]{2} - [0-9]{4}-[0-9]{2}-[0-9]{2}",
        "a range such as 2020-01-01 - 2020-12-31",
    ),
    "eu_economic_activity": (r"([A-Z]|[0-9]{2}(\.[0-9]{1,2}){0,3})( \| .+)?", "an activity such as 12.12 | Fischerei"),
    "short_text": (r".{0,255}", "one line of at most 255 characters"),
}


class InvalidChange(Exception):  # noqa: N818 - it is converted to a 422 response
    """A change that is not valid, with the name of its field and a message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def change_report(platform: PlatformState, report: Report, body: ReportChange) -> None:
    """Write field values. Find a value by ID, or by field type and instance; add it if the report does not have it.

    :raises HttpError: if the report is closed (409).
    :raises ValidationError: if a value or field type is not valid (422); no change is written.
    """
    with platform.lock:
        _raise_if_closed(platform, report)
        values = _all_values(platform, report)
        edits, faults = {}, []
        for number, change in enumerate(body.field_values):
            try:
                value = _find(report, values, change)
                _, field_type = report.template.field_types[value["field_type"]]
                value |= _checked(field_type, change)
                edits[value["id"]] = value
            except InvalidChange as refused:
                faults.append((("body", "field_values", number, refused.name), str(refused)))
        if faults:
            raise refusal(*faults)
        platform.edit_report(report, edits)


def attach(platform: PlatformState, report: Report, value_id: int, name: str, content: bytes) -> dict[str, Any]:
    """Attach a file to a field value, replacing an existing file, and return the value.

    :raises HttpError: if the report does not have the value (404) or is closed (409).
    :raises ValidationError: if the file is empty or too large, or the field does not allow files (422).
    """
    with platform.lock:
        _raise_if_closed(platform, report)
        value = next((dict(each) for each in _all_values(platform, report) if each["id"] == value_id), None)
        if value is None:
            raise HttpError(404, "Not Found")
        _, field_type = report.template.field_types[value["field_type"]]
        if field_type.attachment == "none":
            raise refusal((("file",), f"field type {field_type.key} takes no attachment"))
        if not content or len(content) > MAX_FILE_BYTES:
            raise refusal((("file",), f"a file of 1 to {MAX_FILE_BYTES} bytes"))
        value["attachment"] = {"name": name, "url": f"/media/{value_id}/{name}", "size": len(content)}
        platform.files[value_id] = content
        platform.edit_report(report, {value_id: value})
        return value


def submit(platform: PlatformState, report: Report) -> None:
    """Submit a report.

    :raises HttpError: if the report is closed or already submitted (409).
    :raises ValidationError: if a required value is missing or a value is not valid (422).
    """
    with platform.lock:
        _raise_if_closed(platform, report)
        if report.stage(platform.now).status == "submitted":
            raise HttpError(409, "The report is submitted already.")
        missing = [(("field_values", key), message) for key, message in _missing(platform, report)]
        if missing:
            raise refusal(*missing)
        platform.submit_report(report)


def _raise_if_closed(platform: PlatformState, report: Report) -> None:
    status = report.stage(platform.now).status
    if status in CLOSED:
        raise HttpError(409, f"The report is {status}.")


def _all_values(platform: PlatformState, report: Report) -> list[dict[str, Any]]:
    """Return copies of all field values, so that a rejected change does not modify the report."""
    values = {value["id"]: dict(value) for value in answers_of(report, report.progress(platform.now))}
    return list((values | {number: dict(value) for number, value in report.edits.items()}).values())


def _checked(field_type: FieldType, change: FieldValueChange) -> dict[str, Any]:
    written = change.dict(exclude_unset=True, include={"value", "value_complex", "comment", "measurement"})
    text = written.get("value")
    if text:
        _check_value(field_type, text)
        if field_type.datatype == "eu_economic_activity" and "value_complex" not in written:
            code, _, name = text.partition(" | ")
            written["value_complex"] = {"code": code, "name": name}
    elif "value" in written:
        written["value_complex"] = None
    measurement = written.get("measurement")
    if measurement is not None and measurement not in [each["id"] for each in field_type.record["measurements"]]:
        raise InvalidChange("measurement", f"{measurement} is not one of field type {field_type.key}")
    if written.get("comment") and not field_type.is_commentable:
        raise InvalidChange("comment", f"field type {field_type.key} takes no comment")
    return written | {"valid": True}


def _check_value(field_type: FieldType, text: str) -> None:
    pattern, form = _FORMS.get(field_type.datatype, (r"(?s:.*)", ""))
    if not re.fullmatch(pattern, text):
        raise InvalidChange("value", f"{text!r} is not {form}")
    if field_type.datatype in ("decimal", "integer"):
        low, high = field_type.record["min"], field_type.record["max"]
        if (low is not None and Decimal(text) < Decimal(low)) or (high is not None and Decimal(text) > Decimal(high)):
            raise InvalidChange("value", f"{text} is not within {low} and {high}")
    if field_type.datatype == "daterange":
        try:
            start, end = map(date.fromisoformat, text.split(" - "))
        except ValueError:
            raise InvalidChange("value", f"{text!r} is not {form}") from None
        if start > end:
            raise InvalidChange("value", f"{text!r} ends before it begins")


def _find(report: Report, values: list[dict[str, Any]], change: FieldValueChange) -> dict[str, Any]:
    wanted = change.field_type, change.instance_id
    for value in values:
        if value["id"] == change.id or (change.id is None and (value["field_type"], value["instance_id"]) == wanted):
            return value
    if change.id is not None:
        raise InvalidChange("id", f"the report has no field value {change.id}")
    if change.field_type not in report.template.field_types:
        raise InvalidChange("field_type", f"the report's template has no field type {change.field_type}")
    section, field_type = report.template.field_types[change.field_type]
    if section.multi_instance == (change.instance_id is None):
        needs = "needs one" if section.multi_instance else "has none"
        raise InvalidChange("instance_id", f"section {section.key} {needs}")
    value = _new_value(report, values, section, field_type) | {"instance_id": change.instance_id}
    values.append(value)
    return value


def _new_value(
    report: Report, values: Sequence[dict[str, Any]], section: Section, field_type: FieldType
) -> dict[str, Any]:
    return {
        # Higher than the IDs of all values that the seed generates.
        "id": max([report.id * VALUE_IDS + VALUE_IDS // 2, *(value["id"] for value in values)]) + 1,
        "organization": report.organization and report.organization.id,
        "value": None,
        "value_complex": None,
        "comment": "",
        "measurement": None,
        "attachment": None,
        "instance_id": None,
        "valid": True,
        "required": field_type.required,
        "section": section.id,
        "field_type": field_type.id,
    }


def _missing(platform: PlatformState, report: Report) -> Iterator[tuple[str, str]]:
    """Yield the keys and errors that prevent submission. A multi-instance section is checked for each instance."""
    values = {
        (value["field_type"], value["instance_id"]): value
        for value in values_of(report, report.progress(platform.now))
        if value["value"]
    }
    keys = {report.template.field_types[number][1].key: value["value"] for (number, _), value in values.items()}
    basic_only = keys.get("esg.vsme.b1.module_option") == "Basic Module only"
    for section, field_type in report.template.field_types.values():
        if basic_only and section.key.rpartition(".")[2].startswith("c"):
            continue
        ours = {each.id for each in section.field_types}
        instances = {instance for number, instance in values if number in ours} if section.multi_instance else {None}
        for instance in instances:
            value = values.get((field_type.id, instance))
            if value is None and field_type.required:
                yield field_type.key, "a value is required"
            elif value is not None and not value["valid"]:
                yield field_type.key, "the value is not valid"
