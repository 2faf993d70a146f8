"""The rate limit of our own: requests of one process to one platform, evenly spaced."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from airflow_provider_openesg import clock

if TYPE_CHECKING:
    from airflow_provider_openesg.settings import OpenESGSettings


class Pace:
    """Gives out moments at which a request may be sent; all sessions of the process share them."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the past and make a fresh lock."""
        self._lock = threading.Lock()
        self._next: dict[tuple[str, str], float] = {}

    def wait(self, settings: OpenESGSettings) -> float:
        """Wait for this request's turn and return the seconds waited."""
        if not settings.requests_per_second:
            return 0
        platform = settings.base_url, settings.client_id
        with self._lock:
            now = clock.monotonic()
            turn = max(now, self._next.get(platform, 0))
            self._next[platform] = turn + 1 / settings.requests_per_second
        clock.sleep(turn - now)
        return turn - now


PACE = Pace()
# A child of fork inherits a lock that a thread of its parent may hold for ever.
os.register_at_fork(after_in_child=PACE.clear)
