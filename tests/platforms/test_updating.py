"""Each shape: values that are sent twice are written once; and the platform's words in errors."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGConfigError,
    OpenESGContractError,
    OpenESGNotFoundError,
)
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.sandbox.shapes.table import SHAPES

B1, B3 = "esg.vsme.b1", "esg.vsme.b3"
VALUES = {
    f"{B1}.turnover": {"value": Decimal("1250000.75"), "unit": "EUR"},
    f"{B1}.employees_headcount": {"value": 1217, "unit": "headcount"},
    f"{B1}.consolidated": False,
    f"{B1}.reporting_period": (date(2025, 1, 1), date(2025, 12, 31)),
    f"{B1}.nace_code": ("03.11", "Marine fishing"),
    f"{B1}.country_of_operations": "DE",
    f"{B3}.energy_total": {"value": 12.5, "unit": "MWh", "measurement": "measurement", "comment": "read off the meter"},
}
CELLS = {
    f"{B1}.turnover": {"value": "1250000.75"},
    f"{B1}.employees_headcount": {"value": "1217"},
    f"{B1}.consolidated": {"value": "false"},
    f"{B1}.reporting_period": {"value": "2025-01-01 - 2025-12-31"},
    f"{B1}.nace_code": {"value": "03.11 | Marine fishing"},
    f"{B1}.country_of_operations": {"value": "DE"},
    f"{B3}.energy_total": {"value": "12.5", "measurement": "measurement", "comment": "read off the meter"},
}


def report_of(truth, status):
    """Return the id of a report of the template vsme that the shape some-forbidden allows."""
    reports = truth.rows("reports", status=status, template_id="1")
    return next(row["id"] for row in reports if int(row["id"]) // 10 % 7 != 3)


def stored(platform, report_id):
    """Return the values of a report as the sandbox has them, by field key, and their number."""
    with platform.without_shape():
        tables, _ = platform.tables(["reports", "field_values"], filters={"id": report_id})
    return {row["field_key"]: row for row in tables["field_values"]}, len(tables["field_values"])


def write_twice(platform, truth):
    """Write values twice, and return what differs from one PATCH with these values."""
    found = []
    report_id = report_of(truth, "requested")
    for expected in (list(VALUES), []):
        with OpenESGHook() as hook:
            update = hook.update_report(platform.id("report", report_id), VALUES)
        if sorted(update.written) != sorted(expected):
            found.append(f"written: {update.written}")
        if update.unchanged != len(VALUES) - len(expected):
            found.append(f"unchanged: {update.unchanged}")
    calls = [call["status"] for call in platform.calls("PATCH") if call["status"] < 500]
    if len(calls) != 1:
        found.append(f"PATCH requests: {calls}")
    values, number = stored(platform, report_id)
    if number != len(VALUES):
        found.append(f"{number} values are stored")
    for key, cells in CELLS.items():
        if key not in values or values[key] != values[key] | cells:
            found.append(f"{key}: {values.get(key)}")
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_values_are_written_once(name, platform_of, use, truth):
    platform = platform_of(name)
    use(platform)
    differences = write_twice(platform, truth)
    assert not differences, "\n".join(differences)


def test_unit_has_to_be_given_if_there_are_two(platform_of, use, truth):
    platform = platform_of("own-unit")
    use(platform)
    report_id = report_of(truth, "requested")
    with OpenESGHook() as hook, pytest.raises(OpenESGConfigError, match="thousand_EUR, EUR"):
        hook.update_report(report_id, {f"{B1}.turnover": 17})
    assert not platform.calls("PATCH")


def test_update_that_clears_other_values_is_an_error(platform_of, use, truth):
    platform = platform_of("patch-replaces")
    use(platform)
    report_id = report_of(truth, "in_progress")
    before, _ = stored(platform, report_id)
    given = {f"{B1}.turnover": 17, f"{B1}.employees_headcount": 18}
    kept = sum(1 for key, row in before.items() if row["value"] and key not in given)
    assert kept > 5
    with (
        OpenESGHook() as hook,
        pytest.raises(OpenESGContractError, match="values that were not sent are empty") as error,
    ):
        hook.update_report(report_id, given)
    assert "esg.vsme." in str(error.value)
    assert len(platform.calls("PATCH")) == 1


@pytest.mark.parametrize("name", SHAPES)
def test_errors_have_the_platforms_text(name, platform_of, use, truth):
    platform = platform_of(name)
    use(platform)
    with OpenESGHook() as hook:
        next(hook.iter_records("report-templates"))
        with pytest.raises(OpenESGNotFoundError, match="Not Found"):
            hook.get_record("reports", platform.id("report", 10**8))
        with pytest.raises(OpenESGApiError, match=r"no_such_field.*Extra inputs are not permitted"):
            hook.request("POST", "report-requests", json={"no_such_field": 1})
