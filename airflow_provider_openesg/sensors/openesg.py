"""OpenESGReportSensor: wait until reports are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_openesg.api import SUBMITTED_STATUSES
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.operators.checks import check_filters, check_list, is_template
from airflow_provider_openesg.sensors.waiting import GONE, Decision, Expected, ReportSelector, decide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

MARGIN = timedelta(minutes=1)
"""By which Airflow's own timeout of a deferred wait comes after the trigger's."""

SELECTORS = ("report_id", "report_request_id", "customer_identifier", "filters")


class OpenESGReportSensor(BaseSensorOperator):
    """Waits until one report, all, a number or a share of them are there.

    Exactly one of the first four is given. With ``customer_identifier``, and with ``filters`` that requests have too
    (``customer_identifier``, ``report_template``), requests without a report count as missing.

    :param report_id: one report. (templated)
    :param report_request_id: the report that answers one request. (templated)
    :param customer_identifier: all reports and requests with it. (templated)
    :param filters: all reports that they select, such as ``{"report_template": 1}``. (templated)
    :param expected: ``"all"``, a number from 1, or a share such as ``"80%"``. (templated)
    :param statuses: of a report that is there; ``submitted`` and ``accepted`` where not given.
    :param deferrable: wait in the triggerer, without a worker, instead of in ``mode`` ``poke`` or ``reschedule``. The
        default is Airflow's ``[operators] default_deferrable``.
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    :raises AirflowFailException: what is waited for cannot come any more: declined, withdrawn, gone from the platform.
    :raises OpenESGError: a call failed, after all retries that the Connection allows; in the triggerer, after ten
        looks in a row that failed for a passing reason.
    """

    template_fields: Sequence[str] = (*SELECTORS, "expected", "openesg_conn_id")
    ui_color = "#dcefdc"

    def __init__(
        self,
        *,
        report_id: str | int | None = None,
        report_request_id: str | int | None = None,
        customer_identifier: str | None = None,
        filters: Mapping[str, Any] | None = None,
        expected: str | int = "all",
        statuses: Sequence[str] = SUBMITTED_STATUSES,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.report_id = report_id
        self.report_request_id = report_request_id
        self.customer_identifier = customer_identifier
        self.filters = filters
        self.expected = expected
        self.statuses = statuses
        self.deferrable = deferrable
        self.openesg_conn_id = openesg_conn_id
        check_list("statuses", statuses)
        given = [name for name in SELECTORS if getattr(self, name) is not None]
        if len(given) != 1:
            raise OpenESGConfigError(
                f"{' and '.join(given) or 'Nothing'} given to wait for; needed: one of {', '.join(SELECTORS)}."
            )
        if filters is not None and not is_template(filters):
            check_filters(filters)
        if not is_template(expected):
            Expected.parse(expected)

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Look once; where the sensor is deferrable and has to wait, hand over to the triggerer.

        :returns: in the XCom ``report_ids`` (at most 1,000), and how many are ``there``, ``missing``, ``ended``.
        """
        expected, selector = Expected.parse(self.expected), self._selector()
        with OpenESGHook(self.openesg_conn_id) as hook:
            try:
                seen = selector.look(hook.client)
            except GONE as error:
                raise AirflowFailException(Decision.gone(error).message) from error
        self.log.info("%s", seen)
        decision = decide(seen, expected, self.expected)
        if decision.status == "unreachable":
            raise AirflowFailException(decision.message)
        if decision.status == "waiting" and self.deferrable:
            self._hand_over()
        return PokeReturnValue(is_done=decision.status == "done", xcom_value=decision.result)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """Take the trigger's event for what it says, and nothing that it does not say for success."""
        status = event.get("status") if isinstance(event, dict) else None
        if status == "done" and isinstance(event.get("result"), dict):
            self.log.info("%d reports are there.", event["result"]["there"])
            return dict(event["result"])
        message = str(event.get("message")) if isinstance(event, dict) else ""
        if status == "unreachable":
            raise AirflowFailException(message)
        if status == "timeout":
            raise AirflowSensorTimeout(message)
        if status != "error":
            message = f"The trigger ended in {event!r:.200}, which says nothing of the reports."
        if self.never_fail:  # as for an error while poking
            raise AirflowSkipException(message)
        raise OpenESGError(message)

    def _hand_over(self) -> NoReturn:
        from airflow_provider_openesg.triggers.openesg import OpenESGReportTrigger

        timeout = timedelta(seconds=self.timeout)
        self.defer(
            trigger=OpenESGReportTrigger(
                **{name: getattr(self, name) for name in SELECTORS},
                expected=self.expected,
                statuses=list(self.statuses),
                poke_interval=max(self.poke_interval, 1),
                deadline=(datetime.now(UTC) + timeout).isoformat(),
                openesg_conn_id=self.openesg_conn_id,
            ),
            method_name="execute_complete",
            # The trigger keeps the deadline; this one is for a triggerer that is not there.
            timeout=timeout + MARGIN,
        )
        raise AssertionError("defer() has returned")

    def _selector(self) -> ReportSelector:
        """Check what templates have made of the parameters."""
        values = {name: getattr(self, name) for name in SELECTORS}
        if self.filters is not None:
            check_filters(self.filters)
            if not self.filters:
                raise OpenESGConfigError("filters: an empty dict given; name what to wait for.")
        for name in SELECTORS[:3]:
            # A template that found nothing renders to nothing, or to the word: never to be taken for "everything".
            if values[name] is not None and str(values[name]).strip() in ("", "None"):
                raise OpenESGConfigError(f"{name}: {values[name]!r} given; the template found nothing to wait for.")
        return ReportSelector(statuses=self.statuses, **values)
