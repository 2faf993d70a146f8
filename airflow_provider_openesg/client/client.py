"""OpenESGClient: methods for the openESG API, over one authorized session."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_openesg.client.prefetch import Begun
from airflow_provider_openesg.client.reading import ReadingClient
from airflow_provider_openesg.client.responses import raise_for_error
from airflow_provider_openesg.client.session import OpenESGSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import Response

    from airflow_provider_openesg.auth.cache import CredentialCache
    from airflow_provider_openesg.client.pagination import Query
    from airflow_provider_openesg.settings import OpenESGSettings


class OpenESGClient(ReadingClient):
    """A client of the openESG API. It imports no Airflow.

    :param settings: validated settings of a Connection.
    :param cache: token cache; the default is the cache on disk, which processes share.
    :param on_token: function called with each token before its first use, to mask it in logs.

    Threads may share it. At most ``settings.parallel_requests`` requests are sent at the same time.
    """

    def __init__(
        self,
        settings: OpenESGSettings,
        *,
        cache: CredentialCache | None = None,
        on_token: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self.session = OpenESGSession(settings, cache=cache, on_token=on_token)
        # Pages and the details of their rows are fetched by separate thread pools. This limit is for all of them.
        self._slots = threading.BoundedSemaphore(settings.parallel_requests)
        self._begun: list[Begun] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> Response:
        """Send one request and return its response. Failed attempts are retried.

        :param path: path below the API path, or an absolute URL with the origin of the Base URL.
        :param params: query parameters.
        :param json: request body, sent as JSON.
        :param files: files of a multipart form: field name to (file name, content).
        :raises OpenESGApiError: if the status is not 2xx or there is no response; 404 and 429 have subclasses.
        :raises OpenESGAuthError: if no token is issued, or a new token is rejected.
        """
        with self._slots:
            response = self.session.request(method, path, params=params, json=json, files=files)
        raise_for_error(response)
        return response

    @contextmanager
    def begun(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Iterator[Begun]:
        """Fetch a list's first page while something else is done; it is kept for :meth:`ask` until the end of this.

        :param resource: a name of :data:`~airflow_provider_openesg.api.RESOURCES`.
        """
        url, query, size = self.list_call(resource, filters or {})
        begun = Begun(
            lambda url, params: self.request("GET", url, params=params),
            url,
            query,
            size=size,
            parallel=self.settings.parallel_requests,
        )
        self._begun.append(begun)
        try:
            yield begun
        finally:
            self._begun.remove(begun)
            begun.close()

    def ask(self, url: str, params: Query | None) -> Callable[[], Response]:
        """Make a GET call, where it is not begun already, and give what gives the answer."""
        for begun in self._begun:
            if call := begun.take(url, params):
                return call.result
        response = self.request("GET", url, params=params)
        return lambda: response

    def same_origin(self, url: str) -> bool:
        """Return whether ``url`` has the origin of the Base URL, so that the token may be sent to it."""
        return self.session.same_origin(url)
