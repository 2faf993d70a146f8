"""Encode records as JSON in the format that the options select. Encoded field values are cached."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.sandbox.reports import Report, values_of
from airflow_provider_openesg.sandbox.templates import TEMPLATES, Section

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.state import PlatformState

CACHED_REPORTS = 1000
_encode = msgspec.json.Encoder().encode


class Encoder:
    """Encoder for the records of the platform.

    :param platform: state of the platform, including options and clock; read at every call.
    """

    def __init__(self, platform: PlatformState) -> None:
        self._platform = platform
        self._values: OrderedDict[Any, bytes] = OrderedDict()

    def organization(self, organization_id: int) -> bytes | None:
        """Encode an organization. Like the other methods, return ``None`` if the record does not exist."""
        organization = self._platform.organizations.get(organization_id)
        return _encode(organization.record) if organization else None

    def template(self, template_id: int) -> bytes | None:
        """Encode a report template."""
        return _encode(TEMPLATES[template_id].record) if template_id in TEMPLATES else None

    def section(self, section: Section) -> bytes:
        """Encode a section with its field types."""
        return _encode(section.record)

    def request(self, report_request_id: int) -> bytes | None:
        """Encode a report request."""
        with self._platform.lock:
            request = self._platform.request(report_request_id)
            if request is None:
                return None
            record = request.record(self._platform.now)
        if self._platform.options.references == "nested":
            record["report_template"] = request.report.template.record
            record["report"] = request.report_id and {
                "id": request.report_id,
                "status": request.report.stage(self._platform.now).status,
            }
        return _encode(self._organization_reference(record))

    def list_report(self, report_id: int) -> bytes | None:
        """Encode a report as a row of a list."""
        return self.report(report_id, with_values=self._platform.options.list_field_values)

    def report(self, report_id: int, *, with_values: bool = True) -> bytes | None:
        """Encode a report."""
        with self._platform.lock:
            report = self._platform.report(report_id)
            if report is None:
                return None
            record = report.record(self._platform.now)
            if with_values:
                record["field_values"] = msgspec.Raw(self._field_values(report))
        if self._platform.options.references == "nested":
            record["template"] = report.template.record
            record["report_request"] = report.report_request_id and {"id": report.report_request_id}
        return _encode(self._organization_reference(record))

    def _organization_reference(self, record: dict[str, Any]) -> dict[str, Any]:
        if self._platform.options.references == "ids" and record["organization"]:
            record["organization"] = record["organization"]["id"]
        return record

    def _field_values(self, report: Report) -> bytes:
        references, progress = self._platform.options.references, report.progress(self._platform.now)
        key = (report.id, progress, references)
        # Only values from the seed are cached, because a reset does not change them.
        seeded = not report.edits and not report.from_request
        if key in self._values and seeded:
            return self._values[key]
        values = values_of(report, progress)
        if references == "nested":
            values = [_nested(report, value) for value in values]
        encoded = _encode(values)
        if seeded:
            self._values[key] = encoded
            if len(self._values) > CACHED_REPORTS:
                self._values.popitem(last=False)
        return encoded


def _nested(report: Report, value: dict[str, Any]) -> dict[str, Any]:
    section, field_type = report.template.field_types[value["field_type"]]
    return value | {
        "organization": report.organization and report.organization.record,
        "section": {name: section.record[name] for name in ("id", "key", "name")},
        "field_type": {name: field_type.record[name] for name in ("id", "key", "name")},
    }
