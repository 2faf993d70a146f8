"""Pages, records and details of the openESG API, by whatever makes the calls."""

from __future__ import annotations

import difflib
import logging
from abc import ABC, abstractmethod
from contextlib import closing
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload
from urllib.parse import quote

import msgspec

from airflow_provider_openesg.api import ID, ITEMS, LIMIT, OFFSET, RESOURCES
from airflow_provider_openesg.client.pagination import Listing, Page, Query, decode_records
from airflow_provider_openesg.client.parallel import ordered
from airflow_provider_openesg.client.progress import Progress
from airflow_provider_openesg.client.responses import platform_message, shown_url
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError, OpenESGNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from requests import Response

    from airflow_provider_openesg.settings import OpenESGSettings

log = logging.getLogger(__name__)

LIGHTER = 5
"""Times *Page size* that are asked for in a page of a list whose rows have no details: they are so much smaller."""

Row = TypeVar("Row")
T = TypeVar("T")


class ReadingClient(ABC):
    """What can be read of the openESG API."""

    settings: OpenESGSettings

    @abstractmethod
    def ask(self, url: str, params: Query | None) -> Callable[[], Response]:
        """Make a GET call, and give what gives its answer: bodies may wait there.

        :param url: below the API path, or on the platform itself.
        :raises OpenESGError: here or there, for any answer but a good one.
        """

    @abstractmethod
    def same_origin(self, url: str) -> bool:
        """Tell whether a link may be followed with the token."""

    def get(self, path: str, decode: Callable[[bytes], T], *, params: Query | None = None) -> T:
        """Get ``path`` and decode its body.

        :raises OpenESGContractError: ``decode`` refuses the body (``ValueError`` or msgspec's errors).
        """
        return _decoded(decode, self.ask(path, params))

    @overload
    def iter_pages(
        self, resource: str, *, filters: Mapping[str, Any] | None = None
    ) -> Generator[list[dict[str, Any]]]: ...

    @overload
    def iter_pages(
        self, resource: str, *, filters: Mapping[str, Any] | None = None, decode: Callable[[bytes], Page[Row]]
    ) -> Generator[list[Row]]: ...

    def iter_pages(
        self,
        resource: str,
        *,
        filters: Mapping[str, Any] | None = None,
        decode: Callable[[bytes], Page[Any]] = decode_records,
    ) -> Generator[list[Any]]:
        """Read a list page by page: every row once, in the server's order, no more than a few pages in memory.

        :param resource: a name of :data:`~airflow_provider_openesg.api.RESOURCES`, or a path that begins with ``/``.
        :param filters: query parameters of the list; those of a path are sent as they are.
        :param decode: makes a :class:`Page` of a body.
        :raises OpenESGConfigError: no such resource or filter; at once, not at the first row.
        :raises OpenESGContractError: the answers are not pages of a list; see :mod:`.paging`.
        """
        path = resource if resource.startswith("/") else _resource_path(resource)
        query = _query(resource, filters or {})
        if resource in RESOURCES and ID in query:
            return self._by_id(path, query, decode)
        listing: Listing[Any] = Listing(
            lambda url, params: partial(_decoded, decode, self.ask(url, params)),
            self._list_url(path),
            query,
            page_size=self.settings.page_size,
            most=self._most_rows(resource),
            parallel=self.settings.parallel_requests,
            same_origin=self.same_origin,
        )
        return _logged(resource, listing) if resource in RESOURCES else listing.pages()

    def list_call(self, resource: str, filters: Mapping[str, Any]) -> tuple[str, Query, int]:
        """Return URL, query and rows of a page, as :meth:`iter_pages` reads a resource."""
        return self._list_url(_resource_path(resource)), _query(resource, filters), self._most_rows(resource)

    def _list_url(self, path: str) -> str:
        return f"{self.settings.api_url}/{path.lstrip('/')}"

    def _most_rows(self, resource: str) -> int:
        return self.settings.page_size * (LIGHTER if _is_light(resource) else 1)

    def _by_id(self, path: str, query: Query, decode: Callable[[bytes], Page[Row]]) -> Generator[list[Row]]:
        """Read records by their own paths, as if a list had been asked for them."""
        ids = query[ID]
        if len(query) > 1:
            raise OpenESGConfigError(f"Filter {ID!r}: give it alone; given besides: {', '.join({*query} - {ID})}.")

        def as_page(body: bytes) -> Page[Row]:
            return decode(b'{"%s": [%s]}' % (ITEMS.encode(), body))

        return (self.get(f"{path}/{quoted(each)}", as_page).rows for each in ([ids] if isinstance(ids, str) else ids))

    def iter_records(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Generator[dict[str, Any]]:
        """Read a list row by row, each with its details: field values of reports, sections of templates.

        :raises OpenESGConfigError: no such resource or filter.
        """
        pages = self.iter_pages(resource, filters=filters)
        details = RESOURCES[resource].details if resource in RESOURCES else None
        return self._records(resource, pages, details)

    def _records(
        self, resource: str, pages: Generator[list[dict[str, Any]]], details: str | None
    ) -> Generator[dict[str, Any]]:
        with closing(pages):
            for page in pages:
                if details is None:
                    yield from page
                else:
                    yield from self.complete(
                        page, lambda row: row.get(details) is not None, partial(self.with_details, resource)
                    )

    def with_details(self, resource: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of a list with its details."""
        known, record_id = RESOURCES[resource], row["id"]
        if known.details_path is None:
            return self.get_record(resource, record_id)
        path = known.details_path.format(id=quoted(record_id))
        try:
            return {**row, str(known.details): [part for page in self.iter_pages(f"/{path}") for part in page]}
        except OpenESGNotFoundError as error:
            record = self.get_record(resource, record_id)  # a 404 as well where the record itself has gone
            if record.get(str(known.details)) is None:
                raise OpenESGContractError(f"{error}; the record itself is there, without {known.details!r}.") from None
            return record

    def complete(
        self, rows: Sequence[Row], is_complete: Callable[[Row], bool], fetch: Callable[[Row], Row]
    ) -> Generator[Row]:
        """Give ``rows`` in their order, those that lack their details fetched, several at once.

        :param fetch: makes a complete row of one that is not. Where it meets a 404 the row has gone since its list was
            read, and is left out.
        :raises OpenESGContractError: all of the rows have gone: then it is the path that is wrong.
        """
        if all(map(is_complete, rows)):
            yield from rows
            return

        def whole(row: Row) -> Row | OpenESGNotFoundError:
            try:
                return row if is_complete(row) else fetch(row)
            except OpenESGNotFoundError as error:
                return error

        gone: list[OpenESGNotFoundError] = []
        with closing(ordered((partial(whole, row) for row in rows), self.settings.parallel_requests)) as results:
            for result in results:
                if isinstance(result, OpenESGNotFoundError):
                    gone.append(result)
                    log.warning("Left out: the list had it, but it is gone: %s", result)
                else:
                    yield result
        if len(gone) == len(rows) > 1:
            raise OpenESGContractError(
                f"The list has {len(rows)} records on one page and none of them has details: {gone[0]}. "
                "Check API path and Base URL of the Connection, and whether this client may read single records."
            )

    def get_record(self, resource: str, record_id: str | int) -> dict[str, Any]:
        """Read one record.

        :raises OpenESGConfigError: no such resource, or an empty id.
        :raises OpenESGNotFoundError: the platform has no such record, or does not show it to this client.
        """
        return self.get(f"{_resource_path(resource)}/{quoted(record_id)}", decode_record)


def _decoded(decode: Callable[[bytes], T], answer: Callable[[], Response]) -> T:
    response = answer()
    try:
        return decode(response.content)
    except (ValueError, msgspec.MsgspecError) as error:
        raise OpenESGContractError(_unreadable(response, error)) from None


def decode_record(body: bytes) -> dict[str, Any]:
    """Read one record as a dict.

    :raises ValueError: the body is not a JSON object with an ``id``.
    """
    record = msgspec.json.decode(body)
    if not isinstance(record, dict) or "id" not in record:
        raise ValueError("expected a record: a JSON object with an 'id'")
    return record


def quoted(record_id: str | int) -> str:
    """Return an id as a segment of a path.

    :raises OpenESGConfigError: it is empty, or would lead to another path.
    """
    text = "" if isinstance(record_id, bool) or record_id is None else str(record_id).strip()
    if not text.strip("."):
        raise OpenESGConfigError(
            f"Record id {record_id!r}: not an id; give the number or text that the platform shows."
        )
    return quote(text, safe="")


def _resource_path(resource: str) -> str:
    if resource not in RESOURCES:
        raise OpenESGConfigError(f"Resource {resource!r}: {_known(resource, RESOURCES)}")
    return RESOURCES[resource].path


def _is_light(resource: str) -> bool:
    return resource in RESOURCES and RESOURCES[resource].details is None


def _query(resource: str, filters: Mapping[str, Any]) -> Query:
    known = RESOURCES[resource].filters if resource in RESOURCES else None
    query: dict[str, str | list[str]] = {}
    for name, value in filters.items():
        if known is not None and name not in known:
            raise OpenESGConfigError(f"Filter {name!r} of {resource}: {_known(name, known)}")
        if name in (LIMIT, OFFSET):
            raise OpenESGConfigError(f"Filter {name!r}: all pages are read; see Page size of the Connection.")
        values = [_text(name, each) for each in (value if isinstance(value, list | tuple | set) else [value])]
        if not values:
            raise OpenESGConfigError(f"Filter {name!r}: an empty list given; leave it out or give a value.")
        query[known[name] if known else name] = values if len(values) > 1 else values[0]
    return query


def _text(name: str, value: Any) -> str:
    """An empty value is refused: sent or left out, it would read other rows than were meant."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or not value.strip():
        raise OpenESGConfigError(
            f"Filter {name!r}: {value!r:.100} given; allowed: text, numbers, true or false, dates, or a list of these."
        )
    return value


def _known(given: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, names, 1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"not known. Known: {', '.join(sorted(names)) or 'none'}.{meant}"


def _logged(resource: str, listing: Listing[Row]) -> Generator[list[Row]]:
    progress = Progress(resource)
    with closing(listing.pages()) as pages:
        for rows in pages:
            progress.add(len(rows), listing.total)
            yield rows
    progress.finish(listing.pages_read)


def _unreadable(response: Response, error: Exception) -> str:
    return (
        f"{response.request.method} {shown_url(response.url)}: HTTP {response.status_code}, but not an answer of the "
        f"API: {error!s:.200}. It says: {platform_message(response):.120}. Check Base URL and API path."
    )
