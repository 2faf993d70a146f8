"""Where tokens are kept between calls: on disk for all processes of a worker, in this process, or nowhere."""

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
    """Gives out tokens and lets one caller at a time fetch one."""

    def get(self, identity: Identity, fetch: Callable[[], Token], rejected: str | None = None) -> Token:
        """Return a usable token, fetched only where none is kept.

        :param fetch: asks the platform for a token; its errors pass through and nothing is kept.
        :param rejected: a token that the platform has refused: it is not given out again, but another one that was
            stored in the meantime is.
        """
        ...


def open_cache(kind: str = "disk", directory: str | None = None) -> CredentialCache:
    """Return the cache that ``[openesg] credential_cache`` names.

    :param kind: ``disk``: one token per worker and hour, whatever the number of processes; ``memory``: one per
        process; ``off``: one per session.
    :param directory: where files are kept; ``None``: the user's runtime directory or the temporary one.
    :raises OpenESGConfigError: for another kind.
    """
    if kind == "disk":
        return DiskCache(directory)
    if kind == "memory":
        return PROCESS_CACHE
    if kind == "off":
        return MemoryCache()
    raise OpenESGConfigError(f"[openesg] credential_cache: {kind!r} given; allowed: {', '.join(KINDS)}.")
