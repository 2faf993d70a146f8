"""Where the parts of a record are: field values of reports, sections of templates. Recognized, and then remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_openesg.api import DETAILS, SUBMITTED_STATUSES
from airflow_provider_openesg.client.reading import quoted, record_path
from airflow_provider_openesg.exceptions import OpenESGContractError, OpenESGNotFoundError
from airflow_provider_openesg.hints import in_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.envelope import Page

Record = TypeVar("Record")
Part = TypeVar("Part")

_LABELS = {"report-templates": "Template", "reports": "Report"}
_FIRST = {"report-templates": "path", "reports": "record"}
"""Place that is asked first: that of 2023."""

MOST_CONFIRMED = 3
"""Empty lists that are confirmed by the single record, before other empty lists are believed."""


@dataclass(frozen=True, slots=True)
class Decoders(Generic[Record, Part]):
    """How a record and its parts are decoded.

    :param record: function that decodes a single record.
    :param page: function that decodes a page of parts.
    :param parts_of: function that returns the parts in a record; ``None`` if it has none.
    """

    record: Callable[[bytes], Record]
    page: Callable[[bytes], Page[Part]]
    parts_of: Callable[[Record], Sequence[Part] | None]


def read_parts(
    client: OpenESGClient, resource: str, record_id: str | int, decoders: Decoders[Record, Part]
) -> tuple[Record | None, Sequence[Part]]:
    """Read the parts of a record: in its single record, or at a separate path.

    :return: the record, if it was read, and its parts.
    :raises OpenESGNotFoundError: if the record does not exist.
    :raises OpenESGContractError: if the record exists, but its parts are nowhere.
    """
    known = client.places.get(resource)
    record: Record | None = None
    missing: OpenESGNotFoundError | None = None
    path = getattr(client.api.paths, DETAILS[resource]).format(id=quoted(record_id))
    for place in (known,) if known else (_FIRST[resource], "record" if _FIRST[resource] == "path" else "path"):
        if place == "record":
            record = client.get(record_path(client.api, resource, record_id), decoders.record)
            found = decoders.parts_of(record)
            if found is None:
                continue
            parts: Sequence[Part] = found
        else:
            try:
                parts = [part for page in client.iter_pages(f"/{path}", decode=decoders.page) for part in page]
            except OpenESGNotFoundError as error:
                missing = error
                continue
        if known is None:
            client.places[resource] = place
            if place != _FIRST[resource]:
                where = "in the single record" if place == "record" else f"at {path}"
                client.differences.recognize(resource, f"{DETAILS[resource]} {where}")
        return record, parts
    if known == "path" and missing is not None:
        client.get(record_path(client.api, resource, record_id), decoders.record)  # raises if the record was deleted
    raise OpenESGContractError(
        f"{_LABELS[resource]} {record_id}: neither its row in the list nor its own record has {DETAILS[resource]!r}, "
        f"and {path} does not exist. If they have another path or name, "
        + in_profile(f'[paths] {DETAILS[resource]} = "{getattr(client.api.paths, DETAILS[resource])}", or [names]')
    ) from None


def contradicts(status: Any, progress: Any) -> bool:
    """Return whether a report without values is unlikely to have this status and progress."""
    return progress not in (0, None) or status is None or status in ("in_progress", *SUBMITTED_STATUSES)


class RowParts:
    """Decide whether the rows of a list hold their parts. An empty list proves nothing until a single record does."""

    def __init__(self, client: OpenESGClient, resource: str) -> None:
        self._client = client
        self._resource = resource
        self._confirmed = 0
        self.trusted: bool | None = None

    def is_complete(self, parts: Sequence[Any] | None, status: Any = None, progress: Any = None) -> bool:
        """Return whether a row is complete, so that no further request is needed.

        :param parts: its parts; ``None`` if it has no such field.
        :param status: its status.
        :param progress: its progress.
        """
        if parts is None:
            return False
        if parts:
            self.trusted = self.trusted is not False
            return True
        if self.trusted:
            return not contradicts(status, progress) or self.is_confirmed
        return self.trusted is None and not contradicts(status, progress) and self.is_confirmed

    @property
    def is_confirmed(self) -> bool:
        """Whether enough empty lists were confirmed by single records."""
        return self._confirmed >= MOST_CONFIRMED

    def confirm(self, parts: Sequence[Any]) -> None:
        """Compare an empty list in a row with the parts of the single record."""
        self._confirmed += 1
        if parts and self.trusted is not False:
            self.trusted = False
            self._client.differences.recognize(
                self._resource,
                f"the lists of {DETAILS[self._resource]} in the rows are empty, those of single records are not",
            )
