"""Typed records to Arrow columns: one way for all tables, vectorised where every value is as expected."""

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
from airflow_provider_openesg.tables.decoder import REST, Layout, as_text, scalar_text
from airflow_provider_openesg.tables.schemas import BOOLEAN, DATE, DECIMAL, EXTRA, TEXT, TIMESTAMP, is_json
from airflow_provider_openesg.tables.typed_values import fitting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHUNK = 128
"""Rows that become columns at once: few enough to stay in the processor's cache."""

_OPEN, _CLOSE, _COMMA, _NOTHING = pa.scalar("{"), pa.scalar("}"), pa.scalar(","), pa.scalar("")

OnOdd = Callable[[str, str], None]
"""Called with the field and the JSON of each value that its column cannot hold."""


class Columns:
    """Decoded records of one class, by column.

    :param rows: at least one record, all of the same class.
    :param on_odd: told of values that go to ``extra``, as their column cannot hold them.
    """

    def __init__(self, rows: Sequence[Any], on_odd: OnOdd) -> None:
        self._layout: Layout = rows[0].layout
        self._on_odd = on_odd
        self._length = len(rows)
        self._left: dict[int, dict[str, Any]] = {}
        names = rows[0].__struct_fields__
        columns: list[list[Any]] = [[] for _ in names]
        for start in range(0, len(rows), CHUNK):
            chunk = zip(*map(msgspec.structs.astuple, rows[start : start + CHUNK]), strict=True)
            for column, values in zip(columns, chunk, strict=True):
                column.extend(values)
        self._columns = dict(zip(names, columns, strict=True))
        for attribute, (name, sent) in self._layout.renamed.items():
            self._merge(name, sent, self._columns[attribute])

    def batch(self, schema: pa.Schema, paths: Mapping[str, str], given: Mapping[str, pa.Array]) -> pa.RecordBatch:
        """Make the rows.

        :param schema: their columns, ``extra`` last.
        :param paths: column to field, where their names differ; ``user.email`` is a field of an object.
        :param given: columns that are there already.
        """
        arrays = {
            field.name: given[field.name]
            if field.name in given
            else self.array(paths.get(field.name, field.name), field)
            for field in schema
            if field.name != EXTRA
        }
        # Last, as it takes what the others could not.
        return pa.record_batch([*arrays.values(), self._extra()], schema=schema)

    def values(self, path: str) -> list[Any]:
        """Give the values of a field as they were decoded."""
        name, _, part = path.partition(".")
        values = self._columns[name]
        return [getattr(value, part) if isinstance(value, Struct) else None for value in values] if part else values

    def ids(self, name: str) -> list[Any]:
        """Give the ids of a reference; what only the objects that stand for it know goes to ``extra``."""
        values = self._columns[name]
        for row, value in enumerate(values):
            if isinstance(value, Struct):
                if not value.layout.has_unknown:  # type: ignore[attr-defined]
                    break  # all objects of a column are of one class
                self.leave_unknown(row, name, value)
        return [value.id if isinstance(value, Struct) else value for value in values]  # type: ignore[attr-defined]

    def array(self, path: str, field: pa.Field) -> pa.Array:
        """Give a field as the column that the schema has for it; of a reference its id."""
        values = self.values(path)
        first = next((value for value in values if value is not None), None)
        if first is None:
            return pa.nulls(self._length, field.type)
        if isinstance(first, Struct):
            values = self.ids(path)
            first = next((value for value in values if value is not None), None)
        if is_json(field):
            return _texts([None if value is None else _encoded(value) for value in values])
        sent_as = _SENT_AS.get(type(first), field.type)
        try:
            array = pa.array(values, sent_as)
            return array if sent_as == field.type else array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass  # a value that is not what most are: one by one, then
        read = _FROM_RAW[field.type]
        return pa.array(
            [None if value is None else self._one(row, path, value, read) for row, value in enumerate(values)],
            field.type,
        )

    def leave_unknown(self, row: int, name: str, record: Struct) -> None:
        """Put into ``extra`` what an object that stands for a reference has beside the fields of its own table."""
        if unknown := _unknown_fields(record):
            self._leave(row, name, unknown)

    def _one(self, row: int, path: str, value: Any, read: Callable[[Raw], Any]) -> Any:
        if isinstance(value, Struct):
            self.leave_unknown(row, path, value)
            return self._one(row, f"{path}.id", value.id, read)  # type: ignore[attr-defined]
        raw = value if isinstance(value, Raw) else Raw(msgspec.json.encode(value))
        try:
            return read(raw)
        except (ValueError, ValidationError, OverflowError):
            self._leave(row, path, raw)
            self._on_odd(f"{self._layout.name}.{path}", bytes(raw).decode("utf-8", "replace"))
            return None

    def _merge(self, name: str, sent: str, others: list[Any]) -> None:
        """Read a field under its other name; where a record has both, the other one goes to ``extra``."""
        column = self._columns[name]
        for row, other in enumerate(others):
            if other is not None and column[row] is not None:
                self._leave(row, sent, other)
            elif other is not None:
                column[row] = other

    def _leave(self, row: int, path: str, value: Any) -> None:
        *parents, name = path.split(".")
        fields = self._left.setdefault(row, {})
        for parent in parents:
            fields = fields.setdefault(parent, {})
        if isinstance(value, dict):
            fields.setdefault(name, {}).update(value)
        else:
            fields[name] = value

    def _extra(self) -> pa.Array:
        """Make each row's JSON of what has no column, from the very text that was sent."""
        columns = [
            (name, _texts([None if value is None else bytes(value) for value in self._columns[attribute]]))
            for attribute, name in self._layout.unknown.items()
            if self._columns[attribute].count(None) < self._length
        ]
        if self._left:
            left = map(self._left.get, range(self._length))
            columns.append((REST, _texts([None if each is None else msgspec.json.encode(each) for each in left])))
        if not columns:
            return pa.nulls(self._length, TEXT)
        # Most rows have nothing: only the others are put together.
        some = reduce(pc.or_, (column.is_valid() for _, column in columns))
        fields = reduce(_joined, (_fields(name, column.filter(some)) for name, column in columns))
        objects = pc.binary_join_element_wise(_OPEN, fields, _CLOSE, _NOTHING)
        return pc.replace_with_mask(pa.nulls(self._length, TEXT), some, objects)


def _fields(name: str, values: pa.Array) -> pa.Array:
    """Make JSON fields, without the braces; what was put together is an object already."""
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
    """Give a decoded time in UTC; ``None`` where it is none."""
    try:
        moment = datetime.fromisoformat(as_text(value) or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _texts(values: Sequence[bytes | None]) -> pa.Array:
    try:
        return pa.array(values, TEXT)
    except pa.ArrowInvalid as error:
        raise OpenESGContractError(f"The platform sent JSON that is not UTF-8: {error}.") from None


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


_SENT_AS = {int: pa.int64(), str: TEXT}
"""What a column is made from before it is cast: numbers to ids, text to times."""

_FROM_RAW: Mapping[pa.DataType, Callable[[Raw], Any]] = {
    TEXT: scalar_text,
    BOOLEAN: _typed(bool | None),
    DATE: _typed(date | None),
    TIMESTAMP: _typed(datetime | None),
    DECIMAL: _from_number,
    pa.float64(): _from_number_to_float,
}
"""How a value that came as another type than expected is read; an error sends it to ``extra``."""
