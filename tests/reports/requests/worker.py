"""A worker that has imported everything: forks a process for each try of a task.

Reads one JSON object per line: ``requests`` (a path) and ``try_number``.
The output is ``pid``, which may be killed, and then ``status``: 0 done, 1 failed, -9 killed.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from types import SimpleNamespace

from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: F401

import airflow_provider_openesg.reports.requests.run  # noqa: F401 - imported once, so that tries spend their time on sending
from airflow_provider_openesg.operators.openesg import OpenESGRequestReportsOperator


def main() -> None:
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        task = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                operator = OpenESGRequestReportsOperator(task_id="ask", requests=task["requests"])
                operator.execute({"ti": SimpleNamespace(try_number=task["try_number"], xcom_push=lambda **_: None)})
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(json.dumps({"pid": pid}), file=output, flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), file=output, flush=True)


if __name__ == "__main__":
    main()
