"""DAGs started by reports and by written tables, with a real scheduler and a triggerer that is killed."""

from __future__ import annotations

import json
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.processes,
    pytest.mark.xdist_group("airflow-with-triggerer"),
    pytest.mark.timeout(600),  # a triggerer that is killed takes half a minute to come back, more on a busy machine
]

KILLS, REPORTS = 2, 5
RUNS_WITHIN = 240  # seconds: STORED_AFTER and the time that Airflow needs for a run


def test_no_event_is_lost_if_the_triggerer_is_killed(
    airflow_with_watchers: RunningAirflow, watched_platform: SandboxProcess
):
    draw, inserted, before = random.Random(4), [], reports_of(airflow_with_watchers, "submitted")
    for _ in range(KILLS):
        polls = watched_platform.state()["calls"]["GET /api/v1/reports"]
        inserted += [str(watched_platform.insert_report()["id"]) for _ in range(REPORTS)]
        # A poll yields the events, and Airflow stores them one by one within about two seconds.
        airflow_with_watchers.wait_for(
            lambda: watched_platform.state()["calls"]["GET /api/v1/reports"] > polls,  # noqa: B023
            what="a poll",
        )
        threading.Event().wait(draw.uniform(0, 2.5))
        airflow_with_watchers.kill("triggerer")
        airflow_with_watchers.start("triggerer")
    inserted.append(str(watched_platform.insert_report()["id"]))
    airflow_with_watchers.wait_for(
        lambda: set(inserted) <= set(reports_of(airflow_with_watchers, "submitted")), what="all events"
    )
    # Airflow leaves events of a burst to the next run. The trigger repeats an event STORED_AFTER seconds later.
    airflow_with_watchers.wait_for(
        lambda: set(inserted) <= set(reports_of_runs(airflow_with_watchers)), seconds=RUNS_WITHIN, what="all runs"
    )

    payloads = [event["extra"]["payload"] for event in events_of(airflow_with_watchers, "submitted")]
    assert {payload["report_id"] for payload in payloads} == {*before, *inserted}
    assert set(reports_of_runs(airflow_with_watchers)) == {*before, *inserted}
    # A repeated event is equal to the first, so the number of different ids is the number of reports.
    assert len({json.dumps(payload, sort_keys=True) for payload in payloads}) == len(before) + len(inserted)
    assert len({payload["event_id"] for payload in payloads}) == len(before) + len(inserted)
    payload = payloads[-1]
    assert payload["organization"]
    assert payload["template"] in ("vsme", "loan_esg")
    assert payload["status"] == "submitted"
    assert payload["time"].startswith("2026-03-02T")


def test_example_loads_only_the_submitted_reports(
    airflow_with_watchers: RunningAirflow, watched_platform: SandboxProcess
):
    import duckdb

    def loaded() -> list[Any]:
        try:
            with duckdb.connect(airflow_with_watchers.home.parent / "openesg.duckdb", read_only=True) as database:
                return [row[0] for row in database.sql("SELECT id FROM reports").fetchall()]
        except duckdb.Error:  # it does not exist yet, or another process writes it
            return []

    reports = [watched_platform.insert_report() for _ in range(6)]
    vsme = [str(each["id"]) for each in reports if each["template"] == 1]
    airflow_with_watchers.wait_for(
        lambda: set(map(str, loaded())) >= set(vsme), seconds=RUNS_WITHIN, what="the reports in DuckDB"
    )
    submitted = {str(each) for each in reports_of(airflow_with_watchers, "openesg_vsme_reports")}
    assert set(map(str, loaded())) <= submitted  # and none of the 40 that had the status at the first poll


def test_written_asset_starts_a_dag(airflow_with_watchers: RunningAirflow):
    run = airflow_with_watchers.run_dag("writes")
    assert run["state"] == "success"
    airflow_with_watchers.wait_for(
        lambda: xcoms(airflow_with_watchers, "on_written", "rows") == [[240]], what="the DAG that the asset starts"
    )
    (event,) = events_of(airflow_with_watchers, f"{airflow_with_watchers.environment['OPENESG_LAKE']}/organizations")
    assert event["source_dag_id"] == "writes"
    assert event["extra"]["table"] == "organizations"


def events_of(airflow: RunningAirflow, asset: str) -> list[dict[str, Any]]:
    assets = airflow.api("GET", "/assets", params={"name_pattern": asset, "limit": 100})["assets"]
    (asset_id,) = [each["id"] for each in assets if each["name"] == asset]
    query = {"asset_id": asset_id, "limit": 100, "order_by": "timestamp"}
    return read_events(airflow, "/assets/events", **query)


def read_events(airflow: RunningAirflow, path: str, **query: Any) -> list[dict[str, Any]]:
    """Read asset events. Airflow responds with 500 while a run that an event has triggered has not started."""
    while True:
        try:
            events: list[dict[str, Any]] = airflow.api("GET", path, params=query)["asset_events"]
        except requests.HTTPError as error:
            if error.response.status_code != 500:
                raise
            threading.Event().wait(0.5)
        else:
            return events


def reports_of(airflow: RunningAirflow, asset: str) -> list[Any]:
    return [event["extra"]["payload"]["report_id"] for event in events_of(airflow, asset)]


def reports_of_runs(airflow: RunningAirflow) -> list[Any]:
    """Return the reports of the events that runs have, also of a run whose task failed on a busy machine."""
    runs = airflow.api("GET", "/dags/on_submitted/dagRuns", params={"limit": 100})["dag_runs"]
    paths = [f"/dags/on_submitted/dagRuns/{run['dag_run_id']}/upstreamAssetEvents" for run in runs]
    events = [event for path in paths for event in read_events(airflow, path)]
    return [event["extra"]["payload"]["report_id"] for event in events]


def xcoms(airflow: RunningAirflow, dag_id: str, task_id: str) -> list[Any]:
    runs = airflow.api("GET", f"/dags/{dag_id}/dagRuns", params={"limit": 100})["dag_runs"]
    paths = [f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/xcomEntries" for run in runs]
    entries = [airflow.api("GET", path)["xcom_entries"] for path in paths]
    keys = [(path, entry["key"]) for path, found in zip(paths, entries, strict=True) for entry in found]
    return [airflow.api("GET", f"{path}/{key}")["value"] for path, key in keys if key == "return_value"]
