"""Each shape: the Connection test, the lists, the seven tables, and filters."""

from __future__ import annotations

import pytest

from airflow_provider_openesg.client.connection_test import check_connection
from airflow_provider_openesg.sandbox.shapes.table import SHAPES

RESOURCES = {
    "organizations": "organization",
    "report-templates": "report_template",
    "report-requests": "report_request",
    "reports": "report",
}

each_shape = pytest.mark.parametrize("platform", SHAPES, indirect=True)


@each_shape
def test_connection_is_usable(platform, truth):
    assert check_connection(platform.settings)[0]


@each_shape
def test_lists_have_every_record_once(platform, truth):
    with platform.client() as client:
        for resource, kind in RESOURCES.items():
            ids = platform.normal.ids(kind, (each["id"] for each in client.iter_records(resource)))
            assert sorted(ids) == sorted(truth.ids[resource]), resource
        assert list(client.differences.texts) == []


@each_shape
def test_tables_are_those_without_shape(platform, truth):
    tables, summary = platform.tables()
    differences = platform.normal.differences(truth.tables, tables)
    assert not differences, "\n".join(differences)
    assert list(summary.differences.texts) == []
    assert summary.malformed == truth.summary.malformed
    assert summary.high_water_mark == truth.summary.high_water_mark
    assert summary.without_field_type == truth.summary.without_field_type


def selections(truth, field_values):
    """Yield arguments of a pull, and the rows that it has to return.

    :param field_values: rows of the values that the client may read.
    """
    vsme = next(row["id"] for row in truth.tables["report_templates"] if row["key"] == "vsme")
    of_vsme = {
        "report_templates": truth.rows("report_templates", id=vsme),
        **{name: truth.rows(name, template_id=vsme) for name in ("sections", "field_types", "report_requests")},
        "reports": truth.rows("reports", template_id=vsme),
        "field_values": [row for row in field_values if row["template_id"] == vsme],
    }
    yield {"templates": ["vsme"], "tables": list(of_vsme)}, of_vsme

    one = truth.rows("reports", status="submitted")[3]
    some = [truth.tables["reports"][number]["id"] for number in (3, 20, 55)]
    identifier, organization = one["customer_identifier"], one["organization_id"]
    both = {"reports": {}, "report_requests": {}}
    for filters, rows in (
        ({"customer_identifier": identifier}, {table: {"customer_identifier": identifier} for table in both}),
        ({"customer_identifier": "no such customer"}, {table: {"customer_identifier": "no such"} for table in both}),
        ({"template": "vsme"}, {table: {"template_id": vsme} for table in both}),
        ({"status": "submitted"}, {"reports": {"status": "submitted"}}),
        ({"status": ["submitted", "requested"]}, {"reports": {"status": ["submitted", "requested"]}}),
        ({"organization": organization}, {"reports": {"organization_id": organization}}),
        ({"id": some}, {"reports": {"id": some}}),
    ):
        expected = {table: truth.rows(table, **cells) for table, cells in rows.items()}
        if "reports" in expected and "no such customer" not in filters.values():
            assert 0 < len(expected["reports"]) < len(truth.tables["reports"])
        yield {"filters": filters, "tables": list(rows)}, expected


def said(summary, *, finds_nothing=False):
    """Return what the platform does differently, apart from what is no error of the package.

    :param finds_nothing: whether the selection has no rows.
    """
    allowed = ["may not be read by this client (403)"] + ["none matches templates and filters"] * finds_nothing
    return [text for text in summary.differences.texts if not any(each in text for each in allowed)]


def selection_differences(platform, truth):
    """Return what differs in each selection."""
    found = []
    for arguments, expected in selections(truth, platform.readable(truth)["field_values"]):
        filters = dict(arguments.get("filters", {}))
        for name, kind in (("organization", "organization"), ("id", "report")):
            if name in filters:
                given = filters[name]
                filters[name] = (
                    [platform.id(kind, each) for each in given] if isinstance(given, list) else platform.id(kind, given)
                )
        tables, summary = platform.tables(**arguments | ({"filters": filters} if filters else {}))
        differences = platform.normal.differences(expected, tables)
        differences += said(summary, finds_nothing=not any(map(len, expected.values())))
        found += [f"{arguments.get('filters', arguments.get('templates'))}: {text}" for text in differences]
    return found


@each_shape
def test_filters_select_the_same_rows(platform, truth):
    differences = selection_differences(platform, truth)
    assert not differences, "\n".join(differences)
