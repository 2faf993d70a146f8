"""Triggers: the deferred half of the sensor, and one asset event per report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError, OpenESGError
from airflow_provider_openesg.reports.waiting import GONE, Decision, Expected, ReportSelector, decide
from airflow_provider_openesg.triggers.report_events import OpenESGReportEventTrigger
from airflow_provider_openesg.triggers.shared_polling import shared_polls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

__all__ = ["OpenESGReportEventTrigger", "OpenESGReportTrigger"]

MAX_FAILURES = 10
"""Looks in a row that may fail for a passing reason, before the wait ends with that error."""

LONGEST_BACKOFF = 3600.0
"""Seconds between two looks that fail."""

MARGIN = timedelta(minutes=1)
"""By which Airflow's own timeout of a deferred wait comes after the trigger's, which can say more."""


class OpenESGReportTrigger(BaseTrigger):
    """Looks every ``poke_interval`` seconds, together with all waits on the Connection in this triggerer.

    Ends in one event: ``status`` is ``done`` (with ``result``), ``unreachable``, ``timeout`` or ``error`` (with
    ``message``).

    :param report_id: see :class:`~airflow_provider_openesg.sensors.openesg.OpenESGReportSensor`, as the following.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait is over, in ISO 8601 with its zone; it holds across restarts of the triggerer. A wait
        that no worker has begun has none: there it is :data:`MARGIN` before Airflow's own.
    """

    def __init__(
        self,
        *,
        statuses: Sequence[str],
        expected: str | int,
        poke_interval: float,
        openesg_conn_id: str,
        deadline: str | None = None,
        report_id: str | int | None = None,
        report_request_id: str | int | list[str | int] | None = None,
        customer_identifier: str | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.statuses = statuses
        self.expected = expected
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.openesg_conn_id = openesg_conn_id
        self.report_id = report_id
        self.report_request_id = report_request_id
        self.customer_identifier = customer_identifier
        self.filters = filters

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer makes the same wait from: ids and the Connection's name, nothing secret."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "statuses": list(self.statuses),
            "expected": self.expected,
            "poke_interval": self.poke_interval,
            "deadline": self.deadline,
            "openesg_conn_id": self.openesg_conn_id,
            "report_id": self.report_id,
            "report_request_id": self.report_request_id,
            "customer_identifier": self.customer_identifier,
            "filters": None if self.filters is None else dict(self.filters),
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until it is decided, and say so in one event."""
        event: dict[str, Any]
        end = self._end()
        left = None if end is None else max(0, (end - datetime.now(UTC)).total_seconds())
        try:
            event = (await asyncio.wait_for(self._decided(), left)).event()
        except TimeoutError:
            event = {"status": "timeout", "message": f"The wait was to end at {end and end.isoformat()}."}
        except Exception as error:  # Airflow would show none of it to the task
            text = str(error) if isinstance(error, OpenESGError) else f"{type(error).__name__}: {error}"
            event = {"status": "error", "message": text}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _end(self) -> datetime | None:
        if self.deadline is not None:
            return datetime.fromisoformat(self.deadline)
        airflows: datetime | None = getattr(self, "timeout_after", None)  # the triggerer sets it
        if airflows is None:
            return None
        return (airflows if airflows.tzinfo else airflows.replace(tzinfo=UTC)) - MARGIN

    async def _decided(self) -> Decision:
        selector = ReportSelector.of(self, statuses=tuple(self.statuses))
        expected, polls = Expected.parse(self.expected, selector.number), shared_polls(self.openesg_conn_id)
        failures, delay, said = 0, 0.0, ""
        while True:
            try:
                seen = await polls.look(selector, self.poke_interval, delay)
            except GONE as error:
                return Decision.gone(error)
            except (OpenESGApiError, OpenESGContractError, AirflowNotFoundException) as error:
                failures += 1
                if not _passing(error) or failures >= MAX_FAILURES:
                    raise
                delay = min(self.poke_interval * (2**failures - 1), LONGEST_BACKOFF)
                self.log.warning("Look failed, %d of %d in a row: %s", failures, MAX_FAILURES, error)
                continue
            failures, delay = 0, 0.0
            decision = decide(seen, expected, self.expected)
            if decision.status != "waiting":
                return decision
            if str(seen) != said:
                said = str(seen)
                self.log.info("Expected %s: %s", self.expected, said)


def _passing(error: Exception) -> bool:
    """Tell whether a later look may succeed: anything but a refusal, or a certificate that is not trusted."""
    if isinstance(error, OpenESGApiError):
        if error.status is None:
            return not error.permanent
        return error.status == 429 or error.status >= 500
    return True  # a page of maintenance; Airflow hides that its own database is away behind "not found"
