"""Text to typed values, by the data type of the field type. What can be read in two ways is not read.

Numbers
    The platform's own form has a point and no grouping: ``1.00``, ``-3``, ``1e5``. A point alone is always the decimal
    point, so ``1.234`` is one and a bit. People type other forms, which are read where only one reading is possible:

    * grouped by spaces (also no-break and thin ones) or apostrophes: ``1 234 567,89``, ``1'234.56``;
    * both marks: ``1.234,56`` (German), ``1,234.56`` (English);
    * one mark several times: ``1.234.567``, ``1,234,567``;
    * a comma alone: ``12,5``, ``0,125``, ``1234,567`` are decimals, as no grouped number looks like that. ``1,234``
      could be either, so it is malformed.

Integers are numbers without a fraction. Booleans are true/false, yes/no, ja/nein, 1/0 in any case. A date range is two
ISO dates with a hyphen or dash between, or one date, which is both its ends. An economic activity begins with its code.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.tables.schemas import BOOLEAN, DATE, DECIMAL, INTEGER, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACES = Decimal(1).scaleb(-DECIMAL.scale)
_EXACT = Context(prec=DECIMAL.precision, traps=[Inexact, InvalidOperation])

_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_FORMATTED = re.compile(
    r"[+-]?(?:"
    r"[1-9][0-9]{0,2}(?P<space>[ \u00a0\u2009\u202f'\u2019])[0-9]{3}(?:(?P=space)[0-9]{3})*(?:[.,][0-9]+)?"
    r"|[1-9][0-9]{0,2}(?:\.[0-9]{3})+,[0-9]+"
    r"|[1-9][0-9]{0,2}(?:,[0-9]{3})+\.[0-9]+"
    r"|[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}"
    r"|[1-9][0-9]{0,2}(?:,[0-9]{3}){2,}"
    r"|(?![1-9][0-9]{0,2},[0-9]{3}$)[0-9]*,[0-9]+"
    r")"
)
_GERMAN = r"^-?([1-9][0-9]{0,2}(\.[0-9]{3}){1,7},[0-9]{1,12}|[0-9]{1,26},([0-9]{1,2}|[0-9]{4,12}))$"
_SPACES = str.maketrans("", "", " \u00a0\u2009\u202f'\u2019")
# Made once: Arrow takes longer to make a constant than to use it on a page of values.
_NO_TEXT, _NO_DECIMAL = pa.scalar(None, TEXT), pa.scalar(None, DECIMAL)
_FALSE, _BLANK = pa.scalar(False), pa.scalar("")
_MOST_DIGITS = pa.scalar(DECIMAL.precision - DECIMAL.scale, pa.int32())
_BOOLEANS = {"true": True, "yes": True, "ja": True, "1": True, "false": False, "no": False, "nein": False, "0": False}
_DATE_RANGE = re.compile(r"(\d{4}-\d\d-\d\d)(?:\s+[-\u2013]\s+(\d{4}-\d\d-\d\d))?", re.ASCII)
_ACTIVITY = re.compile(r"([A-Z]|[A-Z]?[0-9]{1,2}(?:\.[0-9]{1,2})*)\s*(?:\|.*)?", re.DOTALL)

TYPED = ("value_decimal", "value_integer", "value_boolean", "value_start", "value_end", "value_code")
"""The columns that :func:`typed` may fill."""


def number(text: str) -> Decimal | None:
    """Read a number; ``None`` where it is none, has two readings, or does not fit a column."""
    text = text.strip().replace("\u2212", "-")
    if not _PLAIN.fullmatch(text):
        if not _FORMATTED.fullmatch(text):
            return None
        text = text.translate(_SPACES)
        marks = [character for character in text if character in ".,"]
        whole, _, places = text.rpartition(marks[-1]) if marks else (text, "", "")
        if len(marks) > 1 and len(set(marks)) == 1:
            whole, places = whole + places, ""
        text = f"{whole.replace('.', '').replace(',', '')}.{places}"
    return fitting(Decimal(text))


def fitting(value: Decimal) -> Decimal | None:
    """Return ``value`` where a decimal column holds it exactly."""
    try:
        return value.quantize(_PLACES, context=_EXACT)
    except (Inexact, InvalidOperation):
        return None


def boolean(text: str) -> tuple[bool] | None:
    """Read a boolean."""
    value = _BOOLEANS.get(text.strip().lower())
    return None if value is None else (value,)


def date_range(text: str) -> tuple[date, date] | None:
    """Read the first and the last day of a range."""
    match = _DATE_RANGE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        start = date.fromisoformat(match[1])
        return start, date.fromisoformat(match[2]) if match[2] else start
    except ValueError:
        return None


def activity_code(text: str) -> tuple[str] | None:
    """Read the code that an economic activity begins with."""
    match = _ACTIVITY.fullmatch(text.strip())
    return (match[1],) if match else None


_BY_DISTINCT: dict[str, tuple[Callable[[str], tuple[Any, ...] | None], pa.DataType]] = {
    "boolean": (boolean, pa.struct([("value_boolean", BOOLEAN)])),
    "daterange": (date_range, pa.struct([("value_start", DATE), ("value_end", DATE)])),
    "eu_economic_activity": (activity_code, pa.struct([("value_code", TEXT)])),
}
"""Data types whose values repeat, so that each distinct text is read once: how, and the columns that it fills."""


def typed(text: pa.Array, datatype: pa.DictionaryArray) -> tuple[dict[str, pa.Array], list[int]]:
    """Read values by their data types; those of a data type that is not known here stay text.

    :param text: the values as sent.
    :param datatype: of each value.
    :return: the typed columns by name, and the places of malformed values. Blank text is no value, so not malformed.
    """
    kinds = set(datatype.dictionary.to_pylist())
    columns: dict[str, pa.Array] = {}
    malformed: list[int] = []
    if kinds & {"decimal", "integer"}:
        candidates = pc.if_else(_is_one_of(datatype, "decimal", "integer"), text, _NO_TEXT)
        decimals = _numbers(candidates)
        if "integer" in kinds:
            integers, fractions = _integers(pc.if_else(_is_one_of(datatype, "integer"), decimals, _NO_DECIMAL))
            columns["value_integer"] = integers
            decimals = decimals if fractions is None else pc.if_else(fractions, _NO_DECIMAL, decimals)
        columns["value_decimal"] = decimals
        malformed += _unread(candidates, decimals)
    for kind, (read, type_) in _BY_DISTINCT.items():
        if kind in kinds:
            of_kind = _is_one_of(datatype, kind)
            candidates = text.filter(of_kind)
            distinct = candidates.dictionary_encode()
            values = pa.array([read(each) for each in distinct.dictionary.to_pylist()], type_).take(distinct.indices)
            for field in type_:
                nothing = pa.nulls(len(text), field.type)
                columns[field.name] = pc.replace_with_mask(nothing, of_kind, pc.struct_field(values, field.name))
            if unread := _unread(candidates, values):
                malformed += pc.indices_nonzero(of_kind).take(pa.array(unread)).to_pylist()
    return columns, malformed


def _is_one_of(datatype: pa.DictionaryArray, *kinds: str) -> pa.Array:
    is_one = pa.array([each in kinds for each in datatype.dictionary.to_pylist()], BOOLEAN)
    return is_one.take(datatype.indices).fill_null(_FALSE)


def _unread(candidates: pa.Array, read: pa.Array) -> list[int]:
    if read.null_count == candidates.null_count:
        return []
    places = pc.indices_nonzero(pc.and_(candidates.is_valid(), read.is_null()))
    texts = candidates.take(places).to_pylist()
    return [place for place, each in zip(places.to_pylist(), texts, strict=True) if each.strip()]


def _numbers(text: pa.Array) -> pa.Array:
    """Read the platform's own form all at once, as Arrow reads just that; others one by one.

    Only where it is short: Arrow makes other numbers of too many digits, and of exponents, without a word.
    """
    short = pc.less_equal(pc.binary_length(text), _MOST_DIGITS)
    plain = pc.and_(short, pc.equal(pc.ascii_trim(text, "0123456789.+-"), _BLANK))
    try:
        read = pc.if_else(plain, text, _NO_TEXT).cast(DECIMAL)
    except pa.ArrowInvalid:  # such as 1.2.3, or too many digits
        plain = pc.match_substring_regex(text, r"^[+-]?[0-9]{1,26}(\.[0-9]{1,12})?$")
        read = pc.if_else(plain, text, _NO_TEXT).cast(DECIMAL)
    others = pc.invert(plain).fill_null(_FALSE)
    return pc.replace_with_mask(read, others, _formatted(text.filter(others))) if others.true_count else read


def _formatted(text: pa.Array) -> pa.Array:
    """Read German numbers all at once, as whole platforms send them; others one by one."""
    german = pc.match_substring_regex(text, _GERMAN)
    points = pc.replace_substring(pc.replace_substring(text.filter(german), ".", ""), ",", ".")
    read = pc.replace_with_mask(pa.nulls(len(text), DECIMAL), german, points.cast(DECIMAL))
    others = pc.invert(german)
    return pc.replace_with_mask(
        read, others, pa.array([number(each) for each in text.filter(others).to_pylist()], DECIMAL)
    )


def _integers(decimals: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return the integers where 64 bits hold them, and which numbers are no integers, if any."""
    try:
        return decimals.cast(INTEGER), None
    except pa.ArrowInvalid:
        pass
    numbers = decimals.to_pylist()
    fractions = [each is not None and each != each.to_integral_value() for each in numbers]
    integers = [
        None if each is None or broken or not -(2**63) <= each < 2**63 else int(each)
        for each, broken in zip(numbers, fractions, strict=True)
    ]
    return pa.array(integers, INTEGER), pa.array(fractions, BOOLEAN)
