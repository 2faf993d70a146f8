"""Which awaited reports a poll counts as existing."""

from __future__ import annotations

from airflow_provider_openesg.reports.waiting import ReportSelector


class Source:
    """A platform with one request that has a report's status, but no report."""

    def get_record(self, resource, record_id):
        return {"id": record_id, "status": "submitted", "report": None}


def test_request_without_report_is_missing_with_any_status():
    state = ReportSelector(statuses=["submitted"], report_request_id=5).poll(Source())
    assert state.reached == []
    assert [each.report_id for each in state.missing] == [None]
