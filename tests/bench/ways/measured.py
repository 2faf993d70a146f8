"""What every way of pulling does around its work: take its arguments, time itself, and say what it took."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def run(work: Callable[[str, str, str], None]) -> None:
    """Call ``work`` with base URL, target and place, of the command line, and print seconds and peak memory."""
    base, target, place = sys.argv[1:4]
    started, used = time.monotonic(), time.process_time()
    work(base, target, place)
    result = {
        "wall": time.monotonic() - started,
        "cpu": time.process_time() - used,
        "mb": peak_megabytes(),
    }
    print(json.dumps(result), file=sys.__stdout__, flush=True)


def peak_megabytes() -> float:
    """Return the most memory that this process held; what getrusage says begins with that of the process before."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024
