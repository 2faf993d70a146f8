"""Read the lists of a platform: queries, pages, filters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_openesg.api import DETAILS, ID, RESOURCES
from airflow_provider_openesg.client.envelope import Page, single_body
from airflow_provider_openesg.client.page_style import Query, Style, first_query
from airflow_provider_openesg.client.pagination import Listing
from airflow_provider_openesg.client.progress import Progress
from airflow_provider_openesg.client.reading import decoded, list_query, record_path, resource_path, single_queries
from airflow_provider_openesg.client.row_filter import RECORD_NAMES, TEMPLATE_FIELDS, RowFilter, checked_query
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError
from airflow_provider_openesg.hints import in_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from requests import Response

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.envelope import Decode

LIGHT_PAGES = 5
"""Factor of *Page size* for lists whose rows have no details: their rows are much smaller."""

Row = TypeVar("Row")


class ListReader:
    """Read lists for a client. What is recognized of a list is remembered."""

    def __init__(self, client: OpenESGClient) -> None:
        self._client = client
        self._prefetched: dict[tuple[str, str], Future[Response]] = {}
        self._styles: dict[str, Style] = {}
        self._known_filters: set[tuple[str, str]] = set()

    def pages(
        self,
        resource: str,
        filters: Mapping[str, Any],
        decode: Callable[[bytes], Page[Any]] | None,
        start: Callable[[bytes], Decode[Any]] | None,
    ) -> Generator[list[Any]]:
        """Yield the rows of a list page by page; see :meth:`OpenESGClient.iter_pages`."""
        client = self._client
        is_path = isinstance(resource, str) and resource.startswith("/")
        path = resource if is_path else resource_path(client.api, resource)
        query = self._query(resource, filters)
        wanted = None if is_path or decode or start else RowFilter(resource, filters, client)
        begin = start or partial(partial, decode or client.page_decoder(resource))
        if not is_path and ID in query:
            pages = self._pages_of_ids(resource, query[ID], begin)
            return pages if wanted is None else wanted.pages(pages)
        listings = [self._listing(path, each, resource, begin) for each in single_queries(query)]
        if is_path:
            return self._of_path(listings)
        pages = self._logged(resource, listings)
        unchecked = checked_query(client.api, resource, query)
        if unchecked is not None:
            pages = self._checked(resource, pages, filters, self._listing(path, unchecked, resource, begin))
        return pages if wanted is None else wanted.pages(pages)

    @contextmanager
    def prefetch(self, resource: str, filters: Mapping[str, Any]) -> Iterator[Future[Response]]:
        """Request the first page of a list in a thread; see :meth:`OpenESGClient.prefetch`."""
        api = self._client.api
        url, size = self._list_url(resource_path(api, resource)), self._most_rows(resource)
        query = single_queries(self._query(resource, filters))[0]
        params = first_query(
            query, api.paging, self._styles.setdefault(resource, Style()), min(size, api.paging.max or size)
        )
        pool = ThreadPoolExecutor(1, thread_name_prefix="openesg-prefetch")
        first = self._prefetched[url, str(params)] = pool.submit(self._client.request, "GET", url, params=params)
        try:
            yield first
        finally:
            self._prefetched.pop((url, str(params)), None)
            pool.shutdown(wait=False, cancel_futures=True)

    def first_page(self, resource: str, rows: int) -> Page[dict[str, Any]]:
        """Return the first page of a list; see :meth:`OpenESGClient.first_page`."""
        client = self._client
        query = first_query({}, client.api.paging, Style(), rows)
        return client.get(resource_path(client.api, resource), client.page_decoder(resource), params=query)

    def check_filter(self, resource: str, name: str) -> None:
        """Check that the platform knows a filter; see :meth:`OpenESGClient.check_filter`."""
        client, checked = self._client, (resource, name)
        if checked in self._known_filters:
            return
        filter_name = "template" if name == TEMPLATE_FIELDS.get(resource) else name
        parameter = client.api.filter_names(resource).get(filter_name)
        if parameter is None or not self._is_selective(resource, parameter):
            raise OpenESGContractError(
                f"{resource}: the platform ignores the filter {filter_name!r}, and its rows have no {name!r} to filter "
                "by. If it has another name, " + in_profile(f'[names] {RECORD_NAMES[resource]}.{name} = "..."')
            )
        self._known_filters.add(checked)

    def _is_selective(self, resource: str, parameter: str) -> bool:
        """Return whether a query parameter leaves out rows, or is refused, for a value that no row has."""
        client = self._client
        query = first_query({parameter: "no-such-value"}, client.api.paging, Style(), 2)
        try:
            return not client.get(resource_path(client.api, resource), client.page_decoder(resource), params=query).rows
        except OpenESGApiError as error:
            if error.status not in (400, 404, 422) or (error.status == 422 and parameter not in error.message):
                raise
            return True

    def style(self, resource: str) -> Style:
        """Return what is known of the pages of a list."""
        return self._styles.setdefault(resource, Style())

    def _list_url(self, path: str) -> str:
        return f"{self._client.settings.api_url}/{path.lstrip('/')}"

    def _most_rows(self, resource: str) -> int:
        return self._client.settings.page_size * (
            1 if resource not in RESOURCES or resource in DETAILS else LIGHT_PAGES
        )

    def _query(self, resource: str, filters: Mapping[str, Any]) -> Query:
        """Return the query parameters of a list, statuses in the words of the platform."""
        if resource in RESOURCES and "status" in filters:
            translator = self._client.translator(resource)
            status = filters["status"]
            theirs = [
                translator.their_word("status", each)
                for each in (status if isinstance(status, list | tuple | set) else [status])
            ]
            filters = {**filters, "status": theirs if len(theirs) != 1 else theirs[0]}
        return list_query(self._client.api, resource, filters)

    def _listing(self, path: str, query: Query, resource: str, start: Callable[[bytes], Decode[Any]]) -> Listing[Any]:
        def started(response: Response) -> Decode[Any]:
            page = start(response.content)
            return partial(decoded, lambda _: _with_headers(page(), response), response)

        def fetch(url: str, params: Query | None) -> Callable[[], Decode[Any]]:
            prefetched = self._prefetched.pop((url, str(params)), None)
            response = prefetched.result() if prefetched else self._client.request("GET", url, params=params)
            return partial(started, response)

        return Listing(
            fetch,
            self._list_url(path),
            query,
            page_size=self._client.settings.page_size,
            most=self._most_rows(resource),
            parallel=self._client.settings.parallel_requests,
            same_origin=self._client.session.same_origin,
            paging=self._client.api.paging,
            style=self.style(resource) if resource in RESOURCES else Style(),
        )

    def _pages_of_ids(
        self, resource: str, ids: str | list[str], start: Callable[[bytes], Decode[Row]]
    ) -> Generator[list[Row]]:
        """Return a page for each id, read from the path of the record."""

        def as_page(body: bytes) -> Page[Row]:
            return start(b"[%s]" % single_body(body, self._client.translator(resource).fields_of))()

        return (
            self._client.get(record_path(self._client.api, resource, each), as_page).rows
            for each in ([ids] if isinstance(ids, str) else ids)
        )

    def _of_path(self, listings: Sequence[Listing[Row]]) -> Generator[list[Row]]:
        seen: set[str | int] = set()
        for listing in listings:
            listing.seen = seen
            yield from listing.pages()

    def _logged(self, resource: str, listings: Sequence[Listing[Row]]) -> Generator[list[Row]]:
        progress = Progress(resource)
        seen: set[str | int] = set()
        for listing in listings:
            listing.seen = seen
            with closing(listing.pages()) as pages:
                for rows in pages:
                    progress.add(len(rows), listing.total if len(listings) == 1 else None)
                    self._client.differences.log()
                    yield rows
            if str(listing.style):
                self._client.differences.recognize(resource, str(listing.style))
        self._client.differences.log()
        progress.finish(sum(listing.pages_read for listing in listings))

    def _checked(
        self, resource: str, pages: Generator[list[Row]], filters: Mapping[str, Any], unfiltered: Listing[Row]
    ) -> Generator[list[Row]]:
        """Yield pages. If there are none, check on the unfiltered list whether the platform understands the filters."""
        found = False
        with closing(pages):
            for page in pages:
                found = True
                yield page
        if found:
            return
        rows = RowFilter(resource, filters, self._client)
        if not any(map(rows.is_wanted, self.first_page(resource, self._client.settings.page_size).rows)):
            return
        names = ", ".join(map(repr, filters))
        self._client.differences.recognize(
            resource, f"the platform finds nothing with the filters {names}; all rows are read and filtered here"
        )
        yield from self._logged(resource, [unfiltered])


def _with_headers(page: Page[Row], response: Response) -> Page[Row]:
    """Add the link and the total that a response has in its headers."""
    if page.next is None and "Link" in response.headers:
        page.next = response.links.get("next", {}).get("url")
    if page.next is None and (token := response.headers.get("X-Next-Cursor")):
        page.next, page.is_token = token, True
    # Content-Range is "items 0-49/130".
    ranged = response.headers.get("Content-Range", "").rpartition("/")[2]
    total = response.headers.get("X-Total-Count", ranged)
    if page.count is None and total.isdecimal():
        page.count = int(total)
    return page
