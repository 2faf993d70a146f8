"""Look up the report requests that the platform already has, by their keys."""

from __future__ import annotations

import logging
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_openesg.client.parallel import ordered
from airflow_provider_openesg.client.source import reference
from airflow_provider_openesg.exceptions import OpenESGUntraceableError
from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.reports.requests.rows import Key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient

log = logging.getLogger(__name__)

MAX_SINGLE_LOOKUPS = 20
"""Number of identifiers up to which each is looked up separately. For more, reading the whole list is cheaper."""


CHECKED = 20
"""Requests of the platform that are compared with what keys need, before any request is sent."""


class ExistingRequest(NamedTuple):
    """Ids of a report request on the platform, and of its report."""

    report_request_id: str
    report_id: str | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> ExistingRequest:
        """Return the ids in a record of a report request."""
        report_id = reference(record, "report")
        return cls(str(record["id"]), None if report_id is None else str(report_id))


class Requests:
    """The report requests of the platform, by their keys.

    :param templates: ids of the templates that a text selects (:func:`~.source.read_template_ids`): a request may name
        its template by id or by key.

    ``are_traceable`` tells whether a request of the platform was found by its key.
    """

    def __init__(self, client: OpenESGClient, templates: Mapping[str, Sequence[Any]]) -> None:
        self._client = client
        self._templates = templates
        self.are_traceable = False

    def find(self, keys: Collection[Key]) -> dict[Key, ExistingRequest]:
        """Return the oldest request on the platform for each key that has one, with any status.

        :raises OpenESGUntraceableError: if the platform's requests do not have the parts of a key.
        """
        return {key: requests[0] for key, requests in self.find_all(keys).items()}

    def find_all(self, keys: Collection[Key]) -> dict[Key, list[ExistingRequest]]:
        """Return all requests on the platform for each key that has some, the oldest first.

        :raises OpenESGUntraceableError: if the platform's requests do not have the parts of a key.
        """
        records: dict[Key, list[Mapping[str, Any]]] = {}
        for record in self._records(sorted({key.customer_identifier for key in keys})):
            if (key := self.key_of(record)) in keys:
                records.setdefault(key, []).append(record)
        existing = {
            key: list(dict.fromkeys(map(ExistingRequest.of, sorted(same_key, key=_age))))
            for key, same_key in records.items()
        }
        for key, requests in existing.items():
            if len(requests) > 1:
                ids = ", ".join(each.report_request_id for each in requests)
                log.warning("The platform has several requests for %s: %s", key, ids)
        return existing

    def check(self) -> None:
        """Check on the first requests of the platform that requests can be found by their keys, before any is sent.

        :raises OpenESGUntraceableError: if they cannot.
        """
        rows = self._client.first_page("report-requests", CHECKED).rows
        found = [(self.key_of(row), str(row["id"])) for row in rows]
        known = {str(each) for ids in self._templates.values() for each in ids}
        if found and not any(key.template in known for key, _ in found):
            raise OpenESGUntraceableError(
                f"Report request {found[0][1]} names a template that is not in the list of templates, so requests of "
                "this run could not be found again. Nothing was sent. If its template is under another name, "
                + in_profile('[names] report_request.report_template = "..."')
            )
        with_identifier = [(key, number) for key, number in found if key.customer_identifier and key.template in known]
        if not with_identifier:
            return
        key, number = with_identifier[0]
        if number not in {each.report_request_id for each in self.find_all({key}).get(key, ())}:
            raise OpenESGUntraceableError(
                f"Report request {number} is not found by its customer_identifier, so requests of this run could not "
                "be found either. Nothing was sent. If the filter has another name, "
                + in_profile('[filters] report_requests.customer_identifier = "..."')
            )
        self.are_traceable = True

    def key_of(self, record: Mapping[str, Any]) -> Key:
        """Return the key of a report request on the platform.

        :raises OpenESGUntraceableError: if the record does not have a part of the key.
        """
        for name in ("customer_identifier", "report_template", "reason"):
            if name not in record and name not in self._client.translator("report-requests").met:
                raise OpenESGUntraceableError(
                    f"Report request {record.get('id')} has no {name!r}, so earlier requests cannot be recognized and "
                    "nothing is sent. If it has another name, " + in_profile(f'[names] report_request.{name} = "..."')
                )
        template = str(reference(record, "report_template"))
        ids = self._templates.get(template, [template])
        if len(ids) > 1:
            raise OpenESGUntraceableError(
                f"Report request {record.get('id')} names its template by the key {template!r}, which several "
                "templates have, so earlier requests cannot be recognized and nothing is sent."
            )
        return Key(
            str(ids[0]),
            str(record.get("customer_identifier") or "").strip(),
            str(record.get("reason") or "").strip(),
        )

    def _records(self, identifiers: list[str]) -> Iterator[Mapping[str, Any]]:
        if len(identifiers) > MAX_SINGLE_LOOKUPS:
            # No filters: if the platform reads a filter in another way, earlier requests would be hidden.
            for page in self._client.iter_pages("report-requests"):
                yield from page
            return

        def records_of(identifier: str) -> list[dict[str, Any]]:
            # Decoded here, so that rows without a part of the key are an error of key_of.
            filters, decode = {"customer_identifier": identifier}, self._client.page_decoder("report-requests")
            pages = self._client.iter_pages("report-requests", filters=filters, decode=decode)
            return [row for page in pages for row in page]

        width = self._client.settings.parallel_requests
        with closing(ordered((partial(records_of, each) for each in identifiers), width)) as pages:
            for rows in pages:
                yield from rows


def _age(record: Mapping[str, Any]) -> tuple[str, bool, Any]:
    return str(record.get("created_at") or ""), isinstance(record["id"], str), record["id"]
