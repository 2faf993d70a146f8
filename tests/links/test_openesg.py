"""The link that a task stores for its button. tests/airflow tests the button with a real API server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.links.openesg import PAGE_KEY, keep_link
from airflow_provider_openesg.operators.openesg import OpenESGRequestReportsOperator
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor

pytestmark = pytest.mark.usefixtures("openesg_connection")


@pytest.fixture
def stored_links():
    return []


@pytest.fixture
def context(stored_links):
    def xcom_push(key, value):
        assert key == PAGE_KEY
        stored_links.append(value)

    return {"ti": SimpleNamespace(xcom_push=xcom_push, try_number=1)}


@pytest.fixture
def reports():
    with OpenESGHook() as hook:
        return [row for page in hook.client.iter_pages("reports") for row in page]


def wait(**arguments) -> OpenESGReportSensor:
    return OpenESGReportSensor(task_id="wait", **arguments)


def test_link_of_one_report(reports, sandbox, stored_links, context):
    waiting = next(report["id"] for report in reports if report["status"] == "in_progress")
    wait(report_id=f" {waiting} ").poke(context)
    assert stored_links == [f"{sandbox.base_url}/reports/{waiting}"]


def test_link_of_a_request_until_its_report_exists(reports, sandbox, stored_links, context):
    report = next(report for report in reports if report["status"] == "in_progress" and report["report_request"])
    wait(report_request_id=report["report_request"]).poke(context)
    assert stored_links == [f"{sandbox.base_url}/report-requests/{report['report_request']}"]
    sandbox.turn_clock(365 * 86_400)
    wait(report_request_id=report["report_request"]).poke(context)
    assert stored_links[-1] == f"{sandbox.base_url}/reports/{report['id']}"


def test_link_of_many_reports(sandbox, stored_links, context):
    wait(filters={"status": "submitted"}).poke(context)
    assert stored_links == [f"{sandbox.base_url}/reports"]


def test_link_is_stored_before_a_failing_poll(sandbox, stored_links, context):
    sandbox.fault("answer", status=403)
    with pytest.raises(Exception, match="403"):
        wait(report_id="a/b").poke(context)
    assert stored_links == [f"{sandbox.base_url}/reports/a%2Fb"]


def test_link_after_the_triggerer(sandbox, stored_links, context):
    result = {"report_ids": [1010], "reached": 1, "missing": 0, "ended": 0}
    wait(customer_identifier="4711").execute_complete(context, {"status": "done", "result": result})
    assert stored_links == [f"{sandbox.base_url}/reports/1010"]


@pytest.mark.parametrize("number", [1, 2])
def test_link_of_requests(sandbox, stored_links, context, number):
    rows = [
        {"organization_name": f"L{n} GmbH", "user_email": f"esg@l{n}.example", "customer_identifier": str(n)}
        for n in range(number)
    ]
    result = OpenESGRequestReportsOperator(task_id="ask", requests=rows, template="vsme").execute(context)
    record = f"/{result['requests'][0]['report_request_id']}" if number == 1 else ""
    assert stored_links[-1] == f"{sandbox.base_url}/report-requests{record}"


def test_keep_link_without_a_task_instance_stores_nothing(stored_links):
    keep_link({}, "https://platform", "reports", 1)
    assert stored_links == []
