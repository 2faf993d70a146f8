"""Records to JSON bytes in the shape of the options, quickly: what is dear (field values) is encoded once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.sandbox.reports import Report, values_of
from airflow_provider_openesg.sandbox.templates import TEMPLATES, Section

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.state import World

CACHED_REPORTS = 1000
_encode = msgspec.json.Encoder().encode


class Encoder:
    """Encodes the records of a world.

    :param world: read at every call, options and clock included.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._values: OrderedDict[Any, bytes] = OrderedDict()

    def organization(self, organization_id: int) -> bytes | None:
        """Encode an organization; ``None`` (as of all others) where there is no such one."""
        organization = self._world.organizations.get(organization_id)
        return _encode(organization.record) if organization else None

    def template(self, template_id: int) -> bytes | None:
        """Encode a report template."""
        return _encode(TEMPLATES[template_id].record) if template_id in TEMPLATES else None

    def section(self, section: Section) -> bytes:
        """Encode a section with its field types."""
        return _encode(section.record)

    def request(self, request_id: int) -> bytes | None:
        """Encode a report request."""
        with self._world.lock:
            request = self._world.request(request_id)
            if request is None:
                return None
            record = request.record(self._world.now)
        if self._world.options.references == "nested":
            record["report_template"] = request.report.template.record
            record["report"] = request.report_id and {
                "id": request.report_id,
                "status": request.report.stage(self._world.now).status,
            }
        return _encode(self._organization_as_asked(record))

    def list_report(self, report_id: int) -> bytes | None:
        """Encode a report as a row of a list."""
        return self.report(report_id, with_values=self._world.options.list_field_values)

    def report(self, report_id: int, *, with_values: bool = True) -> bytes | None:
        """Encode a report."""
        with self._world.lock:
            report = self._world.report(report_id)
            if report is None:
                return None
            record = report.record(self._world.now)
            if with_values:
                record["field_values"] = msgspec.Raw(self._field_values(report))
        if self._world.options.references == "nested":
            record["template"] = report.template.record
            record["report_request"] = report.request_id and {"id": report.request_id}
        return _encode(self._organization_as_asked(record))

    def _organization_as_asked(self, record: dict[str, Any]) -> dict[str, Any]:
        if self._world.options.references == "ids" and record["organization"]:
            record["organization"] = record["organization"]["id"]
        return record

    def _field_values(self, report: Report) -> bytes:
        references, progress = self._world.options.references, report.progress(self._world.now)
        key = (report.id, progress, references)
        # What was written is forgotten by a reset; what the seed gives stays true.
        seeded = not report.edits and not report.asked
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
