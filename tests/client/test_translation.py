"""Records of platforms with other names, forms and words."""

import pytest

from airflow_provider_openesg.api import Api, Words
from airflow_provider_openesg.client.differences import Differences
from airflow_provider_openesg.client.translation import Translator
from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.records import FIELD_TYPE, FIELD_VALUE, REPORT, REPORT_REQUEST, SECTION


def translated(type_, record, api=None):
    differences = Differences(quiet=True)
    return Translator(type_, api or Api(), differences).record(record), differences


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"id": 1, "template": 2, "status": "submitted"}, {"id": 1, "template": 2, "status": "submitted"}),
        ({"uuid": "a-b", "reportTemplate": 2}, {"id": "a-b", "template": 2}),
        ({"url": "https://x.example/api/reports/7/", "template_id": 2}, {"id": "7", "template": 2}),
        ({"id": 1, "uuid": "a-b"}, {"id": 1, "uuid": "a-b"}),
        ({"pk": 1, "template": "https://x.example/t/vsme/?v=1"}, {"id": 1, "template": "vsme"}),
        ({"id": 1, "template": {"key": "vsme"}}, {"id": 1, "template": {"key": "vsme", "id": "vsme"}}),
        ({"id": 1, "organisation": {"uuid": "7", "name": "A"}}, {"id": 1, "organization": {"id": "7", "name": "A"}}),
        (
            {"id": 1, "organization": {"id": 7}, "organization_id": 7},
            {"id": 1, "organization": {"id": 7}, "organization_id": 7},
        ),
        ({"id": 1, "created": "x", "lastModified": "y"}, {"id": 1, "created_at": "x", "updated_at": "y"}),
        (
            {"id": 1, "period": {"from": "2025-01-01", "to": "31.12.2025", "label": "FY"}},
            {"id": 1, "period_start": "2025-01-01", "period_end": "2025-12-31", "period": {"label": "FY"}},
        ),
        ({"id": 1, "period_start": "2025-01-01T00:00:00Z"}, {"id": 1, "period_start": "2025-01-01"}),
        # A day that starts in another time zone is not certain.
        ({"id": 1, "period_start": "2024-12-31T23:00:00Z"}, {"id": 1, "period_start": "2024-12-31T23:00:00Z"}),
        ({"id": 1, "status": {"key": "SUBMITTED", "label": "Eingereicht"}}, {"id": 1, "status": "submitted"}),
        ({"id": 1, "status": "In Progress"}, {"id": 1, "status": "in_progress"}),
        (
            {"id": 1, "attributes": {"status": "submitted"}, "relationships": {"template": {"data": {"id": 3}}}},
            {"id": 1, "status": "submitted", "template": 3},
        ),
        (
            {"id": 1, "sections": [{"id": 5, "field_values": [{"id": 9}]}, {"id": 6, "values": []}]},
            {"id": 1, "field_values": [{"id": 9, "section": 5}]},
        ),
    ],
)  # fmt: skip
def test_reports(sent, expected):
    assert translated(REPORT, sent)[0] == expected


@pytest.mark.parametrize(
    ("sent", "value", "unit"),
    [
        ({"value": {"amount": "12.5", "unit": "kwh"}}, "12.5", "kwh"),
        ({"value": {"value": 12.5, "unit": {"key": "kwh"}}}, "12.5", {"key": "kwh"}),
        (
            {"value": None, "value_complex": {"start": "2025-01-01", "end": "31.12.2025"}},
            "2025-01-01 - 2025-12-31",
            None,
        ),
        ({"value": {"code": "12.1", "name": "Fishing"}}, "12.1 | Fishing", None),
        ({"value": {"amount": True}}, "true", None),
        ({"value": "8.4", "unit": {"key": "mwh"}}, "8.4", {"key": "mwh"}),
    ],
)
def test_values(sent, value, unit):
    record, _ = translated(FIELD_VALUE, {"id": 1, **sent})
    assert (record["value"], record.get("unit")) == (value, unit)


def test_value_with_other_parts_is_kept_as_it_is():
    sent = {"id": 1, "value": {"rows": [1, 2]}}
    assert translated(FIELD_VALUE, sent)[0] == sent


@pytest.mark.parametrize(
    ("sent", "datatype"),
    [
        ({"datatype": "DECIMAL"}, "decimal"),
        ({"data_type": {"key": "bool", "label": "Ja/Nein"}}, "boolean"),
        ({"type": "number"}, "decimal"),
        ({"type": "dateRange"}, "daterange"),
        ({"type": "zahl"}, "decimal"),
        ({"type": "scale"}, "scale"),
    ],
)
def test_data_types(sent, datatype):
    record, differences = translated(FIELD_TYPE, {"id": 1, **sent}, Api(words=Words(datatype={"Zahl": "decimal"})))
    assert record["datatype"] == datatype
    assert differences.datatypes == {datatype: datatype != "scale"}


def test_tree_of_sections():
    tree = [{"id": 1, "key": "b", "children": [{"id": 2, "key": "b3", "field_types": [{"id": 5}]}]}]
    assert Translator(SECTION).records(tree) == [
        {"id": 1, "key": "b"},
        {"id": 2, "key": "b3", "field_types": [{"id": 5}], "parent_id": 1},
    ]


def test_names_and_words_that_the_user_wrote_down():
    api = Api(
        names={"report": {"customer_identifier": "kunde.nummer", "reason": "", "status": "zustand"}},
        words=Words(status={"Eingereicht": "submitted"}),
    )
    sent = {"id": 1, "kunde": {"nummer": "K1"}, "reason": "x", "zustand": "eingereicht"}
    record, differences = translated(REPORT, sent, api)
    assert record == {"id": 1, "customer_identifier": "K1", "reason": "x", "status": "submitted"}
    assert not differences.texts


@pytest.mark.parametrize("type_", [REPORT, REPORT_REQUEST])
def test_unknown_status_is_a_difference_that_says_what_to_write(type_):
    record, differences = translated(type_, {"id": 1, "status": "eingereicht"})
    assert record["status"] == "eingereicht"
    (text,) = differences.texts
    assert 'status "eingereicht"' in text.replace("_status]", "status]").replace("] ", " ")
    with pytest.raises(OpenESGContractError, match="Strict of the Connection is set"):
        Translator(type_, Api(), Differences(strict=True)).record({"id": 1, "status": "eingereicht"})


def test_names_to_send():
    translator = Translator(REPORT_REQUEST, Api(), Differences(quiet=True))
    assert translator.their_name("customer_identifier") == "customer_identifier"
    translator.record({"id": 1, "reportTemplate": 2, "customerIdentifier": "x"})
    assert translator.their_name("report_template") == "reportTemplate"
    assert translator.their_name("user_email") == "userEmail"
    british = Translator(REPORT_REQUEST, Api(), Differences(quiet=True))
    british.record({"id": 1, "organisation": 2})
    assert british.their_name("organization_name") == "organisation_name"


def test_differences_are_logged_once_each(caplog):
    caplog.set_level("INFO")
    differences = Differences()
    translator = Translator(REPORT, Api(), differences)
    for number in range(3):
        translator.record({"uuid": str(number), "created": None, "status": "neu"})
        differences.log()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages[1] == "report: 'id' under 'uuid'; 'created_at' under 'created'"


def test_fields_that_two_processes_met_are_merged():
    one, other = Differences(quiet=True), Differences(quiet=True)
    one.meet("report", ("x",), ["id", "status"])
    other.meet("report", ("x",), ["id", "template"])
    one.merge(other)
    assert one.missing(REPORT, {"reason": ""}) == {*REPORT.fields} - {"id", "status", "template", "reason"}
    assert one.missing(FIELD_TYPE, {}) == set()
