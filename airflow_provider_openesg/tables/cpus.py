"""The number of CPUs that a process may use."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Control group of a container, as the container sees it."""


def usable_cpus() -> float:
    """Return the number of CPUs that the affinity of this process and the quota of its container allow."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, _quota())


def _quota() -> float:
    """Return the CPU quota of the container in CPUs; infinity if there is none."""
    with suppress(OSError, ValueError, ZeroDivisionError):  # version 2; the quota may be "max"
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):  # version 1; -1 is no quota
        quota, period = ((CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else float("inf")
    return float("inf")
