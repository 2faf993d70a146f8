"""Convert decoded records to Arrow columns, vectorised if all values have the expected type."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw, Struct, ValidationError

from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.tables.decoder import as_text, scalar_text
from airflow_provider_openesg.tables.learned_type import REST, Layout
from airflow_provider_openesg.tables.schemas import BOOLEAN, DATE, DECIMAL, EXTRA, TEXT, TIMESTAMP, is_json
from airflow_provider_openesg.tables.value_format import fitting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHUNK = 128
"""Rows that are converted at a time: few enough for the processor's cache."""

_OPEN, _CLOSE, _COMMA, _NOTHING = pa.scalar("{"), pa.scalar("}"), pa.scalar(","), pa.scalar("")

OnUnfit = Callable[[str, str], None]
"""Called with the field and the JSON of each value that does not fit its column."""


class Columns:
    """Decoded records of one class, by column.

    :param rows: at least one record, all of one decoder.
    :param on_unfit: called for values that go to ``extra`` because they do not fit their column.
    """

    def __init__(self, rows: Sequence[Any], on_unfit: OnUnfit) -> None:
        self._on_unfit = on_unfit
        self._length = len(rows)
        self._rest: dict[int, dict[str, Any]] = {}
        classes: set[Any] = {*map(type, rows)}
        # A decoder adds fields to its class: the last class has those of all before it, at the end.
        names = max((each.__struct_fields__ for each in classes), key=len)
        self._layout = max((each.layout for each in classes), key=lambda each: len(each.unknown) + len(each.renamed))
        self._one_class = len(classes) == 1
        columns: list[list[Any]] = [[] for _ in names]
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            if self._one_class:
                for column, values in zip(columns, zip(*map(msgspec.structs.astuple, chunk), strict=True), strict=True):
                    column.extend(values)
            else:
                for name, column in zip(names, columns, strict=True):
                    column.extend(getattr(row, name, None) for row in chunk)
        self._columns = dict(zip(names, columns, strict=True))
        for attribute, (name, sent) in self._layout.renamed.items():
            self._merge(name, sent, self._columns[attribute])

    def batch(self, schema: pa.Schema, paths: Mapping[str, str], given: Mapping[str, pa.Array]) -> pa.RecordBatch:
        """Return the rows as a batch.

        :param schema: their columns, ``extra`` last.
        :param paths: column to field, where their names differ; ``user.email`` is a field of an object.
        :param given: columns that are complete already.
        """
        arrays = {
            field.name: given[field.name]
            if field.name in given
            else self.array(paths.get(field.name, field.name), field)
            for field in schema
            if field.name != EXTRA
        }
        # Last, because the other columns add values that do not fit them.
        return pa.record_batch([*arrays.values(), self._extra()], schema=schema)

    def values(self, path: str) -> list[Any]:
        """Return the decoded values of a field."""
        name, _, part = path.partition(".")
        values = self._columns[name]
        return [getattr(value, part) if isinstance(value, Struct) else None for value in values] if part else values

    def ids(self, name: str) -> list[Any]:
        """Return the ids of a reference; unknown fields of objects sent for it go to ``extra``."""
        values = self._columns[name]
        for row, value in enumerate(values):
            if isinstance(value, Struct):
                if self._one_class and not value.layout.has_unknown:  # type: ignore[attr-defined]
                    break  # all objects of a column are of one class
                self.add_unknown(row, name, value)
        return [value.id if isinstance(value, Struct) else value for value in values]  # type: ignore[attr-defined]

    def array(self, path: str, field: pa.Field) -> pa.Array:
        """Return a field as a column of the schema's type, and a reference as its id."""
        values = self.values(path)
        first = next((value for value in values if value is not None), None)
        if first is None:
            return pa.nulls(self._length, field.type)
        if isinstance(first, Struct):
            values = self.ids(path)
            first = next((value for value in values if value is not None), None)
        if is_json(field):
            return _texts([None if value is None else _encoded(value) for value in values])
        arrow_type = _ARROW_TYPES.get(type(first), field.type)
        try:
            array = pa.array(values, arrow_type)
            return array if arrow_type == field.type else array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass  # at least one value has another type: convert one by one
        read = _FROM_RAW[field.type]
        return pa.array(
            [None if value is None else self._one(row, path, value, read) for row, value in enumerate(values)],
            field.type,
        )

    def add_unknown(self, row: int, name: str, record: Struct) -> None:
        """Add the unknown fields of an object sent for a reference to ``extra``."""
        if unknown := _unknown_fields(record):
            self._add_extra(row, name, unknown)

    def _one(self, row: int, path: str, value: Any, read: Callable[[Raw], Any]) -> Any:
        if isinstance(value, Struct):
            self.add_unknown(row, path, value)
            return self._one(row, f"{path}.id", value.id, read)  # type: ignore[attr-defined]
        raw = value if isinstance(value, Raw) else Raw(msgspec.json.encode(value))
        try:
            return read(raw)
        except (ValueError, ValidationError, OverflowError):
            self._add_extra(row, path, raw)
            self._on_unfit(f"{self._layout.name}.{path}", bytes(raw).decode("utf-8", "replace"))
            return None

    def _merge(self, name: str, sent: str, others: list[Any]) -> None:
        """Merge a field sent under two names; if a record has both, the alternative one goes to ``extra``."""
        column = self._columns[name]
        for row, other in enumerate(others):
            if other is not None and column[row] is not None and sent == name:
                self._add_extra(row, self._layout.sent_as[name], column[row])
                column[row] = other
            elif other is not None and column[row] is not None:
                self._add_extra(row, sent, other)
            elif other is not None:
                column[row] = other

    def _add_extra(self, row: int, path: str, value: Any) -> None:
        *parents, name = path.split(".")
        fields = self._rest.setdefault(row, {})
        for parent in parents:
            fields = fields.setdefault(parent, {})
        if isinstance(value, dict):
            fields.setdefault(name, {}).update(value)
        else:
            fields[name] = value

    def _extra(self) -> pa.Array:
        """Return each row's JSON of fields without a column, from the text that was sent."""
        columns = [
            (name, _texts([None if value is None else bytes(value) for value in self._columns[attribute]]))
            for attribute, name in self._layout.unknown.items()
            if self._columns[attribute].count(None) < self._length
        ]
        if self._rest:
            left = map(self._rest.get, range(self._length))
            columns.append((REST, _texts([None if each is None else msgspec.json.encode(each) for each in left])))
        if not columns:
            return pa.nulls(self._length, TEXT)
        # Most rows have none, so only the others are joined.
        some = reduce(pc.or_, (column.is_valid() for _, column in columns))
        fields = reduce(_joined, (_fields(name, column.filter(some)) for name, column in columns))
        objects = pc.binary_join_element_wise(_OPEN, fields, _CLOSE, _NOTHING)
        return pc.replace_with_mask(pa.nulls(self._length, TEXT), some, objects)


def _fields(name: str, values: pa.Array) -> pa.Array:
    """Return JSON fields without braces; the fields under ``REST`` are an object already."""
    if name == REST:
        return pc.utf8_slice_codeunits(values, 1, -1)
    return pc.binary_join_element_wise(pa.scalar(f"{json.dumps(name, ensure_ascii=False)}:"), values, _NOTHING)


def _joined(some: pa.Array, others: pa.Array) -> pa.Array:
    # Where both have something; null_handling="skip" is of no use: it loses rows that are null in all.
    return pc.coalesce(pc.binary_join_element_wise(some, others, _COMMA), some, others)


def _unknown_fields(record: Struct) -> dict[str, Any]:
    layout: Layout = record.layout  # type: ignore[attr-defined]
    fields: dict[str, Any] = {}
    for attribute, name in layout.unknown.items():
        value = getattr(record, attribute)
        if value is not None:
            fields.update(msgspec.json.decode(value, type=dict[str, Raw]) if name == REST else {name: value})
    for name in layout.references:
        value = getattr(record, name)
        if isinstance(value, Struct) and (inner := _unknown_fields(value)):
            fields[name] = inner
    return fields


def as_moment(value: Any) -> datetime | None:
    """Return a decoded time in UTC; ``None`` if it is not a time."""
    try:
        moment = datetime.fromisoformat(as_text(value) or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _texts(values: Sequence[bytes | None]) -> pa.Array:
    try:
        return pa.array(values, TEXT)
    except pa.ArrowInvalid as error:
        raise OpenESGContractError(
            f"The platform sent JSON that is not UTF-8: {error}. Report it to the platform's vendor."
        ) from None


def _encoded(value: dict[str, Raw] | Raw) -> bytes | None:
    text = bytes(value) if isinstance(value, Raw) else msgspec.json.encode(value)
    return None if text == b"null" else text


def _from_number(raw: Raw) -> Decimal | None:
    value = msgspec.json.decode(raw, type=Decimal | None)
    if value is None:
        return None
    held = fitting(value) if value.is_finite() else None
    if held is None:
        raise ValueError
    return held


def _from_number_to_float(raw: Raw) -> float | None:
    value = msgspec.json.decode(raw, type=Decimal | None)
    if value is None:
        return None
    if not value.is_finite() or Decimal(repr(float(value))) != value:
        raise ValueError
    return float(value)


def _typed(type_: Any) -> Callable[[Raw], Any]:
    return msgspec.json.Decoder(type_).decode


_ARROW_TYPES = {int: pa.int64(), str: TEXT}
"""Arrow type of a column before it is cast: numbers to ids, text to times."""

_FROM_RAW: Mapping[pa.DataType, Callable[[Raw], Any]] = {
    TEXT: scalar_text,
    BOOLEAN: _typed(bool | None),
    DATE: _typed(date | None),
    TIMESTAMP: _typed(datetime | None),
    DECIMAL: _from_number,
    pa.float64(): _from_number_to_float,
}
"""Readers of values that were sent as another type; after an error the value goes to ``extra``."""
