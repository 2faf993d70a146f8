"""Read a few records of each list, to compare a platform with what is assumed. It only sends GET requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import DETAILS, RESOURCES, SUBMITTED_STATUSES
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.client.details import RowParts
from airflow_provider_openesg.client.field_types import with_field_types
from airflow_provider_openesg.client.list_reader import ListReader
from airflow_provider_openesg.client.row_filter import RECORD_NAMES
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGAuthError,
    OpenESGConfigError,
    OpenESGContractError,
    OpenESGError,
    OpenESGNotFoundError,
)
from airflow_provider_openesg.records import KEY_FIELDS, OPTIONAL_FIELDS, RECORDS, Many, RecordType, Ref

if TYPE_CHECKING:
    from airflow_provider_openesg.api import Api
    from airflow_provider_openesg.auth.cache import CredentialCache
    from airflow_provider_openesg.client.differences import Differences
    from airflow_provider_openesg.client.page_style import Style
    from airflow_provider_openesg.settings import OpenESGSettings

Record = dict[str, Any]

LISTS = ("report-templates", "reports", "report-requests", "organizations")
"""The lists, in the order in which they are read."""

ROWS = 2
"""Rows that are requested in one page of a list."""

MAX_RETRY_TIME = 30
"""Longest retry budget in seconds. A person waits for the result."""

MOST_TRIED = 3
"""Records whose details are requested before they count as forbidden."""

MOST_RECORDS = 500
"""Maximum number of records of one kind that are compared."""

# What follows in the message of an error may be a value of a record.
_VALUE = re.compile(r"(an object|URL or null|number of rows), not .*| The body says: .*", re.DOTALL)
_URL = re.compile(r"(GET )?https?://\S*?(?=[:;,]? |[:;,]?$)")


@dataclass(slots=True)
class Samples:
    """What was read of a platform.

    :param rows: translated rows by list; lists that cannot be read are missing.
    :param errors: why a list or the details of its records cannot be read.
    :param records: translated records by the name in :data:`~airflow_provider_openesg.records.RECORDS`.
    """

    rows: dict[str, list[Record]] = field(default_factory=dict)
    errors: dict[str, OpenESGError] = field(default_factory=dict)
    records: dict[str, list[Record]] = field(default_factory=dict)


def sampling_client(
    settings: OpenESGSettings, *, cache: CredentialCache, on_token: Callable[[str], None] | None = None
) -> SamplingClient:
    """Return a client that reads few rows, one page after the other, and collects differences without logging them."""
    patience = min(settings.max_retry_time, MAX_RETRY_TIME)
    calm = replace(settings, parallel_requests=1, strict=False, max_retry_time=patience)
    client = SamplingClient(calm, cache=cache, on_token=on_token)
    client.differences.quiet = True
    return client


class SamplingClient(OpenESGClient):
    """A client that requests two rows of a list in one page, so that even a short list shows how it is paged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lists: ListReader = _FewRows(self)

    def style(self, resource: str) -> Style:
        """Return what is known of the pages of a list."""
        return self._lists.style(resource)


class _FewRows(ListReader):
    def _most_rows(self, resource: str) -> int:
        return ROWS if resource in RESOURCES else super()._most_rows(resource)


def read_samples(client: OpenESGClient, read: Callable[[str], list[Record]], *, quick: bool = False) -> Samples:
    """Read rows of each list, and the details of one template and one report.

    :param read: function that returns some rows of a list.
    :param quick: whether the first server error ends it.
    :raises OpenESGAuthError: if no token is issued.
    :raises OpenESGConfigError: if a setting cannot be used.
    :raises OpenESGApiError: if there is no response.
    """
    samples = Samples()
    for resource in LISTS:
        try:
            samples.rows[resource] = read(resource)
        except OpenESGError as error:
            _keep(samples, resource, error)
            if quick and isinstance(error, OpenESGApiError) and error.is_temporary:
                return samples
            continue
        if resource in DETAILS:
            _read_details(client, samples, resource, quick=quick)
    for resource, record in RECORD_NAMES.items():
        _collect(samples.records, RECORDS[record], samples.rows.get(resource, ()))
    return samples


def missing_fields(differences: Differences, api: Api, record: str) -> tuple[list[str], list[str]]:
    """Return the fields that no record of a kind has, and the names that are no field.

    Fields that the user wrote down as missing on the platform, and those that are elsewhere, are left out.

    :param record: name in :data:`~airflow_provider_openesg.records.RECORDS`.
    """
    type_ = RECORDS[record]
    elsewhere = OPTIONAL_FIELDS.get(record, frozenset()) - KEY_FIELDS.get(record, frozenset())
    if differences.datatypes:
        elsewhere |= {"datatype"}  # in the metric type
    missing = differences.missing(type_, api.names.get(record, {})) - elsewhere
    unknown = set[str]().union(*differences.fields.get(type_.name, ()))
    return [name for name in type_.fields if name in missing], sorted(unknown)


def reason(error: OpenESGError) -> str:
    """Return why something cannot be read, without values of records, ids and host names."""
    if isinstance(error, OpenESGApiError):
        return "no response" if error.status is None else f"HTTP {error.status}"
    return without_values(str(error))


def without_values(text: str) -> str:
    """Return a message without the parts that may be values of records, and without URLs."""
    text = _VALUE.sub(r"\1", text)
    text = re.sub(r"(?<=[Tt]emplate )[^\s:]+(?=:)|(?<=reports )[^\s:]+(?=:)", "{id}", _URL.sub("the path", text))
    return re.sub(r"(?<=report-templates/)[^/{\s]+|(?<=reports/)[^/{\s]+", "{id}", text)


def _keep(samples: Samples, topic: str, error: OpenESGError) -> None:
    no_response = isinstance(error, OpenESGApiError) and error.status is None
    if no_response or isinstance(error, OpenESGAuthError | OpenESGConfigError):
        raise error
    samples.errors[topic] = error


def _read_details(client: OpenESGClient, samples: Samples, resource: str, *, quick: bool) -> None:
    """Read the details of the row that most probably has some, and its single record."""
    ranked = sorted(samples.rows[resource], key=lambda row: _rank(row, DETAILS[resource]), reverse=True)
    for row in ranked[: 1 if quick else MOST_TRIED]:
        try:
            complete = _complete(client, resource, row)
            if not quick:
                client.get_record(resource, row["id"])
        except OpenESGNotFoundError:
            continue  # deleted meanwhile
        except OpenESGApiError as error:
            if error.status != 403:
                _keep(samples, DETAILS[resource], error)
                return
            client.forbidden.append(error.url)
        except OpenESGContractError as error:
            _keep(samples, DETAILS[resource], error)
            return
        else:
            samples.rows[resource] = [complete, *(each for each in samples.rows[resource] if each is not row)]
            return


def _complete(client: OpenESGClient, resource: str, row: Record) -> Record:
    name = DETAILS[resource]
    known, parts = RowParts(client, resource), row.get(name)
    if not known.is_complete(parts, row.get("status"), row.get("progress")):
        row = client.with_details(resource, row)
        if parts is not None:
            known.confirm(row[name])
    elif resource == "report-templates":
        with_field_types(client, row["id"], row[name])
    return row


def _rank(row: Mapping[str, Any], details: str) -> tuple[bool, bool, float]:
    progress = row.get("progress")
    number = float(progress) if isinstance(progress, int | float) else 0.0
    return bool(row.get(details)), row.get("status") in SUBMITTED_STATUSES, number


def _collect(found: dict[str, list[Record]], type_: RecordType, records: Any) -> None:
    """Add records, and those inside of them."""
    name = next((name for name, each in RECORDS.items() if each is type_), None)
    for record in records:
        if not isinstance(record, Mapping):
            continue
        if name is not None:
            kept = found.setdefault(name, [])
            if len(kept) < MOST_RECORDS:
                kept.append(dict(record))
        for field_name, expected in type_.fields.items():
            if isinstance(expected, Ref | Many):
                value = record.get(field_name)
                _collect(found, expected.type, value if isinstance(value, list) else [value])
