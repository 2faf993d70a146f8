"""Queries, ids and record bodies of the requests that read."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from airflow_provider_openesg.api import RESOURCES
from airflow_provider_openesg.client.responses import platform_message, shown_url
from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.filters import check_filters, check_query, filter_texts
from airflow_provider_openesg.parameters import check_choice, check_record_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import Response

    from airflow_provider_openesg.client.pagination import Query

T = TypeVar("T")


def resource_path(resource: str) -> str:
    """Return the path of a resource, below the API path.

    :raises OpenESGConfigError: if the resource is not known.
    """
    check_choice("resource", resource, sorted(RESOURCES))
    return RESOURCES[resource].path


def list_query(resource: str, filters: Mapping[str, Any]) -> Query:
    """Return the query parameters of a list.

    :param resource: name of a resource, or a path; filters of a path are sent under the names given.
    :param filters: filters by the names that users write.
    :raises OpenESGConfigError: if a filter is not known, or its value cannot be sent.
    """
    if resource in RESOURCES:
        check_filters(filters, [resource])
        names = RESOURCES[resource].filters
    else:
        check_query("filters", filters, all_pages=True)
        names = {name: name for name in filters}
    texts = {names[name]: filter_texts(name, value) for name, value in filters.items()}
    return {name: values if len(values) > 1 else values[0] for name, values in texts.items()}


def single_queries(query: Query) -> list[Query]:
    """Return a query for each combination of the values of its lists, because a platform may use only one of several.

    (django-ninja, which the vendor's API is assumed to use, takes the last value of a parameter that is not a list.)
    """
    values = [value if isinstance(value, list) else [value] for value in query.values()]
    return [dict(zip(query, each, strict=True)) for each in product(*values)]


def decoded(decode: Callable[[bytes], T], response: Response) -> T:
    """Return the decoded body of a response.

    :raises OpenESGContractError: if ``decode`` raises ``ValueError`` or an error of msgspec.
    """
    try:
        return decode(response.content)
    except (ValueError, msgspec.MsgspecError) as error:
        raise OpenESGContractError(
            f"{response.request.method} {shown_url(response.url)}: HTTP {response.status_code}, but the body is not a"
            f" response of the API: {error!s:.200}. The body says: {platform_message(response):.120}. Check Base URL"
            " and API path."
        ) from None


def decode_record(body: bytes) -> dict[str, Any]:
    """Return one record as a dict.

    :raises ValueError: if the body is not a JSON object with an ``id``.
    """
    record = msgspec.json.decode(body)
    if not isinstance(record, dict) or "id" not in record:
        raise ValueError("expected a record: a JSON object with an 'id'")
    return record


def quoted(record_id: str | int) -> str:
    """Return an id as a segment of a path.

    :raises OpenESGConfigError: if it is not an id.
    """
    return quote(check_record_id("record_id", record_id), safe="")
