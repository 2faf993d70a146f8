"""A worker that has imported what both transfers need: runs an operator in a process that may be killed."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import duckdb  # noqa: F401 - imported once, so that each try spends its time on what is killed
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet  # noqa: F401
from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: F401
from forking import serve

import airflow_provider_openesg.tables.read
import airflow_provider_openesg.writers.duckdb
import airflow_provider_openesg.writers.files  # noqa: F401


def attempt(task: dict[str, Any]) -> None:
    operator = getattr(importlib.import_module(task["module"]), task["name"])(task_id="extract", **task["arguments"])
    operator.execute({"ti": SimpleNamespace(dag_id="nightly", run_id=task["run_id"], map_index=-1)})


if __name__ == "__main__":
    serve(attempt)
