"""Look up the report requests that the platform already has, by their keys."""

from __future__ import annotations

import logging
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_openesg.api import ALIASES, reference
from airflow_provider_openesg.client.parallel import ordered
from airflow_provider_openesg.exceptions import OpenESGUntraceableError
from airflow_provider_openesg.reports.requests.rows import Key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from airflow_provider_openesg.client.client import OpenESGClient

log = logging.getLogger(__name__)

MAX_SINGLE_LOOKUPS = 20
"""Number of identifiers up to which each is looked up separately. For more, reading the whole list is cheaper."""


class ExistingRequest(NamedTuple):
    """Ids of a report request on the platform, and of its report."""

    report_request_id: str
    report_id: str | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> ExistingRequest:
        """Return the ids in a record of a report request."""
        report_id = reference(record, "report")
        return cls(str(record["id"]), None if report_id is None else str(report_id))


def find_requests(client: OpenESGClient, keys: Collection[Key]) -> dict[Key, ExistingRequest]:
    """Return the oldest request on the platform for each key that has one, with any status.

    :raises OpenESGUntraceableError: if the platform's requests do not have the parts of a key.
    """
    return {key: requests[0] for key, requests in find_all_requests(client, keys).items()}


def find_all_requests(client: OpenESGClient, keys: Collection[Key]) -> dict[Key, list[ExistingRequest]]:
    """Return all requests on the platform for each key that has some, the oldest first.

    :raises OpenESGUntraceableError: if the platform's requests do not have the parts of a key.
    """
    records: dict[Key, list[Mapping[str, Any]]] = {}
    for record in _records(client, sorted({key.customer_identifier for key in keys})):
        if (key := key_of(record)) in keys:
            records.setdefault(key, []).append(record)
    existing = {
        key: list(dict.fromkeys(map(ExistingRequest.of, sorted(same_key, key=_age))))
        for key, same_key in records.items()
    }
    for key, requests in existing.items():
        if len(requests) > 1:
            log.warning(
                "The platform has several requests for %s: %s", key, ", ".join(r.report_request_id for r in requests)
            )
    return existing


def _age(record: Mapping[str, Any]) -> tuple[str, bool, Any]:
    return str(record.get("created_at") or ""), isinstance(record["id"], str), record["id"]


def key_of(record: Mapping[str, Any]) -> Key:
    """Return the key of a report request on the platform.

    :raises OpenESGUntraceableError: if the record does not have a part of the key.
    """
    for name in ("customer_identifier", "report_template", "reason"):
        if not {name, *ALIASES.get(name, ())} & record.keys():
            raise OpenESGUntraceableError(
                f"Report request {record.get('id')} has no {name!r}, so earlier requests cannot be recognized and "
                "nothing is sent. Compare the record with the assumptions in airflow_provider_openesg/api.py."
            )
    return Key(
        str(reference(record, "report_template")),
        str(record["customer_identifier"] or "").strip(),
        str(record["reason"] or "").strip(),
    )


def _records(client: OpenESGClient, identifiers: list[str]) -> Iterator[Mapping[str, Any]]:
    if len(identifiers) > MAX_SINGLE_LOOKUPS:
        # No filters: if the platform reads a filter in another way, earlier requests would be hidden.
        for page in client.iter_pages("report-requests"):
            yield from page
        return

    def records_of(identifier: str) -> list[dict[str, Any]]:
        filters = {"customer_identifier": identifier}
        return [row for page in client.iter_pages("report-requests", filters=filters) for row in page]

    with closing(
        ordered((partial(records_of, each) for each in identifiers), client.settings.parallel_requests)
    ) as pages:
        for rows in pages:
            yield from rows
