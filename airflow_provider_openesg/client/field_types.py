"""Field types that are not in the sections of a template, but at a separate path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct

from airflow_provider_openesg.client.envelope import decode_page
from airflow_provider_openesg.client.reading import quoted
from airflow_provider_openesg.client.source import reference
from airflow_provider_openesg.client.translation import Translator
from airflow_provider_openesg.exceptions import OpenESGContractError, OpenESGNotFoundError
from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.records import FIELD_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.envelope import Page


def with_field_types(
    client: OpenESGClient,
    template_id: str | int,
    sections: Sequence[Any],
    decode: Callable[[bytes], Page[Any]] | None = None,
) -> None:
    """Add the field types to sections that have none, if the platform has a list of them.

    :param sections: sections of one template, as dicts or decoded records.
    :param decode: function that decodes a page of field types; by default to dicts.
    """
    if not sections or any(_get(section, "field_types") for section in sections):
        return
    path = client.api.paths.field_types.format(id=quoted(template_id))
    if decode is None:
        translator = Translator(FIELD_TYPE, client.api, client.differences)

        def decode(body: bytes) -> Page[Any]:
            return decode_page(body, api=client.api, translator=translator)

    try:
        found = [each for page in client.iter_pages(f"/{path}", decode=decode) for each in page]
    except OpenESGNotFoundError as error:
        if all(_get(section, "field_types") is None for section in sections):
            raise OpenESGContractError(
                f"Template {template_id}: its sections have no 'field_types', so its values have no key and no data "
                f"type: {error}. If they have another path or name, "
                + in_profile('[paths] field_types = "report-templates/{id}/fields", or [names] section.field_types')
            ) from None
        return
    client.differences.recognize("report-templates", f"field types at {client.api.paths.field_types}")
    by_id = {str(_get(section, name)): section for name in ("key", "id") for section in sections}
    for field_type in found:
        section = by_id.get(str(_reference(field_type, "section")))
        if section is None:
            section = sections[0]
            client.differences.add(
                f"Template {template_id}: field types do not name a section of the template; they are listed under the "
                "first one. If they do under another name, " + in_profile('[names] field_type.section = "..."')
            )
        if isinstance(section, Struct):
            section.field_types = [*(_get(section, "field_types") or ()), field_type]  # type: ignore[attr-defined]
        else:
            section["field_types"] = [*(section.get("field_types") or ()), field_type]


def _get(record: Any, name: str) -> Any:
    value = getattr(record, name) if isinstance(record, Struct) else record.get(name)
    return None if value is UNSET else value


def _reference(record: Any, name: str) -> Any:
    if not isinstance(record, Struct):
        return reference(record, name)
    value = getattr(record, name)
    return value.id if isinstance(value, Struct) else value  # type: ignore[attr-defined]
