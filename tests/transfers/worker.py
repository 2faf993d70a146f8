"""A worker that has imported everything: forks a process for each try of a task, and kills it where asked.

Reads one JSON object per line: ``module``, ``name`` and ``arguments`` of the operator, ``run_id``, and ``kill_after``
seconds (or null).
Answers with ``seconds`` and ``status``: 0 done, 1 failed, -9 killed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any

import duckdb  # noqa: F401 - imported once, so that each try spends its time on what is killed
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet  # noqa: F401
from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: F401

import airflow_provider_openesg.tables.read
import airflow_provider_openesg.writers.duckdb
import airflow_provider_openesg.writers.files  # noqa: F401


def attempt(task: dict[str, Any]) -> None:
    operator = getattr(importlib.import_module(task["module"]), task["name"])(task_id="extract", **task["arguments"])
    operator.execute({"ti": SimpleNamespace(dag_id="nightly", run_id=task["run_id"], map_index=-1)})


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        task = json.loads(line)
        importlib.import_module(task["module"])
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                attempt(task)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        killer = threading.Timer(task["kill_after"] or 0, os.kill, (pid, signal.SIGKILL))
        if task["kill_after"] is not None:
            killer.start()
        _, status = os.waitpid(pid, 0)
        seconds = time.monotonic() - started
        killer.cancel()
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "seconds": seconds}), file=answers, flush=True)


if __name__ == "__main__":
    main()
