"""The one retry policy: which failures are repeated, how long to wait between attempts, and when to stop."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import requests
import tenacity

from airflow_provider_openesg import clock
from airflow_provider_openesg.client.responses import shown_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.settings import OpenESGSettings

log = logging.getLogger(__name__)

_BACKOFF = tenacity.wait_random_exponential(multiplier=1, max=60)
_NOT_CARRIED_OUT = frozenset({429})
_PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """An attempt that brought no answer.

    :param why: in words.
    :param sent: whether the platform may have carried it out.
    :param permanent: whether the next attempt would fail alike.
    """

    why: str
    sent: bool = True
    permanent: bool = False


Outcome = requests.Response | NoAnswer


class Budget:
    """The time that one call may take, over all its attempts, the token's included.

    No attempt begins after ``max_retry_time``; the first one is given ``timeout`` in any case.
    """

    def __init__(self, settings: OpenESGSettings) -> None:
        self._timeout = settings.timeout
        self._last_attempt = min(settings.timeout, settings.max_retry_time / 10)
        self._retry_until = clock.monotonic() + settings.max_retry_time
        self._read_until = clock.monotonic() + max(settings.max_retry_time, settings.timeout)

    def extend(self, seconds: float) -> None:
        """Do not count ``seconds``: they were spent waiting for our own rate limit."""
        self._retry_until += seconds
        self._read_until += seconds

    @property
    def left(self) -> float:
        """Seconds that remain for further attempts."""
        return self._retry_until - clock.monotonic()

    @property
    def longest_wait(self) -> float:
        """Seconds to wait at most, so that the last attempt has time for an answer."""
        return self.left - self._last_attempt

    @property
    def timeout(self) -> float:
        """Seconds to wait for a connection or for the next bytes."""
        return max(min(self._timeout, self._read_until - clock.monotonic()), 0.1)

    @property
    def over(self) -> bool:
        """Whether even an answer that is still coming in has taken too long."""
        return clock.monotonic() > self._read_until


def repeat(attempt: Callable[[], Outcome], *, method: str, url: str, safe: bool, budget: Budget) -> Outcome:
    """Make an attempt, and again while that can help, and return the last outcome.

    :param safe: whether the platform may carry it out twice; else it is repeated only where it was not carried out.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        asked = retry_after(_outcome(state))
        # What the platform asks for is the least; what is left of the budget bounds our own part alone.
        return asked + min(_BACKOFF(state), max(budget.longest_wait - asked, 0))

    def out_of_time(state: tenacity.RetryCallState) -> bool:
        return budget.longest_wait <= 0 or retry_after(_outcome(state)) > budget.left

    def report(state: tenacity.RetryCallState) -> None:
        log.warning(
            "%s %s: %s; attempt %d, next in %.1f s, %.0f s left for this call",
            method,
            shown_url(url),
            described(_outcome(state)),
            state.attempt_number,
            state.upcoming_sleep,
            budget.left,
        )

    return tenacity.Retrying(
        sleep=clock.sleep,
        retry=tenacity.retry_if_result(lambda outcome: _worth_repeating(outcome, safe=safe)),
        wait=wait,
        stop=out_of_time,
        before_sleep=report,
        retry_error_callback=_outcome,
    )(attempt)


def described(outcome: Outcome) -> str:
    """Say what came of an attempt."""
    if isinstance(outcome, NoAnswer):
        return outcome.why
    asked = outcome.headers.get("Retry-After")
    return f"HTTP {outcome.status_code} {outcome.reason or ''}".rstrip() + (f" (Retry-After {asked})" if asked else "")


def retry_after(outcome: Outcome) -> float:
    """Return the seconds that the platform asks to wait; 0 where it does not say or cannot be understood."""
    if isinstance(outcome, NoAnswer):
        return 0
    asked = outcome.headers.get("Retry-After", "").strip()
    if asked.isdecimal() and asked.isascii():
        return float(asked)
    at = _http_date(asked)
    # Its own clock counts, where it shows it.
    sent = _http_date(outcome.headers.get("Date", ""))
    return max(at - (clock.now() if sent is None else sent), 0) if at is not None else 0


def _http_date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _worth_repeating(outcome: Outcome, *, safe: bool) -> bool:
    if isinstance(outcome, NoAnswer):
        return not outcome.permanent and (safe or not outcome.sent)
    return outcome.status_code in (_PASSING if safe else _NOT_CARRIED_OUT)


def _outcome(state: tenacity.RetryCallState) -> Outcome:
    assert state.outcome is not None
    outcome: Outcome = state.outcome.result()
    return outcome
