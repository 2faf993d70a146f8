"""The source of reports, requests and templates, and the ids of templates by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_openesg.parameters import check_choice

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


class Source(Protocol):
    """A source of records: the client, or a snapshot that several sensors share."""

    def get_record(self, resource: str, record_id: str | int) -> dict[str, Any]:
        """Read one record."""

    def iter_pages(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Generator[list[dict[str, Any]]]:
        """Read a list."""


def template_ids(source: Source) -> dict[str, Any]:
    """Return the id of each report template by its id (as text) and by its key."""
    templates = [row for page in source.iter_pages("report-templates") for row in page]
    by_key = {str(row["key"]): row["id"] for row in templates if row.get("key")}
    return by_key | {str(row["id"]): row["id"] for row in templates}


def with_template_id(source: Source, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the filters with ids of templates instead of their keys, because reports contain only ids.

    Text of digits is an id.
    """
    given = filters.get("template")
    values = list(given) if isinstance(given, list | tuple | set) else [given]
    values = [each.strip() if isinstance(each, str) else each for each in values]
    keys = [each for each in values if isinstance(each, str) and not each.isdecimal()]
    if not keys:
        return filters
    ids = template_ids(source)
    for key in keys:
        check_choice("filters: template", key, ids)
    found = [ids[each] if each in keys else each for each in values]
    return {**filters, "template": found if len(found) > 1 else found[0]}
