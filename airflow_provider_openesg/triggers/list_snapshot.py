"""One reading of the lists, asked as if it were the client."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import ALIASES, RESOURCES, reference

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.pagination import Page

Row = dict[str, Any]

# Field values may be megabytes, and no wait looks at them.
_KEPT = {"id", "key", "status", "report", *RESOURCES["reports"].filters, *RESOURCES["report-requests"].filters}
_KEPT |= {alias for name in _KEPT for alias in ALIASES.get(name, ())}


class Sweep:
    """All reports, and requests, as they were at one time.

    What it cannot answer it hands on to the client: a record that is not in the lists, a filter on a field that the
    list's rows do not have.

    :param with_requests: whether requests are needed too.
    """

    def __init__(self, client: OpenESGClient, *, with_requests: bool) -> None:
        self.calls = 0
        self._client = client
        self._indexes: dict[tuple[str, str], dict[str, list[Row]]] = {}
        # Requests first: one that is answered in between then counts twice, as missing and as its report. The other
        # way round it would be in neither list, and "all" be met too early.
        self._rows = {name: self._read(name) for name in (["report-requests"] if with_requests else []) + ["reports"]}

    def get_record(self, resource: str, record_id: str | int) -> Row:
        """Return a record of the lists; else the platform's, with its error where there is none."""
        found = self._index(resource, "id").get(str(record_id).strip())
        return found[0] if found else self._client.get_record(resource, record_id)

    def iter_pages(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Generator[list[Row]]:
        """Return the rows that ``filters`` select."""
        if resource not in self._rows:  # report templates: read once, for all waits that name one by its key
            self._rows[resource] = self._read(resource)
        rows = self._rows[resource]
        if not filters:
            yield rows
            return
        plain = all(isinstance(value, str | int) and not isinstance(value, bool) for value in filters.values())
        if not plain or not all(any(key in row for key in _names(name)) for name in filters for row in rows[:1]):
            yield from self._client.iter_pages(resource, filters=filters)
            return
        (first, value), *others = filters.items()
        found = self._index(resource, first).get(str(value), [])
        yield [row for row in found if all(str(reference(row, name)) == str(wanted) for name, wanted in others)]

    def _read(self, resource: str) -> list[Row]:
        from airflow_provider_openesg.client.pagination import decode_records

        def decode(body: bytes) -> Page[Row]:
            self.calls += 1
            page = decode_records(body)
            page.rows = [{key: row[key] for key in _KEPT & row.keys()} for row in page.rows]
            return page

        return [row for page in self._client.iter_pages(resource, decode=decode) for row in page]

    def _index(self, resource: str, name: str) -> dict[str, list[Row]]:
        if (resource, name) not in self._indexes:
            index = self._indexes[resource, name] = defaultdict(list)
            for row in self._rows[resource]:
                index[str(reference(row, name))].append(row)
        return self._indexes[resource, name]


def _names(name: str) -> tuple[str, ...]:
    return (name, *ALIASES.get(name, ()))
