"""Data of the sandbox: schema, plausibility, determinism, order and lazy generation."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal, InvalidOperation

import pytest
import requests
from jsonschema import Draft202012Validator


@pytest.fixture
def schema(sandbox):
    served = requests.get(f"{sandbox.base_url}/api/v1/openapi.json", timeout=10).json()
    assert served["openapi"].startswith("3.1")
    return served


def validator(schema, path: str, method: str = "get", status: str = "200") -> Draft202012Validator:
    response = schema["paths"][f"/api/v1/{path}"][method]["responses"][status]["content"]["application/json"]["schema"]
    return Draft202012Validator(response | {"components": schema["components"]})


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("organizations", "organizations?limit=240"),
        ("organizations/{organization_id}", "organizations/7"),
        ("report-templates", "report-templates"),
        ("report-templates/{template_id}", "report-templates/1"),
        ("report-templates/{template_id}/sections", "report-templates/1/sections"),
        ("report-templates/{template_id}/sections", "report-templates/2/sections"),
        ("report-requests", "report-requests?limit=100"),
        ("report-requests/{report_request_id}", "report-requests/1"),
        ("reports", "reports?limit=40"),
        ("reports/{report_id}", "reports/1010"),
    ],
)
def test_responses_match_the_openapi_schema(api, schema, template, path):
    response = api.get(path)
    assert response.status_code == 200
    assert [error.message for error in validator(schema, template).iter_errors(response.json())] == []


def test_reports_without_field_values_match_the_openapi_schema(sandbox, api, schema):
    sandbox.options(list_field_values=False)
    page = api.get("reports").json()
    assert not any("field_values" in row for row in page["items"])
    assert list(validator(schema, "reports").iter_errors(page)) == []
    assert api.get("reports/1010").json()["field_values"]


def test_a_created_request_matches_the_openapi_schema(api, schema):
    body = {"report_template": "vsme", "organization_name": "Neu GmbH", "user_email": "a@neu.example"}
    response = api.post("report-requests", json=body)
    assert response.status_code == 201
    assert list(validator(schema, "report-requests", "post", "201").iter_errors(response.json())) == []
    request_schema = schema["components"]["schemas"]["NewReportRequest"]
    assert set(request_schema["required"]) == set(body)


@pytest.mark.parametrize("path", ["reports/5", "reports/99999999", "organizations/0", "report-templates/9/sections"])
def test_a_missing_record_returns_404(api, path):
    response = api.get(path)
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


def test_an_invalid_parameter_returns_422(api):
    response = api.get("reports?limit=0")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "limit"]


def test_the_vsme_template(api):
    (template,) = api.get("report-templates?key=vsme").json()["items"]
    sections = api.rows(f"report-templates/{template['id']}/sections")
    modules = {section["id"]: section["name"] for section in sections if section["parent_id"] is None}
    assert list(modules.values()) == ["Basic Module", "Comprehensive Module"]
    disclosures = {section["key"].rpartition(".")[2]: modules.get(section["parent_id"]) for section in sections}
    for number in range(1, 12):
        assert disclosures[f"b{number}"] == "Basic Module"
    for number in range(1, 10):
        assert disclosures[f"c{number}"] == "Comprehensive Module"
    fields = [field for section in sections for field in section["field_types"]]
    assert len({field["key"] for field in fields}) == len({field["id"] for field in fields}) == len(fields) > 100
    datatypes = {field["metric_type"]["datatype"] for field in fields}
    known = {"decimal", "integer", "string", "text", "short_text", "boolean", "eu_economic_activity", "daterange"}
    assert datatypes - known == {"maturity_scale"}
    assert datatypes >= known
    assert sum(section["multi_instance"] for section in sections) >= 5
    assert {field["attachment"] for field in fields} == {"none", "optional", "required"}
    by_key = {field["key"]: field for field in fields}
    electricity = by_key["esg.vsme.b3.electricity_renewable"]
    assert (electricity["label"], [unit["key"] for unit in electricity["metric_type"]["units"]]) == ("MWh", ["MWh"])
    assert [each["key"] for each in electricity["measurements"]] == ["estimation", "measurement"]


def field_keys(api) -> dict[int, str]:
    return {
        field["id"]: field["key"]
        for template in (1, 2)
        for section in api.rows(f"report-templates/{template}/sections")
        for field in section["field_types"]
    }


def number(text: str | None) -> Decimal | None:
    try:
        return Decimal(text)
    except (InvalidOperation, TypeError):
        return None


def test_submitted_reports_are_complete_and_consistent(api):
    keys = field_keys(api)
    checked = 0
    for report in api.rows("reports?status=submitted&report_template=vsme"):
        values = report["field_values"]
        assert len(values) >= 60
        assert (report["progress"], bool(report["submitted_at"])) == (100, True)
        numbers = {keys[value["field_type"]].removeprefix("esg.vsme."): number(value["value"]) for value in values}
        parts = ["electricity_renewable", "electricity_non_renewable", "fuels_renewable", "fuels_non_renewable"]
        energy = [numbers.get(f"b3.{part}") for part in parts]
        if None not in energy and numbers["b3.energy_total"] is not None:
            assert sum(energy) == numbers["b3.energy_total"]
            checked += 1
        sexes = [numbers.get(f"b8.employees_{sex}") for sex in ("male", "female")]
        if None not in sexes and numbers.get("b1.employees_headcount") is not None:
            assert sum(sexes) == numbers["b1.employees_headcount"]
    assert checked > 50


def test_value_ids_and_instances_are_unique(api):
    ids: Counter[int] = Counter()
    repeated = 0
    for report in api.rows("reports"):
        ids.update(value["id"] for value in report["field_values"])
        places = Counter((value["field_type"], value["instance_id"]) for value in report["field_values"])
        assert set(places.values()) <= {1}
        repeated += any(value["instance_id"] == 2 for value in report["field_values"])
    assert set(ids.values()) == {1}
    assert repeated > 50


def test_edge_cases_exist_and_are_rare(api):
    reports = api.rows("reports")
    values = [value for report in reports for value in report["field_values"]]
    shares = {
        "without organization": sum(report["organization"] is None for report in reports) / len(reports),
        "without request": sum(report["report_request"] is None for report in reports) / len(reports),
        "unknown field of a report": sum("esg_risk_class" in report for report in reports) / len(reports),
        "unknown field of a value": sum("source_page" in value for value in values) / len(values),
        "null": sum(value["value"] is None for value in values) / len(values),
        "empty": sum(value["value"] == "" for value in values) / len(values),
        "not valid": sum(not value["valid"] for value in values) / len(values),
        "german": sum(
            "," in (value["value"] or "")
            and "." in value["value"]
            and value["value"][0].isdigit()
            and " " not in value["value"]
            for value in values
        )
        / len(values),
        "attachment": sum(bool(value["attachment"]) for value in values) / len(values),
        "comment": sum(bool(value["comment"]) for value in values) / len(values),
        "complex": sum(bool(value["value_complex"]) for value in values) / len(values),
    }
    assert {name: share for name, share in shares.items() if not 0 < share < 0.1 and name != "null"} == {}
    assert 0 < shares["null"] < 0.3


def test_organizations(api):
    organizations = api.rows("organizations")
    assert len(organizations) >= 200
    assert len({each["name"] for each in organizations}) == len(organizations)
    assert {"gmbh", "ag", "kg", "gmbh-co-kg"} < {each["type"] for each in organizations}
    assert any("employee_size_class" in each for each in organizations)


def test_equal_seeds_produce_equal_data_and_clients(sandbox, api, sandbox_factory, api_of):
    same, other = sandbox_factory(reports=200, seed=1), sandbox_factory(reports=200, seed=2)
    assert (same.client_id, same.client_secret) == (sandbox.client_id, sandbox.client_secret)
    assert other.client_secret != sandbox.client_secret
    for path in ("organizations?limit=300", "reports?limit=300", "report-requests?limit=300"):
        assert api_of(same).get(path).content == api.get(path).content
        assert api_of(other).get(path).content != api.get(path).content


def test_data_does_not_depend_on_the_order_of_requests(sandbox, api, api_of):
    late_first = [api.get(f"reports?limit=50&offset={offset}").content for offset in (150, 0)]
    sandbox.reset()
    again = api_of(sandbox)
    assert [again.get(f"reports?limit=50&offset={offset}").content for offset in (0, 150)] == late_first[::-1]


def test_reports_are_generated_when_first_read(sandbox_factory, api_of):
    sandbox = sandbox_factory(reports=20_000)
    assert sandbox.state()["reports_made"] == 0
    page = api_of(sandbox).get("reports?limit=100&offset=12000").json()
    assert (page["count"], len(page["items"])) == (20_000, 100)
    assert sandbox.state()["reports_made"] == 100


@pytest.mark.parametrize("order", ["id", "-id", "updated_at"])
def test_order(sandbox, api, order):
    sandbox.options(order=order)
    rows = api.rows("reports", limit=77)
    assert len({row["id"] for row in rows}) == len(rows) == 200
    name = order.lstrip("-")
    assert rows == sorted(rows, key=lambda row: (row[name], row["id"]), reverse=order.startswith("-"))


@pytest.mark.parametrize(
    ("name", "get"),
    [
        ("customer_identifier", lambda row: row["customer_identifier"]),
        ("status", lambda row: row["status"]),
        ("report_template", lambda row: row["template"]),
        ("organization", lambda row: row["organization"]["id"]),
        ("report_request", lambda row: row["report_request"]),
    ],
)
def test_filters_of_reports(api, name, get):
    rows = api.rows("reports")
    wanted = get(rows[0])
    expected = [row["id"] for row in rows if row["organization"] and get(row) == wanted]
    ids = [row["id"] for row in api.rows(f"reports?{name}={wanted}") if row["organization"]]
    assert ids == expected
    assert ids


def test_filters_of_requests(api):
    rows = api.rows("report-requests")
    assert {row["status"] for row in rows} == {"created", "approved", "declined"}
    assert any(row["report"] is None for row in rows)
    for status in ("created", "approved", "declined"):
        expected = [row["id"] for row in rows if row["status"] == status]
        assert [row["id"] for row in api.rows(f"report-requests?status={status}")] == expected


def test_requests_and_reports_refer_to_each_other(api):
    requests_by_id = {row["id"]: row for row in api.rows("report-requests")}
    for report in api.rows("reports"):
        if report["report_request"] is not None:
            assert requests_by_id[report["report_request"]]["report"] == report["id"]


def test_references_and_envelopes(sandbox, api):
    sandbox.options(references="ids")
    row = api.get("reports?limit=1").json()["items"][0]
    assert isinstance(row["organization"], int)
    sandbox.options(references="nested")
    row = api.get("reports?limit=1").json()["items"][0]
    assert row["template"]["key"] == "vsme"
    assert row["field_values"][0]["field_type"]["key"].startswith("esg.vsme.b1.")
    assert row["field_values"][0]["organization"]["id"] == row["organization"]["id"]
    sandbox.options(references="v1", envelope="bare")
    assert len(api.get("reports?limit=3").json()) == 3
    sandbox.options(envelope="results", page_cap=2)
    page = api.get("reports?limit=3&status=submitted").json()
    assert (len(page["results"]), page["next"]) == (
        2,
        f"{sandbox.base_url}/api/v1/reports?limit=2&status=submitted&offset=2",
    )
    sandbox.options(organizations=False)
    assert api.get("organizations").status_code == api.get("organizations/1").status_code == 404
    with pytest.raises(RuntimeError, match="422"):
        sandbox.options(nonsense=True)
