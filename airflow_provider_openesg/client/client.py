"""OpenESGClient: the openESG API over one authorised session."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_openesg.client.prefetch import Begun
from airflow_provider_openesg.client.reading import ReadingClient
from airflow_provider_openesg.client.responses import raise_for_answer
from airflow_provider_openesg.client.session import OpenESGSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import Response

    from airflow_provider_openesg.auth.cache import CredentialCache
    from airflow_provider_openesg.client.pagination import Query
    from airflow_provider_openesg.settings import OpenESGSettings


class OpenESGClient(ReadingClient):
    """The openESG API as calls; no Airflow in it.

    :param settings: a checked Connection.
    :param cache: where tokens are kept between processes; the default is the private directory on disk.
    :param on_token: called with each token that is about to be used, before it is (to mask it in logs).

    May be used by several threads; at most ``settings.parallel_requests`` calls are under way at once.
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
        # Pages, and the details of their rows, are fetched by pools of their own; the bound holds for all together.
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
        """Make one call, repeated as the retry policy allows.

        :param path: below the API path, or a URL on the platform itself.
        :param params: query.
        :param json: body.
        :param files: body as multipart form data: name in the form to name and content of the file.
        :raises OpenESGApiError: for 4xx and 5xx, and where no answer came; 404 and 429 have their own classes.
        :raises OpenESGAuthError: no token, or one that the platform refuses.
        """
        with self._slots:
            response = self.session.request(method, path, params=params, json=json, files=files)
        raise_for_answer(response)
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
        """Tell whether a link may be followed with the token."""
        return self.session.same_origin(url)
