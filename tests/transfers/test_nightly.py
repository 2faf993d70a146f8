"""Three nights of a DAG in a real Airflow, with each kind of updated_after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.airflow

DAG_FILE = Path(__file__).parent / "dags" / "nightly.py"


def test_each_night_reads_the_changes_since_the_last(sandbox, token_cache_dir, tmp_path):
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW_CONN_OPENESG_DEFAULT": sandbox.connection_json,
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAG_FILE.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "LAKE": str(tmp_path / "lake"),
        "SANDBOX": sandbox.control_url,
    }
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=environment, capture_output=True, check=True)
    run = subprocess.run([sys.executable, str(DAG_FILE)], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    nights = json.loads(run.stdout.splitlines()[-1])
    reports = {task: [night[task]["tables"]["reports"] for night in nights] for task in nights[0]}
    assert {each[0] for each in reports.values()} == {200}  # there is no run before the first night
    assert all(1 < later < 40 for each in reports.values() for later in each[1:])
    assert reports["mark"] == reports["last_run"]
    assert [night["mark"]["high_water_mark"] for night in nights] == [
        night["last_run"]["high_water_mark"] for night in nights
    ]
