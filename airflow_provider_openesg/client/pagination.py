"""A list of the API, read page by page: every row once, whatever moves on the server meanwhile.

The envelope is recognised by what comes:

* ``items``/``count`` (v1), or ``results``/``count`` without a link: ``limit``/``offset``, pages fetched in parallel;
* ``results``/``next`` (2023): the links are followed, one after the other;
* a bare array (before May 2023), or rows without a count: pages are asked for until one brings nothing new.

How rows that move are noticed: each page by ``offset`` begins with the last row of the page before. As rows keep
their order among themselves, that row stands there again exactly if as many rows came as went before it between the two
reads. Where every such seam holds and the last page reaches the end, no row was passed by. Else the list is read again
and only rows not seen yet are given, until one pass finds nothing moved. A row that comes while another goes before the
same seam cannot be told from standstill: the newcomer is then left to the next run.
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
from airflow_provider_openesg.client.parallel import ordered
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError

Row = TypeVar("Row")
Query = Mapping[str, str | list[str]]

MAX_PASSES = 8
"""A list that still moves then changes faster than it can be read."""


@dataclass(slots=True)
class Page(Generic[Row]):
    """What one answer of a list says.

    :param rows: the records, in the order of the server.
    :param ids: their ids, one for each row.
    :param count: rows of the whole list, where the envelope says it.
    :param next: link to the next page, where the envelope carries one.
    """

    rows: list[Row]
    ids: list[str | int]
    count: int | None = None
    next: str | None = None


def decode_records(body: bytes) -> Page[dict[str, Any]]:
    """Read any of the envelopes, rows as dicts.

    :raises ValueError: the body is not JSON, none of the envelopes, or has rows without an ``id``.
    """
    answer = msgspec.json.decode(body)
    envelope = answer if isinstance(answer, dict) else {}
    rows = answer if isinstance(answer, list) else envelope.get(ITEMS, envelope.get(RESULTS))
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
    """Return what asks for rows of a list."""
    return {**query, LIMIT: str(size), OFFSET: str(offset)}


def later_offsets(size: int, total: int) -> range:
    """Return where the pages after the first begin: at the last row of the one before."""
    return range(size - 1, total - 1, size - 1)


class Listing(Generic[Row]):
    """One reading of one list.

    :param fetch: gets one page (URL, query), and gives what decodes it: bodies may wait, decoded rows need not.
    :param url: of the list.
    :param query: its filters.
    :param page_size: rows to ask for in one page, at least 2.
    :param most: rows to ask for where the platform gives as many in one page.
    :param parallel: pages under way at once.
    :param same_origin: tells whether a link may be followed with the token.

    ``total`` is the number of rows the server speaks of, ``pages_read`` the number of pages read so far.
    """

    def __init__(
        self,
        fetch: Callable[[str, Query | None], Callable[[], Page[Row]]],
        url: str,
        query: Query,
        *,
        page_size: int,
        most: int,
        parallel: int,
        same_origin: Callable[[str], bool],
    ) -> None:
        self._fetch = fetch
        self._url = url
        self._query = query
        self._page_size = page_size
        self._size = most
        self._parallel = parallel
        self._same_origin = same_origin
        self._moved = False
        self.total: int | None = None
        self.pages_read = 0

    def pages(self) -> Generator[list[Row]]:
        """Give the rows, page by page and in the server's order; rows that moved in meanwhile come last.

        :raises OpenESGContractError: a page repeats, is shorter or longer than the server's own count says, has one row
            twice, links to another origin; or the list never holds still.
        """
        seen: set[str | int] = set()
        for _ in range(MAX_PASSES):
            self._moved = False
            current: set[str | int] = set()
            with closing(self._read_through()) as pages:
                for page in pages:
                    fresh = []
                    for identity, row in zip(page.ids, page.rows, strict=True):
                        if identity in current:
                            self._moved = True
                        elif identity not in seen:
                            fresh.append(row)
                        current.add(identity)
                    if fresh:
                        yield fresh
            if not self._moved:
                return
            seen |= current
        raise OpenESGContractError(
            f"{self._url}: rows still came and went after the list was read {MAX_PASSES} times: it changes faster than "
            "it can be read, or its order is not stable. Read less of it at once (filters), or more in one page (Page "
            "size of the Connection)."
        )

    def _read_through(self) -> Generator[Page[Row]]:
        first = self._first()
        self.total = first.count
        if first.next is not None:
            return self._by_links(self._counted(first))
        if first.count is not None:
            return self._by_count(self._counted(first))
        return self._by_length(self._counted(first))

    def _first(self) -> Page[Row]:
        """Read the first page, and learn from it how many rows the platform gives in one."""
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
        return self._fetch_at(offset)()

    def _fetch_at(self, offset: int) -> Callable[[], Page[Row]]:
        return self._fetch(self._url, page_query(self._query, self._size, offset))

    def _counted(self, page: Page[Row]) -> Page[Row]:
        self.pages_read += 1
        if len(set(page.ids)) < len(page.ids):
            twice = next(identity for number, identity in enumerate(page.ids) if identity in page.ids[:number])
            self._refuse(f"one page has the row with id {twice!r} twice")
        return page

    def _by_count(self, first: Page[Row]) -> Generator[Page[Row]]:
        first = self._of_right_size(first, 0)
        yield first
        previous, end, total = first, len(first.rows), first.count or 0
        # A page that has all rows, however many were asked for, is the whole list.
        offsets = later_offsets(self._size, 0 if end == total else total)
        with closing(ordered((partial(self._fetch_at, offset) for offset in offsets), self._parallel)) as answers:
            for offset, decoded in zip(offsets, answers, strict=True):
                page = decoded()
                total = max(total, page.count or 0)
                # A list that grew by a page would look alike, but then the page before has moved as well.
                repeats = page.ids == previous.ids and len(page.ids) > 1
                if repeats and self._at(offset - self._size + 1).ids == page.ids:
                    self._refuse(f"the page at {OFFSET} {offset} repeats the one before: the server ignores {OFFSET!r}")
                page = self._of_right_size(self._counted(page), offset)
                yield self._after_seam(previous, page)
                previous, end = page, offset + len(page.rows)
        # The list has grown at its end, or the last page was read before rows came elsewhere: its seam will tell.
        while end < total and not self._moved:
            page = self._of_right_size(self._counted(self._at(end - 1)), end - 1)
            yield self._after_seam(previous, page)
            previous, end, total = page, end - 1 + len(page.rows), page.count or 0

    def _of_right_size(self, page: Page[Row], offset: int) -> Page[Row]:
        """Hold a page to its own count; a server that reads rows and count one after the other gets a second chance."""
        if self._surplus(page, offset):
            page = self._counted(self._at(offset))
        surplus = self._surplus(page, offset)
        if surplus:
            got = f"asked for {self._size} rows from {OFFSET} {offset}, got {len(page.rows)} of {page.count}"
            advice = f"the server ignores {LIMIT!r} or {OFFSET!r}"
            if surplus < 0:
                advice = "the page ends early"
            if surplus < 0 and not offset and len(page.rows) > 1:
                advice += f"; if the server caps its pages, set Page size of the Connection to {len(page.rows)}"
            self._refuse(f"{got}: {advice}")
        return page

    def _surplus(self, page: Page[Row], offset: int) -> int:
        if page.count is None:
            self._refuse(f"the page at {OFFSET} {offset} has no {COUNT!r}, the first one had")
        if not offset and len(page.rows) == page.count:
            return 0
        return len(page.rows) - min(self._size, max(0, page.count - offset))

    def _after_seam(self, previous: Page[Row], page: Page[Row]) -> Page[Row]:
        """Leave out the row that both pages have; without it, rows have moved."""
        if previous.ids[-1:] == page.ids[:1] != []:
            return Page(page.rows[1:], page.ids[1:])
        self._moved = True
        return page

    def _by_length(self, first: Page[Row]) -> Generator[Page[Row]]:
        yield first
        if len(first.rows) > self._size:
            return  # more than was asked for: the whole list
        previous, offset = first, len(first.rows) - 1
        # Even a short page may have more behind it: the server may cap its pages below our size.
        while len(previous.rows) >= len(first.rows) > 1:
            page = self._counted(self._at(offset))
            if page.ids == previous.ids:
                if previous is first or self._moved:
                    return  # not paged at all: the same array again
                self._refuse(f"the page at {OFFSET} {offset} repeats the one before")
            yield self._after_seam(previous, page)
            previous, offset = page, offset + len(page.rows) - 1

    def _by_links(self, first: Page[Row]) -> Generator[Page[Row]]:
        yield first
        page, rows, followed = first, len(first.rows), set[str]()
        while page.next is not None:
            url = self._followable(page.next)
            if url in followed:
                self._refuse("the link to the next page leads back to a page that was read before")
            followed.add(url)
            previous, page = page, self._counted(self._fetch(url, None)())
            if page.ids == previous.ids:
                self._refuse(f"the page {url} repeats the one before")
            self._moved |= page.count != previous.count
            rows += len(page.rows)
            yield page
        if not self._moved and page.count is not None and page.count != rows:
            self._refuse(f"the last page came after {rows} rows, while {COUNT!r} is {page.count}")

    def _followable(self, link: str) -> str:
        try:
            url = urljoin(self._url, link)
        except ValueError:
            url = ""
        if not self._same_origin(url):
            self._refuse(f"the link to the next page leaves the platform: {link!r:.200}; it is not followed")
        return url

    def _refuse(self, what: str) -> NoReturn:
        raise OpenESGContractError(f"{self._url}: {what}.")
