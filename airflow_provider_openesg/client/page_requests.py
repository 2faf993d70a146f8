"""Request the pages of one list: by offset, by number, by link or by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from airflow_provider_openesg.client.envelope import Page
from airflow_provider_openesg.client.page_style import first_query, number_query, page_query
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError
from airflow_provider_openesg.hints import in_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.api import Paging
    from airflow_provider_openesg.client.envelope import Decode
    from airflow_provider_openesg.client.page_style import Query, Style

Row = TypeVar("Row")


class PageRequests(Generic[Row]):
    """The requests for the pages of one list.

    :param fetch: function of URL and query that requests a page and returns a function that starts to decode it.
    :param url: URL of the list.
    :param query: filters of the list.
    :param paging: names of the query parameters.
    :param style: what is known of the pages.
    :param same_origin: function that returns whether the token may be sent to a link.
    """

    def __init__(
        self,
        fetch: Callable[[str, Query | None], Callable[[], Decode[Row]]],
        url: str,
        query: Query,
        paging: Paging,
        style: Style,
        same_origin: Callable[[str], bool],
    ) -> None:
        self._fetch = fetch
        self._url = url
        self._query = query
        self._paging = paging
        self._style = style
        self._same_origin = same_origin

    def first(self, size: int) -> Page[Row]:
        """Return the first page.

        :param size: number of rows to request, as in the other methods.
        """
        return self._fetch(self._url, first_query(self._query, self._paging, self._style, size))()()

    def at(self, size: int, offset: int) -> Page[Row]:
        """Return the page at an offset."""
        return self.fetch_at(size, offset)()()

    def fetch_at(self, size: int, offset: int) -> Callable[[], Decode[Row]]:
        """Request the page at an offset."""
        return self._fetch(self._url, page_query(self._query, self._paging, size, offset))

    def first_number(self, first: Page[Row], size: int, link: str | None = None) -> int:
        """Return the number of the first page, 0 or 1.

        :param first: the page that was requested without a number.
        :param link: link to the second page.
        """
        if link is not None:
            return int(dict(parse_qsl(urlsplit(link).query)).get(self._paging.page, 2)) - 1
        if first.next is not None and first.next.isdecimal():
            return int(first.next) - 1
        if self._paging.style == "page":
            return 1
        one = self.by_number(size, 1)
        return 0 if one.rows and one.ids != first.ids else 1

    def by_number(self, size: int, number: int, link: str | None = None) -> Page[Row]:
        """Return the page with a number; a page without rows if there is none.

        :param link: link to another page; its number is replaced.
        """
        try:
            return self._page(size, number, link)
        except OpenESGApiError as error:
            if number < 1 or error.status not in (400, 404, 410, 422):
                raise
            return Page([], [])

    def fetch_number(self, size: int, number: int, link: str | None = None) -> Callable[[], Decode[Row]]:
        """Request the page with a number: with the parameters of a link, or with our own."""
        paging = self._paging
        if link is not None:
            parts = urlsplit(link)
            query = dict(parse_qsl(parts.query, keep_blank_values=True)) | {paging.page: str(number)}
            return self._fetch(parts._replace(query=urlencode(query)).geturl(), None)
        return self._fetch(self._url, number_query(self._query, paging, size, number))

    def follow(self, link: str, size: int) -> Callable[[], Decode[Row]]:
        """Request the page that a link or a token names."""
        if self._style.style == "cursor":
            return self._fetch(self._url, {**self._query, self._paging.limit: str(size), self._paging.cursor: link})
        return self._fetch(self.followable(link), None)

    def followable(self, link: str) -> str:
        """Return the URL of a link. A link to this list with another scheme or port is requested at the Base URL.

        A platform behind a proxy may not know its own address.

        :raises OpenESGContractError: if it leads to another host or path.
        """
        ours = urlsplit(self._url)
        try:
            url = urljoin(self._url, link)
            parts = urlsplit(url)
            same_path = parts.path.rstrip("/") == ours.path.rstrip("/")
            same = same_path and (parts.hostname, parts.username) == (ours.hostname, None)
        except ValueError:
            url, same = "", False
        if same and not self._same_origin(url):
            url = f"{self._url}?{parts.query}"
        if not self._same_origin(url):
            self.fail(
                f"the link to the next page leaves the platform: {link!r:.200}; it is not followed. Check Base URL, or "
                + in_profile('paging = {style = "page"}')
            )
        return url

    def fail(self, what: str) -> NoReturn:
        """Raise an error about this list."""
        raise OpenESGContractError(
            f"{self._url}: {what}. If a retry fails too, report it to the vendor of the platform."
        )

    def _page(self, size: int, number: int, link: str | None = None) -> Page[Row]:
        return self.fetch_number(size, number, link)()()
