"""Compare rows with filters again, because a platform may ignore a filter or understand it differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import UPDATED_AFTER, Api
from airflow_provider_openesg.client.source import reference
from airflow_provider_openesg.filters import filter_texts

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.pagination import Query

RECORD_NAMES = {
    "organizations": "organization",
    "report-templates": "template",
    "report-requests": "report_request",
    "reports": "report",
}
"""Record of the rows of a list, as in the profile of a platform."""

TEMPLATE_FIELDS = {"reports": "template", "report-requests": "report_template"}
"""Field of a row that names its template, by list."""

_FORMATS = ("status", "template")
"""Filters whose values a platform may expect in another form: other words, keys or URLs."""


class RowFilter:
    """Select the rows of a list. A row without the field is believed, if the platform knows the filter.

    :param resource: name of the list.
    :param filters: filters by the names that users write.
    :param client: gets the filters that cannot be compared, and knows the keys of templates.
    """

    def __init__(self, resource: str, filters: Mapping[str, Any], client: OpenESGClient) -> None:
        self._resource = resource
        self._client = client
        self._template = field_of(resource, "template")
        self._wanted = {
            field_of(resource, name): {*filter_texts(name, value)}
            for name, value in filters.items()
            if name != UPDATED_AFTER
        }

    def pages(self, pages: Generator[list[dict[str, Any]]]) -> Generator[list[dict[str, Any]]]:
        """Yield pages with the wanted rows only."""
        if not self._wanted:
            yield from pages
            return
        for page in pages:
            if rows := [row for row in page if self.is_wanted(row)]:
                yield rows

    def is_wanted(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row has the values of all filters.

        :raises OpenESGContractError: if a row has no such field, and the platform ignores the filter.
        """
        for name, texts in self._wanted.items():
            if name not in row:
                self._client.check_filter(self._resource, name)
            elif as_filter_text(reference(row, name)) not in (
                self._template_texts(row, texts) if name == self._template else texts
            ):
                return False
        return True

    def _template_texts(self, row: Mapping[str, Any], ids: set[str]) -> set[str]:
        """Return the texts by which a row may name one of the templates."""
        sent = as_filter_text(reference(row, self._template))
        if sent in ids or sent.isdecimal() or not sent:
            return ids
        return {text for each in ids for text in self._client.template_texts(each)}


def field_of(resource: str, name: str) -> str:
    """Return the field of a row that a filter compares."""
    return TEMPLATE_FIELDS.get(resource, name) if name == "template" else name


def as_filter_text(value: Any) -> str:
    """Return a value of a row as the text of a filter."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def checked_query(api: Api, resource: str, query: Query) -> Query | None:
    """Return the query without the filters whose form may differ; ``None`` if it has none of them."""
    names = api.filter_names(resource)
    formats = {names[name] for name in _FORMATS if name in names}
    return {name: value for name, value in query.items() if name not in formats} if formats & query.keys() else None
