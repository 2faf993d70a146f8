"""The retry policy: which failures are retried, how long to wait between attempts, and when to stop."""

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
from airflow_provider_openesg.exceptions import TEMPORARY_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.settings import OpenESGSettings

log = logging.getLogger(__name__)

_BACKOFF = tenacity.wait_random_exponential(multiplier=1, max=60)
_NOT_PROCESSED = frozenset({429})


@dataclass(frozen=True, slots=True)
class NoResponse:
    """An attempt without a response.

    :param why: reason, for the error message.
    :param sent: whether the platform may have processed the request.
    :param permanent: whether the next attempt would fail for the same reason.
    """

    why: str
    sent: bool = True
    permanent: bool = False


Result = requests.Response | NoResponse


class Budget:
    """The time limit of one request over all attempts, including the token request.

    No attempt starts after ``max_retry_time``. The first attempt always has ``timeout`` seconds.
    """

    def __init__(self, settings: OpenESGSettings) -> None:
        self._timeout = settings.timeout
        self._last_attempt = min(settings.timeout, settings.max_retry_time / 10)
        self._retry_until = clock.monotonic() + settings.max_retry_time
        self._read_until = clock.monotonic() + max(settings.max_retry_time, settings.timeout)

    def extend(self, seconds: float) -> None:
        """Add ``seconds`` that were spent waiting for our own rate limit."""
        self._retry_until += seconds
        self._read_until += seconds

    @property
    def left(self) -> float:
        """Seconds left for further attempts."""
        return self._retry_until - clock.monotonic()

    @property
    def longest_wait(self) -> float:
        """Maximum wait in seconds that leaves the last attempt time for a response."""
        return self.left - self._last_attempt

    @property
    def timeout(self) -> float:
        """Timeout in seconds for a connection or for the next bytes."""
        return max(min(self._timeout, self._read_until - clock.monotonic()), 0.1)

    @property
    def over(self) -> bool:
        """Whether the time for reading the response is used up."""
        return clock.monotonic() > self._read_until


def repeat(attempt: Callable[[], Result], *, method: str, url: str, safe: bool, budget: Budget) -> Result:
    """Call ``attempt`` until it succeeds, cannot be retried or the budget is used up. Return the last result.

    :param safe: whether the platform may process the request twice. If not, it is repeated only if the platform has
        not processed it.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        seconds = retry_after(_result(state))
        # Wait ``Retry-After``, plus a backoff that fits into the budget.
        return seconds + min(_BACKOFF(state), max(budget.longest_wait - seconds, 0))

    def out_of_time(state: tenacity.RetryCallState) -> bool:
        return budget.longest_wait <= 0 or retry_after(_result(state)) > budget.left

    def report(state: tenacity.RetryCallState) -> None:
        log.warning(
            "%s %s: %s; attempt %d, next in %.1f s, %.0f s left for this request",
            method,
            shown_url(url),
            describe(_result(state)),
            state.attempt_number,
            state.upcoming_sleep,
            budget.left,
        )

    return tenacity.Retrying(
        sleep=clock.sleep,
        retry=tenacity.retry_if_result(lambda result: _worth_repeating(result, safe=safe)),
        wait=wait,
        stop=out_of_time,
        before_sleep=report,
        retry_error_callback=_result,
    )(attempt)


def describe(result: Result) -> str:
    """Return the result of an attempt as text for the log."""
    if isinstance(result, NoResponse):
        return result.why
    header = result.headers.get("Retry-After")
    return f"HTTP {result.status_code} {result.reason or ''}".rstrip() + (f" (Retry-After {header})" if header else "")


def retry_after(result: Result) -> float:
    """Return the seconds of ``Retry-After``; 0 if the header is missing or invalid."""
    if isinstance(result, NoResponse):
        return 0
    header = result.headers.get("Retry-After", "").strip()
    if header.isdecimal() and header.isascii():
        return float(header)
    at = _http_date(header)
    # Compare with the clock of the platform, if the response has a Date.
    sent = _http_date(result.headers.get("Date", ""))
    return max(at - (clock.now() if sent is None else sent), 0) if at is not None else 0


def _http_date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _worth_repeating(result: Result, *, safe: bool) -> bool:
    if isinstance(result, NoResponse):
        return not result.permanent and (safe or not result.sent)
    return result.status_code in (TEMPORARY_STATUSES if safe else _NOT_PROCESSED)


def _result(state: tenacity.RetryCallState) -> Result:
    assert state.outcome is not None
    result: Result = state.outcome.result()
    return result
