"""Log the progress of a long read, a line every few seconds."""

from __future__ import annotations

import logging

from airflow_provider_openesg import clock

log = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds between two lines."""


class Progress:
    """Log lines about one list: the expected rows, then a line per interval, then the result.

    :param name: name of the list in the log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows = 0
        self._started = self._logged = clock.monotonic()
        self._first = True

    def add(self, rows: int, total: int | None) -> None:
        """Count ``rows`` more rows.

        :param total: number of rows of the list; ``None`` if it is not known.
        """
        if self._first and total is not None and total > rows:
            log.info("%s: %d rows expected", self._name, total)
        self._first = False
        self._rows += rows
        now = clock.monotonic()
        if now - self._logged >= INTERVAL:
            self._logged = now
            rate = self._rows / (now - self._started)
            left = f", about {max(total - self._rows, 0) / rate:.0f} s left" if total and rate else ""
            share = f" of {total} ({self._rows / total:.0%})" if total else ""
            log.info("%s: %d rows%s, %.0f rows/s%s", self._name, self._rows, share, rate, left)

    def finish(self, pages: int) -> None:
        """Log the number of rows and pages and the time they took."""
        seconds = clock.monotonic() - self._started
        log.info("%s: %d rows from %d pages in %.1f s", self._name, self._rows, pages, seconds)
