"""Counts of a pull: for logs, XComs and the next run."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_openesg.client.differences import Differences

if TYPE_CHECKING:
    from datetime import datetime

log = logging.getLogger(__name__)

MOST_LINES = 50
"""Maximum number of fields that are logged one by one."""


@dataclass(slots=True)
class Summary:
    """Counts of the rows read. Complete when :func:`~.read.iter_tables` is exhausted.

    :param rows: number of rows by table.
    :param malformed: number of values that cannot be read as their data type, by field key; their text is kept in
        ``value``. Fields of other records are named like ``report.progress``; their text is kept in ``extra``.
    :param without_field_type: number of values whose field type has no key, or is not listed by its template.
    :param differences: what the platform does differently from what is assumed of it.
    :param filled: columns of each table that are not null in some row.
    :param statuses: statuses of the reports and requests read.
    :param high_water_mark: latest change among the reports and requests read; ``updated_after`` of the next run.
    """

    rows: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    without_field_type: int = 0
    high_water_mark: datetime | None = None
    differences: Differences = field(default_factory=Differences)
    filled: dict[str, set[str]] = field(default_factory=dict)
    statuses: dict[str, set[str]] = field(default_factory=dict)
    _examples: dict[str, str] = field(default_factory=dict, repr=False)

    def count_malformed(self, name: str, example: str, number: int = 1) -> None:
        """Count values of a field that cannot be read."""
        self.malformed[name] += number
        self._examples.setdefault(name, example)

    def add_change(self, moment: datetime | None) -> None:
        """Raise the high-water mark to a later change."""
        if moment is not None and (self.high_water_mark is None or moment > self.high_water_mark):
            self.high_water_mark = moment

    def add(self, other: Summary) -> None:
        """Add the counts of another summary."""
        # Not "+=": it iterates over the counter, to which another thread may add.
        self.rows.update(other.rows)
        self.malformed.update(other.malformed)
        self.without_field_type += other.without_field_type
        self.add_change(other.high_water_mark)
        for table, columns in other.filled.items():
            self.filled.setdefault(table, set()).update(columns)
        for table, words in other.statuses.items():
            self.statuses.setdefault(table, set()).update(words)
        if other.differences is not self.differences:
            self.differences.merge(other.differences)
        for name, example in other._examples.items():
            self._examples.setdefault(name, example)

    def log(self) -> None:
        """Log the values that could not be read: a line per field, the most frequent first."""
        if self.without_field_type:
            log.warning(
                "%d field value(s) have a field type that their template does not list: their typed columns are null",
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
