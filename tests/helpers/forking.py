"""A worker that has imported everything: forks a process for each try of a task, and may kill it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def serve(attempt: Callable[[dict[str, Any]], None], prepare: Callable[[], Any] = lambda: None) -> None:
    """Read tasks, one JSON object per line, and run each in a separate process.

    Each task has ``kill_after``: seconds, or null. The output is ``seconds`` and ``status``: 0 done, 1 failed,
    -9 killed.

    :param prepare: called once before the first try.
    """
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow 2 logs to the standard output
    prepare()
    for line in sys.stdin:
        task = json.loads(line)
        kill_after = task.pop("kill_after")
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                attempt(task)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        killer = threading.Timer(kill_after or 0, os.kill, (pid, signal.SIGKILL))
        if kill_after is not None:
            killer.start()
        _, status = os.waitpid(pid, 0)
        seconds = time.monotonic() - started
        killer.cancel()
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "seconds": seconds}), file=output, flush=True)


@contextmanager
def worker(script: Path, log: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Start a worker, and yield a function that runs a task: ``attempt(task, kill_after=None)``."""
    command = [sys.executable, "-W", "ignore", str(script)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with log.open("w") as errors, subprocess.Popen(command, stderr=errors, env=environment, **pipes) as process:
        assert process.stdin
        assert process.stdout

        def attempt(task: dict[str, Any], kill_after: float | None = None) -> dict[str, Any]:
            print(json.dumps(task | {"kill_after": kill_after}), file=process.stdin, flush=True)
            result: dict[str, Any] = json.loads(process.stdout.readline())
            assert result["status"] in (0, -9), log.read_text()[-4000:]
            return result

        yield attempt
        process.stdin.close()
