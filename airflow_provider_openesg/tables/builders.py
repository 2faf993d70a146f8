"""Records to the rows of each table."""

from __future__ import annotations

from itertools import accumulate, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.tables.columns import Columns
from airflow_provider_openesg.tables.decoder import as_text, field_of
from airflow_provider_openesg.tables.schemas import INTEGER, SCHEMAS, TEXT
from airflow_provider_openesg.tables.template import datatype, unit, units
from airflow_provider_openesg.tables.typed_values import TYPED, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_openesg.tables.summary import Summary
    from airflow_provider_openesg.tables.template_lookup import Lookup, Templates

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


_JOINED = (
    "section_id", "section_key", "field_type_id", "field_key", "datatype", "unit", "measurement_id", "measurement",
)  # fmt: skip
"""Columns of field values that what the templates say is joined to."""

UNTYPED = pa.schema(
    [
        field.with_type(pa.dictionary(pa.int32(), TEXT)) if field.name in _JOINED else field
        for field in SCHEMAS["field_values"]
        if field.name not in TYPED
    ]
)
"""Field values as :func:`field_values` makes them: what is joined is not written out yet, what is typed not there."""

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
    """Make the rows of the reports' values, joined with their field types, for :func:`typed_values` to end.

    :param templates: knows the templates of these reports.
    """
    for rows in _alike(report for report in reports if report.field_values):
        yield _field_values(rows, templates, summary)


def typed_values(batch: pa.RecordBatch, summary: Summary) -> pa.RecordBatch:
    """Type values that :func:`field_values` made, by Arrow, which lets go of the interpreter meanwhile."""
    text, keys = batch.column("value"), batch.column("field_key")
    read, malformed = typed(text, batch.column("datatype"))
    if malformed:
        places = pa.array(malformed)
        for key, example in zip(keys.take(places).to_pylist(), text.take(places).to_pylist(), strict=True):
            summary.count_malformed(key or "(no field key)", example)

    def column(field: pa.Field) -> pa.Array:
        if field.name in TYPED:
            return read[field.name] if field.name in read else pa.nulls(len(text), field.type)
        as_made = batch.column(field.name)
        return as_made.dictionary_decode() if field.name in _JOINED else as_made

    schema = SCHEMAS["field_values"]
    return pa.record_batch([column(field) for field in schema], schema=schema)


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
                lambda place, record, start=start: columns.add_unknown(start + place, name, record),  # type: ignore[misc]
            )
        return pa.array(found, pa.int32())

    field_types = numbers(templates.field_types, "field_type", columns.values("field_type"))
    sections = numbers(templates.sections, "section", columns.values("section"))
    if sections.null_count:
        listed = templates.field_types.column("section", field_types).to_pylist()
        pairs = zip(columns.values("section"), listed, strict=True)
        sections = numbers(templates.sections, "section", [other if each is None else each for each, other in pairs])
    measurements = numbers(templates.measurements, "measurement", columns.values("measurement"))
    given = {
        "report_id": _per_value([str(report.id) for report in reports], ends),
        "template_id": _per_value(template_ids, ends),
        "section_id": templates.sections.column("id", sections),
        "section_key": templates.sections.column("key", sections),
        "field_type_id": templates.field_types.column("id", field_types),
        "field_key": templates.field_types.column("key", field_types),
        "datatype": templates.field_types.column("datatype", field_types),
        "unit": templates.field_types.column("unit", field_types),
        "measurement_id": templates.measurements.column("id", measurements),
        "measurement": templates.measurements.column("key", measurements),
    }
    summary.without_field_type += pc.count(given["field_key"].dictionary_decode(), mode="only_null").as_py()
    return _counted("field_values", columns, given, summary, UNTYPED)


def _per_value(of_reports: Sequence[str | None], ends: Sequence[int]) -> pa.Array:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), pa.array(of_reports, TEXT))
    return pc.run_end_decode(runs)


def _counted(
    table: str, columns: Columns, given: Mapping[str, pa.Array], summary: Summary, schema: pa.Schema | None = None
) -> pa.RecordBatch:
    batch = columns.batch(schema or SCHEMAS[table], FIELDS[table], given)
    summary.rows[table] += batch.num_rows
    return batch


def _positions(start: int, length: int) -> pa.Array:
    return pa.array(range(start, start + length), INTEGER)


def _alike(records: Iterable[Any], key: Callable[[Any], Any] = type) -> Iterator[list[Any]]:
    """Group records by class: what a decoder has learned in between makes another one."""
    for _, group in groupby(records, key=key):
        yield list(group)
