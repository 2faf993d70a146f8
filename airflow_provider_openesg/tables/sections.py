"""Read the sections of templates: for tables, which join field values with them, and for updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from airflow_provider_openesg.client.details import Decoders, read_parts
from airflow_provider_openesg.client.field_types import with_field_types
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError
from airflow_provider_openesg.records import FIELD_TYPE, SECTION, TEMPLATE
from airflow_provider_openesg.tables.decoder import RecordDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient


class Sections:
    """Read the sections of templates, with their field types."""

    def __init__(self, client: OpenESGClient) -> None:
        self._client = client
        api, differences = client.api, client.differences
        self._templates_decoder = RecordDecoder(TEMPLATE, api, differences)
        self._decoder = RecordDecoder(SECTION, api, differences)
        self._field_types = RecordDecoder(FIELD_TYPE, api, differences)

    def complete(self, templates: Iterable[tuple[str, Sequence[Any] | None]]) -> list[tuple[str, Sequence[Any]]]:
        """Return each template's id and sections; fetch the sections that are ``None``."""
        complete = list(
            self._client.complete(
                list(templates), lambda each: each[1] is not None, lambda each: (each[0], self._fetch(each[0]))
            )
        )
        for template, sections in complete:
            with_field_types(self._client, template, sections or (), self._field_types.page)
        return [(template, sections or ()) for template, sections in complete]

    def _fetch(self, template: str) -> Sequence[Any]:
        decoders: Decoders[Any, Any] = Decoders(
            self._templates_decoder.record,
            self._decoder.page,
            lambda record: None if record.sections is UNSET else record.sections,
        )
        try:
            return read_parts(self._client, "report-templates", template, decoders)[1]
        except OpenESGApiError as error:
            if error.status not in (403, 404, 410):
                raise
            raise OpenESGContractError(
                f"Template {template}: its sections cannot be read, so its values have no field key and no data type: "
                f"{error}. Request the right to read the template, or choose other templates (templates)."
            ) from error
