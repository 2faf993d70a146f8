"""Airflow reads the provider info in every process while it starts, so it imports neither Airflow nor large modules."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
sys.modules["airflow"] = None  # an import of it raises ImportError
from airflow_provider_openesg.get_provider_info import get_provider_info
assert get_provider_info()["package-name"] == "airflow-provider-openesg"
print(*{"pyarrow", "requests", "msgspec", "sqlalchemy", "duckdb"}.intersection(sys.modules))
"""


def test_provider_info_imports_no_airflow_and_no_large_modules() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stdout + run.stderr
