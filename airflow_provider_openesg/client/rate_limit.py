"""The client's own rate limit: requests of one process to one platform are evenly spaced."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from airflow_provider_openesg import clock

if TYPE_CHECKING:
    from airflow_provider_openesg.settings import OpenESGSettings


class RateLimit:
    """The times at which requests may be sent, shared by all sessions of the process."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget earlier requests and create a new lock."""
        self._lock = threading.Lock()
        self._next: dict[tuple[str, str], float] = {}

    def wait(self, settings: OpenESGSettings) -> float:
        """Wait until the next request may be sent and return the seconds waited."""
        if not settings.requests_per_second:
            return 0
        platform = settings.base_url, settings.client_id
        with self._lock:
            now = clock.monotonic()
            send_at = max(now, self._next.get(platform, 0))
            self._next[platform] = send_at + 1 / settings.requests_per_second
        clock.sleep(send_at - now)
        return send_at - now


RATE_LIMIT = RateLimit()
# A forked child inherits a lock that a thread of its parent may hold: nobody would release it in the child.
os.register_at_fork(after_in_child=RATE_LIMIT.clear)
