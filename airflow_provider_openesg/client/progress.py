"""How far a long read is, in the log, at a pace that a person can read."""

from __future__ import annotations

import logging

from airflow_provider_openesg import clock

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two lines."""


class Progress:
    """Lines about one list: the total expected, then one every few seconds, then what it came to."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._rows = 0
        self._begun = self._told = clock.monotonic()
        self._expected = False

    def add(self, rows: int, total: int | None) -> None:
        """Count ``rows`` more of ``total``, as far as that is known."""
        if not self._expected and total is not None and total > rows:
            log.info("%s: %d rows expected", self._what, total)
        self._expected = True
        self._rows += rows
        now = clock.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            rate = self._rows / (now - self._begun)
            left = f", about {max(total - self._rows, 0) / rate:.0f} s left" if total and rate else ""
            share = f" of {total} ({self._rows / total:.0%})" if total else ""
            log.info("%s: %d rows%s, %.0f rows/s%s", self._what, self._rows, share, rate, left)

    def finish(self, pages: int) -> None:
        """Say what it came to."""
        seconds = clock.monotonic() - self._begun
        log.info("%s: %d rows from %d pages in %.1f s", self._what, self._rows, pages, seconds)
