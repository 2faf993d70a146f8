"""What the platform already has: its templates, and the requests that stand for keys."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import ALIASES, reference
from airflow_provider_openesg.client.parallel import ordered
from airflow_provider_openesg.exceptions import OpenESGUntraceableError
from airflow_provider_openesg.reports.requests.rows import Key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from airflow_provider_openesg.client.client import OpenESGClient

log = logging.getLogger(__name__)

FEW = 20
"""Up to so many identifiers are looked up one by one; beyond, the whole list is cheaper."""


@dataclass(frozen=True, slots=True)
class Known:
    """A request that the platform has."""

    request_id: str | int
    report_id: str | int | None


def find_requests(client: OpenESGClient, keys: Collection[Key]) -> dict[Key, Known]:
    """Return those of ``keys`` that the platform has requests for, whatever their status; of several the oldest.

    :raises OpenESGUntraceableError: its requests do not carry what keys are made of.
    """
    return {key: requests[0] for key, requests in find_all_requests(client, keys).items()}


def find_all_requests(client: OpenESGClient, keys: Collection[Key]) -> dict[Key, list[Known]]:
    """Return all requests that the platform has for ``keys``, the oldest of a key first.

    :raises OpenESGUntraceableError: its requests do not carry what keys are made of.
    """
    records: dict[Key, list[Mapping[str, Any]]] = {}
    for record in _records(client, sorted({key.customer_identifier for key in keys})):
        if (key := key_of(record)) in keys:
            records.setdefault(key, []).append(record)
    found = {key: list(dict.fromkeys(map(known_of, sorted(some, key=_age)))) for key, some in records.items()}
    for key, requests in found.items():
        if len(requests) > 1:
            log.warning("The platform has requests %s for %s.", ", ".join(str(r.request_id) for r in requests), key)
    return found


def _age(record: Mapping[str, Any]) -> tuple[str, bool, Any]:
    return str(record.get("created_at") or ""), isinstance(record["id"], str), record["id"]


def key_of(record: Mapping[str, Any]) -> Key:
    """Return the key that a request on the platform stands for.

    :raises OpenESGUntraceableError: the record does not say.
    """
    for name in ("customer_identifier", "report_template", "reason"):
        if not {name, *ALIASES.get(name, ())} & record.keys():
            raise OpenESGUntraceableError(
                f"Report request {record.get('id')} has no {name!r}: what was asked before cannot be told, so nothing "
                "is sent. See airflow_provider_openesg/api.py for what the API is taken to be."
            )
    return Key(
        str(reference(record, "report_template")),
        str(record["customer_identifier"] or "").strip(),
        str(record["reason"] or "").strip(),
    )


def known_of(record: Mapping[str, Any]) -> Known:
    """Return the ids of a request on the platform."""
    return Known(record["id"], reference(record, "report"))


def _records(client: OpenESGClient, identifiers: list[str]) -> Iterator[Mapping[str, Any]]:
    if len(identifiers) > FEW:
        # Without filters: one that the platform reads in another way would hide what was asked before.
        for page in client.iter_pages("report-requests"):
            yield from page
        return

    def of(identifier: str) -> list[dict[str, Any]]:
        filters = {"customer_identifier": identifier}
        return [row for page in client.iter_pages("report-requests", filters=filters) for row in page]

    with closing(ordered((partial(of, each) for each in identifiers), client.settings.parallel_requests)) as answers:
        for rows in answers:
            yield from rows
