"""The example that asks for reports, run twice by ``dag.test()`` against the sandbox: one e-mail per supplier."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.process import SandboxProcess

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "dags_examples" / "openesg_request_reports.py"
RUNNER = ROOT / "tests" / "helpers" / "run_dag_file.py"

pytestmark = pytest.mark.airflow


def test_request_reports(sandbox: SandboxProcess, tmp_path: Path) -> None:
    suppliers = tmp_path / "suppliers.csv"
    lines = [f"Lieferant {number} GmbH;esg@l{number}.example;{number}" for number in range(12)]
    suppliers.write_text("\ufefforganization_name;user_email;customer_identifier\n" + "\n".join(lines))
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE.parent),
        "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(tmp_path / "cache"),
        "AIRFLOW_CONN_OPENESG_DEFAULT": sandbox.connection_json,
        "AIRFLOW_VAR_OPENESG_SUPPLIERS": str(suppliers),
    }
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, capture_output=True, check=True)
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, str(RUNNER), str(EXAMPLE)], env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert sorted(email["to"] for email in sandbox.state()["emails"]) == sorted(
            f"esg@l{number}.example" for number in range(12)
        )
    assert sandbox.state()["calls"]["POST /api/v1/report-requests"] == 12
