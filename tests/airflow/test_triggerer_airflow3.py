"""Deferred waits with a real scheduler and triggerer; the triggerer is killed during a wait. Links of the tasks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.version_compat import AIRFLOW_3_3

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.airflow, pytest.mark.processes, pytest.mark.xdist_group("airflow-with-triggerer")]

YEAR = 365 * 86_400


def test_wait_continues_after_the_triggerer_is_killed(
    airflow_with_triggerer: RunningAirflow, platform: SandboxProcess, report: dict[str, Any]
):
    airflow = airflow_with_triggerer
    path = "GET /api/v1/reports/{id}"

    def polls() -> int:
        return int(platform.state()["calls"].get(path, 0))

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(airflow.run_dag, "deferred_wait", conf={"report_id": report["id"]}, seconds=150)
        # One poll by the task, the others by the triggerer.
        wait(lambda: polls() >= 3, run)
        assert links(airflow, "deferred_wait") == {"openESG": f"{platform.base_url}/reports/{report['id']}"}
        airflow.kill("triggerer")
        polls_at_kill = polls()
        airflow.start("triggerer")
        wait(lambda: polls() >= polls_at_kill + 2, run)
        assert not run.done()
        platform.turn_clock(YEAR)
        finished = run.result()
    assert finished["state"] == "success"
    # One of this test, one of Airflow, and one of Airflow after all tokens have expired; none for the restart.
    assert platform.state()["token_requests"]["total"] == 3
    xcom = airflow.api(
        "GET", f"/dags/deferred_wait/dagRuns/{finished['dag_run_id']}/taskInstances/wait/xcomEntries/return_value"
    )
    assert str(report["id"]) in str(xcom["value"])
    assert links(airflow, "deferred_wait") == {"openESG": f"{platform.base_url}/reports/{report['id']}"}


def test_wait_starts_in_the_triggerer(
    airflow_with_triggerer: RunningAirflow, platform: SandboxProcess, report: dict[str, Any]
):
    airflow = airflow_with_triggerer
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(airflow.run_dag, "wait_from_trigger", conf={"report_id": report["id"]}, seconds=150)
        wait(lambda: platform.state()["calls"].get("GET /api/v1/reports/{id}", 0) >= 2, run)
        (task,) = airflow.api("GET", "/dags/wait_from_trigger/dagRuns/~/taskInstances")["task_instances"]
        assert task["state"] == "deferred"
        assert (task["pid"] is None) == AIRFLOW_3_3  # no worker has seen it
        platform.turn_clock(YEAR)
        assert run.result()["state"] == "success"
    assert links(airflow, "wait_from_trigger") == {"openESG": f"{platform.base_url}/reports/{report['id']}"}


def test_links_of_mapped_tasks(airflow_with_triggerer: RunningAirflow, platform: SandboxProcess, report):
    platform.turn_clock(YEAR)
    ids = [report["id"], report["id"] + 10]
    run = airflow_with_triggerer.run_dag("mapped_waits", conf={"report_ids": ids}, seconds=150)
    assert run["state"] == "success"
    for index, report_id in enumerate(ids):
        expected = {"openESG": f"{platform.base_url}/reports/{report_id}"}
        assert links(airflow_with_triggerer, "mapped_waits", map_index=index) == expected


def links(airflow: RunningAirflow, dag_id: str, **arguments: Any) -> dict[str, str]:
    """Return the links of the latest run's task, by the API that the UI uses."""
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
    raise AssertionError("not ready in time")
