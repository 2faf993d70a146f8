"""Queries, ids and record bodies of the requests that read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from airflow_provider_openesg.api import ID, RESOURCES, UPDATED_AFTER, Api
from airflow_provider_openesg.client.envelope import single_record
from airflow_provider_openesg.client.responses import platform_message, shown_url
from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.filters import check_filters, check_query, filter_texts
from airflow_provider_openesg.parameters import check_choice, check_record_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from airflow_provider_openesg.client.pagination import Query
    from airflow_provider_openesg.client.translation import Translator

T = TypeVar("T")


def resource_path(api: Api, resource: str) -> str:
    """Return the path of a resource, below the API path.

    :raises OpenESGConfigError: if the resource is not known.
    """
    check_choice("resource", resource, sorted(RESOURCES))
    return api.path(resource)


def record_path(api: Api, resource: str, record_id: str | int) -> str:
    """Return the path of a record. It ends with a slash if that of its list does.

    :raises OpenESGConfigError: if the resource is not known, or the id is empty.
    """
    path = resource_path(api, resource)
    return f"{path.rstrip('/')}/{quoted(record_id)}{'/' if path.endswith('/') else ''}"


def list_query(api: Api, resource: str, filters: Mapping[str, Any]) -> Query:
    """Return the query parameters of a list. Filters that the platform does not have are left out.

    :param resource: name of a resource, or a path; filters of a path are sent under the names given.
    :param filters: filters by the names that users write.
    :raises OpenESGConfigError: if a filter is not known, or its value cannot be sent.
    """
    if resource in RESOURCES:
        if isinstance(filters, Mapping) and UPDATED_AFTER in filters:  # only tables use it
            check_filters({name: value for name, value in filters.items() if name != UPDATED_AFTER}, [resource])
        else:
            check_filters(filters, [resource])
        names = {**api.filter_names(resource), ID: ID}
    else:
        check_query("filters", filters, all_pages=True, api=api)
        names = {name: name for name in filters}
    texts = {names[name]: filter_texts(name, value) for name, value in filters.items() if name in names}
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
            f" response of the API: {error!s:.700}. The body says: {platform_message(response):.120}. Check Base URL"
            " and API path."
        ) from None


def decode_record(body: bytes, translator: Translator) -> dict[str, Any]:
    """Return one record as a dict, translated.

    :raises ValueError: if the body is not a JSON object with an id.
    """
    content = single_record(msgspec.json.decode(body), translator.fields_of)
    if not isinstance(content, dict):
        raise ValueError("expected a record: a JSON object with an 'id'")
    record = translator.record(content)
    if record.get("id") is None:
        raise ValueError(f"expected a record with an 'id', but it has {', '.join(map(repr, list(content)[:10]))}")
    return record


def quoted(record_id: str | int) -> str:
    """Return an id as a segment of a path.

    :raises OpenESGConfigError: if it is not an id.
    """
    return quote(check_record_id("record_id", record_id), safe="")
