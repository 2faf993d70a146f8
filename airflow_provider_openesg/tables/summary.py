"""What a reading of tables came to: for logs, XComs and the next run."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

log = logging.getLogger(__name__)

MOST_LINES = 50


@dataclass(slots=True)
class Summary:
    """Filled while :func:`~.read.iter_tables` reads; whole when it is done.

    :param rows: rows of each table.
    :param malformed: values that could not be read as their data type, by field key; their text is kept in ``value``.
        Fields of other records stand here as ``report.progress``; their text is kept in ``extra``.
    :param without_field_type: values whose field type has no key, or is not listed by their template.
    :param high_water_mark: the latest change among the reports and requests that were read: ``updated_after`` of a next
        run.
    """

    rows: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    without_field_type: int = 0
    high_water_mark: datetime | None = None
    _examples: dict[str, str] = field(default_factory=dict, repr=False)

    def count_malformed(self, name: str, example: str, number: int = 1) -> None:
        """Count values that could not be read."""
        self.malformed[name] += number
        self._examples.setdefault(name, example)

    def saw_change(self, moment: datetime | None) -> None:
        """Move the high-water mark."""
        if moment is not None and (self.high_water_mark is None or moment > self.high_water_mark):
            self.high_water_mark = moment

    def add(self, other: Summary) -> None:
        """Add what another reading came to."""
        self.rows += other.rows
        self.malformed += other.malformed
        self.without_field_type += other.without_field_type
        self.saw_change(other.high_water_mark)
        self._examples = {**other._examples, **self._examples}

    def log(self) -> None:
        """Say what could not be read, a line for each field, the worst first."""
        if self.without_field_type:
            log.warning(
                "%d field value(s) have a field type that their template does not list: only their text is known",
                self.without_field_type,
            )
        for name, number in self.malformed.most_common(MOST_LINES):
            log.warning(
                "%s: %d value(s) cannot be read as their data type: text kept, typed column null. For example: %.60r",
                name,
                number,
                self._examples[name],
            )
        more = len(self.malformed) - MOST_LINES
        if more > 0:
            log.warning("%d more fields have values that cannot be read", more)
