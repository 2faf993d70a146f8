"""What a DAG file costs: importing an operator loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = [
    "hooks.openesg",
    "links.openesg",
    "operators.openesg",
    "sensors.openesg",
    "transfers.openesg_to_object_storage",
    "transfers.openesg_to_sql",
    "triggers.openesg",
]
HEAVY = {
    "pyarrow",
    "requests",
    "requests_oauthlib",
    "oauthlib",
    "duckdb",
    "adbc_driver_manager",
    "alembic",
    "msgspec",
    "pandas",
}
BASE = "from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, BaseSensorOperator"


def loaded_by(code: str) -> set[str]:
    code += f"\nimport sys\nprint('LOADED', *{HEAVY!r}.intersection(sys.modules))"
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.rpartition("LOADED")[2].split())


@pytest.fixture(scope="module")
def baseline() -> set[str]:
    """What Airflow loads by itself: requests on 2.11, msgspec on 3.3."""
    return loaded_by(BASE)


@pytest.mark.parametrize("module", MODULES)
def test_importing_it_loads_nothing_heavy(module, baseline):
    assert loaded_by(f"{BASE}\nimport airflow_provider_openesg.{module}") <= baseline
