"""Tables that transfers write are datasets of Airflow 2: a DAG is scheduled on one, with a real scheduler."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from running_airflow2 import RunningAirflow2

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.airflow, pytest.mark.processes]

DAG_FILE = """
from datetime import datetime

from airflow.decorators import task
from airflow.providers.common.compat.sdk import DAG, Asset

from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator

with DAG("writes", schedule="@once", start_date=datetime(2026, 1, 1)):
    OpenESGToObjectStorageOperator(task_id="write", path="LAKE", tables=["organizations"])

with DAG("on_written", schedule=[Asset("LAKE/organizations")], start_date=datetime(2026, 1, 1)):

    @task
    def rows(triggering_dataset_events=None):
        return [event.extra["rows"] for events in triggering_dataset_events.values() for event in events]

    rows()
"""


def test_written_dataset_starts_a_dag(tmp_path: Path, platform: SandboxProcess):
    platform.reset()
    dags = DAG_FILE.replace("LAKE", (tmp_path / "lake").as_uri())
    with RunningAirflow2(tmp_path, dags, {"AIRFLOW_CONN_OPENESG_DEFAULT": platform.connection_json}) as airflow:
        query = "SELECT value FROM xcom WHERE dag_id = 'on_written' AND key = 'return_value'"
        airflow.wait_for(lambda: bool(airflow.query(query)), what="the DAG that the dataset starts")
        assert [json.loads(value) for (value,) in airflow.query(query)] == [[240]]
