"""The watcher's trigger in an event loop of its own; under a real triggerer that is killed: tests/airflow."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.triggers import event_store as seen
from airflow_provider_openesg.triggers import report_events
from airflow_provider_openesg.triggers.openesg import OpenESGReportEventTrigger
from airflow_provider_openesg.version_compat import AIRFLOW_3

pytestmark = pytest.mark.usefixtures("openesg_connection")

DAY = 86_400


class AssetState:
    """The state store of one asset, as the triggerer hands it over."""

    def __init__(self):
        self.kept = {}

    async def aget(self, key, default=None):
        return self.kept.get(key, default)

    async def aset(self, key, value):
        self.kept[key] = value


@pytest.fixture
def state(monkeypatch):
    monkeypatch.setattr(report_events, "AIRFLOW_3_3", True)  # Variables: tests/airflow
    monkeypatch.setattr(report_events, "SAVE_AFTER", 0)
    return AssetState()


def watcher(state, **arguments) -> OpenESGReportEventTrigger:
    made = OpenESGReportEventTrigger(**{"poke_interval": 1} | arguments)
    path, kept = made.serialize()
    assert path == "airflow_provider_openesg.triggers.report_events.OpenESGReportEventTrigger"
    again = OpenESGReportEventTrigger(**kept)  # as the triggerer makes it
    again.asset_state_store = state
    again.poke_interval = 0.05
    return again


def watched(trigger, looks, between=lambda look: None, sandbox=None):
    """Let it look so often, ``between`` being called after each, and return the payloads of its events."""
    made, done = [], 0
    original = trigger._look

    def look():
        nonlocal done
        if done:
            between(done)
        if done == looks:
            raise asyncio.CancelledError
        done += 1
        return original()

    trigger._look = look

    async def run():
        async for event in trigger.run():
            made.append(event.payload)  # noqa: PERF401 - they count when it ends in an error, too

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    return made


if not AIRFLOW_3:

    def test_on_airflow_2_it_says_what_to_use():
        with pytest.raises(OpenESGConfigError, match=r"needs the asset watchers of Airflow 3.*OpenESGReportSensor"):
            OpenESGReportEventTrigger()

else:

    def test_what_is_there_at_the_first_look_is_no_news(sandbox, state):
        assert watched(watcher(state), looks=3) == []

    def test_one_event_per_report(sandbox, state):
        new = []
        events = watched(watcher(state), 4, lambda look: new.append(sandbox.insert_report()) if look < 3 else None)
        assert [event["report_id"] for event in events] == [str(report["id"]) for report in new]
        report, event = new[0], events[0]
        assert event == {
            "event_id": f"{watcher(state).watcher}_{report['id']}",
            "watcher": watcher(state).watcher,
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

    def test_an_event_is_repeated_until_its_id_is_stored(sandbox, state, monkeypatch):
        watched(watcher(state), 1)
        report = sandbox.insert_report()["id"]
        monkeypatch.setattr(report_events, "SAVE_AFTER", 3600)
        first, second = [watched(watcher(state), 3) for _ in range(2)]
        assert [event["report_id"] for event in first] == [str(report)]
        assert first == second
        monkeypatch.setattr(report_events, "SAVE_AFTER", 0)
        assert watched(watcher(state), 3) == first
        assert watched(watcher(state), 2) == []

    def test_a_first_look_that_was_cut_off_is_made_anew(sandbox, state):
        class Full(AssetState):
            async def aset(self, key, value):
                if len(self.kept) == 3:
                    raise asyncio.CancelledError
                await super().aset(key, value)

        full = Full()
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(anext(aiter(watcher(full).run())))
        state.kept = full.kept
        assert watched(watcher(state), 2) == []

    def test_reports_of_equal_times_and_late_ones_are_all_seen(sandbox, state):
        watched(watcher(state), 1)
        new = [sandbox.insert_report(position)["id"] for position in ("end", "start", "middle")]
        events = watched(watcher(state), 3, lambda look: new.append(sandbox.insert_report("start")["id"]))
        assert sorted(event["report_id"] for event in events) == sorted(map(str, new[:5]))

    def test_a_report_that_goes_on_makes_no_second_event(sandbox, state):
        """A report that is accepted after it was submitted, edited, or submitted again."""
        with OpenESGHook() as hook:
            rows = [row for page in hook.client.iter_pages("reports") for row in page]
        watching = {"statuses": ["requested", "in_progress", "submitted"]}
        watched(watcher(state, **watching), 1)
        assert watched(watcher(state, **watching), 3, lambda _: sandbox.turn_clock(10 * DAY)) == []
        assert any(row["status"] == "requested" for row in rows)

    def test_other_statuses_and_filters(sandbox, state):
        declined = watcher(state, statuses=["declined"], filters={"template": "vsme"})
        events = watched(declined, 3, lambda _: sandbox.turn_clock(300 * DAY))
        with OpenESGHook() as hook:
            filters = {"status": "declined", "template": 1}
            there = [str(row["id"]) for page in hook.client.iter_pages("reports", filters=filters) for row in page]
        assert events
        assert {event["report_id"] for event in events} <= set(there)
        assert {(event["status"], event["template"]) for event in events} == {("declined", "vsme")}

    def test_several_assets_use_variables(state, monkeypatch):
        class Several:
            async def aget(self, key, default=None):
                raise ValueError("Task has 2 concrete inlets and outlets")

        assert isinstance(asyncio.run(watcher(state)._store()), seen.AssetStore)
        assert isinstance(asyncio.run(watcher(Several())._store()), seen.VariableStore)

    def test_questions_that_differ_have_memories_of_their_own(state):
        names = {
            watcher(state, **given).watcher
            for given in (
                {},
                {"statuses": ["accepted"]},
                {"filters": {"template": "vsme"}},
                {"openesg_conn_id": "x"},
            )
        }
        assert len(names) == 4
        same = {"statuses": ["accepted", "submitted"], "poke_interval": 7}
        assert watcher(state, **same).watcher == watcher(state).watcher

    def test_it_serializes_in_one_order_and_without_a_dict():
        """Airflow tells watchers apart by it, and 3.2 garbles a dict."""
        since = date(2026, 1, 31)
        made = [
            OpenESGReportEventTrigger(statuses=statuses, filters={"template": templates, "organization": since})
            for statuses, templates in ((["a", "b"], {"vsme", "loan_esg"}), (["b", "a"], {"loan_esg", "vsme"}))
        ]
        kept = made[0].serialize()[1]
        assert kept == made[1].serialize()[1]
        assert kept["filters"] == [["template", ["loan_esg", "vsme"]], ["organization", "2026-01-31"]]
        assert OpenESGReportEventTrigger(**kept).watcher == made[1].watcher

    def test_errors_neither_end_it_nor_make_a_storm(sandbox, state, monkeypatch):
        """Airflow starts a watcher that ends again within a second."""
        pauses = []

        async def sleep(seconds):
            pauses.append(seconds)

        monkeypatch.setattr(report_events.asyncio, "sleep", sleep)
        sandbox.rotate_secret()
        sandbox.revoke_tokens()
        trigger = watcher(state)
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
            ({"filters": {"status": "submitted"}}, "that is what statuses are for"),
            ({"poke_interval": 0}, "poke_interval: 0 given"),
        ],
    )
    def test_parameters_are_checked_in_the_dag_file(arguments, message):
        with pytest.raises(OpenESGConfigError, match=message):
            OpenESGReportEventTrigger(**arguments)
