"""Read a list of the API page by page, every row once, even if rows move on the server during the read.

The paging style is recognized by the first page:

* ``items``/``count`` (v1), or ``results``/``count`` without a link: ``limit``/``offset``, pages fetched in parallel;
* ``results``/``next`` (2023): the links are followed one by one;
* a bare array (before May 2023), or rows without a count: pages are requested until one has no new rows.

Moved rows are detected by overlap: each page by ``offset`` begins with the last row of the page before. If every
overlap matches and the last page reaches the end, no row was skipped. Otherwise the list is read again, and only rows
that were not read before are yielded, until nothing moves during one pass. One case cannot be
detected: one row is added and another is deleted before the same overlap. The next run reads the new row.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar
from urllib.parse import urljoin

import msgspec

from airflow_provider_openesg.api import COUNT, ITEMS, LIMIT, NEXT, OFFSET, RESULTS
from airflow_provider_openesg.client.parallel import ordered_and_started
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError

Row = TypeVar("Row")
Query = Mapping[str, str | list[str]]

STARTED_AHEAD = 2
"""Pages whose decoding is started before the page before them is used, so that a worker process always has work."""

MAX_PASSES = 8
"""Number of times that a list is read before it counts as changing too fast."""


@dataclass(slots=True)
class Page(Generic[Row]):
    """One page of a list.

    :param rows: records, in the order of the server.
    :param ids: ids of the records, one for each row.
    :param count: number of rows of the whole list, if the response has it.
    :param next: link to the next page, if the response has one.
    """

    rows: list[Row]
    ids: list[str | int]
    count: int | None = None
    next: str | None = None


Decode = Callable[[], Page[Row]]
"""Function that returns a page whose body has been received."""


def decode_records(body: bytes) -> Page[dict[str, Any]]:
    """Decode a page of any paging style, rows as dicts.

    :raises ValueError: if the body is not JSON, is no list, or has rows without an ``id``.
    """
    content = msgspec.json.decode(body)
    envelope = content if isinstance(content, dict) else {}
    rows = content if isinstance(content, list) else envelope.get(ITEMS, envelope.get(RESULTS))
    if not isinstance(rows, list):
        raise ValueError(f"expected a list: {{{ITEMS!r}: [...], {COUNT!r}: n}}, {{{RESULTS!r}: [...]}} or [...]")
    ids = []
    for number, row in enumerate(rows):
        identity = row.get("id") if isinstance(row, dict) else None
        if not isinstance(identity, str | int) or isinstance(identity, bool):
            raise ValueError(f"expected rows with an 'id' (text or integer); row {number} of the page has none")
        ids.append(identity)
    count, link = envelope.get(COUNT), envelope.get(NEXT)
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
        raise ValueError(f"expected {COUNT!r} to be a number of rows, not {count!r:.40}")
    if link is not None and not isinstance(link, str):
        raise ValueError(f"expected {NEXT!r} to be a URL or null, not {link!r:.40}")
    return Page(rows, ids, count, link or None)


def page_query(query: Query, size: int, offset: int = 0) -> Query:
    """Return the query parameters for a page of a list."""
    return {**query, LIMIT: str(size), OFFSET: str(offset)}


def later_offsets(size: int, total: int) -> range:
    """Return the offsets of the pages after the first. Each is the last row of the page before."""
    return range(size - 1, total - 1, size - 1)


class Listing(Generic[Row]):
    """One read of one list.

    :param fetch: function of URL and query that requests a page and returns a function that starts to decode it.
        Pages wait as response bodies, which are smaller than decoded rows.
    :param url: URL of the list.
    :param query: filters of the list.
    :param page_size: number of rows to request in one page, at least 2.
    :param most: number of rows to request in one page if the platform allows more than ``page_size``.
    :param parallel: number of pages requested at the same time.
    :param same_origin: function that returns whether the token may be sent to a link.
    :param seen: ids of rows that are not returned; the ids of the rows that are read are added.

    ``total`` is the number of rows that the server reports, ``pages_read`` the number of pages read so far.
    """

    def __init__(
        self,
        fetch: Callable[[str, Query | None], Callable[[], Decode[Row]]],
        url: str,
        query: Query,
        *,
        page_size: int,
        most: int,
        parallel: int,
        same_origin: Callable[[str], bool],
        seen: set[str | int] | None = None,
    ) -> None:
        self._fetch = fetch
        self._url = url
        self._query = query
        self._page_size = page_size
        self._size = most
        self._parallel = parallel
        self._same_origin = same_origin
        self._seen = set() if seen is None else seen
        self._moved = False
        self.total: int | None = None
        self.pages_read = 0

    def pages(self) -> Generator[list[Row]]:
        """Yield the rows of each page in the order of the server. Rows that were added during the read are last.

        :raises OpenESGContractError: if a page repeats, does not match the server's count, has one row twice or links
            to another origin, or if the list changes during every pass.
        """
        for _ in range(MAX_PASSES):
            self._moved = False
            current: set[str | int] = set()
            with closing(self._read_through()) as pages:
                for page in pages:
                    fresh = []
                    for identity, row in zip(page.ids, page.rows, strict=True):
                        if identity in current:
                            self._moved = True
                        elif identity not in self._seen:
                            fresh.append(row)
                        current.add(identity)
                    if fresh:
                        yield fresh
            self._seen |= current
            if not self._moved:
                return
        raise OpenESGContractError(
            f"{self._url}: rows were still added or removed after the list was read {MAX_PASSES} times: it changes "
            "faster than it can be read, or its order is not stable. Read less of it at once (filters), or more in one "
            "page (Page size of the Connection)."
        )

    def _read_through(self) -> Generator[Page[Row]]:
        first = self._first()
        self.total = first.count
        if first.next is not None:
            return self._by_links(self._checked(first))
        if first.count is not None:
            return self._by_count(self._checked(first))
        return self._by_length(self._checked(first))

    def _first(self) -> Page[Row]:
        """Read the first page, and learn from it the page size that the platform allows."""
        if self._size > self._page_size:
            try:
                first = self._at(0)
                if first.count is None or len(first.rows) >= min(self._size, first.count):
                    return first
            except OpenESGApiError as error:
                if error.status not in (400, 422):
                    raise
            self._size = self._page_size
        return self._at(0)

    def _at(self, offset: int) -> Page[Row]:
        return self._fetch_at(offset)()()

    def _fetch_at(self, offset: int) -> Callable[[], Decode[Row]]:
        return self._fetch(self._url, page_query(self._query, self._size, offset))

    def _checked(self, page: Page[Row]) -> Page[Row]:
        self.pages_read += 1
        if len(set(page.ids)) < len(page.ids):
            twice = next(identity for number, identity in enumerate(page.ids) if identity in page.ids[:number])
            self._fail(f"one page has the row with id {twice!r} twice")
        return page

    def _by_count(self, first: Page[Row]) -> Generator[Page[Row]]:
        first = self._of_right_size(first, 0)
        yield first
        previous, end, total = first, len(first.rows), first.count or 0
        # A page with all rows is the whole list, even if it is larger than requested.
        offsets = later_offsets(self._size, 0 if end == total else total)
        fetches = (partial(self._fetch_at, offset) for offset in offsets)
        with closing(ordered_and_started(fetches, self._parallel, STARTED_AHEAD)) as decodes:
            for offset, decode in zip(offsets, decodes, strict=True):
                page = decode()
                total = max(total, page.count or 0)
                # A list that grew by one page looks the same, but then the page before has moved as well.
                repeats = page.ids == previous.ids and len(page.ids) > 1
                if repeats and self._at(offset - self._size + 1).ids == page.ids:
                    self._fail(f"the page at {OFFSET} {offset} repeats the one before: the server ignores {OFFSET!r}")
                page = self._of_right_size(self._checked(page), offset)
                yield self._without_overlap(previous, page)
                previous, end = page, offset + len(page.rows)
        # The list has grown. The overlap of the next page shows whether only at its end.
        while end < total and not self._moved:
            page = self._of_right_size(self._checked(self._at(end - 1)), end - 1)
            yield self._without_overlap(previous, page)
            previous, end, total = page, end - 1 + len(page.rows), page.count or 0

    def _of_right_size(self, page: Page[Row], offset: int) -> Page[Row]:
        """Compare a page with its count. Read it once more if they differ: servers read rows and count separately."""
        if self._surplus(page, offset):
            page = self._checked(self._at(offset))
        surplus = self._surplus(page, offset)
        if surplus:
            got = f"requested {self._size} rows from {OFFSET} {offset}, received {len(page.rows)} of {page.count}"
            advice = f"the server ignores {LIMIT!r} or {OFFSET!r}"
            if surplus < 0:
                advice = "the page ends early"
            if surplus < 0 and not offset and len(page.rows) > 1:
                advice += f"; if the server limits the page size, set Page size of the Connection to {len(page.rows)}"
            self._fail(f"{got}: {advice}")
        return page

    def _surplus(self, page: Page[Row], offset: int) -> int:
        if page.count is None:
            self._fail(f"the page at {OFFSET} {offset} has no {COUNT!r}, the first one had")
        if not offset and len(page.rows) == page.count:
            return 0
        return len(page.rows) - min(self._size, max(0, page.count - offset))

    def _without_overlap(self, previous: Page[Row], page: Page[Row]) -> Page[Row]:
        """Remove the row that overlaps with the page before. If it is missing, rows have moved."""
        if previous.ids[-1:] == page.ids[:1] != []:
            return Page(page.rows[1:], page.ids[1:])
        self._moved = True
        return page

    def _by_length(self, first: Page[Row]) -> Generator[Page[Row]]:
        yield first
        if len(first.rows) > self._size:
            return  # More rows than requested: the whole list.
        previous, offset = first, len(first.rows) - 1
        # A short page may not be the last: the server may limit pages to fewer rows than requested.
        while len(previous.rows) >= len(first.rows) > 1:
            page = self._checked(self._at(offset))
            if page.ids == previous.ids:
                if previous is first or self._moved:
                    return  # The list is not paged: the same array again.
                self._fail(f"the page at {OFFSET} {offset} repeats the one before")
            yield self._without_overlap(previous, page)
            previous, offset = page, offset + len(page.rows) - 1

    def _by_links(self, first: Page[Row]) -> Generator[Page[Row]]:
        yield first
        page, rows, followed = first, len(first.rows), set[str]()
        while page.next is not None:
            url = self._followable(page.next)
            if url in followed:
                self._fail("the link to the next page leads back to a page that was read before")
            followed.add(url)
            previous, page = page, self._checked(self._fetch(url, None)()())
            if page.ids == previous.ids:
                self._fail(f"the page {url} repeats the one before")
            self._moved |= page.count != previous.count
            rows += len(page.rows)
            yield page
        if not self._moved and page.count is not None and page.count != rows:
            self._fail(f"the last page came after {rows} rows, while {COUNT!r} is {page.count}")

    def _followable(self, link: str) -> str:
        try:
            url = urljoin(self._url, link)
        except ValueError:
            url = ""
        if not self._same_origin(url):
            self._fail(
                f"the link to the next page leaves the platform: {link!r:.200}; it is not followed. Check Base URL"
            )
        return url

    def _fail(self, what: str) -> NoReturn:
        raise OpenESGContractError(
            f"{self._url}: {what}. If a retry fails too, report it to the vendor of the platform."
        )
