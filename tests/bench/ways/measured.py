"""Shared by all ways of pulling: read the arguments, measure, and print the result."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def run(work: Callable[[str, str, str], None]) -> None:
    """Call ``work`` with base URL, target and place, of the command line, and print seconds and peak memory.

    Child processes are included.
    """
    base, target, place = sys.argv[1:4]
    peaks: dict[str, float] = {}
    done = threading.Event()
    watch = threading.Thread(target=_watch_children, args=(peaks, done), daemon=True)  # ends with a failed process
    watch.start()
    started, used = time.monotonic(), sum(os.times()[:4])
    work(base, target, place)
    result = {"wall": time.monotonic() - started, "cpu": sum(os.times()[:4]) - used}
    done.set()
    watch.join()
    result["mb"] = _peak_megabytes("self") + sum(peaks.values())
    print(json.dumps(result), file=sys.__stdout__, flush=True)


def _watch_children(peaks: dict[str, float], done: threading.Event) -> None:
    while not done.wait(0.05):
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError, StopIteration):  # the process has just ended
                for child in (task / "children").read_text().split():
                    peaks[child] = _peak_megabytes(child)


def _peak_megabytes(process: str) -> float:
    """Return the peak memory of a process. The value of getrusage includes the process before exec."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024
