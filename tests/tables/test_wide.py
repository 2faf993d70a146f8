"""Wide tables: their rows, their columns and their names."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.wide import LONGEST_NAME, Wide

SECTIONS = [
    {"id": "1", "parent_id": None, "key": "esg.t.general", "name": "General", "multi_instance": False},
    {"id": "2", "parent_id": "1", "key": "esg.t.sites", "name": "Sites", "multi_instance": True},
    {"id": "3", "parent_id": "2", "key": "esg.t.machines", "name": "Machines of a site", "multi_instance": None},
    {"id": "4", "parent_id": None, "key": "esg.t.empty", "name": "Nothing is asked", "multi_instance": True},
]


def kind(number: str, section: str, key: str | None, datatype: str | None, unit: str | None = None) -> dict[str, Any]:
    return {
        "id": number,
        "section_id": section,
        "key": key,
        "name": f"Name {number}",
        "datatype": datatype,
        "unit": unit,
    }


KINDS = [
    kind("10", "1", "esg.amount", "decimal", "kwh"),
    kind("11", "1", "esg.count", "integer"),
    kind("12", "1", "esg.agreed", "boolean"),
    kind("13", "1", "esg.period", "daterange"),
    kind("14", "1", "esg.trade", "eu_economic_activity"),
    kind("15", "1", "esg.Größe (m²)", "short_text"),
    kind("16", "1", None, "newer"),
    kind("17", "1", "status", "text"),
    kind("20", "2", "esg.site.name", "text"),
    kind("21", "2", "esg.site.area", "decimal", "ha"),
    kind("30", "3", "esg.machine", "text"),
]


def value(number: int, report: str, kind: str | None, text: str | None, **typed: Any) -> dict[str, Any]:
    return {"id": str(number), "report_id": report, "field_type_id": kind, "value": text, **typed}


def rows_of(wide: Wide, reports: list[str], values: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    rows = {}
    batches = [
        pa.RecordBatch.from_pylist(each, SCHEMAS[table])
        for table, each in (("reports", [{"id": number} for number in reports]), ("field_values", values))
    ]
    for table, batch in wide.rows_of(*batches):
        batch.validate(full=True)
        rows[table] = batch.to_pylist()
    return rows


@pytest.fixture
def wide() -> Wide:
    return Wide("7", "t", SECTIONS, KINDS)


def test_columns_by_data_type(wide):
    main = wide.tables[0]
    columns = {each.name: str(each.type) for each in main.schema if each.name not in SCHEMAS["reports"].names}
    assert main.name == "t_reports"
    assert columns == {
        "esg_amount": "decimal128(38, 12)",
        "esg_count": "int64",
        "esg_agreed": "bool",
        "esg_period_start": "date32[day]",
        "esg_period_end": "date32[day]",
        "esg_trade": "string",
        "esg_trade_code": "string",
        "esg_grosse_m2": "string",
        "field_type_16": "string",
        "field_status": "string",  # reports have a status too
        "other_values": "string",
    }
    metadata = main.schema.field("esg_amount").metadata
    assert metadata == {b"description": b"Name 10 (esg.amount)", b"field_key": b"esg.amount", b"unit": b"kwh"}


def test_template_without_field_types(caplog):
    [table] = Wide("7", "t", SECTIONS, []).tables
    assert table.name == "t_reports"
    assert set(table.schema.names) - set(SCHEMAS["reports"].names) == {"other_values"}
    assert "Template t has no field types" in caplog.text


def test_section_with_instances_is_a_table(wide):
    assert [(table.name, table.key, table.owner) for table in wide.tables] == [
        ("t_reports", ("id",), None),
        ("t_sites", ("report_id", "instance_id"), ("t_reports", "report_id")),
        ("t_machines", ("report_id", "instance_id"), ("t_reports", "report_id")),  # below a section with instances
    ]
    rows = rows_of(
        wide,
        ["1", "2"],
        [
            value(1, "1", "20", "Werk 1", instance_id="1"),
            value(2, "2", "21", "3", instance_id="1", value_decimal=Decimal(3)),
            value(3, "1", "21", "2.5", instance_id="1", value_decimal=Decimal("2.5")),
            value(4, "1", "20", "Werk 2", instance_id="2"),
            value(5, "2", "20", "Lager"),
        ],
    )
    assert [row["id"] for row in rows["t_reports"]] == ["1", "2"]
    assert "t_machines" not in rows
    found = {
        (row["report_id"], row["instance_id"]): (row["esg_site_name"], row["esg_site_area"]) for row in rows["t_sites"]
    }
    assert found == {
        ("1", "1"): ("Werk 1", Decimal("2.5")),
        ("1", "2"): ("Werk 2", None),
        ("2", "1"): (None, Decimal(3)),
        ("2", ""): ("Lager", None),
    }


def test_values_by_data_type(wide):
    [row] = rows_of(
        wide,
        ["1"],
        [
            value(1, "1", "10", "1,5", value_decimal=Decimal("1.5")),
            value(2, "1", "11", "3", value_decimal=Decimal(3), value_integer=3),
            value(3, "1", "12", "ja", value_boolean=True),
            value(4, "1", "13", "2020", value_start=date(2020, 1, 1), value_end=date(2020, 12, 31)),
            value(5, "1", "14", "01.1 | Fischerei", value_code="01.1"),
            value(6, "1", "15", ""),
            value(7, "1", "16", "7"),
            value(8, "1", "17", "gut"),
        ],
    )["t_reports"]
    columns = [name for name in row if name not in SCHEMAS["reports"].names]
    assert [row[name] for name in columns] == [
        Decimal("1.5"), 3, True, date(2020, 1, 1), date(2020, 12, 31), "01.1 | Fischerei", "01.1", "", "7", "gut", None,
    ]  # fmt: skip


def test_no_value_is_lost(wide):
    rows = rows_of(
        wide,
        ["1", "2"],
        [
            value(1, "1", "10", "k. A."),
            value(2, "1", "11", str(2**70), value_decimal=Decimal(2**70)),  # an integer, but too large for its column
            value(3, "1", "17", "first"),
            value(4, "1", "17", "second"),  # of a field with one value per report
            value(5, "1", "99", "of a field type that no section lists"),
            value(6, "1", None, "of none"),
            value(7, "2", "10", " "),
            value(8, "2", "20", "a", instance_id="1"),
            value(9, "2", "20", "b", instance_id="1"),
        ],
    )
    first, second = rows["t_reports"]
    assert second["other_values"] is None
    kept = json.loads(first["other_values"])
    assert {*kept["status"], first["field_status"]} == {"first", "second"}
    del kept["status"]
    assert kept == {
        "esg.amount": ["k. A."],
        "esg.count": [str(2**70)],
        "99": ["of a field type that no section lists"],
        "None": ["of none"],
    }
    [site] = rows["t_sites"]
    assert {site["esg_site_name"], *json.loads(site["other_values"])["esg.site.name"]} == {"a", "b"}


@pytest.mark.parametrize(
    ("sections", "kinds", "message"),
    [
        (
            SECTIONS,
            [kind("1", "1", "a.b", "text"), kind("2", "1", "a-b", "text")],
            "field 'a-b' and field 'a.b' would both",
        ),
        (SECTIONS, [kind("1", "1", "a", "text"), kind("2", "1", "a", "text")], "column 'a' of table 't_reports'"),
        (SECTIONS, [kind("1", "1", "a", "daterange"), kind("2", "1", "a.end", "text")], "column 'a_end'"),
        (
            [*SECTIONS, {**SECTIONS[1], "id": "5", "key": "other.t.sites"}],
            [kind("1", "5", "a", "text")],
            "table 't_sites'",
        ),
        ([{**SECTIONS[1], "parent_id": None, "key": "reports"}], [kind("1", "2", "a", "text")], "table 't_reports'"),
    ],
)
def test_equal_column_or_table_names_are_an_error(sections, kinds, message):
    with pytest.raises(OpenESGConfigError, match=r"template t: .* shape='tidy'") as error:
        Wide("7", "t", sections, kinds)
    assert message in str(error.value)


def test_the_same_key_in_two_sections_with_instances_is_allowed():
    kinds = [kind("1", "2", "name", "text"), kind("2", "3", "name", "text")]
    assert [table.name for table in Wide("7", "t", SECTIONS, kinds).tables] == ["t_reports", "t_sites", "t_machines"]


def test_long_names_are_shortened_and_stay_unique():
    long = "esg." + "very_" * 20
    kinds = [
        kind("1", "1", f"{long}a", "daterange"),
        kind("2", "1", f"{long}b", "daterange"),
        kind("3", "1", "水", "text"),
    ]
    (main, *_), (again, *_) = Wide("7", "t", SECTIONS, kinds).tables, Wide("7", "t", SECTIONS, kinds[::-1]).tables
    names, names_again = (
        [column.name for column in table.schema if b"field_key" in column.metadata] for table in (main, again)
    )
    assert len(names) == 5
    assert all(len(name) <= LONGEST_NAME and name.isascii() for name in names)
    assert sorted(names_again) == sorted(names)
    assert {name[-4:] for name in names[:4]} == {"tart", "_end"}
    assert names[4].startswith("field_")


def test_cyclic_parent_sections():
    loop = [{**SECTIONS[0], "parent_id": "2"}, {**SECTIONS[1], "parent_id": "1", "multi_instance": False}]
    assert len(Wide("7", "t", loop, [kind("1", "1", "a", "text")]).tables) == 1


def expected(tidy: dict[str, list[dict[str, Any]]]) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """Pivot in Python: return the typed values by field key for each report and each instance."""
    several = {row["id"] for row in tidy["sections"] if row["multi_instance"]}
    rows: dict[str, dict[tuple[str, ...], dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for row in tidy["reports"]:
        rows["reports"][row["id"],] = {}
    for row in tidy["field_values"]:
        section = row["section_key"].rpartition(".")[2] if row["section_id"] in several else "reports"
        key = (row["report_id"],) if section == "reports" else (row["report_id"], row["instance_id"])
        typed = {
            "decimal": row["value_decimal"],
            "integer": row["value_integer"],
            "boolean": row["value_boolean"],
            "daterange": row["value_start"],
        }
        rows[section][key][row["field_key"].replace(".", "_")] = typed.get(row["datatype"], row["value"])
    return rows


@pytest.mark.parametrize("template", ["vsme", "supplier-basics"])
@pytest.mark.parametrize("at_once", [1, 700, 10_000])
def test_all_reports_of_a_platform(sandbox, client_for, read, monkeypatch, template, at_once):
    monkeypatch.setattr("airflow_provider_openesg.tables.builders.VALUES_AT_ONCE", at_once)
    expected_rows = expected(read(sandbox, templates=[template]))
    client, summary = client_for(sandbox), Summary()
    wide = Wide.of_template(client, [template])
    tables = {table.name: table for table in wide.tables}
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {name: {} for name in tables}
    for name, batch in wide.batches(client, summary=summary):
        batch.validate(full=True)
        assert batch.schema.equals(tables[name].schema, check_metadata=True)
        for row in batch.to_pylist():
            key = tuple(row[column] for column in tables[name].key)
            assert key not in found[name]
            found[name][key] = {column.removesuffix("_start"): shown for column, shown in row.items()}
    assert {name: len(rows) for name, rows in found.items()} == {name: summary.rows[name] for name in tables}
    assert {name.removeprefix(template.replace("-", "_") + "_") for name in found} == expected_rows.keys()
    for name, rows in found.items():
        by_hand = expected_rows[name.removeprefix(template.replace("-", "_") + "_")]
        assert rows.keys() == by_hand.keys()
        for key, row in rows.items():
            assert {column: row[column] for column in by_hand[key]} == by_hand[key]
    assert (summary.malformed.total() > 0) == (template == "vsme")


def test_reports_without_values_are_returned_early(sandbox, client_for, monkeypatch):
    monkeypatch.setattr("airflow_provider_openesg.tables.builders.VALUES_AT_ONCE", 1)
    client = client_for(sandbox, page_size=5)
    batches = Wide.of_template(client, ["vsme"]).batches(client, filters={"status": "requested"})
    rows = [len(batch) for table, batch in batches if table == "vsme_reports"]
    assert sum(rows) > 10
    assert max(rows) <= 5


def test_a_selection_without_reports_has_all_tables(sandbox, client_for):
    client = client_for(sandbox)
    wide = Wide.of_template(client, ["1"])
    batches = list(wide.batches(client, filters={"customer_identifier": "nobody"}))
    assert [(name, len(batch)) for name, batch in batches] == [(table.name, 0) for table in wide.tables]
    assert all(batch.schema.equals(table.schema) for (_, batch), table in zip(batches, wide.tables, strict=True))


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        (None, "templates: None given; with shape='wide', name exactly one"),
        (["vsme", "supplier-basics"], "with shape='wide', name exactly one"),
        (
            ["vsm"],
            "templates: 'vsm' given; allowed: vsme, ",
        ),
    ],
)
def test_not_exactly_one_template_is_an_error(sandbox, client_for, templates, message):
    with pytest.raises(OpenESGConfigError) as error:
        Wide.of_template(client_for(sandbox), templates)
    assert message in str(error.value)
