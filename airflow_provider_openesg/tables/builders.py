"""Build record batches of each table from decoded records."""

from __future__ import annotations

from itertools import accumulate, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.tables.columns import Columns
from airflow_provider_openesg.tables.decoder import as_text, field_of
from airflow_provider_openesg.tables.schemas import INTEGER, SCHEMAS, TEXT
from airflow_provider_openesg.tables.template import datatype, own_unit, unit, units
from airflow_provider_openesg.tables.typed_values import TYPED, typed
from airflow_provider_openesg.tables.units import with_units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_openesg.tables.number_forms import NumberForms
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
"""Table to column to field, for columns whose names differ from the field's."""


_JOINED = (
    "section_id", "section_key", "field_type_id", "field_key", "datatype", "unit", "measurement_id", "measurement",
)  # fmt: skip
"""Columns of field values that are joined from the templates."""

UNTYPED = pa.schema(
    [
        field.with_type(pa.dictionary(pa.int32(), TEXT)) if field.name in _JOINED else field
        for field in SCHEMAS["field_values"]
        if field.name not in TYPED
    ]
)
"""Field values as :func:`field_values` returns them: joined columns are dictionaries, typed columns are missing."""

VALUES_AT_ONCE = 10_000
"""Minimum number of field values in a batch, from one or several pages: the cost of a call of Arrow hardly depends on
the number of rows. It also bounds memory: fewer decoded values than this, and one more page, are held."""


def is_enough(reports: Sequence[Any]) -> bool:
    """Return whether the reports have enough field values for a batch."""
    return sum(len(report.field_values or ()) or 1 for report in reports) >= VALUES_AT_ONCE


def batches(
    table: str, records: Iterable[Any], summary: Summary, templates: Templates | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a table that has one row per record.

    :param templates: their ids replace keys of templates.
    """
    for rows in _alike(records):
        batch = _counted(table, Columns(rows, summary.count_malformed), {}, summary)
        if "status" in batch.schema.names:
            found = summary.statuses.setdefault(table, set())
            found.update(pc.unique(batch.column("status")).drop_null().to_pylist())
        yield batch if templates is None else _with_template_ids(batch, templates)


def _with_template_ids(batch: pa.RecordBatch, templates: Templates) -> pa.RecordBatch:
    sent = batch.column("template_id").to_pylist()
    ids = [templates.id_of(each) for each in sent]
    if ids == sent:
        return batch
    return batch.set_column(
        batch.schema.get_field_index("template_id"), batch.schema.field("template_id"), pa.array(ids, TEXT)
    )


def sections(template: str, records: Sequence[Any], summary: Summary) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a template's sections."""
    position = 0
    for rows in _alike(records):
        given = {"template_id": pa.repeat(template, len(rows)), "position": _positions(position, len(rows))}
        yield _counted("sections", Columns(rows, summary.count_malformed), given, summary)
        position += len(rows)


def field_types(template: str, records: Iterable[Any], summary: Summary) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a template's field types."""
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
    """Yield the batches of the reports' values, joined with their field types. :func:`typed_values` completes them.

    :param templates: the templates of these reports, at least.
    """
    for rows in _alike(report for report in reports if report.field_values):
        yield _field_values(rows, templates, summary)


def typed_values(
    batch: pa.RecordBatch, summary: Summary, templates: Templates | None = None, forms: NumberForms | None = None
) -> pa.RecordBatch:
    """Return a batch of :func:`field_values` with typed columns. Arrow releases the interpreter lock meanwhile.

    :param templates: units, for numbers with a unit behind them.
    :param forms: decides what a point means.
    """
    text, keys = batch.column("value"), batch.column("field_key")
    read, malformed = typed(text, batch.column("datatype"), forms)
    if malformed and templates is not None:
        batch, read, malformed = with_units(batch, read, malformed, templates, forms)
    if malformed:
        places = pa.array(malformed)
        for key, example in zip(keys.take(places).to_pylist(), text.take(places).to_pylist(), strict=True):
            summary.count_malformed(key or "(no field key)", example)

    def complete(field: pa.Field) -> pa.Array:
        if field.name in TYPED:
            return read[field.name] if field.name in read else pa.nulls(len(text), field.type)
        column = batch.column(field.name)
        return column.dictionary_decode() if field.name in _JOINED else column

    schema = SCHEMAS["field_values"]
    return pa.record_batch([complete(field) for field in schema], schema=schema)


def _field_values(reports: Sequence[Any], templates: Templates, summary: Summary) -> pa.RecordBatch:
    columns = Columns([value for report in reports for value in report.field_values], summary.count_malformed)
    ends = list(accumulate(len(report.field_values) for report in reports))
    template_ids = [templates.id_of(as_text(field_of(report, "template"))) for report in reports]

    def numbers_of(lookup: Lookup, name: str, values: Sequence[Any]) -> pa.Array:
        numbers: list[int | None] = []
        for template, group in groupby(zip(template_ids, ends, strict=True), key=itemgetter(0)):
            *_, (_, end) = group
            start = len(numbers)
            numbers += lookup.numbers(
                template or "",
                values if len(values) == end - start else values[start:end],
                lambda place, record, start=start: columns.add_unknown(start + place, name, record),  # type: ignore[misc]
            )
        return pa.array(numbers, pa.int32())

    field_types = numbers_of(templates.field_types, "field_type", columns.values("field_type"))
    sections = numbers_of(templates.sections, "section", columns.values("section"))
    if sections.null_count:
        listed = templates.field_types.column("section", field_types).to_pylist()
        pairs = zip(columns.values("section"), listed, strict=True)
        sections = numbers_of(templates.sections, "section", [other if each is None else each for each, other in pairs])
    measurements = numbers_of(templates.measurements, "measurement", columns.values("measurement"))
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
    own = columns.values("unit")
    if own.count(None) < len(own):
        given["unit"] = _own_units(own, given, templates)
    summary.without_field_type += pc.count(given["field_key"].dictionary_decode(), mode="only_null").as_py()
    return _counted("field_values", columns, given, summary, UNTYPED)


def _own_units(own: Sequence[Any], given: Mapping[str, pa.Array], templates: Templates) -> pa.Array:
    """Return the unit of each value: its own, by the key that the field type lists for it, else the field type's."""
    units = given["unit"].to_pylist()
    places = zip(own, given["template_id"].to_pylist(), given["field_type_id"].to_pylist(), strict=True)
    for number, (raw, template, field_type) in enumerate(places):
        text = None if raw is None else own_unit(raw)
        if text is not None:
            units[number] = templates.unit_key(template, field_type, text) or text
    return pa.array(units, TEXT).dictionary_encode()


def _per_value(of_reports: Sequence[str | None], ends: Sequence[int]) -> pa.Array:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), pa.array(of_reports, TEXT))
    return pc.run_end_decode(runs)


def _counted(
    table: str, columns: Columns, given: Mapping[str, pa.Array], summary: Summary, schema: pa.Schema | None = None
) -> pa.RecordBatch:
    batch = columns.batch(schema or SCHEMAS[table], FIELDS[table], given)
    summary.rows[table] += batch.num_rows
    filled = summary.filled.setdefault(table, set())
    for name in [name for name in batch.schema.names if name not in filled]:
        if batch.column(name).null_count < batch.num_rows:
            filled.add(name)
    return batch


def _positions(start: int, length: int) -> pa.Array:
    return pa.array(range(start, start + length), INTEGER)


def _alike(records: Iterable[Any], key: Callable[[Any], Any] = type) -> Iterator[list[Any]]:
    """Yield groups of records of one class: the class changes when a decoder learns a new field."""
    for _, group in groupby(records, key=key):
        yield list(group)
