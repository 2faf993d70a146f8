"""A snapshot of the lists, with the same methods as the client."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.client.row_filter import TEMPLATE_FIELDS, field_of
from airflow_provider_openesg.client.source import reference
from airflow_provider_openesg.filters import filters_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.envelope import Page

Row = dict[str, Any]

# Field values may be megabytes, and sensors do not need them.
_KEPT = {"key", "report", *TEMPLATE_FIELDS.values(), *filters_of("reports"), *filters_of("report-requests")}


class ListSnapshot:
    """Reports, and requests, read at one time.

    Records that are not in the lists, and filters whose field is not in the rows, are requested from the client.

    :param with_requests: whether to read requests too.
    """

    def __init__(self, client: OpenESGClient, *, with_requests: bool) -> None:
        self.requests = 0
        self.api = client.api
        self._client = client
        self._indexes: dict[tuple[str, str], dict[str, list[Row]]] = {}
        # Requests first: a request that gets its report in between then counts twice, as missing and as its report.
        # In the other order it would be in no list, and the wait for "all" would end too early.
        self._rows = {name: self._read(name) for name in (["report-requests"] if with_requests else []) + ["reports"]}

    def get_record(self, resource: str, record_id: str | int) -> Row:
        """Return a record of the lists, or request it from the platform."""
        matching = self._index(resource, "id").get(str(record_id).strip())
        return matching[0] if matching else self._client.get_record(resource, record_id)

    def iter_pages(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Generator[list[Row]]:
        """Yield the rows that ``filters`` select."""
        if resource not in self._rows:  # report templates are read once for all sensors
            self._rows[resource] = self._read(resource)
        rows = self._rows[resource]
        if not filters:
            yield rows
            return
        plain = all(isinstance(value, str | int) and not isinstance(value, bool) for value in filters.values())
        names = {field_of(resource, name): value for name, value in filters.items()}
        if not plain or not all(name in row for name in names for row in rows[:1]):
            yield from self._client.iter_pages(resource, filters=filters)
            return
        (first, value), *others = (
            (name, self._client.template_texts(str(value)) if name in TEMPLATE_FIELDS.values() else {str(value)})
            for name, value in names.items()
        )
        matching = [row for text in value for row in self._index(resource, first).get(text, [])]
        yield [row for row in matching if all(str(reference(row, name)) in texts for name, texts in others)]

    def _read(self, resource: str) -> list[Row]:
        decode_page = self._client.page_decoder(resource)

        def decode(body: bytes) -> Page[Row]:
            self.requests += 1
            page = decode_page(body)
            page.rows = [{key: row[key] for key in _KEPT & row.keys()} for row in page.rows]
            return page

        return [row for page in self._client.iter_pages(resource, decode=decode) for row in page]

    def _index(self, resource: str, name: str) -> dict[str, list[Row]]:
        if (resource, name) not in self._indexes:
            index = self._indexes[resource, name] = defaultdict(list)
            for row in self._rows[resource]:
                index[str(reference(row, name))].append(row)
        return self._indexes[resource, name]
