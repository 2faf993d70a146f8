"""Read a list of the API page by page, every row once, even if rows move on the server during the read.

The paging style is recognized from the responses, unless the user wrote it down (:class:`.api.Paging`):

* a total without a link: ``limit``/``offset`` (v1), pages fetched in parallel. If the server ignores ``offset``, pages
  are requested by their number;
* a link to the next page with a total: its parameter is the offset or the number of the page, fetched in parallel;
* another link, or a token: followed one by one;
* neither: pages are requested by offset, then by number. Only a list that repeats both ways is not paged.

Moved rows are detected by overlap: each page by ``offset`` begins with the last row of the page before. If every
overlap matches and the last page reaches the end, no row was skipped. Pages by number have no overlap: their totals are
compared, and without a total the list is read twice. Otherwise the list is read again, and only rows that were not read
before are yielded, until nothing moves during one pass. One case cannot be detected: one row is added and another is
deleted between the same two pages. The next run reads the new row.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from airflow_provider_openesg.api import ASSUMED
from airflow_provider_openesg.client.envelope import Decode, Page
from airflow_provider_openesg.client.page_requests import PageRequests
from airflow_provider_openesg.client.page_style import (
    Query,
    Style,
    is_position,
    kind_of_link,
    later_offsets,
    smaller_size,
    with_advice,
)
from airflow_provider_openesg.client.parallel import ordered_and_started
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError
from airflow_provider_openesg.hints import in_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from airflow_provider_openesg.api import Paging

Row = TypeVar("Row")
STARTED_AHEAD = 2
"""Pages whose decoding is started before the page before them is used, so that a worker process always has work."""

USUAL_SIZES = frozenset({10, 20, 25, 30, 50, 100})
"""Page sizes of frameworks. A total of this size, on a page of this size, may be that of the page."""

MAX_PASSES = 8
"""Number of times that a list is read before it counts as changing too fast."""

_PAGING = "if you know how the platform pages, " + in_profile('paging = {style = "..."}')


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
    :param seen: ids of rows that are not returned; the ids of the rows that are read are added. Attribute ``seen``.
    :param paging: how pages are requested.
    :param style: what earlier reads have recognized; completed by this one.

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
        paging: Paging = ASSUMED.paging,
        style: Style | None = None,
    ) -> None:
        self._url = url
        self._paging = paging
        self.style = Style() if style is None else style
        if self.style.style == "auto":
            self.style.style = paging.style
        limit = min(self.style.size or most, paging.max or most)
        self._page_size = min(page_size, limit)
        self._size = min(most, limit)
        self._parallel = parallel
        self._requests = PageRequests(fetch, url, query, paging, self.style, same_origin)
        self.seen: set[str | int] = set() if seen is None else seen
        self._moved = self._is_uncertain = False
        self.total: int | None = None
        self.pages_read = 0

    def pages(self) -> Generator[list[Row]]:
        """Yield the rows of each page in the order of the server. Rows that were added during the read are last.

        :raises OpenESGContractError: if a page repeats, does not match the server's count, has one row twice or links
            to another origin, or if the list changes during every pass.
        """
        before: list[list[str | int]] = []
        for _ in range(MAX_PASSES):
            self._moved = self._is_uncertain = False
            read: list[list[str | int]] = []
            current: set[str | int] = set()
            page: Page[Row] | None = None
            with closing(self._read_through()) as pages:
                for page in pages:
                    read.append(page.ids)
                    fresh = []
                    for identity, row in zip(page.ids, page.rows, strict=True):
                        if identity in current:
                            self._moved = True
                        elif identity not in self.seen:
                            fresh.append(row)
                        current.add(identity)
                    if fresh:
                        yield fresh
            self.seen |= current
            before, changed = read, read != before
            if not self._moved and not (self._is_uncertain and changed):
                if page is not None and page.more:
                    self._requests.fail(
                        f"{page.more!r} says that there are more rows after the first {len(current)}, but not how to "
                        f"request them; {_PAGING}"
                    )
                return
        raise OpenESGContractError(
            f"{self._url}: rows were still added or removed after the list was read {MAX_PASSES} times: it changes "
            "faster than it can be read, or its order is not stable. Read less of it at once (filters), or more in one "
            "page (Page size of the Connection)."
        )

    def _read_through(self) -> Generator[Page[Row]]:
        first = self._checked(self._first())
        self.total = first.count
        style = self.style.style
        may_be_one = first.count in USUAL_SIZES and first.count <= self._page_size
        if first.count == len(first.rows) and (first.next or first.more or first.is_numbered or may_be_one):
            first.count = None  # it may be the number of rows of the page
        if style == "none" or first.count == len(first.rows):
            return (page for page in [first])
        if first.next is not None and style not in ("offset", "page"):
            return self._by_links(first)
        if style == "page":
            return self._by_number(first)
        if first.count is not None:
            return self._by_count(first)
        return self._by_length(first)

    def _first(self) -> Page[Row]:
        """Read the first page, and learn from it the page size that the platform allows."""
        first = self._largest()
        if first.count is None or self._paging.style == "none" or first.next is not None:
            return first
        if len(first.rows) > self._size:  # the server ignores the limit
            self._size = len(first.rows)
        if len(first.rows) < min(self._size, first.count):
            # Once more, because servers read rows and count separately.
            first = self._requests.first(self._size)
            if 1 < len(first.rows) < min(self._size, first.count or 0):
                self._size = len(first.rows)
                if self._size < self._page_size:
                    self.style.size = self._size
        return first

    def _largest(self) -> Page[Row]:
        """Read the first page with as many rows as the platform accepts to be asked for."""
        refused: OpenESGApiError | None = None
        while True:
            try:
                first = self._requests.first(self._size)
            except OpenESGApiError as error:
                refused = refused or error
                if (smaller := smaller_size(error, self._size, self._page_size, self._size_name)) is None:
                    raise with_advice(refused, self._paging) from None
                self._size = smaller
            else:
                if refused is not None and self._size < self._page_size:
                    self.style.size = self._size
                return first

    @property
    def _size_name(self) -> str:
        return self._paging.size if self.style.style == "page" else self._paging.limit

    def _checked(self, page: Page[Row]) -> Page[Row]:
        self.pages_read += 1
        if len(set(page.ids)) < len(page.ids):
            twice = next(identity for number, identity in enumerate(page.ids) if identity in page.ids[:number])
            self._requests.fail(f"one page has the row with id {twice!r} twice")
        return page

    def _by_count(self, first: Page[Row]) -> Generator[Page[Row]]:
        """Yield pages by offset. If the server ignores it, continue by the number of the page."""
        first = self._of_right_size(first, 0)
        yield first
        previous, end, total = first, len(first.rows), first.count or 0
        # A page with all rows is the whole list, even if it is larger than requested.
        offsets = later_offsets(self._size, 0 if end == total else total)
        fetches = (partial(self._requests.fetch_at, self._size, offset) for offset in offsets)
        with closing(ordered_and_started(fetches, self._parallel, STARTED_AHEAD)) as decodes:
            for offset, decode in zip(offsets, decodes, strict=True):
                page = decode()
                total = max(total, page.count or 0)
                # A list that grew by one page looks the same, but then the page before has moved as well.
                repeats = page.ids == previous.ids and len(page.ids) > 1
                if repeats and self._requests.at(self._size, offset - self._size + 1).ids == page.ids:
                    if previous is first:
                        yield from self._later_numbers(first)
                        return
                    self._requests.fail(f"the page at {self._paging.offset} {offset} repeats the one before")
                page = self._of_right_size(self._checked(page), offset)
                yield self._without_overlap(previous, page)
                previous, end = page, offset + len(page.rows)
        # The list has grown. The overlap of the next page shows whether only at its end.
        while end < total and not self._moved:
            page = self._of_right_size(self._checked(self._requests.at(self._size, end - 1)), end - 1)
            yield self._without_overlap(previous, page)
            previous, end, total = page, end - 1 + len(page.rows), page.count or 0

    def _of_right_size(self, page: Page[Row], offset: int) -> Page[Row]:
        """Compare a page with its count. Read it once more if they differ: servers read rows and count separately."""
        if self._surplus(page, offset):
            page = self._checked(self._requests.at(self._size, offset))
        surplus = self._surplus(page, offset)
        if surplus and not (offset == 0 and surplus > 0):
            got = f"requested {self._size} rows from {self._paging.offset} {offset}, received {len(page.rows)} of "
            advice = f"the server ignores {self._paging.limit!r} or {self._paging.offset!r}; {_PAGING}"
            self._requests.fail(f"{got}{page.count}: {'the page ends early' if surplus < 0 else advice}")
        return page

    def _surplus(self, page: Page[Row], offset: int) -> int:
        if page.count is None:
            self._requests.fail(f"the page at {self._paging.offset} {offset} has no total, the first one had")
        if not offset and len(page.rows) == page.count:
            return 0
        return len(page.rows) - min(self._size, max(0, page.count - offset))

    def _without_overlap(self, previous: Page[Row], page: Page[Row]) -> Page[Row]:
        """Remove the row that overlaps with the page before. If it is missing, rows have moved."""
        if previous.ids[-1:] == page.ids[:1] != []:
            return Page(page.rows[1:], page.ids[1:])
        self._moved = True
        return page

    def _by_number(self, first: Page[Row], link: str | None = None) -> Generator[Page[Row]]:
        yield first
        yield from self._later_numbers(first, link)

    def _later_numbers(self, first: Page[Row], link: str | None = None) -> Generator[Page[Row]]:
        """Yield the pages after the first by their number, in parallel if the total is known.

        :param link: link to the second page.
        """
        requests, total, known = self._requests, first.count, len(first.rows)
        base = self.style.first
        if base is None:
            base = requests.first_number(first, self._size, link)
        second = requests.by_number(self._size, base + 1, link)
        if not second.rows or second.ids == first.ids:
            if (total is not None and total > known > 0) or first.next is not None:
                requests.fail(
                    f"the list has {total or 'more'} rows, but neither {self._paging.offset!r} nor"
                    f" {self._paging.page!r} leads to the rows after the first {known}; {_PAGING}"
                )
            return  # It repeats both ways: the list is not paged.
        self.style.style, self.style.first = "page", base
        if self.style.size is None and self._size > known:
            self.style.size = known
        pages = 2 if total is None else max(2, -(-total // known))
        fetches = (partial(requests.fetch_number, self._size, base + number, link) for number in range(2, pages))
        previous, rows, number = first, known, base
        with closing(ordered_and_started(fetches, self._parallel, STARTED_AHEAD)) as decodes:
            for page in _chained(second, decodes):
                self._checked(page)
                self._moved |= (total is not None and page.count != total) or (
                    previous is not first and len(previous.rows) < known
                )
                if not page.rows or page.ids == previous.ids:
                    break
                yield page
                previous, rows, number = page, rows + len(page.rows), number + 1
        # The total may be unknown, wrong or have grown. The last page may be repeated for every later number.
        while total is None or (previous.count or 0) > rows or len(previous.rows) >= known:
            page = self._checked(requests.by_number(self._size, number + 1, link))
            if not page.rows or page.ids == previous.ids:
                break
            yield page
            previous, rows, number = page, rows + len(page.rows), number + 1
        self._is_uncertain = total is None
        if total is not None and not self._moved and (previous.count or 0) > rows:
            requests.fail(f"the last page came after {rows} rows, while the total is {previous.count}")

    def _by_length(self, first: Page[Row]) -> Generator[Page[Row]]:
        """Yield the pages of a list without total and link: by offset, or by number if the server ignores it."""
        yield first
        if not first.rows:
            return
        previous, offset = first, max(1, len(first.rows) - 1)
        # A short page may not be the last: the server may limit pages to fewer rows than requested.
        while len(previous.rows) >= len(first.rows):
            page = self._checked(self._requests.at(self._size, offset))
            if page.ids == previous.ids:
                if previous is first:
                    yield from self._later_numbers(first)
                    return
                if self._moved:
                    return
                self._requests.fail(f"the page at {self._paging.offset} {offset} repeats the one before")
            if len(first.rows) == 1:
                if page.rows:
                    self._requests.fail(f"the platform returns one row in a page; {_PAGING}")
                return
            yield self._without_overlap(previous, page)
            previous, offset = page, offset + len(page.rows) - 1

    def _by_links(self, first: Page[Row]) -> Generator[Page[Row]]:
        """Yield the pages by link or token; in parallel if the total is known and the link shows how."""
        kind, link = kind_of_link(first, self._paging), first.next or ""
        if kind != "cursor" and not link.isdecimal():
            link = self._requests.followable(link)
        if kind == "offset":
            self._size = len(first.rows)
            yield from self._by_count(first)
            return
        if kind == "page":
            yield from self._by_number(first, None if link.isdecimal() else link)
            return
        self.style.style = kind
        yield first
        page, rows, followed = first, len(first.rows), set[str]()
        while page.next is not None:
            if page.next in followed:
                self._requests.fail("the link to the next page leads back to a page that was read before")
            followed.add(page.next)
            previous, page = page, self._checked(self._requests.follow(page.next, self._size)()())
            if page.ids == previous.ids != []:
                where = "" if kind == "cursor" else f" {self._requests.followable(previous.next or '')}"
                self._requests.fail(f"the page{where} repeats the one before")
            self._moved |= page.count != previous.count
            rows += len(page.rows)
            yield page
        self._is_uncertain = page.count is None and any(is_position(each, self._paging) for each in followed)
        if not self._moved and page.count is not None and page.count != rows:
            self._requests.fail(f"the last page came after {rows} rows, while the total is {page.count}")


def _chained(page: Page[Row], decodes: Iterable[Decode[Row]]) -> Generator[Page[Row]]:
    yield page
    for decode in decodes:
        yield decode()
