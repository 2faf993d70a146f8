"""OpenESGClient: methods for the openESG API, over one authorized session."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from airflow_provider_openesg.api import ID, ITEMS, RESOURCES
from airflow_provider_openesg.client.pagination import Decode, Listing, Page, Query, decode_records, page_query
from airflow_provider_openesg.client.parallel import ordered
from airflow_provider_openesg.client.progress import Progress
from airflow_provider_openesg.client.reading import (
    decode_record,
    decoded,
    list_query,
    quoted,
    resource_path,
    single_queries,
)
from airflow_provider_openesg.client.responses import raise_for_error
from airflow_provider_openesg.client.session import OpenESGSession
from airflow_provider_openesg.client.source import with_template_id
from airflow_provider_openesg.exceptions import OpenESGContractError, OpenESGNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from requests import Response

    from airflow_provider_openesg.auth.cache import CredentialCache
    from airflow_provider_openesg.settings import OpenESGSettings

log = logging.getLogger(__name__)

LIGHT_PAGES = 5
"""Factor of *Page size* for lists whose rows have no details: their rows are much smaller."""

Row = TypeVar("Row")
T = TypeVar("T")


class OpenESGClient:
    """A client of the openESG API. It imports no Airflow.

    :param settings: validated settings of a Connection.
    :param cache: token cache; by default the cache on disk, which processes share.
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
        self._prefetched: dict[tuple[str, str], Future[Response]] = {}

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

    def get(self, path: str, decode: Callable[[bytes], T], *, params: Query | None = None) -> T:
        """Return the decoded body of a GET request.

        :param decode: function that decodes the body.
        :raises OpenESGContractError: if ``decode`` raises ``ValueError`` or an error of msgspec.
        """
        return decoded(decode, self.request("GET", path, params=params))

    @contextmanager
    def prefetch(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Iterator[Future[Response]]:
        """Request the first page of a list in a thread. :meth:`iter_pages` uses it inside this context, once.

        :param resource: name of a resource.
        """
        url, size = self._list_url(resource_path(resource)), self._most_rows(resource)
        params = page_query(single_queries(list_query(resource, {} if filters is None else filters))[0], size)
        pool = ThreadPoolExecutor(1, thread_name_prefix="openesg-prefetch")
        first = self._prefetched[url, str(params)] = pool.submit(self.request, "GET", url, params=params)
        try:
            yield first
        finally:
            self._prefetched.pop((url, str(params)), None)
            pool.shutdown(wait=False, cancel_futures=True)

    @overload
    def iter_pages(
        self, resource: str, *, filters: Mapping[str, Any] | None = None
    ) -> Generator[list[dict[str, Any]]]: ...

    @overload
    def iter_pages(
        self, resource: str, *, filters: Mapping[str, Any] | None = None, decode: Callable[[bytes], Page[Row]]
    ) -> Generator[list[Row]]: ...

    @overload
    def iter_pages(
        self, resource: str, *, filters: Mapping[str, Any] | None = None, start: Callable[[bytes], Decode[Row]]
    ) -> Generator[list[Row]]: ...

    def iter_pages(
        self,
        resource: str,
        *,
        filters: Mapping[str, Any] | None = None,
        decode: Callable[[bytes], Page[Any]] = decode_records,
        start: Callable[[bytes], Decode[Any]] | None = None,
    ) -> Generator[list[Any]]:
        """Yield the rows of a list page by page: each row once, in the server's order. Only a few pages are in memory.

        :param resource: name in :data:`~airflow_provider_openesg.api.RESOURCES`, or a path that begins with ``/``.
        :param filters: query parameters of the list; those of a path are sent unchanged. A list of values selects the
            rows with any of them: the platform is asked once for each.
        :param decode: function that makes a :class:`Page` of a body.
        :param start: in place of ``decode``: function that starts to decode a body and returns a function that returns
            the page. It is called in the order of the list, some pages before they are used.
        :raises OpenESGConfigError: if the resource or a filter is not known; at the call, not at the first row.
        :raises OpenESGContractError: if the responses are not pages of a list; see :mod:`.pagination`.
        """
        start = start or (lambda body: partial(decode, body))
        path = resource if isinstance(resource, str) and resource.startswith("/") else resource_path(resource)
        query = list_query(resource, {} if filters is None else filters)
        if resource in RESOURCES and ID in query:
            return self._pages_of_ids(path, query[ID], start)

        def started(response: Response) -> Decode[Any]:
            page = start(response.content)
            return partial(decoded, lambda _: page(), response)

        def fetch(url: str, params: Query | None) -> Callable[[], Decode[Any]]:
            prefetched = self._prefetched.pop((url, str(params)), None)
            response = prefetched.result() if prefetched else self.request("GET", url, params=params)
            return partial(started, response)

        seen: set[str | int] = set()
        listings: list[Listing[Any]] = [
            Listing(
                fetch,
                self._list_url(path),
                each,
                page_size=self.settings.page_size,
                most=self._most_rows(resource),
                parallel=self.settings.parallel_requests,
                same_origin=self.session.same_origin,
                seen=seen,
            )
            for each in (single_queries(query) if resource in RESOURCES else [query])
        ]
        return _logged(resource, listings) if resource in RESOURCES else listings[0].pages()

    def iter_records(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Generator[dict[str, Any]]:
        """Yield the rows of a list with their details: field values of reports, sections of templates.

        :raises OpenESGConfigError: if the resource or a filter is not known.
        """
        given = {} if filters is None else filters
        if resource in RESOURCES:
            list_query(resource, given)  # checks the filters before templates are requested
            given = with_template_id(self, given)
        return self._records(resource, self.iter_pages(resource, filters=given))

    def with_details(self, resource: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of a list with its details."""
        properties, record_id = RESOURCES[resource], row["id"]
        if properties.details_path is None:
            return self.get_record(resource, record_id)
        path = properties.details_path.format(id=quoted(record_id))
        try:
            return {**row, str(properties.details): [part for page in self.iter_pages(f"/{path}") for part in page]}
        except OpenESGNotFoundError as error:
            record = self.get_record(resource, record_id)  # raises again if the record itself was deleted
            if record.get(str(properties.details)) is None:
                raise OpenESGContractError(f"{error}; the record exists, but without {properties.details!r}.") from None
            return record

    def complete(
        self, rows: Sequence[Row], is_complete: Callable[[Row], bool], fetch: Callable[[Row], Row]
    ) -> Generator[Row]:
        """Yield ``rows`` in their order. Rows without details are fetched, several at the same time.

        :param fetch: function that returns the complete row. If it raises a 404 error, the record was deleted after
            its list was read, and the row is skipped.
        :raises OpenESGContractError: if no row of a page can be fetched: then the path is wrong.
        """
        if all(map(is_complete, rows)):
            yield from rows
            return

        def completed(row: Row) -> Row | OpenESGNotFoundError:
            try:
                return row if is_complete(row) else fetch(row)
            except OpenESGNotFoundError as error:
                return error

        deleted: list[OpenESGNotFoundError] = []
        with closing(ordered((partial(completed, row) for row in rows), self.settings.parallel_requests)) as results:
            for result in results:
                if isinstance(result, OpenESGNotFoundError):
                    deleted.append(result)
                    log.warning("Skipped: the record was in the list, but was deleted before it was read: %s", result)
                else:
                    yield result
        if len(deleted) == len(rows) > 1:
            raise OpenESGContractError(
                f"The list has {len(rows)} records on one page and none of them has details: {deleted[0]}. "
                "Check API path and Base URL of the Connection, and whether this client may read single records."
            )

    def get_record(self, resource: str, record_id: str | int) -> dict[str, Any]:
        """Return one record.

        :raises OpenESGConfigError: if the resource is not known or the id is empty.
        :raises OpenESGNotFoundError: if the platform has no such record, or does not show it to this client.
        """
        return self.get(f"{resource_path(resource)}/{quoted(record_id)}", decode_record)

    def _list_url(self, path: str) -> str:
        return f"{self.settings.api_url}/{path.lstrip('/')}"

    def _most_rows(self, resource: str) -> int:
        has_details = resource not in RESOURCES or RESOURCES[resource].details is not None
        return self.settings.page_size * (1 if has_details else LIGHT_PAGES)

    def _pages_of_ids(
        self, path: str, ids: str | list[str], start: Callable[[bytes], Decode[Row]]
    ) -> Generator[list[Row]]:
        """Return a page for each id, read from the path of the record."""

        def as_page(body: bytes) -> Page[Row]:
            return start(b'{"%s": [%s]}' % (ITEMS.encode(), body))()

        return (self.get(f"{path}/{quoted(each)}", as_page).rows for each in ([ids] if isinstance(ids, str) else ids))

    def _records(self, resource: str, pages: Generator[list[dict[str, Any]]]) -> Generator[dict[str, Any]]:
        details = RESOURCES[resource].details if resource in RESOURCES else None
        with closing(pages):
            for page in pages:
                if details is None:
                    yield from page
                else:
                    yield from self.complete(
                        page, lambda row: row.get(details) is not None, partial(self.with_details, resource)
                    )


def _logged(resource: str, listings: Sequence[Listing[Row]]) -> Generator[list[Row]]:
    progress = Progress(resource)
    for listing in listings:
        with closing(listing.pages()) as pages:
            for rows in pages:
                progress.add(len(rows), listing.total if len(listings) == 1 else None)
                yield rows
    progress.finish(sum(listing.pages_read for listing in listings))
