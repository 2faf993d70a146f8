"""The clock of the package. Tests replace these functions, in child processes as well.

Call ``clock.now()``, never ``from … import now``.
"""

from __future__ import annotations

import time


def now() -> float:
    """Return the time in seconds since 1970 (UTC)."""
    return time.time()


def monotonic() -> float:
    """Return seconds of a clock that never goes back, to measure durations."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait for ``seconds``."""
    time.sleep(seconds)
