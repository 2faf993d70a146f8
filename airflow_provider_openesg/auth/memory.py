"""The token cache in memory."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from airflow_provider_openesg import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.auth.token import Identity, Token


class MemoryCache:
    """Tokens in memory. Threads may share the cache."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Delete all tokens and create new locks."""
        self._tokens: dict[Identity, Token] = {}
        self._locks: defaultdict[Identity, threading.Lock] = defaultdict(threading.Lock)

    def get(self, identity: Identity, fetch: Callable[[], Token], rejected: str | None = None) -> Token:
        """Return a usable token (see :class:`~airflow_provider_openesg.auth.cache.CredentialCache`)."""
        with self._locks[identity]:
            token = self._tokens.get(identity)
            if token is None or token.value == rejected or not token.usable(clock.now()):
                token = self._tokens[identity] = fetch()
            return token


PROCESS_CACHE = MemoryCache()
# A forked child inherits locks that a thread of its parent may hold: nobody would release them in the child.
os.register_at_fork(after_in_child=PROCESS_CACHE.clear)
