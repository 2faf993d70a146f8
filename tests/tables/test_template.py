"""The parser of templates: one set of rules for tables and for updates."""

from __future__ import annotations

import ast
import json
from decimal import Decimal
from pathlib import Path

import pytest

import airflow_provider_openesg
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.records import SECTION
from airflow_provider_openesg.reports.updates.entries import check_entries
from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.decoder import RecordDecoder
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template import parse_template, repeating_sections

KEY = "esg.site.energy"
METRIC = {"id": 3, "key": "energy", "datatype": "decimal", "units": [{"id": 2, "key": "kwh", "name": "kWh"}]}
FIELD = {"id": 7, "key": KEY, "name": "Energy", "metric_type": METRIC}


def sections(nested=True, **field):
    return [
        {"id": 1, "key": "site", "parent_id": None, "multi_instance": nested, "field_types": []},
        {"id": "2", "key": "site.energy", "parent_id": 1, "multi_instance": False, "field_types": [FIELD | field]},
    ]


def decode_sections(rows):
    return RecordDecoder(SECTION).page(json.dumps(rows).encode()).rows


def fields(rows):
    return {field.key: field for field in parse_template(decode_sections(rows))}


def table_rows(name, rows):
    (batch,) = getattr(builders, name)("5", decode_sections(rows), Summary())
    return batch.to_pylist()


@pytest.mark.parametrize("nested", [True, False])
def test_a_field_below_a_multi_instance_section_repeats(nested):
    rows = sections(nested)
    assert fields(rows)[KEY].repeats is nested
    assert ("2" in repeating_sections(table_rows("sections", rows))) is nested
    entry = {"field_key": KEY, "value": "1"} | ({"instance_id": 1} if nested else {})
    assert check_entries([entry], fields(rows))[0].instance_id == (1 if nested else None)


@pytest.mark.parametrize(
    ("own", "unit", "names"),
    [
        ({"units": [{"id": 1, "key": "mwh"}]}, "mwh", ("mwh", "1")),
        ({"units": []}, "kwh", ("kwh", "kWh", "2")),
        ({"units": None}, "kwh", ("kwh", "kWh", "2")),
        ({}, "kwh", ("kwh", "kWh", "2")),
        ({"units": ["t"]}, "t", ("t",)),
        ({"units": [5]}, "5", ("5",)),
        ({"units": [{"id": 1, "key": ""}]}, "1", ("1",)),
        ({"units": [{"id": 1, "key": "mwh"}, {"id": 2, "key": "kwh"}]}, None, ()),
    ],
)
def test_the_unit_of_the_table_is_accepted_for_writing(own, unit, names):
    rows = sections(False, **own)
    field = fields(rows)[KEY]
    (row,) = table_rows("field_types", rows)
    assert (row["unit"], field.unit_names) == (unit, names)
    entry = {"field_key": KEY, "value": 1}
    if unit is not None:
        assert check_entries([entry | {"unit": unit}], fields(rows))
    with pytest.raises(OpenESGConfigError, match="unit: 'gwh' given"):
        check_entries([entry | {"unit": "gwh"}], fields(rows))


def test_the_parts_of_a_field():
    more = {
        "min": 0.50,
        "max": "ten",
        "measurements": [{"id": 4, "key": "estimation", "name": "Estimation"}, "guess"],
        "is_commentable": False,
        "attachment": "none",
    }
    field = fields(sections(False, **more))[KEY]
    assert (field.id, field.datatype) == (7, "decimal")
    assert (field.minimum, field.maximum) == (Decimal("0.5"), None)
    assert field.measurements == {"4": 4, "estimation": 4, "Estimation": 4}
    assert (field.is_commentable, field.takes_attachment) == (False, False)
    assert fields(sections(False, datatype="integer"))[KEY].datatype == "integer"


def test_references_as_objects_and_sections_in_a_cycle():
    rows = json.loads(json.dumps(sections()))
    rows[1]["parent_id"] = {"id": 1}
    assert fields(rows)[KEY].repeats is True
    rows[1]["parent"] = rows[1].pop("parent_id")
    assert fields(rows)[KEY].repeats is True
    rows[0] |= {"multi_instance": None, "parent_id": 2}
    assert fields(rows)[KEY].repeats is False


def test_no_other_module_reads_these_fields():
    """A second parser would need the names of these fields."""
    root = Path(airflow_provider_openesg.__file__).parent
    users = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] != "sandbox"
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Constant) and node.value in ("multi_instance", "metric_type"))
        or (isinstance(node, ast.Attribute) and node.attr in ("multi_instance", "metric_type"))
    }
    # The record types and the columns name them, without reading their values.
    modules = ("records", "client/names", "tables/template", "tables/schemas", "tables/builders")
    assert users == {f"{name}.py" for name in modules}


def test_boolean_in_another_type_counts_as_not_set():
    field_types = [{"id": 3}]
    sections = [
        {"id": 1, "multi_instance": "yes", "field_types": field_types},
        {"id": 2, "multi_instance": True, "field_types": field_types},
    ]
    first, second = parse_template(decode_sections(sections))
    assert (first.repeats, second.repeats) == (False, True)
