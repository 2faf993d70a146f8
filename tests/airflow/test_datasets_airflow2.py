"""What transfers write, as datasets of Airflow 2: a DAG that is scheduled on one, under a real scheduler."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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


def test_what_a_transfer_wrote_starts_a_dag(tmp_path: Path, platform: SandboxProcess):
    platform.reset()
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "writes.py").write_text(DAG_FILE.replace("LAKE", (tmp_path / "lake").as_uri()))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # the executor looks for "airflow"
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
        "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(tmp_path / "cache"),
        "AIRFLOW_CONN_OPENESG_DEFAULT": platform.connection_json,
    }
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, capture_output=True)

    def rows() -> list[str]:
        with sqlite3.connect(f"file:{tmp_path / 'airflow.db'}?mode=ro", uri=True) as database:
            query = "SELECT value FROM xcom WHERE dag_id = 'on_written' AND key = 'return_value'"
            return [json.loads(value) for (value,) in database.execute(query)]

    with (tmp_path / "scheduler.log").open("wb") as log:
        scheduler = subprocess.Popen(
            [*airflow, "scheduler", "--skip-serve-logs"], env=environment, stdout=log, stderr=log
        )
        try:
            end = time.monotonic() + 200
            while not rows() and time.monotonic() < end:
                assert scheduler.poll() is None, (tmp_path / "scheduler.log").read_text()[-4000:]
                time.sleep(0.5)
        finally:
            scheduler.terminate()
            scheduler.wait(60)
    assert rows() == [[240]], f"logs are in {tmp_path}"
