"""Waits and events in Airflow's UI, in a real browser; also takes the pictures of the docs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.xdist_group("airflow-with-triggerer")]

PAUSE = threading.Event()
expect.set_options(timeout=30_000)


def test_asset_graph(
    page: Page, airflow_with_watchers: RunningAirflow, watched_platform: SandboxProcess, pictures: Path
):
    (asset,) = airflow_with_watchers.api("GET", "/assets", params={"name_pattern": "openesg_vsme_reports"})["assets"]
    while watched_platform.insert_report()["template"] != 1:
        pass
    events = {"asset_id": asset["id"], "limit": 1}
    airflow_with_watchers.wait_for(
        lambda: airflow_with_watchers.api("GET", "/dags/openesg_load_submitted_report/dagRuns")["total_entries"] > 0,
        what="the run that a report starts",
    )
    PAUSE.wait(3)  # Airflow's page of an asset fails while the run that an event has started has not started
    page.goto(f"{airflow_with_watchers.url}/assets/{asset['id']}")
    graph = page.locator(".react-flow")
    expect(graph.get_by_text("openesg_vsme_reports")).to_be_visible()
    expect(graph.get_by_text("openesg_load_submitted_report", exact=True)).to_be_visible()
    expect(page.get_by_text("No Asset Events found.")).to_be_hidden()
    page.screenshot(path=pictures / "asset-graph.png")
    assert airflow_with_watchers.api("GET", "/assets/events", params=events)["total_entries"] > 0


def test_deferred_task_and_its_link(
    page: Page, airflow_with_triggerer: RunningAirflow, platform: SandboxProcess, report: dict[str, Any], pictures: Path
):
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(
            airflow_with_triggerer.run_dag, "deferred_wait", conf={"report_id": report["id"]}, seconds=150
        )
        try:
            airflow_with_triggerer.wait_for(
                lambda: bool(deferred(airflow_with_triggerer)) or run.done(), what="the task to be deferred"
            )
            (task,) = deferred(airflow_with_triggerer)
            page.goto(f"{airflow_with_triggerer.url}/dags/deferred_wait/runs/{task['dag_run_id']}/tasks/wait")
            expect(page.get_by_text("Deferred").first).to_be_visible()
            expect(page.get_by_text("0 of 1 reports have the status").first).to_be_visible()
            page.screenshot(path=pictures / "deferred-task.png")
            page.goto(f"{page.url}/details")
            button = page.get_by_role("link", name="openESG", exact=True)
            expect(button).to_have_attribute("href", f"{platform.base_url}/reports/{report['id']}")
        finally:
            platform.turn_clock(365 * 86_400)
        assert run.result()["state"] == "success"


def deferred(airflow: RunningAirflow) -> list[dict[str, Any]]:
    path, query = "/dags/deferred_wait/dagRuns/~/taskInstances", {"state": "deferred"}
    found: list[dict[str, Any]] = airflow.api("GET", path, params=query)["task_instances"]
    return found
