"""OpenESGClient: methods for the openESG API, over one authorized session."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from airflow_provider_openesg.api import DETAILS, RESOURCES
from airflow_provider_openesg.client.conversion import last_part
from airflow_provider_openesg.client.details import Decoders, RowParts, read_parts
from airflow_provider_openesg.client.differences import Differences
from airflow_provider_openesg.client.envelope import decode_page
from airflow_provider_openesg.client.field_types import with_field_types
from airflow_provider_openesg.client.list_reader import ListReader
from airflow_provider_openesg.client.parallel import ordered
from airflow_provider_openesg.client.reading import (
    decode_record,
    decoded,
    list_query,
    record_path,
)
from airflow_provider_openesg.client.responses import raise_for_error
from airflow_provider_openesg.client.row_filter import RECORD_NAMES
from airflow_provider_openesg.client.session import OpenESGSession
from airflow_provider_openesg.client.source import with_template_id
from airflow_provider_openesg.client.translation import Translator
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError, OpenESGNotFoundError
from airflow_provider_openesg.records import LINK, RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from requests import Response

    from airflow_provider_openesg.auth.cache import CredentialCache
    from airflow_provider_openesg.client.envelope import Decode, Page
    from airflow_provider_openesg.client.page_style import Query
    from airflow_provider_openesg.parameters import OnForbidden
    from airflow_provider_openesg.settings import OpenESGSettings

log = logging.getLogger(__name__)

Row = TypeVar("Row")
T = TypeVar("T")


class OpenESGClient:
    """A client of the openESG API. It imports no Airflow.

    :param settings: validated settings of a Connection.
    :param cache: token cache; by default the cache on disk, which processes share.
    :param on_token: function called with each token before its first use, to mask it in logs.

    ``differences`` has what the platform does differently from what is assumed, ``forbidden`` the ids of single records
    that this client may not read (403). Threads may share it. At most ``settings.parallel_requests`` requests are sent
    at the same time.
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
        self.api = settings.api
        self.differences = Differences(strict=settings.strict)
        self.places: dict[str, str] = {}
        self._template_keys: dict[str, Any] | None = None
        self.on_forbidden: OnForbidden = "keep"
        self.forbidden: list[str] = []
        self._lists = ListReader(self)
        self._translators = {
            resource: Translator(RECORDS[record], self.api, self.differences)
            for resource, record in RECORD_NAMES.items()
        }

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
        raise_for_error(response, self.settings.scope)
        if self.session.trailing_slash:
            self.differences.recognize("paths", "they end with a slash")
        return response

    def get(self, path: str, decode: Callable[[bytes], T], *, params: Query | None = None) -> T:
        """Return the decoded body of a GET request.

        :param decode: function that decodes the body.
        :raises OpenESGContractError: if ``decode`` raises ``ValueError`` or an error of msgspec.
        """
        return decoded(decode, self.request("GET", path, params=params))

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
        decode: Callable[[bytes], Page[Any]] | None = None,
        start: Callable[[bytes], Decode[Any]] | None = None,
    ) -> Generator[list[Any]]:
        """Yield the rows of a list page by page: each row once, in the server's order. Only a few pages are in memory.

        Rows of a resource are translated, and compared with the filters again, unless ``decode`` or ``start`` is given.

        :param resource: name in :data:`~airflow_provider_openesg.api.RESOURCES`, or a path that begins with ``/``.
        :param filters: query parameters of the list; those of a path are sent unchanged. A list of values selects the
            rows with any of them: the platform is asked once for each.
        :param decode: function that makes a :class:`Page` of a body.
        :param start: in place of ``decode``: function that starts to decode a body and returns a function that returns
            the page. It is called in the order of the list, some pages before they are used.
        :raises OpenESGConfigError: if the resource or a filter is not known; at the call, not at the first row.
        :raises OpenESGContractError: if the responses are not pages of a list; see :mod:`.pagination`.
        """
        return self._lists.pages(resource, {} if filters is None else filters, decode, start)

    def prefetch(
        self, resource: str, *, filters: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Future[Response]]:
        """Request the first page of a list in a thread. :meth:`iter_pages` uses it inside this context, once.

        :param resource: name of a resource.
        """
        return self._lists.prefetch(resource, {} if filters is None else filters)

    def check_filter(self, resource: str, name: str) -> None:
        """Check that the platform knows a filter, for rows that do not have its field.

        :param name: field of the rows.
        :raises OpenESGContractError: if the platform ignores it.
        """
        self._lists.check_filter(resource, name)

    def first_page(self, resource: str, rows: int) -> Page[dict[str, Any]]:
        """Return the first page of a list.

        :param rows: number of rows to request.
        """
        return self._lists.first_page(resource, rows)

    def iter_records(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Generator[dict[str, Any]]:
        """Yield the rows of a list with their details: field values of reports, sections of templates.

        :raises OpenESGConfigError: if the resource or a filter is not known.
        """
        given = {} if filters is None else filters
        if resource in RESOURCES:
            list_query(self.api, resource, given)  # checks the filters before templates are requested
            given = with_template_id(self, given)
        return self._records(resource, self.iter_pages(resource, filters=given))

    def with_details(self, resource: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of a list with its details."""
        name = DETAILS[resource]
        translator = self._translators[resource].part(name)
        decoders: Decoders[Any, dict[str, Any]] = Decoders(
            partial(decode_record, translator=self._translators[resource]),
            partial(decode_page, api=self.api, translator=translator),
            lambda record: record.get(name),
        )
        record, parts = read_parts(self, resource, row["id"], decoders)
        complete = {**(row if record is None else record), name: list(parts)}
        if resource == "report-templates":
            with_field_types(self, row["id"], complete[name])
        return complete

    def complete(
        self, rows: Sequence[Row], is_complete: Callable[[Row], bool], fetch: Callable[[Row], Row]
    ) -> Generator[Row]:
        """Yield ``rows`` in their order. Rows without details are fetched, several at the same time.

        :param fetch: function that returns the complete row. If it raises a 404 error, the record was deleted after
            its list was read, and the row is skipped. If it raises a 403 error, the row is returned as it is, unless
            ``on_forbidden`` of the client is ``fail``.
        :raises OpenESGContractError: if no row of a page can be fetched: then the path is wrong.
        """
        if all(map(is_complete, rows)):
            yield from rows
            return

        def completed(row: Row) -> tuple[Row, OpenESGApiError | None]:
            try:
                return row if is_complete(row) else fetch(row), None
            except OpenESGApiError as error:
                may_be_kept = error.status == 403 and self.on_forbidden == "keep"
                if not isinstance(error, OpenESGNotFoundError) and not may_be_kept:
                    raise
                return row, error

        failed: list[OpenESGApiError] = []
        with closing(ordered((partial(completed, row) for row in rows), self.settings.parallel_requests)) as results:
            for row, error in results:
                if error is not None:
                    failed.append(error)
                if error is None:
                    yield row
                elif error.status == 403:
                    self.forbidden.append(last_part(error.url))
                    yield row
                else:
                    log.warning("Skipped: the record was in the list, but was deleted before it was read: %s", error)
        if len(failed) == len(rows) > 1:
            raise OpenESGContractError(
                f"The list has {len(rows)} records on one page and none of them has details: {failed[0]}. "
                "Check API path and Base URL of the Connection, and whether this client may read single records."
            )

    def template_texts(self, template_id: str) -> set[str]:
        """Return the texts by which a record may name a template: its id and its key. The list is read once."""
        if self._template_keys is None:
            rows = [row for page in self.iter_pages("report-templates") for row in page]
            self._template_keys = {str(row["id"]): row.get("key") for row in rows}
        key = self._template_keys.get(template_id)
        return {template_id, key} if isinstance(key, str) else {template_id}

    def get_record(self, resource: str, record_id: str | int) -> dict[str, Any]:
        """Return one record.

        :raises OpenESGConfigError: if the resource is not known or the id is empty.
        :raises OpenESGNotFoundError: if the platform has no such record, or does not show it to this client.
        """
        path = record_path(self.api, resource, record_id)
        record = self.get(path, partial(decode_record, translator=self._translators[resource]))
        self.differences.log()
        return record

    def translator(self, resource: str) -> Translator:
        """Return the translator of a resource's records."""
        return self._translators[resource]

    def page_decoder(self, resource: str) -> Callable[[bytes], Page[dict[str, Any]]]:
        """Return the function that decodes and translates a page of a list; of a path, rows stay as they are."""
        translator = self._translators.get(resource)
        if translator is None:
            return partial(decode_page, api=self.api, translator=Translator(LINK), as_sent=True)
        return partial(decode_page, api=self.api, translator=translator, topic=resource)

    def _records(self, resource: str, pages: Generator[list[dict[str, Any]]]) -> Generator[dict[str, Any]]:
        details = DETAILS.get(resource)
        with closing(pages):
            if details is None:
                for page in pages:
                    yield from page
                return
            known = RowParts(self, resource)

            def is_complete(row: dict[str, Any]) -> bool:
                return known.is_complete(row.get(details), row.get("status"), row.get("progress"))

            def fetch(row: dict[str, Any]) -> dict[str, Any]:
                complete = self.with_details(resource, row)
                if row.get(details) is not None:
                    known.confirm(complete[details])
                return complete

            for page in pages:
                yield from self.complete(page, is_complete, fetch)
