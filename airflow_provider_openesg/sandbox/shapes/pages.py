"""Pages and envelopes of lists."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_openesg.sandbox.shapes.errors import RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_openesg.sandbox.shapes.table import Shape

PAGING = ("limit", "offset", "page", "page_size", "cursor")
ALL = 1_000_000
_FIXED, _LIMIT, _PAGE_SIZE = 50, 100, (50, 100)
_BY_PAGE = ("page-number", "page-only", "link-header")


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of a page: position of the first row, and number of rows."""

    start: int
    size: int

    @property
    def page(self) -> int:
        """Number of the page, from 1."""
        return self.start // self.size + 1


def window_of(shape: Shape, query: Mapping[str, str]) -> Window:
    """Return the rows that a request asks for.

    :raises RefusedError: if a parameter is not valid.
    """
    cap = _LIMIT if shape.cap == "none" else _FIXED
    if shape.paging == "unpaged":
        return Window(0, ALL)
    if shape.paging in ("cursor", "cursor-token"):
        return Window(_position(query.get("cursor", "")), _FIXED)
    if shape.paging in _BY_PAGE:
        page, given = query.get("page", "1"), query.get("page_size", "") if shape.paging == "page-number" else ""
        if not page.isdecimal() or page == "0":
            raise RefusedError(404, "Invalid page.")
        default, most = _PAGE_SIZE
        size = min(int(given), most, cap) if given.isdecimal() and int(given) else default
        return Window((int(page) - 1) * size, size)
    limit = _integer(query, "limit", cap, 1)
    if shape.cap == "error" and limit > cap:
        raise invalid("less_than_equal", ["query", "limit"], f"Input should be less than or equal to {cap}", le=cap)
    return Window(_integer(query, "offset", 0, 0), limit if shape.cap == "none" else min(limit, cap))


def list_response(
    shape: Shape, resource: str, rows: list[Any], window: Window, total: int, url: str, query: Mapping[str, str]
) -> tuple[Any, list[tuple[str, str]]]:
    """Return the body and the headers of a list.

    :param resource: name of the records in HAL.
    :param url: absolute URL of the list without query.
    :raises RefusedError: if the page is after the last page.
    """
    if shape.paging in ("page-number", "page-only", "link-header") and window.start and window.start >= total:
        raise RefusedError(404, "Invalid page.")

    def link(start: int) -> str:
        return f"{url}?{urlencode({**query, **_parameters(shape, Window(start, window.size))})}"

    end = window.start + window.size
    following = link(end) if end < total else None
    own_place = shape.envelope in ("hal", "jsonapi", "bare")
    links: dict[str, Any] = {}
    if shape.paging == "cursor-token":
        links["next_cursor"] = _cursor(end) if end < total else None
        following = None
    elif shape.paging in ("cursor", "next-link") and not own_place:
        back = shape.paging == "next-link" and window.start
        links = {"next": following, "previous": link(max(0, window.start - window.size)) if back else None}
    if shape.envelope == "bare":
        return rows, _headers(shape, following, links)
    return _enveloped(shape, resource, rows, window, total, following, url, query) | links, []


def _enveloped(
    shape: Shape,
    resource: str,
    rows: list[Any],
    window: Window,
    total: int,
    following: str | None,
    url: str,
    query: Mapping[str, str],
) -> dict[str, Any]:
    def count(name: str) -> dict[str, int]:
        return {name: total} if shape.count else {}

    match shape.envelope:
        case "results":
            return {"results": rows} | count("count")
        case "data":
            return {"data": rows, "meta": {"pagination": count("total") | {"page": window.page}}}
        case "total":
            return {"items": rows} | count("total")
        case "total-count":
            return {"records": rows} | count("total_count")
        case "jsonapi":
            meta = {"meta": count("count")} if shape.count else {}
            return {"data": rows, "links": {"next": following}} | meta
        case "hal":
            links = {"self": {"href": f"{url}?{urlencode(query)}" if query else url}}
            links |= {"next": {"href": following}} if following else {}
            page = {"page": count("total_elements")} if shape.count else {}
            return {"_embedded": {resource: rows}, "_links": links} | page
        case _:
            return {"items": rows} | count("count")


def _headers(shape: Shape, following: str | None, links: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headers of an array, which has no place for links."""
    if shape.paging == "cursor-token":
        return [("X-Next-Cursor", links["next_cursor"])] if links["next_cursor"] else []
    if following and shape.paging in ("cursor", "link-header", "next-link"):
        return [("Link", f'<{following}>; rel="next"')]
    return []


def _parameters(shape: Shape, window: Window) -> dict[str, Any]:
    if shape.paging == "cursor":
        return {"cursor": _cursor(window.start)}
    if shape.paging in _BY_PAGE:
        return {"page": window.page}
    return {"limit": window.size, "offset": window.start}


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"position={position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
        return int(text.removeprefix("position=")) if cursor else 0
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise RefusedError(404, "Invalid cursor") from None


def _integer(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name, str(default))
    try:
        number = int(text)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise invalid("int_parsing", ["query", name], message) from None
    if number < least:
        message = f"Input should be greater than or equal to {least}"
        raise invalid("greater_than_equal", ["query", name], message, ge=least)
    return number
