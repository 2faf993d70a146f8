"""Locks that keep two loads into the same tables apart."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential

from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LOCK_WAIT = 600
"""Seconds to wait for another load, and for locks on the tables."""

FILE_WAIT = 60
"""Seconds to wait for another process that writes into a SQLite file."""

POSTGRES_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('airflow-provider-openesg'), hashtext({}))"
"""Lock of PostgreSQL for loads into one schema; it is released with the transaction, even if the process is killed."""


def wait_for_lock(holder: str, acquire: Callable[[], bool]) -> None:
    """Acquire a lock.

    :param holder: name of the other holder, for messages.
    :param acquire: function that tries to acquire the lock and returns whether it has.
    :raises OpenESGConfigError: if the lock is not released within :data:`LOCK_WAIT`.
    """
    waiting = Retrying(
        retry=retry_if_result(lambda acquired: not acquired),
        wait=wait_exponential(0.1, max=10),
        stop=stop_after_delay(LOCK_WAIT),
        before_sleep=lambda _: log.info("Waiting: %s is running.", holder),
    )
    try:
        waiting(acquire)
    except RetryError:
        raise OpenESGConfigError(
            f"{holder} is still running after {LOCK_WAIT} s. Wait until it ends, or stop it. Then run the task again."
        ) from None
