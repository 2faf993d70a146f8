"""Triggers: one for the deferred sensor, one for asset events of reports."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGContractError,
    OpenESGError,
    OpenESGNotFoundError,
)
from airflow_provider_openesg.parameters import check_poke_interval, check_statuses, read_deadline
from airflow_provider_openesg.reports.waiting import Decision, Expected, ReportSelector, decide
from airflow_provider_openesg.triggers.report_events import OpenESGReportEventTrigger
from airflow_provider_openesg.triggers.shared_polling import LONGEST_BACKOFF, shared_polls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

__all__ = ["OpenESGReportEventTrigger", "OpenESGReportTrigger"]

MAX_FAILURES = 10
"""Number of temporary failures in a row after which the wait ends with the error."""

SHORTEST_INTERVAL = 0.001
"""Minimum time between two polls, in seconds: the shared polls are at whole milliseconds."""

MARGIN = timedelta(minutes=1)
"""Time between the trigger's timeout, whose message has details, and the later timeout of Airflow."""


class OpenESGReportTrigger(BaseTrigger):
    """Trigger that polls every ``poke_interval`` seconds, together with all sensors of its Connection.

    It yields one event: ``status`` is ``done`` (with ``result``), ``unreachable``, ``timeout`` or ``error`` (with
    ``message``).

    :param report_id: see :class:`~airflow_provider_openesg.sensors.openesg.OpenESGReportSensor`, also for the other
        selectors.
    :param poke_interval: seconds between two polls; fractions are allowed.
    :param deadline: end of the wait, in ISO 8601 with time zone; it stays the same across restarts of the triggerer.
        By default :data:`MARGIN` before Airflow's timeout, for a wait that starts in the triggerer.
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
        """Return the class path and the arguments from which a triggerer creates the trigger; nothing secret."""
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
        """Wait, and yield one event at the end."""
        event: dict[str, Any]
        end: datetime | None = None
        try:
            end = self._end()
            left = None if end is None else max(0, (end - datetime.now(UTC)).total_seconds())
            event = (await asyncio.wait_for(self._decided(), left)).event()
        except TimeoutError:
            event = {
                "status": "timeout",
                "message": f"The timeout of the wait was reached at {end and end.isoformat()}. If the reports need "
                "more time, increase timeout.",
            }
        except Exception as error:  # Airflow does not pass errors of triggers to the task
            text = str(error) if isinstance(error, OpenESGError) else f"{type(error).__name__}: {error}"
            event = {"status": "error", "message": text}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _end(self) -> datetime | None:
        if self.deadline is not None:
            return read_deadline(self.deadline)
        airflow_timeout: datetime | None = getattr(self, "timeout_after", None)  # the triggerer sets it
        if airflow_timeout is None:
            return None
        return (airflow_timeout if airflow_timeout.tzinfo else airflow_timeout.replace(tzinfo=UTC)) - MARGIN

    async def _decided(self) -> Decision:
        # Not in __init__: there, an error would end the triggerer.
        check_statuses(self.statuses)
        check_poke_interval(self.poke_interval, shortest=SHORTEST_INTERVAL)
        selector = ReportSelector.of(self, statuses=tuple(self.statuses))
        expected, polls = Expected.parse(self.expected, selector.number), shared_polls(self.openesg_conn_id)
        failures, delay, last_message = 0, 0.0, ""
        while True:
            try:
                counts = await polls.poll(selector, self.poke_interval, delay)
            except OpenESGNotFoundError as error:
                return Decision.not_found(error)
            except (OpenESGApiError, OpenESGContractError, AirflowNotFoundException) as error:
                failures += 1
                # Others are temporary: a maintenance page; "not found" of Airflow if its database is not available.
                permanent = isinstance(error, OpenESGApiError) and not error.is_temporary
                if permanent or failures >= MAX_FAILURES:
                    raise
                delay = min(self.poke_interval * (2**failures - 1), LONGEST_BACKOFF)
                self.log.warning("Poll failed, %d of %d in a row: %s", failures, MAX_FAILURES, error)
                continue
            failures, delay = 0, 0.0
            decision = decide(counts, expected, self.expected)
            if decision.status != "waiting":
                return decision
            if str(counts) != last_message:
                last_message = str(counts)
                self.log.info("Expected %s: %s", self.expected, last_message)
