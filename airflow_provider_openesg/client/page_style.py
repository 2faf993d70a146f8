"""How the pages of a list are requested: recognized from its responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_openesg.hints import in_profile

if TYPE_CHECKING:
    from airflow_provider_openesg.api import Paging, PagingStyle
    from airflow_provider_openesg.client.envelope import Page
    from airflow_provider_openesg.exceptions import OpenESGApiError

Query = Mapping[str, str | list[str]]


@dataclass(slots=True)
class Style:
    """What is known of the pages of one list; shared by all reads of it.

    :param style: paging style; ``auto`` until it is recognized.
    :param size: number of rows that the platform returns in one page, if it is less than was requested.
    :param first: number of the first page, if pages have numbers.
    """

    style: PagingStyle = "auto"
    size: int | None = None
    first: int | None = None

    def __str__(self) -> str:
        names = {"page": "pages by number", "link": "pages by link", "cursor": "pages by cursor", "offset": "pages"}
        size = f" of at most {self.size} rows" if self.size else ""
        return names.get(self.style, "pages") + size if size or self.style in ("page", "link", "cursor") else ""


def page_query(query: Query, paging: Paging, size: int, offset: int = 0) -> Query:
    """Return the query parameters for a page of a list by its offset."""
    return {**query, paging.limit: str(size), paging.offset: str(offset)}


def first_query(query: Query, paging: Paging, style: Style, size: int) -> Query:
    """Return the query parameters for the first page of a list."""
    kind = paging.style if style.style == "auto" else style.style
    if kind == "page":
        number = 1 if style.first is None else style.first
        return number_query(query, paging, size, number)
    if kind == "none":
        return query
    if paging.style in ("link", "cursor"):
        return {**query, paging.limit: str(size)}
    return page_query(query, paging, size)


def number_query(query: Query, paging: Paging, size: int, number: int) -> Query:
    """Return the query parameters for a page of a list by its number."""
    # The page size is that of the first page, which may be less than requested.
    name = paging.size if paging.style == "page" else paging.limit
    return {**query, name: str(size), paging.page: str(number)}


def later_offsets(size: int, total: int) -> range:
    """Return the offsets of the pages after the first. Each is the last row of the page before."""
    return range(size - 1, total - 1, size - 1)


def smaller_size(error: OpenESGApiError, size: int, page_size: int, name: str) -> int | None:
    """Return the number of rows to request after an error; ``None`` if the error has another reason.

    :param size: number of rows that was requested.
    :param page_size: *Page size* of the Connection.
    :param name: query parameter of the number of rows.
    """
    if error.status not in (400, 422) or size <= 2:
        return None
    allowed = [int(number) for number in re.findall(r"\d+", error.message) if 2 <= int(number) < size]
    if allowed and name in error.message:
        return max(allowed)
    if size > page_size:
        return page_size
    return size // 2 if name in error.message else None


def is_position(link: str, paging: Paging) -> bool:
    """Return whether a link names a position in the list, whose rows change if rows before it are added or deleted."""
    return bool({paging.page, paging.offset} & dict(parse_qsl(link.partition("?")[2])).keys())


def kind_of_link(first: Page[Any], paging: Paging) -> PagingStyle:
    """Return how the link of the first page is followed.

    With a total, the link shows how the other pages can be requested at the same time.
    """
    link = first.next or ""
    if paging.style in ("link", "cursor"):
        return paging.style
    if first.is_token or not any(character in link for character in "/?"):
        return "page" if link in ("1", "2") and not first.is_token else "cursor"
    query = dict(parse_qsl(link.partition("?")[2]))
    if first.count is not None and query.get(paging.page) in ("1", "2"):
        return "page"
    if first.count is not None and len(first.rows) > 1 and query.get(paging.offset) == str(len(first.rows)):
        return "offset"
    return "link"


def with_advice(error: OpenESGApiError, paging: Paging) -> OpenESGApiError:
    """Return an error, with what to write down if it is about the parameters of a page."""
    names = (paging.limit, paging.offset, paging.page, paging.size)
    if error.status not in (400, 422) or not any(name in error.message for name in names):
        return error
    advice = in_profile("paging = {max = 50}, or style, page, size, limit, offset as the platform names them")
    return type(error)(
        f"{error.message} (if the platform has other parameters or limits, {advice})",
        method=error.method,
        url=error.url,
        status=error.status,
        request_id=error.request_id,
    )
