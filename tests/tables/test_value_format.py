"""Values to text and back, and errors for values that a data type does not allow."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from airflow_provider_openesg.tables.value_format import (
    NotWritableError,
    activity_code,
    boolean,
    date_range,
    number,
    same,
    written,
)

FIRST, LAST = date(2020, 1, 1), date(2020, 12, 31)


@pytest.mark.parametrize(
    ("datatype", "value", "text"),
    [
        ("decimal", Decimal("1.00"), "1.00"),
        ("decimal", 1, "1"),
        ("decimal", 0.1, "0.1"),
        ("decimal", Decimal("1E+3"), "1000"),
        ("decimal", Decimal("-0.0"), "0.0"),
        ("decimal", "1.00", "1.00"),
        ("decimal", " 1.234,56 ", "1234.56"),
        ("integer", 12, "12"),
        ("integer", Decimal("12.00"), "12"),
        ("integer", 12.0, "12"),
        ("integer", "1 234 567", "1234567"),
        ("boolean", True, "true"),
        ("boolean", 0, "false"),
        ("boolean", "Ja", "true"),
        ("daterange", (FIRST, LAST), "2020-01-01 - 2020-12-31"),
        ("daterange", [datetime(2020, 1, 1, tzinfo=UTC), LAST], "2020-01-01 - 2020-12-31"),
        ("daterange", ["2020-01-01", "2020-12-31"], "2020-01-01 - 2020-12-31"),
        ("daterange", "2020-01-01 \u2013 2020-12-31", "2020-01-01 - 2020-12-31"),
        ("daterange", FIRST, "2020-01-01 - 2020-01-01"),
        ("eu_economic_activity", "12.12.12 | Fischerei", "12.12.12 | Fischerei"),
        ("eu_economic_activity", ("12.12.12", "Fischerei"), "12.12.12 | Fischerei"),
        ("eu_economic_activity", "12.12.12", "12.12.12"),
        ("short_text", "a | b", "a | b"),
        ("text", 80331, "80331"),
        ("not known", FIRST, "2020-01-01"),
        ("string", Decimal("1.50"), "1.50"),
    ],
)
def test_written_text(datatype, value, text):
    assert written(datatype, value) == text
    assert same(datatype, written(datatype, text), text)


@pytest.mark.parametrize(
    ("datatype", "value", "allowed"),
    [
        ("decimal", "1,234", "a number"),  # could be either
        ("decimal", True, "a number"),
        ("decimal", float("nan"), "a number"),
        ("decimal", Decimal("Infinity"), "a number"),
        ("decimal", "twelve", "a number"),
        ("decimal", 0.1 + 0.2, "12 after it; round it"),
        ("decimal", 10**26, "26 digits before"),
        ("integer", Decimal("1.5"), "a whole number"),
        ("integer", FIRST, "a number"),
        ("boolean", 2, "True or False"),
        ("boolean", 1.0, "True or False"),
        ("boolean", "wahr", "True or False"),
        ("daterange", "2020", "two dates"),
        ("daterange", (FIRST,), "two dates"),
        ("daterange", (FIRST, None), "two dates"),
        ("daterange", (FIRST, datetime(2020, 12, 31, 12, tzinfo=UTC)), "two dates"),
        ("daterange", (LAST, FIRST), "not after the last"),
        ("daterange", 2020, "two dates"),
        ("eu_economic_activity", "Fischerei", "by its code"),
        ("eu_economic_activity", 12, "by its code"),
        ("text", ["a"], "text"),
        ("text", 1.5, "text"),
    ],
)
def test_invalid_values_are_an_error(datatype, value, allowed):
    with pytest.raises(NotWritableError, match=allowed):
        written(datatype, value)


@pytest.mark.parametrize(
    ("datatype", "one", "other", "equal"),
    [
        ("decimal", "1.00", "1", True),
        ("decimal", "1.00", "1,0", True),
        ("decimal", "1.00", "1.01", False),
        ("decimal", "k. A.", "n/a", False),
        ("boolean", "true", "True", True),
        ("daterange", "2020-01-01 - 2020-01-01", "2020-01-01", True),
        ("eu_economic_activity", "12.12 | Fischerei", "12.12", True),
        ("eu_economic_activity", "12.12 | Fischerei", "12.12 | Fishing", False),
        ("eu_economic_activity", "12.12", "12.13 | Fischerei", False),
        ("text", "1.00", "1", False),
    ],
)
def test_same(datatype, one, other, equal):
    assert same(datatype, one, other) is equal
    assert same(datatype, other, one) is equal


def test_written_text_can_be_parsed():
    assert number(written("decimal", Decimal("-1234.5"))) == Decimal("-1234.5")
    assert boolean(written("boolean", False)) == (False,)
    assert date_range(written("daterange", (FIRST, LAST))) == (FIRST, LAST)
    assert activity_code(written("eu_economic_activity", ("12.12", "Fischerei"))) == ("12.12",)


def test_boolean_as_text() -> None:
    assert [written("short_text", value) for value in (True, False)] == ["true", "false"]
