"""Deferred waits under a real scheduler and triggerer, the triggerer killed in between; the tasks' button."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.version_compat import AIRFLOW_3_3

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.airflow, pytest.mark.processes, pytest.mark.xdist_group("triggering-airflow")]

YEAR = 365 * 86_400


def test_a_wait_survives_a_killed_triggerer(
    triggering: RunningAirflow, platform: SandboxProcess, report: dict[str, Any]
):
    airflow = triggering
    path = "GET /api/v1/reports/{id}"

    def looks() -> int:
        return int(platform.state()["calls"].get(path, 0))

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(airflow.run_dag, "deferred_wait", conf={"report_id": report["id"]}, seconds=150)
        # One look by the task, the others by the triggerer.
        wait(lambda: looks() >= 3, run)
        assert links(airflow, "deferred_wait") == {"openESG": f"{platform.base_url}/reports/{report['id']}"}
        airflow.kill("triggerer")
        at_the_kill = looks()
        airflow.start("triggerer")
        wait(lambda: looks() >= at_the_kill + 2, run)
        assert not run.done()
        platform.turn_clock(YEAR)
        finished = run.result()
    assert finished["state"] == "success"
    # This test's own, Airflow's, and Airflow's after the clock has ended all tokens: the restart costs none.
    assert platform.state()["token_requests"]["total"] == 3
    xcom = airflow.api(
        "GET", f"/dags/deferred_wait/dagRuns/{finished['dag_run_id']}/taskInstances/wait/xcomEntries/return_value"
    )
    assert str(report["id"]) in str(xcom["value"])
    assert links(airflow, "deferred_wait") == {"openESG": f"{platform.base_url}/reports/{report['id']}"}


def test_a_wait_may_start_in_the_triggerer(
    triggering: RunningAirflow, platform: SandboxProcess, report: dict[str, Any]
):
    airflow = triggering
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(airflow.run_dag, "wait_from_trigger", conf={"report_id": report["id"]}, seconds=150)
        wait(lambda: platform.state()["calls"].get("GET /api/v1/reports/{id}", 0) >= 2, run)
        (task,) = airflow.api("GET", "/dags/wait_from_trigger/dagRuns/~/taskInstances")["task_instances"]
        assert task["state"] == "deferred"
        assert (task["pid"] is None) == AIRFLOW_3_3  # no worker has seen it
        platform.turn_clock(YEAR)
        assert run.result()["state"] == "success"
    assert links(airflow, "wait_from_trigger") == {"openESG": f"{platform.base_url}/reports/{report['id']}"}


def test_the_button_of_mapped_tasks(triggering: RunningAirflow, platform: SandboxProcess, report):
    platform.turn_clock(YEAR)
    ids = [report["id"], report["id"] + 10]
    run = triggering.run_dag("mapped_waits", conf={"report_ids": ids}, seconds=150)
    assert run["state"] == "success"
    for index, report_id in enumerate(ids):
        opened = {"openESG": f"{platform.base_url}/reports/{report_id}"}
        assert links(triggering, "mapped_waits", map_index=index) == opened


def links(airflow: RunningAirflow, dag_id: str, **arguments: Any) -> dict[str, str]:
    """Return the buttons of the latest run's task, as the UI asks for them."""
    runs = airflow.api("GET", f"/dags/{dag_id}/dagRuns", params={"order_by": "-run_after"})["dag_runs"]
    path = f"/dags/{dag_id}/dagRuns/{runs[0]['dag_run_id']}/taskInstances/wait/links"
    found: dict[str, str] = airflow.api("GET", path, params=arguments)["extra_links"]
    return found


def wait(ready, run, seconds=90):
    pause = threading.Event()
    for _ in range(seconds * 4):
        if ready():
            return
        assert not run.done(), run.result()
        pause.wait(0.25)
    raise AssertionError("Waited in vain")
