"""Time, from one place: tests turn the clock by replacing these functions, in child processes as well.

Callers write ``clock.now()``, never ``from … import now``.
"""

from __future__ import annotations

import time


def now() -> float:
    """Return the wall clock in seconds since 1970 (UTC): what a token's expiry is compared with."""
    return time.time()


def monotonic() -> float:
    """Return seconds that never go back: what time budgets are measured with."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait for ``seconds``."""
    time.sleep(seconds)
