"""Filters of lists: their checks, and the texts that are sent for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from airflow_provider_openesg.api import ASSUMED, ID, UPDATED_AFTER, Api
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.parameters import check_choice, is_empty, is_template


def check_filters(filters: Any, resources: Iterable[str] = ("reports",), *, templates: Any = None) -> None:
    """Check filters: each has to be known to the list of at least one resource.

    :param resources: names of lists (:data:`~airflow_provider_openesg.api.RESOURCES`).
    :param templates: value of the parameter ``templates``, which replaces the filter ``template``.
    :raises OpenESGConfigError: if it is not a dict, if a filter is not known, or if a value is empty or cannot be sent.
    """
    if not isinstance(filters, Mapping):
        raise OpenESGConfigError(
            f'filters: {filters!r:.100} given; allowed: a dict such as {{"customer_identifier": "4711"}}.'
        )
    known = {name: None for resource in resources for name in filters_of(resource)}
    check_query("filters", filters, all_pages=True)
    if ID in filters and len(filters) > 1:
        others = ", ".join(sorted(map(str, {*filters} - {ID})))
        raise OpenESGConfigError(f"filters: {ID!r} given together with {others}; allowed: {ID!r} only.")
    if templates is not None and "template" in filters:
        raise OpenESGConfigError("filters: 'template' given together with templates; allowed: one of them.")
    for name, value in filters.items():
        check_choice("filters", name, known)
        if not is_template(value):
            filter_texts(name, value)


def filters_of(resource: str) -> list[str]:
    """Return the names of the filters that users can give for a list."""
    names = [name for name in ASSUMED.filter_names(resource) if name != UPDATED_AFTER]
    return [ID, *names] if resource == "reports" else names


def filter_texts(name: str, value: Any) -> list[str]:
    """Return the texts that are sent for a filter: one, or one for each item of a list.

    An empty value is an error, because the platform could take it for "no filter".

    :raises OpenESGConfigError: if the value is empty or has another type.
    """
    values = list(value) if isinstance(value, list | tuple | set) else [value]
    if not values:
        raise OpenESGConfigError(f"filters: {name}: an empty list given; leave the filter out or give a value.")
    return [_filter_text(name, each) for each in values]


def _filter_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or is_empty(value):
        raise OpenESGConfigError(
            f"filters: {name}: {value!r:.100} given; allowed: text, numbers, true or false, dates, or a list of these."
        )
    return value.strip()


def plain_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters as plain JSON values: lists for tuples and sets (sets are sorted), text for dates."""

    def plain(value: Any) -> Any:
        return sorted(value, key=str) if isinstance(value, set) else str(value)

    return dict(json.loads(json.dumps(dict(filters), default=plain)))


def check_query(parameter: str, query: Any, *, all_pages: bool = False, api: Api = ASSUMED) -> None:
    """Check the query parameters of a request.

    :param all_pages: whether all pages of a list are requested.
    :param api: names of the parameters of a page.
    :raises OpenESGConfigError: if they are given, but are not a dict, or if they select a page of a list that is read
        completely.
    """
    if query is not None and not isinstance(query, Mapping):
        raise OpenESGConfigError(f"{parameter}: {query!r:.100} given; allowed: a dict.")
    for name in (api.paging.limit, api.paging.offset):
        if all_pages and query and name in query:
            raise OpenESGConfigError(
                f"{parameter}: {name!r} given; all pages are read. See Page size of the Connection."
            )
