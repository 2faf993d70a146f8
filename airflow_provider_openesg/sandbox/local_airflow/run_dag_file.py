"""Run the DAG of a file by ``dag.test()``: ``python run_dag_file.py FILE [CONF as JSON [TIMES]]``.

It fails if the run fails. It uses ``AIRFLOW_HOME`` and the Connections of the environment. Tasks have no retries and
sensors poll every second, so that the run is short.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG


def main() -> None:
    """Run the DAG."""
    path, conf = Path(sys.argv[1]).resolve(), json.loads(sys.argv[2]) if len(sys.argv) > 2 else None
    (dag,) = (value for value in runpy.run_path(str(path)).values() if isinstance(value, DAG))
    for task in dag.tasks:
        task.retries = 0
        if hasattr(task, "poke_interval"):
            task.poke_interval = 1
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 1):
        run = dag.test(run_conf=conf)
        if run.state != "success":
            sys.exit(f"DAG {dag.dag_id}: {run.state}")


if __name__ == "__main__":
    main()
