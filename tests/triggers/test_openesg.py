from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import trustme
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from requests import Session

from airflow_provider_openesg.auth.disk import DiskCache
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor
from airflow_provider_openesg.triggers import openesg
from airflow_provider_openesg.triggers import shared_polling as polls
from airflow_provider_openesg.triggers.openesg import OpenESGReportTrigger
from airflow_provider_openesg.version_compat import AIRFLOW_3_3

pytestmark = pytest.mark.usefixtures("openesg_connection")

DAY = 86_400


def trigger(**arguments) -> OpenESGReportTrigger:
    given = {
        "statuses": ["submitted", "accepted"],
        "expected": "all",
        "poke_interval": 0.3,
        "deadline": (datetime.now(UTC) + timedelta(seconds=20)).isoformat(),
        "openesg_conn_id": "openesg_default",
    }
    return OpenESGReportTrigger(**given | arguments)


async def first_event(waiting: OpenESGReportTrigger) -> dict:
    return (await anext(aiter(waiting.run()))).payload


def events(*waiting: OpenESGReportTrigger, meanwhile=None) -> list[dict]:
    """Run triggers in one event loop, as a triggerer does; ``meanwhile`` runs at the same time."""

    async def run():
        others = [meanwhile()] if meanwhile else []
        return (await asyncio.gather(*map(first_event, waiting), *others))[: len(waiting)]

    return asyncio.run(run())


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


@pytest.fixture(params=["each", "sweep"])
def way(request, monkeypatch):
    """Few waits poll their own records, many share a sweep; the results are the same."""
    monkeypatch.setattr(polls, "SNAPSHOT_FROM", 0 if request.param == "sweep" else 1000)
    return request.param


def test_result_equals_that_of_poke(way, reports, requests, sandbox):
    sandbox.turn_clock(365 * DAY)
    chosen = next(request for request in requests if request["report"] is not None and request["status"] != "declined")
    without_report = {each["customer_identifier"] for each in requests if each["report"] is None}
    customer = next(
        each["customer_identifier"]
        for each in reports
        if each["status"] == "submitted" and each["customer_identifier"] not in without_report
    )
    waits = [
        {"report_id": one(reports, "submitted")["id"]},
        {"report_id": str(one(reports, "in_progress")["id"])},
        {"report_request_id": chosen["id"]},
        {"report_request_id": [each["id"] for each in requests], "expected": "60%"},
        {"customer_identifier": customer, "expected": 1},
        {"filters": {"template": 1}, "expected": "80%"},
        {"filters": {"status": "submitted", "template": "1"}, "expected": "5"},
        {"filters": {"status": "submitted", "template": "vsme"}, "expected": "6"},
        {"filters": {"status": ["submitted"]}, "expected": 20},
    ]
    poked = [OpenESGReportSensor(task_id="wait", **wait).poke({}) for wait in waits]
    assert [(each.is_done, wait) for each, wait in zip(poked, waits, strict=True)] == [(True, wait) for wait in waits]
    assert [event["result"] for event in events(*(trigger(**wait) for wait in waits))] == [
        each.xcom_value for each in poked
    ]


def test_waits_until_the_report_has_the_status(way, reports, sandbox):
    report = one(reports, "in_progress")

    async def provider():
        await asyncio.sleep(1)
        await asyncio.to_thread(sandbox.turn_clock, 365 * DAY)

    (event,) = events(trigger(report_id=report["id"]), meanwhile=provider)
    assert event["status"] == "done"
    assert event["result"]["report_ids"] == [str(report["id"])]
    assert sandbox.state()["token_requests"]["total"] == 2  # the turned clock has ended the first token


def test_declined_or_deleted_report_ends_the_wait(way, reports, sandbox):
    declined, removed = one(reports, "declined"), one(reports, "in_progress")
    sandbox.remove_report(removed["id"])
    first, second = events(trigger(report_id=declined["id"]), trigger(report_id=removed["id"]))
    assert (first["status"], second["status"]) == ("unreachable", "unreachable")
    assert f"report {declined['id']} (declined)" in first["message"]
    assert "deleted" in second["message"]
    assert "404" in second["message"]


@pytest.mark.parametrize("status", [403, 501])
def test_permanent_error_ends_the_wait_at_once(way, status, reports, sandbox):
    sandbox.fault("answer", path="/reports", status=status)
    before = sandbox.state()["requests"]
    (event,) = events(trigger(report_id=reports[0]["id"]))
    assert event["status"] == "error"
    assert f"HTTP {status}" in event["message"]
    assert sandbox.state()["requests"] - before == 1


@pytest.mark.parametrize("waits", [1, 30])
def test_revoked_credentials_cause_few_token_requests(waits, reports, sandbox):
    sandbox.rotate_secret()
    sandbox.revoke_tokens()
    before = sandbox.state()["token_requests"]["total"]
    ended = events(*(trigger(report_id=report["id"]) for report in reports[:waits]))
    assert {event["status"] for event in ended} == {"error"}
    assert "client secret" in ended[0]["message"].lower()
    assert sandbox.state()["token_requests"]["total"] - before <= 3


def test_rejected_new_tokens_cause_few_requests(reports, sandbox):
    sandbox.fault("answer", path="/api/", status=401)
    before = sandbox.state()
    (event,) = events(trigger(report_id=reports[0]["id"]))
    after = sandbox.state()
    assert event["status"] == "error"
    assert "HTTP 401" in event["message"]
    assert after["token_requests"]["total"] - before["token_requests"]["total"] <= 3
    assert after["requests"] - before["requests"] <= 6


def test_untrusted_certificate_ends_the_wait_at_once(sandbox_factory, tmp_path, monkeypatch):
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    pem = str(tmp_path / "both.pem")
    platform = sandbox_factory(reports=1, tls_cert=pem, tls_key=pem)
    monkeypatch.setenv("AIRFLOW_CONN_UNTRUSTED", platform.connection_json)
    waiting, warnings = trigger(report_id=1, openesg_conn_id="untrusted"), []
    waiting._log = SimpleNamespace(warning=lambda *text: warnings.append(text))
    (event,) = events(waiting)
    assert event["status"] == "error"
    assert "certificate is not trusted" in event["message"]
    assert not warnings, "polled again"


@pytest.fixture
def short_timeouts(sandbox, monkeypatch):
    """A Connection with short timeouts, so that failures reach the trigger."""
    connection = json.loads(sandbox.connection_json)
    connection["extra"] = {"max_retry_time": 1, "timeout": 1}
    monkeypatch.setenv("AIRFLOW_CONN_SHORT_TIMEOUTS", json.dumps(connection))


def test_temporary_failures_are_logged_and_the_wait_continues(reports, sandbox, short_timeouts):
    warnings = []
    sandbox.fault("answer", path="/reports", status=503)

    async def repair():
        await asyncio.sleep(2.5)
        await asyncio.to_thread(sandbox.clear_faults)

    report = one(reports, "submitted")
    waiting = trigger(report_id=report["id"], openesg_conn_id="short_timeouts")
    waiting._log = SimpleNamespace(warning=lambda text, *given: warnings.append(text % given))
    (event,) = events(waiting, meanwhile=repair)
    assert event["status"] == "done"
    assert warnings
    assert "503" in warnings[0]


def test_too_many_failures_end_the_wait(reports, sandbox, short_timeouts, monkeypatch):
    monkeypatch.setattr(openesg, "MAX_FAILURES", 2)
    sandbox.fault("answer", path="/reports", status=503)
    (event,) = events(trigger(report_id=reports[0]["id"], openesg_conn_id="short_timeouts"))
    assert event["status"] == "error"
    assert "HTTP 503" in event["message"]


def test_deadline_is_absolute(reports):
    report = one(reports, "in_progress")
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    first, second = events(
        trigger(report_id=report["id"], deadline=soon), trigger(report_id=report["id"], deadline=past)
    )
    message = f"The timeout of the wait was reached at {soon}. If the reports need more time, increase timeout."
    assert first == {"status": "timeout", "message": message}
    assert second["status"] == "timeout"


@pytest.mark.parametrize("zone", [UTC, None])
def test_wait_started_in_the_triggerer_ends_before_airflows_timeout(reports, zone):
    waiting = trigger(report_id=one(reports, "in_progress")["id"], deadline=None)
    waiting.timeout_after = (datetime.now(UTC) + openesg.MARGIN + timedelta(seconds=1)).replace(tzinfo=zone)
    (event,) = events(waiting)
    assert event["status"] == "timeout"


def test_wait_without_any_timeout(reports):
    """A user's own operator may defer without a timeout."""
    (event,) = events(trigger(report_id=one(reports, "submitted")["id"], deadline=None))
    assert event["status"] == "done"


def test_rendered_arguments_are_checked_in_the_triggerer(sandbox):
    for wrong in ({"report_id": "None"}, {"customer_identifier": " "}, {"filters": {}}, {"filters": {"colour": 1}}):
        (event,) = events(trigger(**wrong))
        assert event["status"] == "error"
        assert next(iter(wrong)) in event["message"]
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize("wrong", [0, 0.0, -1, "10", True, None, float("nan"), float("inf")])
def test_wrong_poke_interval_is_an_error_event(sandbox, wrong):
    (event,) = events(trigger(report_id=1, poke_interval=wrong))
    assert event["status"] == "error"
    assert f"poke_interval: {wrong!r} given; allowed: seconds, from 0.001" in event["message"]
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize("wrong", ["soon", "", "2026-01-31T00:00:00", 10, float("nan"), True, datetime.now(UTC)])
def test_wrong_deadline_is_an_error_event(wrong):
    (event,) = events(trigger(report_id=1, deadline=wrong))
    assert event["status"] == "error"
    assert "deadline: " in event["message"]
    assert "allowed: a time in ISO 8601 with time zone" in event["message"]


def test_shortest_poke_interval_can_be_used(reports):
    (event,) = events(trigger(report_id=one(reports, "submitted")["id"], poke_interval=openesg.SHORTEST_INTERVAL))
    assert event["status"] == "done"


def test_serialization_is_complete_and_without_secrets(sandbox):
    waiting = trigger(customer_identifier="4711", expected="80%", poke_interval=60)
    path, arguments = waiting.serialize()
    assert path == "airflow_provider_openesg.triggers.openesg.OpenESGReportTrigger"
    assert arguments.keys() == inspect.signature(OpenESGReportTrigger).parameters.keys()
    assert OpenESGReportTrigger(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
    assert sandbox.client_secret not in json.dumps(arguments)


def test_cancelled_waits_are_not_polled(reports, sandbox):
    """Airflow cancels the trigger of a task that a user clears."""
    report_id = one(reports, "submitted")["id"]
    before = sandbox.state()["requests"]

    async def run(*, cancel_after, others=0):
        waits = [asyncio.create_task(first_event(trigger(report_id=report_id))) for _ in range(1 + others)]
        await asyncio.sleep(cancel_after)
        waits[0].cancel()
        return await asyncio.gather(*waits, asyncio.sleep(0.6), return_exceptions=True)

    assert isinstance(asyncio.run(run(cancel_after=0.1))[0], asyncio.CancelledError)
    assert sandbox.state()["requests"] == before
    sandbox.fault("delay", path="reports", seconds=0.5)
    cancelled, event, _ = asyncio.run(run(cancel_after=0.5, others=1))  # during the poll
    assert isinstance(cancelled, asyncio.CancelledError)
    assert event["status"] == "done"


def test_2000_waits_share_one_sweep_of_the_lists_per_interval(reports, sandbox):
    """Half of them wait for a report, half for all of a customer."""
    # Waits that do not end: numbers that are not reached, reports that are not submitted without the clock.
    waiting_for = [each["id"] for each in reports if each["status"] == "in_progress"]
    interval, intervals = 3, 3
    deadline = (datetime.now(UTC) + timedelta(seconds=interval * (intervals + 0.5) + 1)).isoformat()
    common = {"poke_interval": interval, "deadline": deadline}
    waits = [trigger(report_id=waiting_for[n % len(waiting_for)], **common) for n in range(1000)]
    waits += [trigger(customer_identifier=f"customer-{n}", expected=99, **common) for n in range(1000)]
    memory = []

    async def watch():
        began = time.monotonic()
        while time.monotonic() - began < interval * (intervals + 0.5):
            before = time.monotonic()
            await asyncio.sleep(0.01)
            if not memory and before - began > interval * 0.7:
                gc.collect()
                memory.append(tracemalloc.get_traced_memory()[0])

    sandbox.options(list_field_values=False)
    before = sandbox.state()["requests"]
    tracemalloc.start()
    try:
        base = tracemalloc.get_traced_memory()[0]
        ended = events(*waits, meanwhile=watch)
    finally:
        tracemalloc.stop()
    assert {event["status"] for event in ended} == {"timeout"}
    calls = [call["path"] for call in sandbox.state()["log"] if call["path"].startswith("/api/")]
    assert {path.rsplit("/", 1)[1] for path in calls} == {"reports", "report-requests"}
    pages_of_a_sweep = sum(-(-len(rows) // 100) for rows in (reports, reports))
    assert 0 < sandbox.state()["requests"] - before <= (intervals + 1) * (pages_of_a_sweep + 2)
    assert (memory[0] - base) / len(waits) < 50_000


def test_nothing_that_may_block_runs_in_the_event_loop(reports, sandbox, monkeypatch):
    """Calls, locks and files of the token cache, Connections: a platform that hangs does not block other waits.

    tests/bench/waits.py measures how long the loop is blocked.
    """
    threads = {}

    def watch(owner, name):
        original = getattr(owner, name)

        def watched(*arguments, **keywords):
            threads.setdefault(name, set()).add(threading.get_ident())
            return original(*arguments, **keywords)

        monkeypatch.setattr(owner, name, watched)

    watch(Session, "request")
    watch(OpenESGHook, "_masked_settings")
    watch(DiskCache, "get")
    sandbox.fault("delay", path="/reports", seconds=2, times=1)
    submitted = [report for report in reports if report["status"] == "submitted"]
    ended = events(*(trigger(report_id=report["id"]) for report in submitted[:3]))
    assert [event["status"] for event in ended] == ["done"] * 3, ended
    assert threads.keys() == {"request", "_masked_settings", "get"}
    assert threading.get_ident() not in set.union(*threads.values())


def deferrable(**arguments) -> OpenESGReportSensor:
    return OpenESGReportSensor(task_id="wait", deferrable=True, **arguments)


def test_sensor_defers_if_it_has_to_wait(reports):
    with pytest.raises(TaskDeferred) as deferred:
        deferrable(report_id=one(reports, "in_progress")["id"], timeout=100, poke_interval=7).execute({})
    assert deferred.value.method_name == "execute_complete"
    assert deferred.value.timeout == timedelta(seconds=160)
    arguments = deferred.value.trigger.serialize()[1]
    assert arguments["poke_interval"] == 7
    assert 90 < (datetime.fromisoformat(arguments["deadline"]) - datetime.now(UTC)).total_seconds() <= 100


def test_wait_that_ends_at_the_first_poll_is_not_deferred(reports):
    submitted, declined = one(reports, "submitted"), one(reports, "declined")
    assert deferrable(report_id=submitted["id"]).execute({})["report_ids"] == [str(submitted["id"])]
    with pytest.raises(AirflowFailException, match="ended without it"):
        deferrable(report_id=declined["id"]).execute({})
    with pytest.raises(AirflowSkipException):
        deferrable(report_id=declined["id"], soft_fail=True).execute({})


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"status": "unreachable", "message": "x"}, AirflowFailException),
        ({"status": "timeout", "message": "x"}, AirflowSensorTimeout),
        ({"status": "error", "message": "x"}, OpenESGError),
        ({"status": "success"}, OpenESGError),
        ({"status": "done"}, OpenESGError),
        ({}, OpenESGError),
        (None, OpenESGError),
        ("done", OpenESGError),
    ],
)
def test_event_status_determines_the_error(event, error):
    with pytest.raises(error):
        deferrable(report_id=1).execute_complete({}, event)


def test_wait_may_start_in_the_triggerer():
    waiting = deferrable(report_id="{{ params.report }}", start_from_trigger=True, timeout=100)
    if not AIRFLOW_3_3:
        assert not waiting.start_from_trigger  # a worker polls first
        return
    assert waiting.start_from_trigger
    arguments = waiting.start_trigger_args
    assert arguments.timeout == timedelta(seconds=160)
    assert arguments.trigger_cls == OpenESGReportTrigger(**arguments.trigger_kwargs).serialize()[0]
    assert arguments.trigger_kwargs["report_id"] == "{{ params.report }}"
    assert not deferrable(report_id=1).start_from_trigger


def test_start_from_trigger_requires_deferrable():
    with pytest.raises(OpenESGConfigError, match="only with deferrable=True"):
        OpenESGReportSensor(task_id="wait", report_id=1, deferrable=False, start_from_trigger=True)


def test_default_of_deferrable_is_that_of_airflow():
    script = (
        "from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor as Sensor\n"
        "print('DEFERRABLE', Sensor(task_id='wait', report_id=1).deferrable)"
    )
    environment = {**os.environ, "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "DEFERRABLE True" in run.stdout
    assert not OpenESGReportSensor(task_id="wait", report_id=1).deferrable
