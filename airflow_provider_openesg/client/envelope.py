"""Find the rows of a list, their total and the link to the next page in a response. The only parser of pages.

Frameworks differ: django-ninja sends ``{"items": [...], "count": n}``, Django REST framework ``{"results": [...],
"count": n, "next": url}``, others ``{"data": [...], "meta": {"pagination": {"total": n}}}`` or a bare array. The rows
are the one list of objects, at most two levels down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from airflow_provider_openesg.hints import in_profile

if TYPE_CHECKING:
    from airflow_provider_openesg.api import Api, Envelope
    from airflow_provider_openesg.client.translation import Translator

Row = TypeVar("Row")
Place = tuple[str, ...]
"""Names on the way from the top of a response to a part of it."""

IDS = ("id", "uuid", "pk", "guid", "url", "href", "self")
"""Names of the id of a record, the best first. Of a URL, the last part is the id."""

ROWS = ("items", "results", "data", "records", "rows", "content", "value", "objects", "entries", "list", "elements")
"""Usual names of the rows. Only an empty list needs them; a list of objects is found under any name."""

TOTALS = (
    "count", "total", "total_count", "total_items", "total_results", "total_elements", "total_records", "total_rows",
    "num_results", "num_items", "@odata.count", "odata_count",
)  # fmt: skip
NEXT_LINKS = ("next", "next_page_url", "next_url", "next_link", "next_page", "@odata.next_link")
NEXT_TOKENS = ("next_cursor", "next_page_token", "next_token", "cursor_next")
_MORE = ("has_more", "has_next", "has_next_page", "more", "more_results")
_NUMBERS = ("page", "current_page", "page_number", "page_no")
_PAGES = ("total_pages", "page_count", "pages", "last_page", "num_pages")
_AROUND = ("meta", "_meta", "metadata", "pagination", "paging", "page", "page_info", "links", "_links", "paginator")
"""Objects that hold the total or the link."""

ASSUMED_ROWS = ("items", "results")
"""Names of the rows that are assumed; they win against a list under an unusual name."""


@dataclass(slots=True)
class Page(Generic[Row]):
    """One page of a list.

    :param rows: records, in the order of the server.
    :param ids: ids of the records, one for each row.
    :param count: number of rows of the whole list, if the response has it.
    :param next: link to the next page, or the token for it, if the response has one.
    :param is_token: whether ``next`` is a token.
    :param more: name of the field that says that there are more pages; empty if none does.
    :param is_numbered: whether the response says which of several pages it is: ``count`` may be that of the page.
    """

    rows: list[Row]
    ids: list[str | int]
    count: int | None = None
    next: str | None = None
    is_token: bool = False
    more: str = ""
    is_numbered: bool = False

    @classmethod
    def of(cls, rows: list[Row], ids: list[str | int], content: Any, found: Found) -> Page[Row]:
        """Return the page of a response.

        :param content: decoded JSON.
        :raises ValueError: if the total or the link is not what it must be.
        """
        more, is_numbered = _signs(content, found)
        total, link = total_of(at(content, found.total)), link_of(at(content, found.next))
        return cls(rows, ids, total, link, found.is_token, more, is_numbered)


Decode = Callable[[], Page[Row]]
"""Function that returns a page whose body has been received."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a response has its parts. A bare array has its rows at the place ``()``.

    :param is_empty: whether the response has no list, because there are no rows.
    """

    rows: Place
    total: Place | None = None
    next: Place | None = None
    is_empty: bool = False

    def __str__(self) -> str:
        if not self.rows:
            return "a bare array"
        parts = [f"rows under {'.'.join(self.rows)!r}"]
        parts += [f"total under {'.'.join(self.total)!r}"] if self.total else []
        parts += [f"next page under {'.'.join(self.next)!r}"] if self.next else []
        return ", ".join(parts)

    @property
    def is_token(self) -> bool:
        """Whether the next page is named by a token."""
        return self.next is not None and any(snake_case(name) in NEXT_TOKENS for name in self.next)

    @property
    def is_assumed(self) -> bool:
        """Whether it is one of the envelopes that are assumed: of v1, of 2023, or a bare array."""
        return (
            self.rows in ((), ("items",), ("results",))
            and self.total in (None, ("count",))
            and self.next in (None, ("next",))
        )


def find(content: Any, given: Envelope) -> Found:
    """Return where a response has rows, total and link.

    :param content: decoded JSON.
    :param given: places that the user wrote down.
    :raises ValueError: if there is no list of rows, or if several lists may be the rows.
    """
    if isinstance(content, list) and given.rows is None:
        return Found(())
    if not isinstance(content, dict):
        raise ValueError(_no_list(content, given))
    rows = _place(given.rows, content) if given.rows else _rows(content, given)
    total = _place(given.total, content) if given.total else _total(content, rows)
    link = _place(given.next, content) if given.next else _next(content, rows)
    items = at(content, rows) if rows else None
    if items is None and total_of(at(content, total)) == 0:
        return Found((), total, link, is_empty=True)
    if not isinstance(items, list):
        raise ValueError(_no_list(content, given))
    if not items and (reported := _reported_error(content)):
        raise ValueError(f"the response has no rows, but reports an error: {reported!s:.200}")
    return Found(rows, total, link)


def rows_of(content: Any, found: Found) -> list[Any]:
    """Return the rows of a response."""
    return [] if found.is_empty else at(content, found.rows)


def at(content: Any, place: Place | None) -> Any:
    """Return the part of a response at a place; ``None`` if there is nothing."""
    if place is None:
        return None
    for name in place:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def link_of(value: Any) -> str | None:
    """Return the link or token to the next page: text, a page number, or an object with ``href``.

    :raises ValueError: if it is anything else.
    """
    if isinstance(value, Mapping):
        value = value.get("href", value.get("url"))
    if value is None or value == "" or value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"expected the link to the next page to be a URL or null, not {value!r:.40}")
    return str(value)


def total_of(value: Any) -> int | None:
    """Return the number of all rows.

    :raises ValueError: if it is not a number of rows.
    """
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, float | Decimal) and value == int(value):
        value = int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"expected the total to be a number of rows, not {value!r:.40}")
    return None if value is None or value < 0 else value


def decode_page(
    body: bytes,
    *,
    api: Api,
    translator: Translator,
    topic: str = "",
    as_sent: bool = False,
) -> Page[dict[str, Any]]:
    """Decode a page of any envelope, rows as dicts, translated.

    :param topic: name of the list in the log.
    :param as_sent: whether rows are returned as they were sent; only their ids are recognized.
    :raises ValueError: if the body is not JSON, is no list, or has rows without an id.
    """
    content = msgspec.json.decode(body)
    found = find(content, api.envelope)
    sent = rows_of(content, found)
    rows = translator.records(sent)
    if topic and not found.is_assumed:
        translator.differences.recognize(topic, str(found))
    ids = []
    for number, row in enumerate(rows):
        identity = row.get("id")
        if not isinstance(identity, str | int) or isinstance(identity, bool):
            raise ValueError(
                f"expected rows with an 'id' (text or integer); row {number} of the page has none. If it has another "
                "name, " + in_profile('[names], such as report.id = "number"')
            )
        ids.append(identity)
    return Page.of(sent if as_sent else rows, ids, content, found)


def single_record(content: Any, fields: Callable[[Mapping[str, Any]], Sized]) -> Any:
    """Return the record in a response that may have an object around it, such as ``{"data": {...}}``.

    :param fields: function that returns the fields that an object has: the object with most is the record.
    """
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, Mapping):
        return content
    inside = [each for each in content.values() if isinstance(each, Mapping)]
    best = max(inside, key=lambda each: len(fields(each)), default=content)
    return best if len(fields(best)) > len(fields(content)) and is_record(best) else content


def single_body(body: bytes, fields: Callable[[Mapping[str, Any]], Sized]) -> bytes:
    """Return the JSON of the record in a response, as :func:`single_record` does, without decoding its values.

    :raises ValueError: if the body is not a JSON object.
    """
    content = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    inside = {
        bytes(each): msgspec.json.decode(each, type=dict[str, msgspec.Raw])
        for each in content.values()
        if bytes(each)[:1] == b"{"
    }
    record = single_record({**content, **{str(number): each for number, each in enumerate(inside.values())}}, fields)
    return next((raw for raw, each in inside.items() if each is record), body)


def is_record(content: Mapping[str, Any]) -> bool:
    """Return whether an object has an id."""
    return any(map(is_id, content))


def is_id(name: str) -> bool:
    """Return whether a field of this name identifies a record."""
    return snake_case(name) in IDS


def snake_case(name: str) -> str:
    """Return a name in lower case with underscores: ``totalCount`` and ``Total-Count`` are ``total_count``."""
    parts: list[str] = []
    for position, character in enumerate(name):
        before, after = name[position - 1 : position], name[position + 1 : position + 2]
        starts = character.isupper() and (
            before.islower() or before.isdigit() or (before.isupper() and after.islower())
        )
        parts.append("_" + character if character.isupper() and starts else character)
    return "".join(parts).lower().replace("-", "_").replace(" ", "_").replace("__", "_")


def _place(dotted: str, content: Mapping[str, Any]) -> Place:
    return (dotted,) if dotted in content else tuple(dotted.split("."))


def _rows(content: Mapping[str, Any], given: Envelope) -> Place:
    """Return the place of the rows; ``()`` if there is no list."""
    lists = list(_lists(content))
    for place, items in lists:
        if not items and snake_case(place[-1]) in ROWS and at(content, _total(content, place)) == 0:
            return place
    full = [place for place, items in lists if items and all(map(_is_row, items))]
    if len(full) > 1:
        usual = [place for place in full if place[-1] in ASSUMED_ROWS]
        others = [place for place in full if place not in usual and snake_case(place[-1]) in ROWS]
        if len(usual) != 1 or others:
            names = " and ".join(repr(".".join(place)) for place in full)
            raise ValueError(
                f"the response has several lists of objects: {names}. If you know which has the rows, "
                + in_profile(f'envelope = {{rows = "{".".join(full[0])}"}}')
            )
        full = usual
    if full:
        return full[0]
    empty = [place for place, items in lists if not items]
    usual = [place for name in ROWS for place in empty if snake_case(place[-1]) == name] or empty
    if len(empty) > 1 and usual is empty:
        raise ValueError(_no_list(content, given))
    return usual[0] if usual else ()


def _lists(content: Mapping[str, Any], above: Place = ()) -> Iterator[tuple[Place, list[Any]]]:
    for name, value in content.items():
        if isinstance(value, list):
            yield (*above, name), value
        elif isinstance(value, Mapping) and not above:
            yield from _lists(value, (name,))


def _is_row(item: Any) -> bool:
    """Return whether an item is an object, and no link."""
    return isinstance(item, Mapping) and not ("href" in item and "rel" in item)


def _around(content: Mapping[str, Any], rows: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Yield the objects that may hold total and link, the top first."""
    yield (), content
    beside = at(content, rows[:-1])
    if rows[:-1] and isinstance(beside, Mapping):
        yield rows[:-1], beside
    for name, value in content.items():
        if snake_case(name) in _AROUND and isinstance(value, Mapping):
            yield (name,), value
            for inner, below in value.items():
                if snake_case(inner) in _AROUND and isinstance(below, Mapping):
                    yield (name, inner), below


def _total(content: Mapping[str, Any], rows: Place) -> Place | None:
    """Return the place of the total. The largest number counts: others are those of the page."""
    found = [
        ((*place, name), value)
        for place, part in _around(content, rows)
        for name, value in part.items()
        if snake_case(name) in TOTALS and not isinstance(value, bool | Mapping | list)
    ]
    return max(found, key=_size_of)[0] if found else None


def _size_of(found: tuple[Place, Any]) -> int:
    try:
        total = total_of(found[1])
    except ValueError:  # an error only if it is the only one
        total = None
    return -1 if total is None else total


def _signs(content: Any, found: Found) -> tuple[str, bool]:
    """Return the name of the field that says that there are more pages, and whether the page has a number."""
    more, is_numbered, pages = "", False, 0
    for _, part in _around(content, found.rows) if isinstance(content, Mapping) else ():
        for name, value in part.items():
            plain = snake_case(name)
            if value is True and plain in _MORE:
                more = name
            if isinstance(value, int) and not isinstance(value, bool):
                is_numbered |= plain in _NUMBERS
                pages = value if plain in _PAGES else pages
    return more, is_numbered and pages != 1


def _reported_error(content: Mapping[str, Any]) -> Any:
    """Return what a response with status 200 says of an error."""
    texts = [content[name] for name in ("error", "errors", "message") if content.get(name)]
    failed = content.get("success") is False or content.get("status") in ("error", "fail", "failed")
    return (texts or ["success: false"])[0] if failed or (texts and "message" not in content) else None


def _next(content: Mapping[str, Any], rows: Place) -> Place | None:
    found: Place | None = None
    for names in (NEXT_LINKS, NEXT_TOKENS):
        for place, part in _around(content, rows):
            for name, value in part.items():
                if snake_case(name) in names and not isinstance(value, bool):
                    inner = ("href",) if isinstance(value, Mapping) and "href" in value else ()
                    if value is not None:
                        return (*place, name, *inner)
                    found = found or (*place, name)
    return found


def _no_list(content: Any, given: Envelope) -> str:
    where = f"under {given.rows!r}" if given.rows else "such as {'items': [...], 'count': n} or [...]"
    names = ", ".join(map(repr, list(content)[:10])) if isinstance(content, Mapping) else type(content).__name__
    return f"expected a list {where}, not {names}. If the rows have another place, " + in_profile(
        'envelope = {rows = "..."}'
    )
