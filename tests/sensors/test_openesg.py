from __future__ import annotations

from types import SimpleNamespace

import airflow
import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_openesg.api import ASSUMED
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGAuthError, OpenESGConfigError, OpenESGError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.reports.waiting import ReportSelector
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor

pytestmark = pytest.mark.usefixtures("openesg_connection")


AIRFLOW_2 = airflow.__version__.startswith("2.")
DAY = 86_400


def sensor(**arguments) -> OpenESGReportSensor:
    return OpenESGReportSensor(task_id="wait", **arguments)


def poke(**arguments):
    return sensor(**arguments).poke({})


@pytest.fixture
def reports():
    with OpenESGHook() as hook:
        return [row for page in hook.client.iter_pages("reports") for row in page]


@pytest.fixture
def requests():
    with OpenESGHook() as hook:
        return [row for page in hook.client.iter_pages("report-requests") for row in page]


def one(records, status):
    return next(record for record in records if record["status"] == status)


def test_report_with_the_status_ends_the_wait(reports):
    report = one(reports, "submitted")
    result = poke(report_id=report["id"])
    assert result.is_done
    assert result.xcom_value == {"report_ids": [str(report["id"])], "reached": 1, "missing": 0, "ended": 0}


def test_waits_for_one_report(reports, sandbox):
    report = one(reports, "in_progress")
    assert not poke(report_id=report["id"]).is_done
    sandbox.turn_clock(30 * DAY)
    assert poke(report_id=str(report["id"])).is_done


def test_waits_for_the_report_of_a_request(reports, requests, sandbox):
    waiting = {report["id"] for report in reports if report["status"] == "requested"}
    request = next(request for request in requests if request["report"] in waiting)
    assert not poke(report_request_id=request["id"]).is_done
    sandbox.turn_clock(30 * DAY)
    assert poke(report_request_id=request["id"]).xcom_value["report_ids"] == [str(request["report"])]


def test_request_without_a_report_is_missing_and_logged(requests, task_log):
    request = next(request for request in requests if request["report"] is None)
    assert poke(report_request_id=request["id"]).xcom_value["missing"] == 1
    assert f"0 of 1 reports have the status; missing: request {request['id']} (created)." in task_log()


class TestManyRequests:
    def test_expected_counts_only_the_given_requests(self, reports, requests, sandbox):
        status = {report["id"]: report["status"] for report in reports}
        chosen = [request for request in requests if status.get(request["report"]) in ("submitted", "requested")][:20]
        submitted = [request["report"] for request in chosen if status[request["report"]] == "submitted"]
        assert 10 < len(submitted) < 20
        ids = [str(request["id"]) for request in chosen]
        assert poke(report_request_id=ids, expected=len(submitted)).xcom_value == {
            "report_ids": [str(each) for each in submitted],
            "reached": len(submitted),
            "missing": 20 - len(submitted),
            "ended": 0,
        }
        assert not poke(report_request_id=ids).is_done
        assert not poke(report_request_id=tuple(f" {each} " for each in ids)).is_done
        sandbox.turn_clock(30 * DAY)
        assert poke(report_request_id=ids).xcom_value["reached"] == 20

    def test_deleted_request_has_ended(self, reports, requests, sandbox, task_log):
        chosen = [request for request in requests if request["report"] in {report["id"] for report in reports}][:4]
        sandbox.remove_report(chosen[0]["report"])
        ids = [request["id"] for request in chosen]
        state_of_wait = ReportSelector(statuses=["any"], report_request_id=[*ids[1:], 10**6])
        with OpenESGHook() as hook:
            assert [each.name for each in state_of_wait.poll(hook.client).ended if each.status == "deleted"] == [
                "request 1000000"
            ]
        # The request without its report may get another one.
        assert poke(report_request_id=ids, expected=1).xcom_value["missing"] >= 1

    @pytest.mark.parametrize("wrong", [[], [None], [True]])
    def test_invalid_list_of_requests_is_an_error(self, wrong, requests):
        with pytest.raises(OpenESGConfigError, match="report_request_id"):
            poke(report_request_id=wrong)


def test_requests_without_a_report_count_for_a_customer_identifier(reports, requests, sandbox):
    identifier = next(request["customer_identifier"] for request in requests if request["report"] is None)
    existing = [report for report in reports if report["customer_identifier"] == identifier]
    sandbox.turn_clock(365 * DAY)
    result = poke(customer_identifier=identifier)
    assert not result.is_done
    assert result.xcom_value["reached"] == len(existing)
    assert result.xcom_value["missing"] >= 1
    if existing:
        assert poke(customer_identifier=identifier, expected=len(existing)).is_done


def test_expected_as_a_share_and_as_a_number(reports, sandbox):
    submitted = sum(report["status"] == "submitted" for report in reports if report["template"] == 1)
    assert poke(filters={"template": 1}, expected=str(submitted)).is_done
    assert not poke(filters={"template": 1}, expected=submitted + 1).is_done
    assert poke(filters={"template": 1}, expected="50%").is_done
    assert not poke(filters={"template": 1}, expected="90%").is_done
    sandbox.turn_clock(365 * DAY)
    assert poke(filters={"template": 1}, expected="90%").is_done


def test_ids_are_limited_and_no_details_are_fetched(sandbox, monkeypatch, reports):
    monkeypatch.setattr("airflow_provider_openesg.reports.waiting.MAX_IDS", 5)
    sandbox.options(list_field_values=False)
    before = sandbox.state()["requests"]
    result = poke(filters={"status": "submitted"})
    assert len(result.xcom_value["report_ids"]) == 5
    assert result.xcom_value["reached"] == 134
    assert sandbox.state()["requests"] - before == 2  # two pages of 100


def test_no_matching_report_keeps_waiting_and_is_logged(task_log):
    for expected in ("all", 1, "1%"):
        assert not poke(customer_identifier="nobody", expected=expected).is_done
    assert "No report and no request found yet" in task_log()


def test_declined_report_fails_the_task(reports):
    declined = one(reports, "declined")
    with pytest.raises(AirflowFailException, match=rf"ended without it: report {declined['id']} \(declined\)"):
        poke(report_id=declined["id"])
    with pytest.raises(AirflowFailException, match="cannot be reached"):
        poke(filters={"template": declined["template"]})
    with pytest.raises(AirflowFailException, match="cannot be reached"):
        poke(filters={"status": "declined"}, expected="50%")
    # A number may still be reached by reports that are requested later.
    assert not poke(filters={"status": "declined"}, expected=4).is_done
    with pytest.raises(AirflowFailException, match="expected=3 cannot be reached"):
        poke(filters={"status": "declined"}, expected=3)
    assert poke(report_id=declined["id"], statuses=["declined"]).is_done


def test_declined_request_fails_the_task(requests, sandbox):
    request = one(requests, "declined")
    with pytest.raises(AirflowFailException, match="cannot be reached"):
        poke(report_request_id=request["id"])


@pytest.mark.parametrize("with_report", [True, False])
def test_withdrawn_request_fails_the_task(requests, reports, sandbox, with_report):
    waiting = {report["id"] for report in reports if report["status"] == "in_progress"}
    request = next(each for each in requests if (each["report"] in waiting if with_report else each["report"] is None))
    assert not poke(report_request_id=request["id"]).is_done
    sandbox.withdraw_request(request["id"])
    with pytest.raises(AirflowFailException, match=r"ended without it: re.*\(withdrawn\)"):
        poke(report_request_id=request["id"])


def test_withdrawn_request_ends_the_wait_for_its_report():
    records = {"report-requests": {"id": 7, "status": "withdrawn", "report": 8}, "reports": {"id": 8, "status": "x"}}
    platform = SimpleNamespace(api=ASSUMED, get_record=lambda resource, _: records[resource])
    state_of_wait = ReportSelector(statuses=["submitted"], report_request_id=7).poll(platform)
    assert [each.name for each in state_of_wait.ended] == ["request 7"]
    records["reports"]["status"] = "submitted"
    assert ReportSelector(statuses=["submitted"], report_request_id=7).poll(platform).reached


def test_templates_may_be_given_by_a_list_of_keys_and_ids(reports):
    submitted = sum(report["status"] == "submitted" for report in reports)
    both = poke(filters={"template": ["vsme", 2]}, expected=submitted).xcom_value
    assert both["reached"] == submitted
    with pytest.raises(OpenESGConfigError, match=r"filters: template: 'vmse' given"):
        poke(filters={"template": ["supplier-basics", "vmse"]})


def test_template_may_be_given_by_its_key(reports):
    submitted = sum(report["status"] == "submitted" for report in reports if report["template"] == 1)
    assert poke(filters={"template": "vsme"}, expected=submitted).xcom_value["reached"] == submitted
    with pytest.raises(OpenESGConfigError, match=r"filters: template: 'vsmee' given; allowed: vsme.*mean 'vsme'"):
        poke(filters={"template": "vsmee"})


def test_deleted_report_fails_the_task(reports, sandbox):
    report = one(reports, "in_progress")
    assert not poke(report_id=report["id"]).is_done
    sandbox.remove_report(report["id"])
    with pytest.raises(AirflowFailException, match=rf"was deleted.*reports/{report['id']}.*404"):
        poke(report_id=report["id"])


def test_soft_fail_skips(reports):
    with pytest.raises(AirflowSkipException):
        sensor(report_id=one(reports, "declined")["id"], soft_fail=True).execute({})


def test_never_fail_skips_after_an_error_of_the_platform(reports, sandbox):
    sandbox.fault("answer", status=403)
    with pytest.raises(AirflowSkipException):
        sensor(report_id=reports[0]["id"], never_fail=True).execute({})


def resumed(event, **arguments):
    return sensor(report_id=1, deferrable=True, **arguments).resume_execution("execute_complete", {"event": event}, {})


@pytest.mark.parametrize("status", ["unreachable", "timeout"])
def test_soft_fail_skips_after_the_wait(status):
    with pytest.raises(AirflowSkipException):
        resumed({"status": status, "message": "x"}, soft_fail=True)


@pytest.mark.parametrize("status", ["unreachable", "error", "unknown"])
def test_never_fail_skips_after_the_wait(status):
    event = {"status": status, "message": "x"}
    with pytest.raises(AirflowSkipException):
        resumed(event, never_fail=True)
    with pytest.raises(AirflowSkipException):  # without Airflow 3, which does it around this method
        sensor(report_id=1, deferrable=True, never_fail=True).execute_complete({}, event)


def test_soft_fail_does_not_hide_an_error_after_the_wait():
    with pytest.raises(OpenESGError, match="no such host"):
        resumed({"status": "error", "message": "no such host"}, soft_fail=True)


def test_reschedule_mode_releases_the_worker(reports, context):
    waiting = sensor(report_id=one(reports, "in_progress")["id"], mode="reschedule", poke_interval=60)
    with pytest.raises(AirflowRescheduleException):
        waiting.execute(context)


@pytest.fixture
def context(monkeypatch):
    """The parts of a task instance that a rescheduled sensor of Airflow 2 and 3 uses."""
    if AIRFLOW_2:
        monkeypatch.setattr("airflow.sensors.base._orig_start_date", lambda **_: None)
    task = SimpleNamespace(
        task_id="wait", dag_id="d", run_id="r", map_index=-1, try_number=1, max_tries=0, start_date=None,
        get_first_reschedule_date=lambda *_: None, xcom_push=lambda **_: None,
    )  # fmt: skip
    return {"ti": task, "task_reschedule_count": 0}


def test_temporary_error_is_retried_and_a_permanent_one_raised(reports, sandbox):
    report = one(reports, "submitted")
    sandbox.fault("answer", status=503, times=2)
    assert poke(report_id=report["id"]).is_done
    sandbox.fault("answer", status=403)
    with pytest.raises(OpenESGApiError, match="HTTP 403"):
        poke(report_id=report["id"])
    sandbox.clear_faults()
    sandbox.fault("answer", status=401)
    with pytest.raises(OpenESGAuthError):
        poke(report_id=report["id"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing given"),
        ({"report_id": 1, "filters": {"status": "x"}}, "report_id and filters given; allowed: exactly one"),
        (
            {"filters": {"costumer_identifier": "x"}},
            "'costumer_identifier' given; .* Did you mean 'customer_identifier'",
        ),
        ({"filters": "status"}, "'status' given; allowed: a dict"),
        ({"report_id": 1, "expected": "most"}, "expected: 'most' given"),
        ({"report_id": 1, "expected": 0}, "expected: 0 given"),
        ({"report_id": 1, "expected": True}, "expected: True given"),
        ({"report_id": 1, "expected": "101%"}, "expected: '101%' given"),
        ({"report_id": 1, "expected": "0%"}, "expected: '0%' given"),
        ({"report_id": 1, "poke_interval": 0}, "poke_interval: 0.* given; allowed: seconds, from 1"),
        ({"report_id": 1, "statuses": ["Submited"]}, "statuses: 'Submited' given; .* Did you mean 'submitted'"),
        (
            {"report_id": 1, "statuses": "submitted"},
            r"statuses: 'submitted' given; allowed: a list. Write \['submitted'\]",
        ),
    ],
)
def test_parameters_are_checked_in_the_dag_file(arguments, message, sandbox):
    with pytest.raises(OpenESGConfigError, match=message):
        sensor(**arguments)


def test_unknown_statuses_are_allowed():
    assert sensor(report_id=1, statuses=["approved", "rejected"]).statuses == ["approved", "rejected"]


@pytest.mark.parametrize("wait", [{"report_id": 1}, {"report_request_id": [1, 2, "2"]}])
def test_expected_above_the_number_of_ids_is_an_error_before_any_call(wait, sandbox):
    with pytest.raises(OpenESGConfigError, match=r"expected: '80' given; allowed: at most .\. A share ends in"):
        poke(**wait, expected="80")
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize(
    ("arguments", "rendered"),
    [
        ({"report_id": "{{ x }}"}, "None"),
        ({"customer_identifier": "{{ x }}"}, " "),
        ({"filters": "{{ x }}"}, {}),
        ({"filters": "{{ x }}"}, {"colour": 1}),
        ({"report_id": 1, "expected": "{{ x }}"}, "no number"),
    ],
)
def test_templates_are_checked_before_any_call(arguments, rendered, sandbox):
    waiting = sensor(**arguments)
    setattr(waiting, list(arguments)[-1], rendered)
    with pytest.raises(OpenESGConfigError):
        waiting.poke({})
    assert sandbox.state()["requests"] == 0
