"""Shapes: the same data in the other forms that a real platform may have."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.sandbox.shapes.ids import number_of, shaped_id
from airflow_provider_openesg.sandbox.shapes.table import SHAPES, Shape, ShapeError, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VSME = {"report_template": "vsme", "organization_name": "Neu & Söhne GmbH", "user_email": "anna@neu.example"}


def get(api: Any, path: str, status: int = 200) -> Any:
    response = api.get(path, allow_redirects=False)
    assert response.status_code == status, response.text
    return response.json()


def report(api: Any) -> dict:
    return get(api, "reports/1030")


def row(api: Any, path: str = "reports") -> dict:
    return get(api, path)["items"][0]


def section(api: Any) -> dict:
    return next(each for each in get(api, "report-templates/1/sections")["items"] if each.get("field_types", True))


def field_types(api: Any) -> Iterator[dict]:
    for each in get(api, "report-templates/1/sections")["items"]:
        yield from each["field_types"]


def field_type(api: Any, datatype: str = "decimal MWh") -> dict:
    return next(each for each in field_types(api) if each["metric_type"]["key"] == datatype.replace(" ", "."))


def values(api: Any, datatype: str) -> list[dict]:
    ids = {each["id"] for each in field_types(api) if each["metric_type"]["key"] == datatype.replace(" ", ".")}
    return [value for value in report(api)["field_values"] if value["field_type"] in ids]


def value(api: Any, datatype: str = "decimal MWh") -> dict:
    return next(each for each in values(api, datatype) if each["value"] or each["value_complex"])


def pages(api: Any, parameter: str, last: int) -> bool:
    """Whether pages 1 to ``last`` have all reports, and the page after them is an error."""
    ids = [each["id"] for page in range(1, last + 1) for each in get(api, f"reports?{parameter}{page}")["items"]]
    assert get(api, f"reports?{parameter}{last + 1}", 404) == {"detail": "Invalid page."}
    return ids == list(range(1010, 3010, 10))


def cursor(api: Any) -> bool:
    ids, path = [], "reports?offset=7"
    while path:
        page = get(api, path)
        ids += [each["id"] for each in page["items"]]
        assert page["previous"] is None
        path = page["next"] and page["next"].removeprefix(api.base)
    return (
        ids == list(range(1010, 3010, 10))
        and "count" not in page
        and "offset=7" in get(api, "reports?offset=7")["next"]
    )


def cursor_token(api: Any) -> bool:
    page = get(api, "reports")
    rest = [get(api, f"reports?cursor={page['next_cursor']}")]
    while rest[-1]["next_cursor"]:
        rest.append(get(api, f"reports?cursor={rest[-1]['next_cursor']}"))
    assert api.get("reports?cursor=x").status_code == 404
    return sum(len(each["items"]) for each in (page, *rest)) == 200 and page.keys() == {"items", "next_cursor"}


def link_header(api: Any) -> bool:
    first = api.get("reports?page=3")
    last = api.get(first.links["next"]["url"].removeprefix(api.base))
    return len(first.json()) == len(last.json()) == 50 and "next" not in last.links and isinstance(last.json(), list)


def next_link(api: Any) -> bool:
    page = get(api, "reports?limit=60&offset=60&status=submitted")
    last = get(api, page["next"].removeprefix(api.base))
    return last["next"] is None and page["previous"] == f"{api.base}reports?limit=60&offset=0&status=submitted"


def hal(api: Any) -> bool:
    page = get(api, "reports?limit=150")
    assert page["_links"]["next"]["href"] == f"{api.base}reports?limit=150&offset=150"
    last = get(api, page["_links"]["next"]["href"].removeprefix(api.base))
    assert "next" not in last["_links"]
    return len(last["_embedded"]["reports"]) == 50 and last["page"] == {"total_elements": 200}


def jsonapi(api: Any) -> bool:
    page, one = get(api, "reports?limit=1"), get(api, "reports/1030")["data"]
    (data,) = page["data"]
    assert page["meta"] == {"count": 200}
    assert page["links"]["next"].endswith("offset=1")
    assert data["type"] == one["type"] == "reports"
    assert "id" not in data["attributes"]
    created = api.post("report-requests", json={"data": {"type": "report-requests", "attributes": VSME}})
    assert created.json()["report_request"]["data"]["relationships"]["report_template"]["data"]["id"] == "1"
    return one["relationships"]["template"]["data"]["type"] == "report-templates" and one["id"] == "1030"


def create(api: Any, body: dict, status: int = 201) -> Any:
    response = api.post("report-requests", json=body)
    assert response.status_code == status, response.text
    return response.json()


def change(api: Any, body: dict, status: int = 200) -> Any:
    response = api.patch("reports/1030", json=body)
    assert response.status_code == status, response.text
    return response.json()


def camel(api: Any) -> bool:
    body = {"reportTemplate": 1, "organizationName": "A GmbH", "userEmail": "a@a.example", "customerIdentifier": "K-1"}
    created = create(api, body)
    refused = create(api, VSME, 422)["detail"][0]
    assert refused["loc"][-1] in VSME
    invalid = create(api, body | {"userEmail": "a"}, 422)["detail"][0]
    assert invalid["loc"][-1] == "userEmail"
    first = report(api)["fieldValues"][0]
    changed = change(api, {"fieldValues": [{"fieldType": first["fieldType"], "instanceId": None, "value": "x"}]})
    assert changed["fieldValues"][0]["value"] == "x"
    assert {"parentId", "fieldTypes", "multiInstance"} <= row(api, "report-templates/1/sections").keys()
    return created["reportRequest"]["customerIdentifier"] == "K-1" and "registrationCode" in created


def uuids(api: Any) -> bool:
    one = get(api, f"reports/{shaped_id('report', 1030)}")
    assert get(api, "reports/1030", 404) == {"detail": "Not Found"}
    template, first = one["template"], one["field_values"][0]
    found = get(api, f"reports?report_template={template}&organization={one['organization']['uuid']}")["items"]
    assert one["uuid"] in {each["uuid"] for each in found}
    assert get(api, f"report-templates/{template}/sections")["items"][1]["uuid"] == first["section"]
    body = {"field_values": [{"uuid": first["uuid"], "value": "x"}]}
    changed = api.patch(f"reports/{one['uuid']}", json=body).json()
    assert changed["field_values"][0]["value"] == "x"
    assert create(api, VSME | {"report_template": template})["report_request"]["report_template"] == template
    return number_of("field_type", first["field_type"]) == 1001 and "id" not in one


def urls(api: Any) -> bool:
    one = report(api)
    assert get(api, one["url"].removeprefix(api.base))["url"] == one["url"] == f"{api.base}reports/1030/"
    return "id" not in one and one["organization"]["url"].startswith(f"{api.base}organizations/")


def reference_urls(api: Any) -> bool:
    one = report(api)
    first = one["field_values"][0]
    assert get(api, one["organization"].removeprefix(api.base))["id"]
    assert change(api, {"field_values": [{"field_type": first["field_type"], "value": "x"}]})["field_values"][0][
        "value"
    ]
    assert get(api, f"reports?report_template={one['template']}")["count"] < 200
    return one["template"] == f"{api.base}report-templates/1/"


def reference_keys(api: Any) -> bool:
    one = report(api)
    first = one["field_values"][0]
    assert get(api, "report-templates/1/sections")["items"][1]["parent"] == "esg.vsme.basic"
    assert change(api, {"field_values": [{"field_type": first["field_type"], "value": "x"}]})["field_values"][0][
        "value"
    ]
    return (one["template"], first["section"]) == ("vsme", "esg.vsme.b1") and isinstance(one["report_request"], int)


def period(api: Any, name: str, start: str, end: str) -> bool:
    return report(api)[name] == {start: "2025-01-01", end: "2025-12-31"} and "period_start" not in report(api)


def german_numbers(api: Any) -> bool:
    shown = value(api)
    assert re.fullmatch(r"[0-9]{1,3}(\.[0-9]{3})*,[0-9]{2}", shown["value"])
    written = {"id": shown["id"], "value": "1.234,50"}
    change(api, {"field_values": [written]})
    assert next(each for each in values(api, "decimal MWh") if each["id"] == shown["id"])["value"] == "1.234,50"
    text = value(api, "short_text")["id"]
    change(api, {"field_values": [{"id": text, "value": "1.234,50"}]})
    return value(api, "short_text")["value"] == "1.234,50"


def german_dates(api: Any) -> bool:
    shown = value(api, "daterange")
    text = "01.02.2024 - 31.12.2024"
    change(api, {"field_values": [{"id": shown["id"], "value": text}]})
    created = create(api, VSME | {"submission_date": "24.12.2026"})
    assert created["report_request"]["submission_date"] == "24.12.2026"
    return value(api, "daterange")["value"] == text and report(api)["period_end"] == "31.12.2025"


def value_object(api: Any) -> bool:
    shown = value(api)
    change(api, {"field_values": [{"id": shown["id"], "value": {"amount": "12.5", "unit": "MWh"}}]})
    return (
        shown["value"]["unit"] == "MWh"
        and value(api)["value"]["amount"] == "12.5"
        and "end" in value(api, "daterange")["value"]
    )


def complex_only(api: Any) -> bool:
    shown = value(api)
    assert shown["value"] is None
    change(api, {"field_values": [{"id": shown["id"], "value_complex": {"amount": "12.5", "unit": "MWh"}}]})
    assert value(api)["value_complex"] == {"amount": "12.5", "unit": "MWh"}
    assert value(api, "daterange")["value_complex"].keys() == {"start", "end"}
    return value(api, "eu_economic_activity")["value"] is None and value(api, "short_text")["value"] is not None


def with_unit(api: Any) -> bool:
    shown = value(api)
    assert re.fullmatch(r"[0-9.]+ MWh", shown["value"])
    change(api, {"field_values": [{"id": shown["id"], "value": "12.5 MWh"}]})
    return value(api)["value"] == "12.5 MWh"


def json_values(api: Any) -> bool:
    shown = value(api)
    change(api, {"field_values": [{"id": shown["id"], "value": 12.5}]})
    assert value(api)["value"] == 12.5
    return isinstance(shown["value"], float) and isinstance(value(api, "boolean")["value"], bool)


def own_unit(api: Any) -> bool:
    return value(api)["unit"] == {"key": "MWh"} and len(field_type(api)["metric_type"]["units"]) == 2


def words(api: Any) -> bool:
    found = {each["metric_type"]["datatype"] for each in field_types(api)}
    return found == {"number", "int", "string", "bool", "date_range", "nace", "maturity_scale"}


def german_status(api: Any) -> bool:
    found = get(api, "reports?status=eingereicht")
    assert get(api, "reports?status=submitted")["count"] == 0 < found["count"]
    assert "in_bearbeitung" in {each["status"] for each in get(api, "reports?limit=200")["items"]}
    return {each["status"] for each in found["items"]} == {"eingereicht"}


def slash(api: Any) -> bool:
    response = api.get("reports?limit=1", allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (301, f"{api.base}reports/?limit=1")
    assert api.patch("reports/1030", json={}, allow_redirects=False).status_code == 301
    return get(api, "reports/1030/")["id"] == 1030 and api.get("reports").status_code == 200


def slash_500(api: Any) -> bool:
    refused = api.patch("reports/1030", json={})
    return "does not end in a slash" in refused.text and refused.status_code == 500 and bool(api.get("reports").json())


def forbidden(api: Any) -> bool:
    refused = [number for number in range(1010, 1210, 10) if api.get(f"reports/{number}").status_code == 403]
    return refused == [1010, 1080, 1150] and get(api, "reports")["items"][0]["id"] == 1010


def replaced(api: Any) -> bool:
    first, *others = change(api, {"field_values": [{"field_type": 1001, "value": "x"}]})["field_values"]
    return first["value"] == "x" and {each["value"] for each in others} == {None}


def drf(api: Any) -> bool:
    assert get(api, "reports/1", 404) == {"detail": "Not Found"}
    return create(api, VSME | {"user_email": "a"}, 400).keys() == {"user_email"}


def problem(api: Any) -> bool:
    assert api.get("reports/1").headers["Content-Type"] == "application/problem+json"
    invalid = create(api, VSME | {"user_email": "a"}, 422)
    assert "user_email: " in invalid["detail"]
    return get(api, "reports/1", 404) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }


def british(api: Any) -> bool:
    one = report(api)
    body = {"report_template": 1, "organisation_name": "A GmbH", "user_email": "a@a.example"}
    assert create(api, body)["report_request"]["organisation"]["name"] == "A GmbH"
    assert 0 < get(api, f"reports?organisation={one['organisation']['id']}")["count"] < 200
    return "organization" not in one and "organisation" in one["field_values"][0]


def customer(api: Any) -> bool:
    name = report(api)["customer_reference"]
    assert get(api, "reports?customer_identifier=K")["count"] == 200
    created = create(api, VSME | {"customer_reference": "K-7"})
    assert created["report_request"]["customer_reference"] == "K-7"
    return 0 < get(api, f"reports?customer_reference={name}")["count"] < 200


CHECKS: dict[str, Callable[[Any], bool]] = {
    "page-number": lambda api: (
        pages(api, "page_size=100&offset=9&page=", 2) and len(get(api, "reports")["items"]) == 50
    ),
    "page-only": lambda api: pages(api, "page_size=100&limit=9&page=", 4),
    "cursor": cursor,
    "cursor-token": cursor_token,
    "link-header": link_header,
    "next-link": next_link,
    "unpaged": lambda api: len(get(api, "reports?limit=1&offset=9")["items"]) == 200,
    "no-count": lambda api: get(api, "reports").keys() == {"items"},
    "cap-50": lambda api: len(get(api, "reports?limit=70")["items"]) == 50,
    "cap-50-error": lambda api: get(api, "reports?limit=51", 422)["detail"][0]["ctx"] == {"le": 50},
    "envelope-results": lambda api: get(api, "reports").keys() == {"results", "count"},
    "envelope-data": lambda api: get(api, "reports?offset=100")["meta"] == {"pagination": {"total": 200, "page": 2}},
    "envelope-total": lambda api: get(api, "reports")["total"] == 200,
    "envelope-total-count": lambda api: get(api, "reports").keys() == {"records", "total_count"},
    "envelope-hal": hal,
    "envelope-jsonapi": jsonapi,
    "envelope-bare": lambda api: len(get(api, "reports?limit=30")) == 30,
    "camel-case": camel,
    "british": british,
    "uuid-ids": uuids,
    "pk": lambda api: report(api)["pk"] == 1030 and "id" not in row(api),
    "url-ids": urls,
    "created-modified": lambda api: report(api).keys() >= {"created", "modified"},
    "nested-period": lambda api: period(api, "period", "from", "to"),
    "reporting-period": lambda api: period(api, "reporting_period", "start", "end"),
    "flat-dates": lambda api: (report(api)["start_date"], report(api)["end_date"]) == ("2025-01-01", "2025-12-31"),
    "measurement-types": lambda api: len(field_type(api)["measurement_types"]) == 2,
    "field-type-key": lambda api: (
        change(api, {"field_values": [{"field_type_key": "esg.vsme.b1.module_option", "value": "x"}]})["field_values"][
            0
        ]["value"]
        == "x"
    ),
    "customer-reference": customer,
    "refs-suffixed": lambda api: (
        isinstance(report(api)["organization_id"], int)
        and create(api, {"report_template_id": 1, **{name: VSME[name] for name in VSME if "template" not in name}})[
            "report_request"
        ]["report_template_id"]
        == 1
    ),
    "refs-object": lambda api: report(api)["template"]["key"] == "vsme" and "id" in row(api)["report_request"],
    "refs-url": reference_urls,
    "refs-key": reference_keys,
    "refs-key-object": lambda api: report(api)["template"] == {"key": "vsme"},
    "values-single": lambda api: "field_values" not in row(api) and report(api)["field_values"],
    "values-empty-in-list": lambda api: row(api)["field_values"] == [] != report(api)["field_values"],
    "values-path": lambda api: (
        "field_values" not in report(api) and get(api, "reports/1030/field-values?limit=1")["count"] > 50
    ),
    "values-in-sections": lambda api: (
        row(api).keys() >= {"sections"} and report(api)["sections"][0]["field_values"][0]["field_type"] == 1001
    ),
    "values-as-values": lambda api: change(api, {"values": []})["values"],
    "sections-in-row": lambda api: (
        row(api, "report-templates")["sections"][1]["field_types"] and get(api, "report-templates/1/sections", 404)
    ),
    "sections-in-record": lambda api: (
        get(api, "report-templates/1")["sections"] and "sections" not in row(api, "report-templates")
    ),
    "sections-tree": lambda api: (
        get(api, "report-templates/1/sections")["count"] == 2
        and row(api, "report-templates/1/sections")["children"][0]["key"] == "esg.vsme.b1"
    ),
    "field-types-path": lambda api: (
        "field_types" not in row(api, "report-templates/1/sections")
        and row(api, "report-templates/1/field-types")["section"] == 102
    ),
    "value-with-unit": with_unit,
    "value-object": value_object,
    "value-complex-only": complex_only,
    "number-values": json_values,
    "german-numbers": german_numbers,
    "german-dates": german_dates,
    "own-unit": own_unit,
    "datatype-upper": lambda api: field_type(api)["metric_type"]["datatype"] == "DECIMAL",
    "datatype-words": words,
    "datatype-label": lambda api: field_type(api)["metric_type"]["datatype"] == {"key": "decimal", "label": "Decimal"},
    "datatype-as-type": lambda api: field_type(api)["type"] == "decimal",
    "datatype-as-data-type": lambda api: (
        field_type(api)["data_type"] == "decimal" and "datatype" not in field_type(api)["metric_type"]
    ),
    "status-upper": lambda api: row(api, "reports?status=SUBMITTED")["status"] == "SUBMITTED",
    "status-label": lambda api: (
        row(api, "reports?status=submitted")["status"] == {"key": "submitted", "label": "Eingereicht"}
    ),
    "status-german": german_status,
    "slash": slash,
    "slash-500": slash_500,
    "slash-404": lambda api: get(api, "reports", 404) and get(api, "reports/")["count"] == 200,
    "token-201": lambda api: get(api, "reports")["count"] == 200,  # the test checks the token's status
    "scope-required": lambda api: get(api, "reports", 403)["detail"].startswith("You do not have permission"),
    "some-forbidden": forbidden,
    "patch-replaces": replaced,
    "filters-ignored": lambda api: get(api, "reports?customer_identifier=x&status=x")["count"] == 200,
    "identifier-filter-ignored": lambda api: (
        get(api, "reports?customer_identifier=x")["count"] == 200 and get(api, "reports?status=x")["count"] == 0
    ),
    "problem-json": problem,
    "drf-errors": drf,
    "error-message": lambda api: get(api, "reports/1", 404) == {"error": {"code": "not_found", "message": "Not Found"}},
}


def test_every_shape_has_a_check_and_a_description() -> None:
    assert CHECKS.keys() == SHAPES.keys()
    assert all(variant.description for variant in SHAPES.values())


@pytest.mark.parametrize("name", CHECKS)
def test_a_shape_changes_what_it_describes(sandbox, fetch_token, api_of, name):
    sandbox.options(shape=[name])
    assert fetch_token(sandbox).status_code == (201 if name == "token-201" else 200)
    assert CHECKS[name](api_of(sandbox))
    assert sandbox.errors() == ""


def test_a_token_with_a_scope_has_permission(sandbox, fetch_token, api_of):
    sandbox.options(shape=["scope-required", "token-201"])
    api = api_of(sandbox)
    assert api.get("reports").status_code == 403
    api.headers["Authorization"] = "Bearer x"
    assert api.get("reports").status_code == 401
    api.headers["Authorization"] = f"Bearer {fetch_token(sandbox, scope='read write').json()['access_token']}"
    assert api.get("reports").status_code == 200
    assert sandbox.state()["tokens_issued"] == 2


def test_shapes_can_be_combined(sandbox, api_of):
    sandbox.options(
        shape=[
            "cursor",
            "envelope-data",
            "camel-case",
            "uuid-ids",
            "refs-suffixed",
            "status-german",
            "slash",
            "values-path",
        ]
    )
    api = api_of(sandbox)
    page = api.get("reports?status=eingereicht").json()
    assert page.keys() == {"data", "meta", "next", "previous"}
    assert page["next"].startswith(f"{api.base}reports/?status=eingereicht&cursor=")
    first = page["data"][0]
    assert first.keys() >= {"uuid", "templateId", "organizationId", "periodStart"}
    found = api.get(f"reports/{first['uuid']}/field-values").json()["data"][0]
    assert found["sectionId"] == shaped_id("section", 102)
    calls = sandbox.state()["calls"]
    # The paths that the client sent, before and after the redirect; requests of the sandbox to itself are not counted.
    assert calls["GET /api/v1/reports/{id}/field-values"] == calls["GET /api/v1/reports/{id}/field-values/"] == 1
    assert "GET /api/v1/reports/{id}" not in calls


@pytest.mark.parametrize("envelope", [name for name in SHAPES if name.startswith("envelope-")])
@pytest.mark.parametrize("paging", ["page-number", "page-only", "cursor", "cursor-token", "next-link", "unpaged"])
def test_every_paging_works_in_every_envelope(sandbox, api_of, paging, envelope):
    sandbox.options(shape=[paging, envelope])
    api = api_of(sandbox)
    first = api.get("reports?limit=50")
    body = first.json()
    links = paging in ("cursor", "next-link")
    if envelope == "envelope-bare":
        assert len(body) == (200 if paging == "unpaged" else 50)
        assert ("next" in first.links) == links
        assert ("X-Next-Cursor" in first.headers) == (paging == "cursor-token")
        return
    place = {"envelope-hal": "_links", "envelope-jsonapi": "links"}.get(envelope)
    assert ("next_cursor" in body) == (paging == "cursor-token")
    assert ("next" in (body[place] if place else body)) >= links
    if links:
        following = body[place]["next"] if place else body["next"]
        following = following["href"] if place == "_links" else following
        assert api.get(following.removeprefix(api.base)).json() != body


@pytest.mark.parametrize(
    "options", [{"envelope": "bare"}, {"envelope": "results", "page_cap": 7}, {"references": "nested"}]
)
def test_a_shape_does_not_depend_on_the_options(sandbox, api_of, options):
    shape = ["page-number", "refs-suffixed", "nested-period", "datatype-upper"]
    sandbox.options(shape=shape)
    expected = api_of(sandbox).get("reports?page=2&page_size=20&status=submitted").json()
    sandbox.options(**options)
    assert api_of(sandbox).get("reports?page=2&page_size=20&status=submitted").json() == expected


def test_faults_work_with_a_shape(sandbox, api_of):
    sandbox.options(shape=["page-number", "error-message"])
    sandbox.fault("answer", path="/reports$", status=503, times=1)
    sandbox.fault("repeat_page", path="/reports$")
    api = api_of(sandbox)
    assert api.get("reports").status_code == 503
    assert api.get("reports?page=2").json() == api.get("reports?page=1").json()


def test_an_attachment_is_addressed_by_uuid(sandbox, api_of):
    sandbox.options(shape=["uuid-ids", "camel-case"])
    path = f"reports/{shaped_id('report', 1030)}"
    api = api_of(sandbox)
    turnover = next(
        each for each in api.get(path).json()["fieldValues"] if number_of("field_type", each["fieldType"]) == 1008
    )
    response = api.post(f"{path}/field-values/{turnover['uuid']}/attachment", files={"file": ("a.pdf", b"pdf")})
    assert (response.status_code, response.json()["attachment"]["name"]) == (200, "a.pdf")


def test_names_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"'camelcase' does not exist\. Did you mean 'camel-case'"):
        shape_of(["camelcase"])
    with pytest.raises(ShapeError, match=r"'cursor' and 'page-number' cannot be combined: both set 'paging'"):
        shape_of(["cursor", "slash", "page-number"])
    with pytest.raises(ShapeError, match="number-values"):
        shape_of(["german-numbers", "number-values"])
    assert shape_of(["link-header", "envelope-bare", "no-count"]) == shape_of(["link-header"])
    assert shape_of([]) is None
    # Each name changes a setting from its default.
    assert all(shape_of([name]) != Shape() for name in SHAPES)


def test_the_control_api_and_the_command_line_check_names(sandbox) -> None:
    with pytest.raises(RuntimeError, match=r"422 .*Did you mean 'slash'"):
        sandbox.options(shape=["slach"])
    assert sandbox.state()["options"]["shape"] == []
    command = [sys.executable, "-m", "airflow_provider_openesg.sandbox"]
    run = subprocess.run([*command, "--shape=pk,uuid-ids"], capture_output=True, text=True, check=False)
    assert "'pk' and 'uuid-ids' cannot be combined" in run.stderr
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in text for name in SHAPES)


def test_reset_restores_the_shapes_of_the_command_line(sandbox_factory, api_of):
    sandbox = sandbox_factory(reports=3, shape=["pk", "envelope-total"])
    assert "pk" in api_of(sandbox).get("reports").json()["items"][0]
    sandbox.options(shape=[])
    assert api_of(sandbox).get("reports").json()["items"][0]["id"] == 1010
    sandbox.reset()
    assert api_of(sandbox).get("reports").json()["total"] == 3


def test_the_page_on_the_sandbox_describes_every_shape() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    assert {name: variant.description for name, variant in SHAPES.items()}.items() <= dict(
        re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", page, re.MULTILINE)
    ).items()
