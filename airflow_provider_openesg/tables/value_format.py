"""Convert field values to text and back. Ambiguous text is not converted.

Numbers
    The platform's own form has a point and no grouping: ``1.00``, ``-3``, ``1e5``. A single point is always the
    decimal point, so ``1.234`` is less than two. Other formats are read if they have only one meaning:

    * grouped by spaces (also no-break and thin ones) or apostrophes: ``1 234 567,89``, ``1'234.56``;
    * both separators: ``1.234,56`` (German), ``1,234.56`` (English);
    * one separator several times: ``1.234.567``, ``1,234,567``;
    * a single comma: ``12,5``, ``0,125``, ``1234,567`` are decimals, as no grouped number looks like that. ``1,234``
      could be either, so it is malformed.

Integers are numbers without a fraction. Booleans are true/false, yes/no, ja/nein, 1/0 in any case. A date range is two
ISO or German dates with a hyphen, a dash, "to" or "bis" between, or one date, which is both its ends. An economic
activity begins with its code.

Values are written in the platform's format: ``1.00``, ``true``, ``2020-01-01 - 2020-12-31``, ``12.12.12 | Fischerei``.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PRECISION, SCALE = 38, 12
"""26 digits before the point and 12 after it: the widest that every database takes (38 digits)."""

_PLACES = Decimal(1).scaleb(-SCALE)
_EXACT = Context(prec=PRECISION, traps=[Inexact, InvalidOperation])

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
_LONE_POINT = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
_SPACES = str.maketrans("", "", " \u00a0\u2009\u202f'\u2019")
_BOOLEANS = {"true": True, "yes": True, "ja": True, "1": True, "false": False, "no": False, "nein": False, "0": False}
_DAY = r"\d{4}-\d\d-\d\d|\d{1,2}\.\d{1,2}\.\d{4}"
_DATE_RANGE = re.compile(rf"({_DAY})(?:\s+(?:[-\u2013]|bis|to)\s+({_DAY}))?", re.ASCII)
UNIT = re.compile(r"([+-]?[0-9][0-9 .,'\u00a0\u2009\u202f\u2019]*?)\s*([^\W\d_%][^\d]*.*|[%\u00b0\u20ac$\u00a3].*)")
"""A number with a unit behind it."""
_ACTIVITY = re.compile(r"([A-Z]|[A-Z]?[0-9]{1,2}(?:\.[0-9]{1,2})*)\s*(?:\|.*)?", re.DOTALL)


class NotWritableError(ValueError):
    """A value that is not allowed for a data type; the message says what is allowed."""


def number(text: str) -> Decimal | None:
    """Read a number; ``None`` if it is not a number, is ambiguous, or does not fit a column."""
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
    """Return ``value`` if it fits a decimal column exactly, else ``None``."""
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
        start = _iso_day(match[1])
        return start, _iso_day(match[2]) if match[2] else start
    except ValueError:
        return None


def _iso_day(text: str) -> date:
    """Return a day; German days have points."""
    if "." not in text:
        return date.fromisoformat(text)
    day, month, year = map(int, text.split("."))
    return date(year, month, day)


def activity_code(text: str) -> tuple[str] | None:
    """Read the code that an economic activity begins with."""
    match = _ACTIVITY.fullmatch(text.strip())
    return (match[1],) if match else None


_READERS: dict[str, Callable[[str], Any]] = {
    "decimal": number,
    "integer": number,
    "boolean": boolean,
    "daterange": date_range,
}


def same(datatype: str, one: str, other: str, *, grouped: bool = False) -> bool:
    """Return whether two texts are the same value: ``1.00`` and ``1``, an activity with and without its name.

    :param grouped: whether the point in the second one may group digits: ``1.217`` is 1217.
    """
    if one.strip() == other.strip():
        return True
    if grouped and datatype in ("decimal", "integer") and _LONE_POINT.fullmatch(other.strip()):
        return number(one) in (number(other), number(other.replace(".", "")))
    if datatype == "eu_economic_activity":
        code, _, name = map(str.strip, one.partition("|"))
        other_code, _, other_name = map(str.strip, other.partition("|"))
        return code == other_code and (not name or not other_name or name == other_name)
    read = _READERS.get(datatype)
    value = read(one) if read is not None else None
    return value is not None and read is not None and value == read(other)


def written(datatype: str, value: Any) -> str:
    """Return the text that is sent for a value.

    :param value: a Python value, or a text that can be read as one of the data type.
    :raises NotWritableError: if the data type does not allow it.
    """
    return _WRITERS.get(datatype, _text)(value)


def written_number(value: Any) -> Decimal:
    """Return a value as an exact number.

    :raises NotWritableError: if it is not a number or has too many digits.
    """
    if isinstance(value, str):
        read = number(value)
        # Keep trailing zeros if the text is in the platform's format.
        value = Decimal(value) if _PLAIN.fullmatch(value.strip()) else read and read.normalize()
    elif isinstance(value, float):
        value = Decimal(repr(value))  # the shortest text for this float, as in the source code
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise NotWritableError("a number, such as Decimal('1.5') or '1.5'")
    if fitting(value) is None:
        raise NotWritableError(f"at most {PRECISION - SCALE} digits before the point and {SCALE} after it; round it")
    return value


def _decimal(value: Any) -> str:
    exact = written_number(value)
    return format(exact or exact.copy_abs(), "f")


def _integer(value: Any) -> str:
    exact = written_number(value)
    if exact != exact.to_integral_value():
        raise NotWritableError("a whole number")
    return str(int(exact))


def _boolean(value: Any) -> str:
    read = boolean(value) if isinstance(value, str) else (value,)
    # Databases without booleans use 0 and 1.
    if read is None or not isinstance(read[0], int) or read[0] not in (0, 1):
        raise NotWritableError("True or False")
    return "true" if read[0] else "false"


def _date_range(value: Any) -> str:
    if isinstance(value, str):
        value = date_range(value)
    elif isinstance(value, date):
        value = value, value
    elif isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        value = [range_ and range_[0] for range_ in map(date_range, value)]
    days = [_day(each) for each in value] if isinstance(value, list | tuple) else []
    if len(days) != 2 or None in days:
        raise NotWritableError("two dates, such as (date(2025, 1, 1), date(2025, 12, 31)) or '2025-01-01 - 2025-12-31'")
    start, end = days
    if str(start) > str(end):
        raise NotWritableError("a first day that is not after the last")
    return f"{start} - {end}"


def _day(value: Any) -> str | None:
    if isinstance(value, datetime):
        value = value.date() if value.time().replace(tzinfo=None) == datetime.min.time() else None
    return value.isoformat() if isinstance(value, date) else None


def _activity(value: Any) -> str:
    parts = [value] if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and len(parts) in (1, 2) and all(isinstance(part, str) for part in parts):
        text = " | ".join(part.strip() for part in parts)
        if activity_code(text) is not None:
            code, _, name = map(str.strip, text.partition("|"))
            return f"{code} | {name}" if name else code
    raise NotWritableError("an activity by its code, such as '12.12.12 | Fischerei' or ('12.12.12', 'Fischerei')")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str | int):
        raise NotWritableError("text")
    return str(value)


_WRITERS: dict[str, Callable[[Any], str]] = {
    "decimal": _decimal,
    "integer": _integer,
    "boolean": _boolean,
    "daterange": _date_range,
    "eu_economic_activity": _activity,
}
"""Data types that are not text; all others are written as text."""
