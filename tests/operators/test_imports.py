"""Importing an operator in a DAG file loads no large modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_openesg

MODULES = [
    "hooks.openesg",
    "links.openesg",
    "operators.openesg",
    "sensors.openesg",
    "transfers.openesg_to_object_storage",
    "transfers.openesg_to_sql",
    "triggers.openesg",
]
LARGE = {
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
    code += f"\nimport sys\nprint('LOADED', *{LARGE!r}.intersection(sys.modules))"
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.rpartition("LOADED")[2].split())


@pytest.fixture(scope="module")
def baseline() -> set[str]:
    """The modules that Airflow itself loads: requests on 2.11, msgspec on 3.3."""
    return loaded_by(BASE)


@pytest.mark.parametrize("module", MODULES)
def test_import_loads_no_large_modules(module, baseline):
    assert loaded_by(f"{BASE}\nimport airflow_provider_openesg.{module}") <= baseline


def test_core_imports_no_airflow():
    package = Path(airflow_provider_openesg.__file__).parent
    names = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for layer in ("auth", "client", "tables", "api.py", "settings.py", "exceptions.py")
        for path in ([package / layer] if layer.endswith(".py") else sorted((package / layer).glob("*.py")))
    ]
    assert len(names) > 20
    # None in sys.modules makes every import of it an error.
    code = f"import sys, importlib; sys.modules['airflow'] = None; [*map(importlib.import_module, {names!r})]"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
