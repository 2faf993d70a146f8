"""A deferred wait with the real scheduler and triggerer of Airflow 2; the triggerer is killed during the wait."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from running_airflow2 import RunningAirflow2

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.airflow, pytest.mark.processes]

DAG_FILE = """
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor

with DAG("waits", schedule="@once", start_date=datetime(2026, 1, 1)):
    OpenESGReportSensor(task_id="wait", report_id=REPORT, deferrable=True, poke_interval=2)
"""


def test_wait_continues_after_the_triggerer_is_killed(tmp_path: Path, platform: SandboxProcess, report: dict[str, Any]):
    def polls() -> int:
        return int(platform.state()["calls"].get("GET /api/v1/reports/{id}", 0))

    dags = DAG_FILE.replace("REPORT", str(report["id"]))
    with RunningAirflow2(tmp_path, dags, {"AIRFLOW_CONN_OPENESG_DEFAULT": platform.connection_json}) as airflow:
        airflow.start("triggerer")
        airflow.wait_for(lambda: polls() >= 3, what="one poll by the task, others by the triggerer")
        airflow.kill("triggerer")
        polls_at_kill = polls()
        airflow.start("triggerer")
        airflow.wait_for(lambda: polls() >= polls_at_kill + 2, what="polls after the restart")
        assert airflow.query("SELECT state FROM task_instance") == [("deferred",)]
        platform.turn_clock(365 * 86_400)
        airflow.wait_for(lambda: airflow.query("SELECT state FROM dag_run") != [("running",)], what="the end")
        assert airflow.query("SELECT state FROM dag_run") == [("success",)]
        ((value,),) = airflow.query("SELECT value FROM xcom WHERE key = 'return_value'")
        assert json.loads(value)["report_ids"] == [str(report["id"])]
