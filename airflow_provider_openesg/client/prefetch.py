"""The first pages of a list, fetched before its reader is there."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_openesg.client.pagination import later_offsets, page_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from airflow_provider_openesg.client.pagination import Query


class Begun:
    """A list whose first page is under way.

    :param fetch: makes a call (URL, query).
    :param size: rows of a page.
    :param parallel: pages under way at once.
    """

    def __init__(
        self, fetch: Callable[[str, Query], Response], url: str, query: Query, *, size: int, parallel: int
    ) -> None:
        self._fetch = fetch
        self._url = url
        self._query = query
        self._size = size
        self._parallel = parallel
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="openesg-begun")
        self._calls: dict[str, Future[Response]] = {}
        self.first = self._begin(0)

    def go_on(self, total: int) -> None:
        """Fetch the next pages as well, as many as wait for a reader that is there.

        :param total: rows of the list.
        """
        for offset in later_offsets(self._size, total)[: 2 * self._parallel]:
            self._begin(offset)

    def take(self, url: str, params: Query | None) -> Future[Response] | None:
        """Give a page that was begun, once."""
        return self._calls.pop(str(params), None) if url == self._url else None

    def close(self) -> None:
        """Begin no more; what is under way is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, offset: int) -> Future[Response]:
        params = page_query(self._query, self._size, offset)
        call = self._calls[str(params)] = self._pool.submit(self._fetch, self._url, params)
        return call
