from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGConfigError,
    OpenESGContractError,
    OpenESGNotFoundError,
)
from airflow_provider_openesg.operators.openesg import MAX_RESULT_BYTES, OpenESGOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")


def call(**arguments):
    return OpenESGOperator(task_id="call", **arguments).execute({})


def test_one_record(task_log):
    report = call(path="reports/1010")
    assert report["id"] == 1010
    assert "GET reports/1010: HTTP 200" in task_log()


def test_query_and_pages(sandbox):
    page = call(path="report-requests", query={"limit": 2})
    assert len(page["items"]) == 2
    records = call(path="report-requests", paginate=True)
    assert len(records) == sandbox.state()["report_requests"] == len({record["id"] for record in records})
    some = call(path="report-requests", query={"customer_identifier": "K-10026"}, paginate=True)
    assert {record["customer_identifier"] for record in some} == {"K-10026"}


def test_a_body_is_sent():
    [value, *_] = call(path="reports/1010")["field_values"]
    call(method="PATCH", path="reports/1010", json={"field_values": [{"id": value["id"], "value": "checked"}]})
    after = call(path="reports/1010")["field_values"]
    assert next(each for each in after if each["id"] == value["id"])["value"] == "checked"


def test_the_query_is_not_mixed_with_the_params_of_the_dag():
    with DAG("d", params={"day": "2026-01-31"}):
        operator = OpenESGOperator(task_id="call", path="reports", query={"limit": 1})
    assert operator.query == {"limit": 1}


@pytest.mark.parametrize("paginate", [True, False])
def test_large_result_is_an_error_that_names_the_alternative(paginate):
    with pytest.raises(OpenESGConfigError, match=r"more than 1,024 KiB.* OpenESGToObjectStorageOperator"):
        call(path="reports", query=None if paginate else {"limit": 200}, paginate=paginate)


def test_paging_stops_when_the_result_is_too_large(sandbox):
    with pytest.raises(OpenESGConfigError):
        call(path="reports", paginate=True)
    size = len(json.dumps(call(path="reports/1010")))
    assert sandbox.state()["calls"]["GET /api/v1/reports"] * 100 * size > MAX_RESULT_BYTES
    assert sandbox.state()["in_flight"] == 0


def test_response_without_body_returns_none(sandbox):
    sandbox.fault("answer", path="/reports/", status=204, body="")
    assert call(method="DELETE", path="reports/1010") is None


def test_errors_have_specific_types(sandbox):
    with pytest.raises(OpenESGNotFoundError, match=r"GET .*/reports/7: HTTP 404"):
        call(path="reports/7")
    sandbox.fault("answer", status=422, body='{"detail": "no such field"}')
    with pytest.raises(OpenESGApiError, match=r"HTTP 422.*no such field"):
        call(method="PATCH", path="reports/1010", json={})


@pytest.mark.parametrize("paginate", [True, False])
def test_response_that_is_not_json_is_an_error(sandbox, paginate):
    sandbox.fault("answer", path="reports", status=200, headers={"Content-Type": "text/html"}, body="<html>")
    with pytest.raises(OpenESGContractError, match=r"HTTP 200.*text/html"):
        call(path="reports", paginate=paginate)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "reports", "method": "FETCH"}, "method: 'FETCH' given; allowed: GET, POST"),
        ({"path": "reports", "method": "PSOT"}, "Did you mean 'POST'"),
        ({"path": "reports", "method": "POST", "paginate": True}, "paginate: True given"),
        ({"path": "reports", "json": {}, "paginate": True}, "paginate: True given"),
    ],
)
def test_parameters_are_checked_in_the_dag_file(arguments, message):
    with pytest.raises(OpenESGConfigError, match=message):
        OpenESGOperator(task_id="call", **arguments)


@pytest.mark.parametrize("rendered", [{"path": ""}, {"path": None}, {"query": "a=b"}])
def test_templates_are_checked_before_any_call(rendered, sandbox):
    operator = OpenESGOperator(task_id="call", path="{{ x }}")
    for name, value in rendered.items():
        setattr(operator, name, value)
    with pytest.raises(OpenESGConfigError, match=f"{next(iter(rendered))}: .* given"):
        operator.execute({})
    assert sandbox.state()["requests"] == 0


def test_no_other_host_is_called(sandbox):
    with pytest.raises(OpenESGConfigError, match="not on Base URL"):
        call(path="http://127.0.0.2:1/reports")
    assert sandbox.state()["requests"] == 0
