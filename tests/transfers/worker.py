"""A worker that has imported what both transfers need: runs an operator in a process that may be killed."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import airflow.providers.amazon.aws.fs.s3  # noqa: F401
import duckdb  # noqa: F401 - imported once, so that tries are killed during the transfer
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet  # noqa: F401
import s3fs  # noqa: F401
from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: F401
from forking import serve


def attempt(task: dict[str, Any]) -> None:
    kind = getattr(importlib.import_module(task["module"]), task["name"])
    operator = kind(task_id=task.get("task_id", "extract"), **task["arguments"])
    context = SimpleNamespace(dag_id="nightly", run_id=task["run_id"], map_index=task.get("map_index", -1))
    operator.execute({"ti": context})


if __name__ == "__main__":
    serve(attempt)
