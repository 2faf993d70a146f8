"""Convert text to typed values by the data type of the field type. Ambiguous text is not converted.

Formats: :mod:`airflow_provider_openesg.tables.value_format`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.tables.schemas import BOOLEAN, DATE, DECIMAL, INTEGER, TEXT
from airflow_provider_openesg.tables.value_format import UNIT, activity_code, boolean, date_range, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.tables.number_forms import NumberForms

_GERMAN = r"^-?([1-9][0-9]{0,2}(\.[0-9]{3}){1,7},[0-9]{1,12}|[0-9]{1,26},([0-9]{1,2}|[0-9]{4,12}))$"
# Constants, because creating one takes Arrow longer than using it on a page of values.
_NO_TEXT, _NO_DECIMAL = pa.scalar(None, TEXT), pa.scalar(None, DECIMAL)
_FALSE, _BLANK = pa.scalar(False), pa.scalar("")
_MOST_DIGITS = pa.scalar(DECIMAL.precision - DECIMAL.scale, pa.int32())

TYPED = ("value_decimal", "value_integer", "value_boolean", "value_start", "value_end", "value_code")
"""The columns that :func:`typed` may fill."""


_BY_DISTINCT: dict[str, tuple[Callable[[str], tuple[Any, ...] | None], pa.DataType]] = {
    "boolean": (boolean, pa.struct([("value_boolean", BOOLEAN)])),
    "daterange": (date_range, pa.struct([("value_start", DATE), ("value_end", DATE)])),
    "eu_economic_activity": (activity_code, pa.struct([("value_code", TEXT)])),
}
"""Data types whose values recur, so that each distinct text is read once: reader and columns."""


def typed(
    text: pa.Array, datatype: pa.DictionaryArray, forms: NumberForms | None = None
) -> tuple[dict[str, pa.Array], list[int]]:
    """Convert values by their data types; values of other data types are only text.

    :param text: the values as sent.
    :param datatype: data type of each value.
    :param forms: decides what a point means; by default a lone point is a decimal point.
    :return: typed columns by name, and the positions of malformed values; blank text is not malformed.
    """
    kinds = set(datatype.dictionary.to_pylist())
    columns: dict[str, pa.Array] = {}
    malformed: list[int] = []
    if kinds & {"decimal", "integer"}:
        candidates = pc.if_else(_is_one_of(datatype, "decimal", "integer"), text, _NO_TEXT)
        decimals = _numbers(candidates, forms, _is_one_of(datatype, "integer") if "integer" in kinds else None)
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


def _numbers(text: pa.Array, forms: NumberForms | None, integer: pa.Array | None) -> pa.Array:
    """Convert numbers in the platform's format with Arrow, and others one by one.

    Only short ones: Arrow converts too many digits, and exponents, to wrong numbers without an error.
    """
    short = pc.less_equal(pc.binary_length(text), _MOST_DIGITS)
    plain = pc.and_(short, pc.equal(pc.ascii_trim(text, "0123456789.+-"), _BLANK))
    others = pc.invert(plain).fill_null(_FALSE)
    formatted = text.filter(others) if others.true_count else None
    if forms is not None:
        text = forms.plain(text, plain, _with_comma(formatted), integer)
    try:
        read = pc.if_else(plain, text, _NO_TEXT).cast(DECIMAL)
    except pa.ArrowInvalid:  # such as 1.2.3, or too many digits
        plain = pc.match_substring_regex(text, r"^[+-]?[0-9]{1,26}(\.[0-9]{1,12})?$")
        read = pc.if_else(plain, text, _NO_TEXT).cast(DECIMAL)
        others = pc.invert(plain).fill_null(_FALSE)
        formatted = text.filter(others)
    return read if formatted is None else pc.replace_with_mask(read, others, _formatted(formatted))


def _with_comma(text: pa.Array | None) -> str:
    """Return a number whose decimal mark is a comma, else one where it may be; empty if there is none."""
    doubtful = ""
    for each in () if text is None else text.to_pylist():
        match = UNIT.fullmatch(each.strip())
        digits = str(each if match is None else match[1]).strip()
        if digits.count(",") == 1 and digits.rfind(",") > digits.rfind("."):
            if number(digits) is not None:
                return digits
            doubtful = doubtful or (digits if digits.replace(",", "").strip("+-").isdecimal() else "")
    return doubtful


def _formatted(text: pa.Array) -> pa.Array:
    """Convert German numbers with Arrow, and others one by one."""
    german = pc.match_substring_regex(text, _GERMAN)
    points = pc.replace_substring(pc.replace_substring(text.filter(german), ".", ""), ",", ".")
    read = pc.replace_with_mask(pa.nulls(len(text), DECIMAL), german, points.cast(DECIMAL))
    others = pc.invert(german)
    return pc.replace_with_mask(
        read, others, pa.array([number(each) for each in text.filter(others).to_pylist()], DECIMAL)
    )


def _integers(decimals: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return the integers that fit in 64 bits, and which numbers have a fraction, if any."""
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
