"""Records to the rows of each table."""

from __future__ import annotations

from itertools import accumulate, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.tables.columns import Columns, as_text
from airflow_provider_openesg.tables.joins import Lookup, Templates, datatype, unit, units
from airflow_provider_openesg.tables.records import field_of
from airflow_provider_openesg.tables.schemas import INTEGER, SCHEMAS, TEXT
from airflow_provider_openesg.tables.values import TYPED, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_openesg.tables.summary import Summary

_USER = {
    "user_id": "user",
    "user_email": "user.email",
    "user_first_name": "user.first_name",
    "user_last_name": "user.last_name",
}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "organizations": {},
    "report_templates": {
        "organization_id": "organization",
        "catalog_id": "catalog",
        "catalog_key": "catalog.key",
        "catalog_name": "catalog.name",
    },
    "sections": {},
    "field_types": {
        "metric_type_id": "metric_type",
        "metric_type_key": "metric_type.key",
        "metric_type_name": "metric_type.name",
    },
    "report_requests": {
        "template_id": "report_template",
        "organization_id": "organization",
        "report_id": "report",
        **_USER,
    },
    "reports": {
        "template_id": "template",
        "report_request_id": "report_request",
        "organization_id": "organization",
        **_USER,
    },
    "field_values": {"organization_id": "organization", "measurement_id": "measurement"},
}
"""Table to column to field, where their names differ."""


VALUES_AT_ONCE = 10_000
"""Field values that make a batch, from as many pages of reports as it takes: a call of Arrow costs much the same for a
hundred rows as for thousands. It bounds what is held decoded, too: fewer values than this, and one page more."""


def is_enough(reports: Sequence[Any]) -> bool:
    """Tell whether there are so many reports that they should become batches now."""
    return sum(len(report.field_values or ()) or 1 for report in reports) >= VALUES_AT_ONCE


def batches(table: str, records: Iterable[Any], summary: Summary) -> Iterator[pa.RecordBatch]:
    """Make the rows of a table that has one row for each record."""
    for rows in _alike(records):
        yield _counted(table, Columns(rows, summary.count_malformed), {}, summary)


def sections(template: str, records: Sequence[Any], summary: Summary) -> Iterator[pa.RecordBatch]:
    """Make the rows of a template's sections."""
    position = 0
    for rows in _alike(records):
        given = {"template_id": pa.repeat(template, len(rows)), "position": _positions(position, len(rows))}
        yield _counted("sections", Columns(rows, summary.count_malformed), given, summary)
        position += len(rows)


def field_types(template: str, records: Iterable[Any], summary: Summary) -> Iterator[pa.RecordBatch]:
    """Make the rows of a template's field types."""
    placed = [
        (as_text(section), position, record)
        for section in records
        for position, record in enumerate(section.field_types or ())
    ]
    for group in _alike(placed, key=lambda place: type(place[2])):
        sections, positions, rows = (list(column) for column in zip(*group, strict=True))
        given = {
            "template_id": pa.repeat(template, len(rows)),
            "section_id": pa.array(sections, TEXT),
            "position": pa.array(positions, INTEGER),
            "datatype": pa.array([datatype(row) for row in rows], TEXT),
            "unit": pa.array([unit(row) for row in rows], TEXT),
            "units": pa.array([bytes(each) if (each := units(row)) is not None else None for row in rows], TEXT),
        }
        yield _counted("field_types", Columns(rows, summary.count_malformed), given, summary)


def field_values(reports: Iterable[Any], templates: Templates, summary: Summary) -> Iterator[pa.RecordBatch]:
    """Make the rows of the reports' values, each typed by its field type.

    :param templates: knows the templates of these reports.
    """
    for rows in _alike(report for report in reports if report.field_values):
        yield _field_values(rows, templates, summary)


def _field_values(reports: Sequence[Any], templates: Templates, summary: Summary) -> pa.RecordBatch:
    columns = Columns([value for report in reports for value in report.field_values], summary.count_malformed)
    ends = list(accumulate(len(report.field_values) for report in reports))
    template_ids = [as_text(field_of(report, "template")) for report in reports]

    def numbers(lookup: Lookup, name: str, values: Sequence[Any]) -> pa.Array:
        found: list[int | None] = []
        for template, group in groupby(zip(template_ids, ends, strict=True), key=itemgetter(0)):
            *_, (_, end) = group
            start = len(found)
            found += lookup.numbers(
                template or "",
                values if len(values) == end - start else values[start:end],
                lambda place, record, start=start: columns.leave_unknown(start + place, name, record),  # type: ignore[misc]
            )
        return pa.array(found, pa.int32())

    field_types = numbers(templates.field_types, "field_type", columns.values("field_type"))
    sections = numbers(templates.sections, "section", columns.values("section"))
    if sections.null_count:
        listed = templates.field_types.take("section", field_types).to_pylist()
        pairs = zip(columns.values("section"), listed, strict=True)
        sections = numbers(templates.sections, "section", [other if each is None else each for each, other in pairs])
    measurements = numbers(templates.measurements, "measurement", columns.values("measurement"))
    text = columns.array("value", SCHEMAS["field_values"].field("value"))
    field_keys = templates.field_types.take("key", field_types)
    summary.without_field_type += field_keys.null_count
    read, malformed = typed(text, templates.field_types.column("datatype", field_types))
    if malformed:
        keys, texts = field_keys.take(pa.array(malformed)), text.take(pa.array(malformed))
        for key, example in zip(keys.to_pylist(), texts.to_pylist(), strict=True):
            summary.count_malformed(key or "(no field key)", example)
    none = {name: pa.nulls(len(text), SCHEMAS["field_values"].field(name).type) for name in TYPED if name not in read}
    given = {
        "report_id": _per_value([str(report.id) for report in reports], ends),
        "template_id": _per_value(template_ids, ends),
        "section_id": templates.sections.take("id", sections),
        "section_key": templates.sections.take("key", sections),
        "field_type_id": templates.field_types.take("id", field_types),
        "field_key": field_keys,
        "datatype": templates.field_types.take("datatype", field_types),
        "unit": templates.field_types.take("unit", field_types),
        "measurement_id": templates.measurements.take("id", measurements),
        "measurement": templates.measurements.take("key", measurements),
        "value": text,
        **read,
        **none,
    }
    return _counted("field_values", columns, given, summary)


def _per_value(of_reports: Sequence[str | None], ends: Sequence[int]) -> pa.Array:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), pa.array(of_reports, TEXT))
    return pc.run_end_decode(runs)


def _counted(table: str, columns: Columns, given: Mapping[str, pa.Array], summary: Summary) -> pa.RecordBatch:
    batch = columns.batch(table, FIELDS[table], given)
    summary.rows[table] += batch.num_rows
    return batch


def _positions(start: int, length: int) -> pa.Array:
    return pa.array(range(start, start + length), INTEGER)


def _alike(records: Iterable[Any], key: Callable[[Any], Any] = type) -> Iterator[list[Any]]:
    """Group records by class: what a decoder has learned in between makes another one."""
    for _, group in groupby(records, key=key):
        yield list(group)
