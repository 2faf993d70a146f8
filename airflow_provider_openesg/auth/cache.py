"""The token cache: on disk for all processes of a worker, in memory, or off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from airflow_provider_openesg.auth.disk import DiskCache
from airflow_provider_openesg.auth.memory import PROCESS_CACHE, MemoryCache
from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.auth.token import Identity, Token

KINDS = ("disk", "memory", "off")


class CredentialCache(Protocol):
    """A token cache. Only one caller at a time fetches a token."""

    def get(self, identity: Identity, fetch: Callable[[], Token], rejected: str | None = None) -> Token:
        """Return a valid token. Fetch one only if none is cached.

        :param fetch: function that requests a token from the platform. If it raises, nothing is cached.
        :param rejected: token that the platform has rejected. It is not returned again; a newer one from the cache is.
        """
        ...


def open_cache(kind: str = "disk", directory: str | None = None) -> CredentialCache:
    """Return the cache that ``[openesg] credential_cache`` names.

    :param kind: ``disk``: one token per worker and hour, for all its processes; ``memory``: one per process;
        ``off``: one per session.
    :param directory: directory of the files; by default in the user's runtime directory or the temporary directory.
    :raises OpenESGConfigError: if ``kind`` is another value.
    """
    if kind == "disk":
        return DiskCache(directory)
    if kind == "memory":
        return PROCESS_CACHE
    if kind == "off":
        return MemoryCache()
    raise OpenESGConfigError(f"[openesg] credential_cache: {kind!r} given; allowed: {', '.join(KINDS)}.")
