"""What a point means in the numbers of a pull."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_provider_openesg.client.differences import Differences
from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.tables.number_forms import NumberForms
from airflow_provider_openesg.tables.typed_values import typed


def read(forms: NumberForms, *texts: str) -> list[Decimal | None]:
    columns, _ = typed(pa.array(texts), pa.array(["decimal"] * len(texts)).dictionary_encode(), forms)
    return columns["value_decimal"].to_pylist()


@pytest.fixture
def differences() -> Differences:
    return Differences(quiet=True)


@pytest.mark.parametrize(
    ("others", "value"),
    [
        ([], Decimal("2.263")),
        (["12.50"], Decimal("2.263")),
        (["1.234,50"], Decimal(2263)),
        (["12,5"], Decimal(2263)),
        (["1,234.50"], Decimal("2.263")),
        (["1,234,567"], Decimal("2.263")),
        (["1.234,50", "12.50"], None),
        (["12,5 kWh"], Decimal(2263)),
        (["12.345.678"], Decimal(2263)),
        (["1,234"], None),
        (["1,234", "12.50"], Decimal("2.263")),
    ],
)
def test_other_numbers_decide(differences: Differences, others: list[str], value: Decimal | None) -> None:
    assert read(NumberForms("auto", differences), *others, "2.263")[-1] == value
    assert bool(differences.texts) == (value is None)


def test_grouping_points_of_a_later_batch_count_too(differences: Differences) -> None:
    forms = NumberForms("auto", differences)
    assert read(forms, "12.50") == [Decimal("12.5")]
    assert read(forms, "12.345.678", "2.263") == [Decimal(12345678), None]


def test_numbers_of_an_earlier_batch_decide_too(differences: Differences) -> None:
    forms = NumberForms("auto", differences)
    read(forms, "1.234,50")
    assert read(forms, "2.263") == [Decimal(2263)]


@pytest.mark.parametrize("texts", [["2.263", "1,5"], ["1,5", "2.263", "12.5"]])
def test_contradiction_of_a_later_batch_is_an_error(differences: Differences, texts: list[str]) -> None:
    forms = NumberForms("auto", differences)
    for text in texts[:-1]:
        read(forms, text)
    with pytest.raises(OpenESGContractError, match=r"Numbers such as '2.263' .* occurs later.*values = {point"):
        read(forms, texts[-1])


@pytest.mark.parametrize(
    ("point", "value"), [("decimal", Decimal("2.263")), ("group", Decimal(2263)), ("unread", None)]
)
def test_what_the_user_wrote_down_decides(differences: Differences, point: str, value: Decimal | None) -> None:
    forms = NumberForms(point, differences)  # type: ignore[arg-type]
    assert read(forms, "1.234,50", "12.50", "2.263")[-1] == value
    assert not differences.texts


@pytest.mark.parametrize(("other", "value"), [("7", None), ("12.50", 2), ("12,50", 2000)])
def test_point_in_an_integer_field_needs_another(differences: Differences, other: str, value: int | None) -> None:
    datatypes = pa.array(["decimal", "integer"]).dictionary_encode()
    columns, _ = typed(pa.array([other, "2.000"]), datatypes, NumberForms("auto", differences))
    assert columns["value_integer"][1].as_py() == value


def test_other_points_are_not_ambiguous(differences: Differences) -> None:
    forms = NumberForms("auto", differences)
    assert read(forms, "1,5", "0.125", "1234.567", "12.3456") == [
        Decimal(text) for text in ("1.5", "0.125", "1234.567", "12.3456")
    ]
