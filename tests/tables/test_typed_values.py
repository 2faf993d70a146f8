"""Text to typed values: valid, invalid and ambiguous text."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_openesg.tables.schemas import DECIMAL
from airflow_provider_openesg.tables.typed_values import typed
from airflow_provider_openesg.tables.value_format import activity_code, boolean, date_range, number

READABLE = {
    "1.00": "1.00",
    "-3": "-3",
    "+3": "3",
    "1e5": "100000",
    "1.234": "1.234",  # only a point: the decimal point
    ".5": "0.5",
    " 12.5 ": "12.5",
    "\u22121.5": "-1.5",
    "1.234,56": "1234.56",
    "1.234.567,8": "1234567.8",
    "-1.234,5": "-1234.5",
    "12,5": "12.5",
    "0,125": "0.125",
    "1234,567": "1234.567",
    "1,234.56": "1234.56",
    "1.234.567": "1234567",
    "1,234,567": "1234567",
    "1 234 567,89": "1234567.89",
    "1\u00a0234,5": "1234.5",
    "1\u202f234.5": "1234.5",
    "1'234'567.89": "1234567.89",
    "1\u2019234": "1234",
    "1 234,567": "1234.567",
    "99999999999999999999999999.999999999999": "99999999999999999999999999.999999999999",
    "1.0000000000000000000": "1",
}
UNREADABLE = [
    "1,234",
    "123,456",
    "abc",
    "12 kWh",
    "ca. 1200",
    "1,2,3",
    "1.2.3",
    "1.23.456,7",
    "1,23,456.7",
    "1 23",
    "1 234'567",
    "0,123,456",
    "--1",
    "1-2",
    "1e",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "\u0661\u0662",
    "0.1234567890123",
    "999999999999999999999999999",
    "3E30",  # Arrow itself reads these three as other numbers
    "430714136072601776509410949.543",
    "9" * 39,
    "1e400",
    "1e999999999",
]


def typed_one(text: str, datatype: str) -> tuple[dict[str, object], list[int]]:
    columns, malformed = typed(pa.array([text]), pa.array([datatype]).dictionary_encode())
    return {name: column[0].as_py() for name, column in columns.items()}, malformed


@pytest.mark.parametrize(("text", "value"), READABLE.items())
def test_unambiguous_numbers_are_parsed(text: str, value: str) -> None:
    assert number(text) == Decimal(value)
    assert typed_one(text, "decimal") == ({"value_decimal": Decimal(value)}, [])


@pytest.mark.parametrize("text", UNREADABLE)
def test_other_text_is_malformed(text: str) -> None:
    assert number(text) is None
    assert typed_one(text, "decimal") == ({"value_decimal": None}, [0])


def test_column_is_parsed_like_its_single_values() -> None:
    texts = [*READABLE, *UNREADABLE, None, "", "  "]
    columns, malformed = typed(pa.array(texts), pa.array(["decimal"] * len(texts)).dictionary_encode())
    assert columns["value_decimal"].to_pylist() == [text and number(text) for text in texts[:-2]] + [None, None]
    assert [texts[place] for place in malformed] == UNREADABLE


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**26) + 1, max_value=10**26 - 1))
def test_every_decimal_that_fits_is_exact(value: Decimal) -> None:
    assert typed_one(f"{value:f}", "decimal") == ({"value_decimal": value}, [])


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**20), max_value=10**20))
def test_grouped_numbers_are_exact(value: Decimal) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    for text in (english, german, english.replace(",", " "), german.replace(".", "\u202f"), english.replace(",", "'")):
        assert number(text) == value


@given(st.text(max_size=12))
def test_arrow_and_python_read_the_same_numbers(text: str) -> None:
    read, malformed = typed_one(text, "decimal")
    assert read["value_decimal"] == number(text)
    assert bool(malformed) == (read["value_decimal"] is None and bool(text.strip()))


@given(st.from_regex(r"[+-]?[0-9.,' ]{1,14}([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_arrow_and_python_read_number_like_text_the_same(text: str) -> None:
    assert typed_one(text, "decimal")[0]["value_decimal"] == number(text)


@pytest.mark.parametrize(
    ("text", "decimal", "integer", "malformed"),
    [
        ("12", 12, 12, []),
        ("1.00", 1, 1, []),
        ("-9223372036854775808", -(2**63), -(2**63), []),
        ("9223372036854775807", 2**63 - 1, 2**63 - 1, []),
        ("9223372036854775808", 2**63, None, []),  # too long for 64 bits, not malformed: the decimal has it
        ("1.234.567", 1234567, 1234567, []),
        ("1.5", None, None, [0]),
        ("1,234", None, None, [0]),
        ("zwölf", None, None, [0]),
    ],
)
def test_integers(text: str, decimal: int | None, integer: int | None, malformed: list[int]) -> None:
    assert typed_one(text, "integer") == ({"value_integer": integer, "value_decimal": decimal}, malformed)


def test_fraction_in_an_integer_column_affects_no_other_value() -> None:
    texts, datatypes = ["1", "2.5", "3.5", "9223372036854775808"], ["integer", "integer", "decimal", "integer"]
    columns, malformed = typed(pa.array(texts), pa.array(datatypes).dictionary_encode())
    assert columns["value_integer"].to_pylist() == [1, None, None, None]
    assert columns["value_decimal"].to_pylist() == [1, None, Decimal("3.5"), 2**63]
    assert malformed == [1]


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("False", False), (" JA ", True), ("nein", False), ("1", True), ("0", False)]
)
def test_booleans(text: str, value: bool) -> None:
    assert boolean(text) == (value,)
    assert typed_one(text, "boolean") == ({"value_boolean": value}, [])


@pytest.mark.parametrize(
    ("text", "datatype"), [("maybe", "boolean"), ("31.13.2025", "daterange"), ("Fischerei", "eu_economic_activity")]
)
def test_other_data_types_have_malformed_values_too(text: str, datatype: str) -> None:
    columns, malformed = typed_one(text, datatype)
    assert set(columns.values()) == {None}
    assert malformed == [0]


def test_date_ranges() -> None:
    year = (date(2020, 1, 1), date(2020, 12, 31))
    assert date_range("2020-01-01 - 2020-12-31") == year
    assert date_range("2020-01-01 \u2013 2020-12-31") == year
    assert date_range("01.01.2020 bis 31.12.2020") == date_range("1.1.2020 - 31.12.2020") == year
    assert date_range("2020-01-01") == (date(2020, 1, 1),) * 2
    for text in ("2020-13-01", "2020-01-01 - ", "2020-01-01-2020-12-31", "2020-02-30 - 2020-03-01", "2020"):
        assert date_range(text) is None


def test_activity_codes() -> None:
    assert activity_code("12.12.12 | Fischerei") == ("12.12.12",)
    assert activity_code("A | Land- und Forstwirtschaft") == ("A",)
    assert activity_code("C10.1") == ("C10.1",)
    assert activity_code("| Fischerei") is None


def test_text_and_unknown_data_types_are_never_malformed() -> None:
    for datatype in ("string", "short_text", "text", "newer", None):
        assert typed(pa.array(["1,234"]), pa.array([datatype], pa.string()).dictionary_encode()) == ({}, [])


def test_decimal_type_matches_the_docs() -> None:
    assert DECIMAL.precision - DECIMAL.scale == 26
    assert DECIMAL.scale == 12
