"""The watcher's trigger in an event loop; tests/airflow runs it under a real triggerer that is killed."""

from __future__ import annotations

import asyncio
import json
from datetime import date

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_openesg import clock
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.triggers import report_events
from airflow_provider_openesg.triggers.event_store import EventStore
from airflow_provider_openesg.triggers.openesg import OpenESGReportEventTrigger
from airflow_provider_openesg.version_compat import AIRFLOW_3

pytestmark = pytest.mark.usefixtures("openesg_connection")

DAY = 86_400


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    """Airflow Variables in memory; under a real triggerer: tests/airflow."""
    values = {}

    class Variables:
        @staticmethod
        def get(key, default=None, deserialize_json=False):
            return json.loads(values[key]) if key in values else default

        @staticmethod
        def set(key, value, serialize_json=False):
            values[key] = json.dumps(value)

    monkeypatch.setattr(sdk, "Variable", Variables, raising=False)
    return values


@pytest.fixture
def advance_minutes(monkeypatch):
    """Return a function that advances the trigger's clock by minutes."""
    passed = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: passed[0])

    def turn(number):
        passed[0] += 60 * number

    return turn


def watcher(**arguments) -> OpenESGReportEventTrigger:
    trigger = OpenESGReportEventTrigger(**{"poke_interval": 1} | arguments)
    path, serialized = trigger.serialize()
    assert path == "airflow_provider_openesg.triggers.report_events.OpenESGReportEventTrigger"
    again = OpenESGReportEventTrigger(**serialized)  # as a triggerer creates it
    again.poke_interval = 0.05
    return again


def watched(trigger, polls, between=lambda poll: None):
    """Run a number of polls, call ``between`` after each, and return the payloads of the events."""
    payloads, done = [], 0
    original = trigger._poll

    def poll():
        nonlocal done
        if done:
            between(done)
        if done == polls:
            raise asyncio.CancelledError
        done += 1
        return original()

    trigger._poll = poll

    async def run():
        async for event in trigger.run():
            payloads.append(event.payload)  # noqa: PERF401 - they count even if the run ends with an error

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    return payloads


if not AIRFLOW_3:

    def test_the_error_on_airflow_2_names_the_alternatives():
        with pytest.raises(OpenESGConfigError, match=r"needs the asset watchers of Airflow 3.*OpenESGReportSensor"):
            OpenESGReportEventTrigger()

else:

    def test_reports_that_have_the_status_at_the_first_poll_get_no_event(sandbox):
        assert watched(watcher(), polls=3) == []

    def test_one_event_per_report(sandbox):
        new = []
        events = watched(watcher(), 4, lambda poll: new.append(sandbox.insert_report()) if poll < 3 else None)
        assert [event["report_id"] for event in events] == [str(report["id"]) for report in new]
        report, event = new[0], events[0]
        assert event == {
            "event_id": f"{watcher().watcher}-{report['id']}",
            "watcher": watcher().watcher,
            "report_id": str(report["id"]),
            "report_request_id": None,
            "organization_id": str(report["organization"]["id"]),
            "organization": report["organization"]["name"],
            "template_id": str(report["template"]),
            "template": {1: "vsme", 2: "loan_esg"}.get(report["template"], event["template"]),
            "customer_identifier": report["customer_identifier"],
            "status": "submitted",
            "time": report["submitted_at"],
        }

    def test_event_is_repeated_with_its_id_until_it_is_stored(sandbox, advance_minutes):
        watched(watcher(), 1)
        report = str(sandbox.insert_report()["id"])
        first, second = (watched(watcher(), 3) for _ in range(2))  # restarted within a minute of the event
        assert [event["report_id"] for event in first] == [report]
        assert first == second
        assert watched(watcher(), 3, lambda poll: advance_minutes(1)) == first
        assert watched(watcher(), 2) == []

    def test_ids_of_events_that_may_be_lost_are_not_saved_with_others(sandbox, advance_minutes):
        """Ids share Variables: saving an older event must not save a newer one."""
        sandbox_ids = []

        def insert(poll):
            sandbox_ids.append(str(sandbox.insert_report()["id"]))
            advance_minutes(0.6)

        watched(watcher(), 1)
        watched(watcher(), 5, insert)
        again = [event["report_id"] for event in watched(watcher(), 2)]
        assert set(again) < set(sandbox_ids)
        assert again

    def test_the_last_event_of_a_burst_is_repeated_once(sandbox, advance_minutes):
        """Airflow leaves the other events of a burst to the next run, which the repeated event starts."""
        watched(watcher(), 1)
        new = [str(sandbox.insert_report()["id"]) for _ in range(3)]
        events = [event["report_id"] for event in watched(watcher(), 5, lambda poll: advance_minutes(0.7))]
        assert sorted(events[:3]) == sorted(new)
        assert events[3:] == events[2:3]

    def test_a_first_poll_that_was_interrupted_starts_again(sandbox, variables):
        full = EventStore(watcher().watcher)
        original, writes = full._write, []

        async def write(key, value):
            if len(writes) == 3:
                raise asyncio.CancelledError
            writes.append(key)
            await original(key, value)

        full._write = write
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(full.start(["1", "2"]))
        assert len(variables) == 3
        assert watched(watcher(), 2) == []

    def test_reports_of_equal_times_and_late_reports_all_get_events(sandbox):
        watched(watcher(), 1)
        new = [sandbox.insert_report(position)["id"] for position in ("end", "start", "middle")]
        events = watched(watcher(), 3, lambda poll: new.append(sandbox.insert_report("start")["id"]))
        assert {event["report_id"] for event in events} == {str(each) for each in new[:5]}

    def test_a_report_that_changes_its_status_again_gets_no_second_event(sandbox):
        """A report that is accepted after it was submitted, edited, or submitted again."""
        with OpenESGHook() as hook:
            rows = [row for page in hook.client.iter_pages("reports") for row in page]
        watching = {"statuses": ["requested", "in_progress", "submitted"]}
        watched(watcher(**watching), 1)
        assert watched(watcher(**watching), 3, lambda _: sandbox.turn_clock(10 * DAY)) == []
        assert any(row["status"] == "requested" for row in rows)

    def test_other_statuses_and_filters(sandbox):
        declined = watcher(statuses=["declined"], filters={"template": "vsme"})
        events = watched(declined, 3, lambda _: sandbox.turn_clock(300 * DAY))
        with OpenESGHook() as hook:
            filters = {"status": "declined", "template": 1}
            existing = [str(row["id"]) for page in hook.client.iter_pages("reports", filters=filters) for row in page]
        assert events
        assert {event["report_id"] for event in events} <= set(existing)
        assert {(event["status"], event["template"]) for event in events} == {("declined", "vsme")}

    def test_watchers_that_differ_have_other_names():
        names = {
            watcher(**given).watcher
            for given in (
                {},
                {"statuses": ["accepted"]},
                {"filters": {"template": "vsme"}},
                {"openesg_conn_id": "x"},
            )
        }
        assert len(names) == 4
        same = {"statuses": ["accepted", "submitted"], "poke_interval": 7}
        assert watcher(**same).watcher == watcher().watcher

    def test_the_serialization_is_sorted_and_has_no_dict():
        """Airflow distinguishes watchers by it, and 3.2 corrupts dicts."""
        since = date(2026, 1, 31)
        made = [
            OpenESGReportEventTrigger(statuses=statuses, filters={"template": templates, "organization": since})
            for statuses, templates in ((["a", "b"], {"vsme", "loan_esg"}), (["b", "a"], {"loan_esg", "vsme"}))
        ]
        serialized = made[0].serialize()[1]
        assert serialized == made[1].serialize()[1]
        assert serialized["filters"] == [["template", ["loan_esg", "vsme"]], ["organization", "2026-01-31"]]
        assert OpenESGReportEventTrigger(**serialized).watcher == made[1].watcher

    def test_errors_do_not_end_the_watcher_and_are_retried_slowly(sandbox, monkeypatch):
        """Airflow restarts a watcher that ended within a second."""
        pauses = []

        async def sleep(seconds):
            pauses.append(seconds)

        monkeypatch.setattr(report_events.asyncio, "sleep", sleep)
        sandbox.rotate_secret()
        sandbox.revoke_tokens()
        trigger = watcher()
        trigger.poke_interval = 60
        watched(trigger, 8)
        assert pauses == [120, 240, 480, 960, 1920, 3600, 3600, 3600]
        assert sandbox.state()["token_requests"]["total"] == 8

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"statuses": "submitted"}, r"Write \['submitted'\]"),
            ({"statuses": ["submited"]}, "Did you mean 'submitted'"),
            ({"filters": {"colour": 1}}, "'colour' given"),
            ({"filters": {"status": "submitted"}}, "Use statuses for the status"),
            ({"poke_interval": 0}, "poke_interval: 0 given; allowed: seconds, from 1"),
            ({"poke_interval": -1}, "poke_interval: -1 given"),
            ({"poke_interval": "10"}, "poke_interval: '10' given"),
            ({"poke_interval": True}, "poke_interval: True given"),
            ({"poke_interval": float("nan")}, "poke_interval: nan given"),
        ],
    )
    def test_parameters_are_checked_in_the_dag_file(arguments, message):
        with pytest.raises(OpenESGConfigError, match=message):
            OpenESGReportEventTrigger(**arguments)
