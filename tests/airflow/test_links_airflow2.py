"""The link of a task on Airflow 2, where the web server calls the link class."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = pytest.mark.airflow

DAG_FILE = """
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor

with DAG("waits", schedule=None) as dag:
    OpenESGReportSensor(task_id="one", report_id=1010, statuses=["submitted", "declined"], deferrable=True)
    OpenESGReportSensor.partial(task_id="many", statuses=["submitted", "declined"]).expand(report_id=[1010, 1020])
"""

RUN_AND_READ_LINKS = """
import json, runpy, sys
from airflow.www.app import create_app

run = runpy.run_path(sys.argv[1])["dag"].test()
path = f"/api/v1/dags/waits/dagRuns/{run.run_id}/taskInstances"
with create_app(testing=True).test_client() as browser:
    responses = [browser.get(f"{path}/{task}").get_json() for task in ("one/links", "many/links?map_index=1")]
print()
print(json.dumps(responses))
"""


def test_web_server_returns_the_links_of_tasks(tmp_path: Path, platform: SandboxProcess):
    platform.reset()
    platform.turn_clock(365 * 86_400)
    (tmp_path / "dags").mkdir()
    file = tmp_path / "dags" / "waits.py"
    file.write_text(DAG_FILE)
    (tmp_path / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\nWTF_CSRF_ENABLED = False\n")
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
        "AIRFLOW__CORE__DAGS_FOLDER": str(file.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(tmp_path / "cache"),
        "AIRFLOW_CONN_OPENESG_DEFAULT": platform.connection_json,
    }
    airflow = [sys.executable, "-m", "airflow"]
    for command in (
        [*airflow, "db", "migrate"],
        [*airflow, "dags", "reserialize"],
        [sys.executable, "-c", RUN_AND_READ_LINKS, str(file)],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    one, mapped = json.loads(done.stdout.splitlines()[-1])
    assert one == {"openESG": f"{platform.base_url}/reports/1010"}
    assert mapped == {"openESG": f"{platform.base_url}/reports/1020"}
