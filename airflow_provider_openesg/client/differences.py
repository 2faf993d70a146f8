"""What a platform does differently: recognized, or not as expected. Each is logged once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_openesg.exceptions import OpenESGContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_openesg.records import RecordType

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Differences:
    """The differences that one client has met.

    :param strict: whether a difference that is not recognized is an error.
    :param quiet: whether nothing is logged, because another process does it.
    :param recognized: differences that were recognized and need no action, by list or record.
    :param fields: by record, the names without a field of each kind that was met, with the fields that it has.
    :param spellings: names that were met in another spelling, or with ``_id`` for a reference: how to send others.
    :param datatypes: whether each data type that was met is known.
    :param texts: differences that were not recognized: data may be missing or wrong.
    """

    strict: bool = False
    quiet: bool = False
    recognized: dict[str, dict[str, None]] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)
    fields: dict[str, dict[tuple[str, ...], frozenset[str]]] = field(default_factory=dict)
    spellings: dict[str, None] = field(default_factory=dict)
    datatypes: dict[str, bool] = field(default_factory=dict)
    _logged: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def recognize(self, topic: str, text: str) -> None:
        """Add a recognized difference; :meth:`log` logs it.

        :param topic: list or record, such as ``reports``.
        """
        self.recognized.setdefault(topic, {}).setdefault(text)

    def add(self, text: str) -> None:
        """Add a difference that is not recognized, and log it as a warning.

        :raises OpenESGContractError: if differences are errors (*Strict* of the Connection).
        """
        if text in self.texts:
            return
        self.texts[text] = None
        if self.quiet:
            return
        if self.strict:
            raise OpenESGContractError(f"{text} (Strict of the Connection is set, so nothing is written.)")
        log.warning("%s", text)

    def meet(self, record: str, unknown: tuple[str, ...], fields: Iterable[str]) -> None:
        """Add a kind of record that was met.

        :param record: name of the record type.
        :param unknown: its names without a field.
        :param fields: the fields that it has.
        """
        met = self.fields.setdefault(record, {})
        met[unknown] = met.get(unknown, frozenset()) | {*fields}

    def missing(self, type_: RecordType, given: Mapping[str, str]) -> set[str]:
        """Return the fields that no record of a type has; none, if no record was met.

        :param given: names that the user wrote down; those of fields that the platform does not have are empty.
        """
        plans = self.fields.get(type_.name)
        if not plans:
            return set()
        return (
            {*type_.fields} - frozenset[str]().union(*plans.values()) - {name for name, at in given.items() if not at}
        )

    def log(self) -> None:
        """Log the recognized differences that were not logged before, one line for each topic."""
        if self.quiet:
            return
        for topic, texts in list(self.recognized.items()):
            new = [text for text in list(texts) if (topic, text) not in self._logged]
            if new:
                self._logged.update((topic, text) for text in new)
                log.info("%s: %s", topic, "; ".join(new))

    def merge(self, other: Differences) -> None:
        """Add the differences that another process has met."""
        for topic, texts in other.recognized.items():
            for text in texts:
                self.recognize(topic, text)
        self.datatypes |= other.datatypes
        self.spellings |= other.spellings
        for record, plans in other.fields.items():
            for unknown, fields in plans.items():
                self.meet(record, unknown, fields)
        for text in other.texts:
            self.add(text)
