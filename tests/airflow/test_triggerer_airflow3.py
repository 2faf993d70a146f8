"""A deferred wait under a real scheduler and triggerer, the triggerer killed in between."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_openesg.client.client import OpenESGClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from running_airflow import RunningAirflow

    from airflow_provider_openesg.sandbox.process import SandboxProcess
    from airflow_provider_openesg.settings import OpenESGSettings

YEAR = 365 * 86_400


@pytest.fixture
def airflow_with_triggerer(
    platform: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    from running_airflow import COMPONENTS, RunningAirflow

    place = tmp_path_factory.mktemp("deferred")
    (place / "dags").mkdir()
    shutil.copy(Path(__file__).parent / "dags" / "deferred_wait.py", place / "dags")
    environment = {
        "AIRFLOW_CONN_OPENESG_DEFAULT": platform.connection_json,
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
        "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(place / "credentials"),
    }
    with RunningAirflow(
        place / "home", dags=place / "dags", environment=environment, components=tuple(COMPONENTS)
    ) as airflow:
        yield airflow


def test_a_wait_survives_a_killed_triggerer(
    airflow_with_triggerer: RunningAirflow,
    platform: SandboxProcess,
    settings_for: Callable[..., OpenESGSettings],
    tmp_path: Path,
):
    airflow = airflow_with_triggerer
    platform.reset()
    with OpenESGClient(settings_for(platform)) as client:
        rows = [row for page in client.iter_pages("reports") for row in page]
    report = next(row for row in rows if row["status"] == "in_progress")
    path = "GET /api/v1/reports/{id}"

    def looks() -> int:
        return int(platform.state()["calls"].get(path, 0))

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(airflow.run_dag, "deferred_wait", conf={"report_id": report["id"]}, seconds=150)
        # One look by the task, the others by the triggerer.
        wait(lambda: looks() >= 3, run)
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


def wait(ready, run, seconds=90):
    pause = threading.Event()
    for _ in range(seconds * 4):
        if ready():
            return
        assert not run.done(), run.result()
        pause.wait(0.25)
    raise AssertionError("Waited in vain")
