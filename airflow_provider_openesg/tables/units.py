"""Read numbers with a unit behind them, such as ``12.5 kWh``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.tables.schemas import DECIMAL, INTEGER, TEXT
from airflow_provider_openesg.tables.value_format import UNIT, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from airflow_provider_openesg.tables.number_forms import NumberForms
    from airflow_provider_openesg.tables.template_lookup import Templates


def with_units(
    batch: pa.RecordBatch,
    read: dict[str, pa.Array],
    malformed: Sequence[int],
    templates: Templates,
    forms: NumberForms | None = None,
) -> tuple[pa.RecordBatch, dict[str, pa.Array], list[int]]:
    """Read the malformed numbers that end in a unit which their field type lists.

    :param batch: values as :func:`.builders.field_values` returns them.
    :param read: typed columns read so far.
    :param malformed: positions of the values that were not read.
    :param forms: decides what a point means.
    :return: batch, typed columns, and the positions that are still malformed.
    """
    places = pa.array(malformed)
    columns = [
        batch.column(name).take(places).to_pylist() for name in ("value", "datatype", "template_id", "field_type_id")
    ]
    numbers: dict[int, Decimal] = {}
    integers: dict[int, int] = {}
    units: dict[int, str] = {}
    for place, text, datatype, template, field_type in zip(malformed, *columns, strict=True):
        match = UNIT.fullmatch(text.strip()) if datatype in ("decimal", "integer") else None
        key = None if match is None else templates.unit_key(template, field_type, match[2])
        digits = None if match is None or key is None else match[1] if forms is None else forms.one(match[1].strip())
        value = None if digits is None else number(digits)
        if value is None or key is None or (datatype == "integer" and value != value.to_integral_value()):
            continue
        numbers[place], units[place] = value, key
        if datatype == "integer" and -(2**63) <= value < 2**63:
            integers[place] = int(value)
    if not numbers:
        return batch, read, list(malformed)
    read = {**read, "value_decimal": _replaced(read["value_decimal"], numbers, DECIMAL)}
    if integers:
        read["value_integer"] = _replaced(read["value_integer"], integers, INTEGER)
    plain = _replaced(batch.column("unit").dictionary_decode(), units, TEXT)
    position = batch.schema.get_field_index("unit")
    batch = batch.set_column(position, batch.schema.field("unit"), plain.dictionary_encode())
    return batch, read, [place for place in malformed if place not in numbers]


def _replaced(column: pa.Array, values: Mapping[int, object], type_: pa.DataType) -> pa.Array:
    mask = pa.array([place in values for place in range(len(column))])
    return pc.replace_with_mask(column, mask, pa.array([values[place] for place in sorted(values)], type_))
