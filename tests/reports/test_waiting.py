"""Which awaited reports a poll counts as existing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_openesg.api import ASSUMED
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.reports.waiting import SELECTORS, Expected, ReportSelector


class Source:
    """A platform with one request that has a report's status, but no report."""

    api = ASSUMED

    def get_record(self, resource, record_id):
        return {"id": record_id, "status": "submitted", "report": None}


def test_request_without_report_is_missing_with_any_status():
    state = ReportSelector(statuses=["submitted"], report_request_id=5).poll(Source())
    assert state.reached == []
    assert [each.report_id for each in state.missing] == [None]


def test_report_without_status_is_an_error():
    class WithoutStatus(Source):
        api = ASSUMED

        def get_record(self, resource, record_id):
            return {"id": record_id, "status": None}

    with pytest.raises(OpenESGContractError, match="report 5: the response has no status"):
        ReportSelector(statuses=["submitted"], report_id=5).poll(WithoutStatus())


@pytest.mark.parametrize("expected", ["x%", "%", "-1%", "nan%", "101%", "0", "many", True, None])
def test_expected_is_checked(expected):
    with pytest.raises(OpenESGConfigError, match=r"expected: .* given; allowed"):
        Expected.parse(expected)


@pytest.mark.parametrize("value", ["..", "..\n", " ."])
@pytest.mark.parametrize("name", ["report_id", "report_request_id"])
def test_id_that_leads_to_another_path_is_an_error(name, value):
    given = SimpleNamespace(**dict.fromkeys(SELECTORS))
    setattr(given, name, value)
    with pytest.raises(OpenESGConfigError, match=f"{name}: .* given; allowed: an id"):
        ReportSelector.of(given, statuses=["submitted"])


def test_customer_identifier_is_any_text():
    given = SimpleNamespace(**dict.fromkeys(SELECTORS))
    given.customer_identifier = "..."
    assert ReportSelector.of(given, statuses=["submitted"]).customer_identifier == "..."
