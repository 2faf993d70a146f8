"""Field values: typed, joined, and nothing lost."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from airflow_provider_openesg.tables.typed_values import TYPED

TYPED_BY = {
    1: ("decimal", "1.00", {"value_decimal": Decimal("1.00")}),
    2: ("integer", "1", {"value_decimal": Decimal(1), "value_integer": 1}),
    3: ("string", "1", {}),
    4: ("short_text", "true", {}),
    5: ("text", "1.00", {}),
    6: ("boolean", "true", {"value_boolean": True}),
    7: ("eu_economic_activity", "12.12.12 | Fischerei", {"value_code": "12.12.12"}),
    8: ("daterange", "2020-01-01 - 2020-12-31", {"value_start": date(2020, 1, 1), "value_end": date(2020, 12, 31)}),
    9: ("newer", "1,234", {}),
}


@pytest.mark.parametrize("number", TYPED_BY)
def test_a_value_is_typed_and_joined_by_its_field_type(tables, number: int) -> None:
    datatype, text, typed = TYPED_BY[number]
    row = tables.of_value(
        f'"value": "{text}", "section": 5, "field_type": {number}, "measurement": 1, "instance_id": null'
    )
    assert {name: row[name] for name in TYPED if row[name] is not None} == typed
    joined = {name: row[name] for name in ("value", "field_key", "datatype", "unit", "section_key", "measurement")}
    assert joined == {
        "value": text,
        "field_key": f"esg.{datatype}",
        "datatype": datatype,
        "unit": "kwh",
        "section_key": "esg.section",
        "measurement": "estimation",
    }
    assert (row["report_id"], row["template_id"], row["section_id"], row["field_type_id"]) == (
        "7",
        "1",
        "5",
        str(number),
    )
    assert not tables.summary.malformed
    assert row["extra"] is None


@pytest.mark.parametrize(
    ("sent", "text", "number"),
    [("1.00", "1.00", "1"), ("1e2", "1e2", "100"), ("true", "true", None), ("null", None, None), ('""', "", None)],
)
def test_values_that_are_not_strings_keep_their_text(tables, sent: str, text: str | None, number: str | None) -> None:
    row = tables.of_value(f'"value": {sent}, "section": 5, "field_type": 1')
    assert row["value"] == text
    assert row["value_decimal"] == (number and Decimal(number))
    assert row["extra"] is None


def test_a_value_that_is_an_object_goes_to_extra(tables) -> None:
    row = tables.of_value('"value": {"a": 1.00}, "section": 5, "field_type": 1')
    assert (row["value"], row["extra"]) == (None, '{"value":{"a": 1.00}}')
    assert tables.summary.malformed == {"field value.value": 1}


def test_malformed_values_keep_their_text_and_are_counted_by_field_key(tables, caplog) -> None:
    values = [
        {"id": number, "field_type": field_type, "section": 5, "value": value}
        for number, (field_type, value) in enumerate(
            [(1, "1,234"), (1, "abc"), (1, "2"), (6, "vielleicht"), (1, " "), (3, "x")]
        )
    ]
    rows = tables.of_reports([{"id": 7, "template": 1, "field_values": values}])["field_values"]
    assert [row["value"] for row in rows] == ["1,234", "abc", "2", "vielleicht", " ", "x"]
    assert [row["value_decimal"] for row in rows] == [None, None, 2, None, None, None]
    assert tables.summary.malformed == {"esg.decimal": 2, "esg.boolean": 1}
    tables.summary.log()
    assert [record.getMessage()[:26] for record in caplog.records] == [
        "esg.decimal: 2 value(s) ca",
        "esg.boolean: 1 value(s) ca",
    ]
    assert "'1,234'" in caplog.text


def test_section_may_be_filled_several_times(tables) -> None:
    values = [
        {"id": n, "field_type": 1, "section": 5, "value": "1", "instance_id": instance}
        for n, instance in enumerate([1, 2, "c", None])
    ]
    rows = tables.of_reports([{"id": 7, "template": 1, "field_values": values}])["field_values"]
    assert [row["instance_id"] for row in rows] == ["1", "2", "c", None]


def test_json_columns_are_exact(tables) -> None:
    row = tables.of_value(
        '"value_complex": {"rows":[1.00, null]}, "attachment": {"name":"ä.pdf","size":1e3}, "field_type": 1'
    )
    assert (row["value_complex"], row["attachment"]) == ('{"rows":[1.00, null]}', '{"name":"ä.pdf","size":1e3}')
    row = tables.of_value('"value_complex": [1.00], "attachment": "https://x/a.pdf", "field_type": 1')
    assert (row["value_complex"], row["attachment"], row["extra"]) == ("[1.00]", '"https://x/a.pdf"', None)


def test_nested_references_describe_fields_that_no_section_lists(tables) -> None:
    metric = '{"id":1,"key":"e","datatype":"decimal","units":[{"id":1,"name":"MWh"}]}'
    row = tables.of_value(
        f'"value": "2.5", "section": {{"id":77,"key":"esg.other"}}, "measurement": {{"id":8,"key":"guess"}}, '
        f'"field_type": {{"id":88,"key":"esg.new","metric_type":{metric},"colour":"red"}}'
    )
    assert (row["section_id"], row["section_key"], row["field_type_id"], row["field_key"]) == (
        "77",
        "esg.other",
        "88",
        "esg.new",
    )
    assert (row["datatype"], row["unit"], row["value_decimal"]) == ("decimal", "MWh", Decimal("2.5"))
    assert (row["measurement_id"], row["measurement"]) == ("8", "guess")
    assert row["extra"] == '{"field_type":{"colour":"red"}}'


def test_value_of_an_unknown_field_type_stays_text_and_is_counted(tables, caplog) -> None:
    row = tables.of_value('"value": "2.5", "section": 5, "field_type": 999')
    assert (row["field_type_id"], row["field_key"], row["datatype"], row["value"]) == ("999", None, None, "2.5")
    assert tables.summary.without_field_type == 1
    tables.summary.log()
    assert "1 field value(s)" in caplog.text


def test_value_without_a_section_has_the_section_of_its_field_type(tables) -> None:
    row = tables.of_value('"value": "2.5", "field_type": 1')
    assert (row["section_id"], row["section_key"]) == ("5", "esg.section")


def test_ids_as_text_and_as_numbers_are_the_same(tables) -> None:
    assert (
        tables.of_value('"value": "2.5", "section": "5", "field_type": "1", "measurement": "1"')["field_key"]
        == "esg.decimal"
    )


def test_two_templates_on_one_page_do_not_mix(tables) -> None:
    value = {"id": 1, "field_type": 1, "section": 5, "value": "1"}
    reports = [
        {"id": n, "template": template, "field_values": [{**value, "id": n}]}
        for n, template in enumerate([1, 2, 1, None])
    ]
    rows = tables.of_reports(reports)["field_values"]
    assert [row["field_key"] for row in rows] == ["esg.decimal", None, "esg.decimal", None]
    assert [row["report_id"] for row in rows] == ["0", "1", "2", "3"]


def test_datatype_and_units_of_the_field_type_itself(tables) -> None:
    sections = [{"id": 5, "key": "s", "field_types": [{"id": 1, "key": "k", "datatype": "integer", "units": ["t"]}]}]
    row = tables.of_value('"value": "3", "field_type": 1', sections)
    assert (row["datatype"], row["unit"], row["value_integer"]) == ("integer", "t", 3)


def test_an_empty_page_and_reports_without_values(tables) -> None:
    assert tables.of_reports(b"[]") == {"reports": [], "field_values": []}
    assert json.dumps(tables.of_reports([{"id": 1, "field_values": []}, {"id": 2}])["field_values"]) == "[]"
