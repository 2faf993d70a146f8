"""OpenAPI schemas: parsing, and what only a schema knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.check.openapi import OpenApi

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.check import CheckResult
    from airflow_provider_openesg.sandbox.process import SandboxProcess

V30: dict[str, Any] = {
    "openapi": "3.0.3",
    "servers": [{"url": "https://esg.example/api/v1"}],
    "paths": {
        "/reports/": {
            "parameters": [{"$ref": "#/components/parameters/Since"}],
            "get": {
                "parameters": [
                    {"name": "page_size", "in": "query", "schema": {"type": "integer", "maximum": 50}},
                    {"name": "X-Tenant", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}}
                },
            },
        },
        "/reports/{report_id}/": {
            "patch": {"requestBody": {"$ref": "#/components/requestBodies/Change"}},
        },
    },
    "components": {
        "parameters": {"Since": {"name": "updated_at__gte", "in": "query", "schema": {"type": "string"}}},
        "requestBodies": {
            "Change": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Change~1v1"}}}}
        },
        "schemas": {
            "Page": {"properties": {"results": {"type": "array", "items": {"$ref": "#/components/schemas/Report"}}}},
            "Base": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
            "Report": {
                "allOf": [
                    {"$ref": "#/components/schemas/Base"},
                    {"required": ["status"], "properties": {
                        "status": {"oneOf": [{"$ref": "#/components/schemas/Status"}, {"enum": [""]}]},
                        "parent": {"$ref": "#/components/schemas/Report"},
                    }},
                ]
            },
            "Status": {"type": "string", "enum": ["submitted", "archived"]},
            "Change/v1": {"required": ["field_values"], "properties": {"field_values": {"type": "array"}}},
            "Loop": {"$ref": "#/components/schemas/Loop2"},
            "Loop2": {"allOf": [{"$ref": "#/components/schemas/Loop"}], "properties": {"a": {}}},
        },
    },
}  # fmt: skip


@pytest.fixture
def schema() -> OpenApi:
    return OpenApi(V30, "/api/v1")


def test_operations_by_path(schema: OpenApi) -> None:
    assert schema.paths() == ["reports/", "reports/{report_id}/"]
    assert schema.operation("get", "reports")
    assert schema.operation("PATCH", "reports/{id}")
    assert schema.operation("post", "reports") is None
    assert schema.operation("get", "report-templates") is None


def test_parameters_of_operation_and_path(schema: OpenApi) -> None:
    query = schema.query(schema.operation("get", "reports"))
    assert list(query) == ["updated_at__gte", "page_size"]
    assert query["page_size"]["maximum"] == 50


def test_merged_alternatives(schema: OpenApi) -> None:
    row = schema.row(schema.operation("get", "reports"))
    assert set(row["properties"]) == {"id", "status", "parent"}
    assert row["required"] == ["id", "status"]
    assert schema.words(row["properties"]["status"]) == ["submitted", "archived"]


def test_alternatives_require_nothing(schema: OpenApi) -> None:
    either = schema.merged({"anyOf": [{"required": ["a"], "properties": {"a": {}}}, {"properties": {"b": {}}}]})
    assert set(either["properties"]) == {"a", "b"}
    assert "required" not in either
    assert schema.merged({"anyOf": [{"required": ["a"]}, {"type": "null"}]})["required"] == ["a"]


def test_body(schema: OpenApi) -> None:
    assert schema.body(schema.operation("patch", "reports/{id}"))["required"] == ["field_values"]


def test_3_1(schema: OpenApi) -> None:
    assert schema.words({"anyOf": [{"const": "decimal"}, {"const": "integer"}, {"type": "null"}]}) == [
        "decimal",
        "integer",
    ]
    assert schema.words({"type": ["string", "null"], "enum": ["a", None]}) == ["a"]
    # In 3.1, a reference may have other keys.
    assert schema.merged({"$ref": "#/components/schemas/Status", "description": "x"})["description"] == "x"
    assert schema.words({"properties": {"key": {"enum": ["SUBMITTED"]}}}) == ["SUBMITTED"]


@pytest.mark.parametrize(
    "reference",
    ["#/components/schemas/Loop", "#/nowhere", "other.json#/a", "#", "#/paths/~1reports~1/get/parameters/0"],
)
def test_references_end(schema: OpenApi, reference: str) -> None:
    assert isinstance(schema.merged({"$ref": reference}), dict)
    assert schema.words({"$ref": reference}) == []


@pytest.mark.parametrize("content", [None, [], {}, {"paths": []}, "x"])
def test_no_schema(content: object) -> None:
    with pytest.raises(ValueError, match="no OpenAPI schema"):
        OpenApi(content)


MALFORMED = {"parameters": 1, "responses": {"200": {"content": []}}, "requestBody": 5}


@pytest.mark.parametrize("item", [None, 1, {"get": 1}, {"get": MALFORMED}])
def test_malformed_parts_are_empty(item: Any) -> None:
    schema = OpenApi({"paths": {"/reports": item}})
    operation = schema.operation("get", "reports") or {}
    assert (schema.query(operation), schema.row(operation), schema.body(operation)) == ({}, {}, {})


def changed(sandbox: SandboxProcess, settings_for: Any, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return the sandbox's schema with a change."""
    from airflow_provider_openesg.client.client import OpenESGClient

    with OpenESGClient(settings_for(sandbox)) as client:
        content = client.session.get("openapi.json").json()
    change(content)
    return content


def of_reports(content: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = content["paths"]["/api/v1/reports"]["get"]
    return operation


def lines(result: CheckResult) -> dict[str, Any]:
    return {line.key: line for line in result.lines}


@pytest.mark.parametrize(
    "name", ["updated_after", "modified_since", "updated_at__gte", "updatedAfter", "changed_since"]
)
def test_a_filter_for_changes_is_proposed(
    run: Callable[..., CheckResult], sandbox: SandboxProcess, settings_for: Any, name: str
) -> None:
    added = {"name": name, "in": "query", "schema": {"type": "string"}}
    content = changed(sandbox, settings_for, lambda content: of_reports(content)["parameters"].append(added))
    result = run(schema=content)
    assert result.exit_status == 0
    assert list(map(str, lines(result)["filters.reports.updated_after"].proposals)) == [
        f'[filters.reports] updated_after = "{name}"'
    ]


def test_what_only_the_schema_knows(
    run: Callable[..., CheckResult], sandbox: SandboxProcess, settings_for: Any
) -> None:
    def change(content: dict[str, Any]) -> None:
        parameters = of_reports(content)["parameters"]
        next(each for each in parameters if each["name"] == "limit")["schema"]["maximum"] = 50
        parameters[:] = [each for each in parameters if each["name"] != "organization"]
        schemas = content["components"]["schemas"]
        schemas["Report"]["properties"]["status"] = {"enum": ["submitted", "archived", "submited"]}
        schemas["NewReportRequest"]["required"] = ["report_template_id", "organization_name", "tenant"]
        schemas["NewReportRequest"]["properties"]["report_template_id"] = {}

    found = lines(run(schema=changed(sandbox, settings_for, change)))
    assert str(found["paging.max"].proposals[0]) == "[paging] max = 50"
    assert found["filters.reports.organization"].state == "as assumed"  # samples decide
    assert "The schema of the list has no organization. Samples decide." in found["filters.reports.organization"].text
    assert list(map(str, found["words.status"].proposals)) == [
        '[words.status] archived = "..."',
        '[words.status] submited = "submitted"',
    ]
    assert found["words.status"].state == "cannot be told"
    assert found["write.request"].state == "differs: write this"
    assert str(found["write.request"].proposals[0]) == '[write.request] template = "report_template_id"'


def test_a_schema_that_is_wrong_changes_nothing(
    run: Callable[..., CheckResult], sandbox: SandboxProcess, settings_for: Any
) -> None:
    """django-ninja's ``ModelSchema`` declares ``template_id`` and sends ``template``."""

    def change(content: dict[str, Any]) -> None:
        text = json.dumps(content["components"]["schemas"]["Report"]).replace('"template"', '"template_id"')
        content["components"]["schemas"]["Report"] = json.loads(text)
        of_reports(content)["parameters"].clear()

    result = run(schema=changed(sandbox, settings_for, change))
    assert result.exit_status == 0
    assert not result.toml


def test_a_path_of_the_schema_is_proposed(
    run: Callable[..., CheckResult], sandbox: SandboxProcess, settings_for: Any
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["paths"]["/api/v1/esg-report-requests"] = content["paths"].pop("/api/v1/report-requests")

    sandbox.fault("answer", path="/report-requests", status=404, body="{}")
    found = lines(run(schema=changed(sandbox, settings_for, change)))
    assert str(found["paths.report_requests"].proposals[0]) == '[paths] report_requests = "esg-report-requests"'


def test_a_private_schema_is_not_needed(run: Callable[..., CheckResult], sandbox: SandboxProcess) -> None:
    sandbox.fault("answer", path="openapi.json", status=403, body="{}")
    result = run()
    assert lines(result)["schema"].state == "cannot be told"
    assert result.exit_status == 0


def test_the_sandboxs_own_schema_is_valid(sandbox: SandboxProcess, settings_for: Any) -> None:
    from openapi_spec_validator import validate

    validate(changed(sandbox, settings_for, lambda content: None))
