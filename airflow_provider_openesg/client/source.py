"""The source of reports, requests and templates, and the ids of templates by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_openesg.parameters import check_choice

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from airflow_provider_openesg.api import Api


class Source(Protocol):
    """A source of records: the client, or a snapshot that several sensors share."""

    @property
    def api(self) -> Api:
        """What is assumed of the platform, or what the user wrote down."""

    def get_record(self, resource: str, record_id: str | int) -> dict[str, Any]:
        """Read one record."""

    def iter_pages(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Generator[list[dict[str, Any]]]:
        """Read a list."""


def template_ids(templates: Iterable[tuple[Any, Any]]) -> dict[str, list[Any]]:
    """Return the ids of the templates that a text selects: an id, itself; a key, all templates that have it.

    An id comes before an equal key of another template.

    :param templates: id and key of each template.
    """
    of_key, of_id = dict[str, list[Any]](), dict[str, list[Any]]()
    for template_id, key in templates:
        of_id[str(template_id)] = [template_id]
        if key:
            of_key.setdefault(str(key), []).append(template_id)
    return of_key | of_id


def read_template_ids(source: Source) -> dict[str, list[Any]]:
    """Read the list of templates; see :func:`template_ids`."""
    return template_ids((row["id"], row.get("key")) for page in source.iter_pages("report-templates") for row in page)


def single_ids(ids: Mapping[str, list[Any]]) -> dict[str, str]:
    """Return the id of each template by its id and by its key, unless several have the key."""
    return {text: str(each[0]) for text, each in ids.items() if len(each) == 1}


def with_template_id(
    source: Source, filters: Mapping[str, Any], ids: Mapping[str, list[Any]] | None = None
) -> Mapping[str, Any]:
    """Return the filters with ids of templates instead of their keys, because reports mostly contain only ids.

    Text of digits is an id, which needs no lookup.

    :param ids: ids of the templates that a text selects; read if needed.
    :raises OpenESGConfigError: if another text is neither a key nor an id of a template.
    """
    given = filters.get("template")
    values = list(given) if isinstance(given, list | tuple | set) else [given]
    values = [each.strip() if isinstance(each, str) else each for each in values]
    keys = [each for each in values if isinstance(each, str) and not each.isdecimal()]
    if not keys:
        return filters
    ids = read_template_ids(source) if ids is None else ids
    for key in keys:
        check_choice("filters: template", key, ids)
    found = list({str(id_): id_ for each in values for id_ in (ids[each] if each in keys else [each])}.values())
    return {**filters, "template": found if len(found) > 1 else found[0]}


def reference(record: Mapping[str, Any], name: str) -> Any:
    """Return the id of a referenced record of a translated record. The reference is an id or a nested object."""
    value = record.get(name)
    return value.get("id") if isinstance(value, Mapping) else value


def our_status(api: Api, word: str) -> str:
    """Return a status of a report in the words of this package, if the user wrote down what the word means."""
    return {theirs.casefold(): ours for theirs, ours in api.words.status.items()}.get(word.casefold(), word)
