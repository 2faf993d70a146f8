"""Each shape: the sensor decides as without it."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_openesg.sandbox.shapes.table import SHAPES
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor


def decision(platform, **arguments):
    """Return the decision of one poll: its result, or that it failed."""
    try:
        result = OpenESGReportSensor(task_id="wait", **arguments).poke({})
    except AirflowFailException as error:
        return "failed", str(error).partition(":")[0]
    counts = dict(result.xcom_value)
    return result.is_done, sorted(platform.normal.ids("report", counts.pop("report_ids"))), counts


def waits(platform, truth):
    """Yield arguments of sensors."""
    submitted, waiting = truth.rows("reports", status="submitted")[5], truth.rows("reports", status="requested")[0]
    without_report = truth.rows("report_requests", report_id=None)[0]
    yield {"report_id": platform.id("report", submitted["id"])}
    yield {"report_id": platform.id("report", waiting["id"])}
    yield {"report_request_id": platform.id("report_request", submitted["report_request_id"])}
    yield {"customer_identifier": submitted["customer_identifier"], "expected": "all"}
    yield {"customer_identifier": without_report["customer_identifier"], "expected": "all"}
    yield {"customer_identifier": "no such customer"}
    yield {"filters": {"template": "vsme"}, "expected": "50%"}


@pytest.fixture(scope="session")
def decided():
    """Decisions without shape."""
    return []


@pytest.fixture
def expected(decided, platform_of, use, truth):
    if not decided:
        platform = platform_of()
        use(platform)
        decided += [decision(platform, **arguments) for arguments in waits(platform, truth)]
    assert {True, False} <= {each[0] for each in decided}
    return decided


@pytest.mark.parametrize("name", SHAPES)
def test_sensor_decides_as_without_shape(name, expected, platform_of, use, truth):
    platform = platform_of(name)
    use(platform)
    found = [decision(platform, **arguments) for arguments in waits(platform, truth)]
    assert found == expected
