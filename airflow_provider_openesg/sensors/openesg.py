"""OpenESGReportSensor: wait until reports reach a status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_openesg.api import SUBMITTED_STATUSES
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError, OpenESGNotFoundError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.links.openesg import OpenESGReportLink, keep_link
from airflow_provider_openesg.parameters import (
    check_boolean,
    check_poke_interval,
    check_statuses,
    is_template,
    require_one,
)
from airflow_provider_openesg.reports.waiting import SELECTORS, Decision, Expected, ReportSelector, decide
from airflow_provider_openesg.version_compat import AIRFLOW_3_3

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context


class OpenESGReportSensor(BaseSensorOperator):
    """Sensor that waits until one report, all reports, or a number or share of them have one of ``statuses``.

    Exactly one of the first four parameters is given. With ``customer_identifier``, and with ``filters`` that
    requests have too (``customer_identifier``, ``template``), requests without a report count as missing.

    :param report_id: id of one report. (templated)
    :param report_request_id: id of a request, or a list of ids, whose reports are awaited. (templated)
    :param customer_identifier: identifier of the awaited reports and requests. (templated)
    :param filters: filters of the awaited reports, such as ``{"template": 1}``. (templated)
    :param expected: number of reports that end the wait: ``"all"``, a number from 1, or a share such as
        ``"80%"``. (templated)
    :param statuses: statuses that end the wait; by default ``submitted`` and ``accepted``.
    :param deferrable: whether to wait in the triggerer, without a worker, instead of in ``mode`` ``poke`` or
        ``reschedule``; by default Airflow's ``[operators] default_deferrable``.
    :param start_from_trigger: whether to start the wait in the triggerer, with ``deferrable`` on Airflow 3.3 or later.
        On older versions, and in mapped tasks, a worker polls once first.
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    :raises AirflowFailException: if the expected reports are not possible any more: declined, withdrawn or deleted.
    :raises OpenESGError: if a request fails after the retries that the Connection allows; in the triggerer, if ten
        polls in a row fail.
    """

    template_fields: Sequence[str] = (*SELECTORS, "expected", "openesg_conn_id")
    operator_extra_links = (OpenESGReportLink(),)
    ui_color = "#dcefdc"

    def __init__(
        self,
        *,
        report_id: str | int | None = None,
        report_request_id: str | int | list[str | int] | None = None,
        customer_identifier: str | None = None,
        filters: Mapping[str, Any] | None = None,
        expected: str | int = "all",
        statuses: Sequence[str] = SUBMITTED_STATUSES,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
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
        check_statuses(statuses)
        check_poke_interval(self.poke_interval)
        check_boolean("deferrable", deferrable)
        check_boolean("start_from_trigger", start_from_trigger)
        selectors = {name: getattr(self, name) for name in SELECTORS}
        require_one(selectors, SELECTORS)
        if not any(map(is_template, selectors.values())):
            ReportSelector.of(self, statuses=statuses)
        if not is_template(expected):
            Expected.parse(expected)
        if start_from_trigger:
            self._start_from_trigger()

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once. If the sensor is deferrable and has to wait, defer to the triggerer.

        :return: as XCom, ``report_ids`` (at most 1,000) and the numbers ``reached``, ``missing`` and ``ended``.
        """
        selector = ReportSelector.of(self, statuses=self.statuses)
        expected = Expected.parse(self.expected, selector.number)
        with OpenESGHook(self.openesg_conn_id) as hook:
            self._keep_link(context, hook)
            try:
                counts = selector.poll(hook.client)
            except OpenESGNotFoundError as error:
                raise AirflowFailException(Decision.not_found(error).message) from error
            decision = decide(counts, expected, self.expected)
            if decision.only_report is not None:
                self._keep_link(context, hook, decision.only_report)
        self.log.info("Expected %s: %s", self.expected, counts)
        if decision.status == "unreachable":
            raise AirflowFailException(decision.message)
        if decision.status == "waiting" and self.deferrable:
            self._defer()
        return PokeReturnValue(is_done=decision.status == "done", xcom_value=decision.result)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """End the task with the result or the error of the trigger's event."""
        status = event.get("status") if isinstance(event, dict) else None
        if status == "done" and isinstance(event.get("result"), dict):
            decision = Decision(status, result=event["result"])
            self.log.info("%d reports have the status.", decision.result["reached"])
            self._keep_link(context, OpenESGHook(self.openesg_conn_id), decision.only_report)
            return dict(decision.result)
        message = str(event.get("message")) if isinstance(event, dict) else ""
        if status == "timeout":
            raise AirflowSensorTimeout(message)
        if status not in ("unreachable", "error"):
            message = f"The trigger ended with an unknown event: {event!r:.200}."
        if self.never_fail:  # as after poke(); Airflow 2 does it only there
            raise AirflowSkipException(message)
        raise AirflowFailException(message) if status == "unreachable" else OpenESGError(message)

    def _defer(self) -> None:
        from airflow_provider_openesg.triggers.openesg import MARGIN, OpenESGReportTrigger

        timeout = timedelta(seconds=self.timeout)
        deadline = (datetime.now(UTC) + timeout).isoformat()
        self.defer(
            trigger=OpenESGReportTrigger(**self._trigger_arguments(), deadline=deadline),
            method_name="execute_complete",
            # The trigger ends at the deadline. Airflow ends the wait later, if no triggerer runs.
            timeout=timeout + MARGIN,
        )

    def _start_from_trigger(self) -> None:
        """Let the scheduler start the trigger. Airflow renders its templates in the triggerer."""
        from airflow.triggers.base import StartTriggerArgs

        from airflow_provider_openesg.triggers.openesg import MARGIN, OpenESGReportTrigger

        if not self.deferrable:
            raise OpenESGConfigError("start_from_trigger: True given; allowed only with deferrable=True.")
        if not AIRFLOW_3_3:
            return
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{OpenESGReportTrigger.__module__}.{OpenESGReportTrigger.__qualname__}",
            trigger_kwargs=self._trigger_arguments(),
            next_method="execute_complete",
            timeout=timedelta(seconds=self.timeout) + MARGIN,
        )

    def _trigger_arguments(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in SELECTORS},
            "expected": self.expected,
            "statuses": list(self.statuses),
            "poke_interval": self.poke_interval,
            "openesg_conn_id": self.openesg_conn_id,
        }

    def _keep_link(self, context: Context, hook: OpenESGHook, report_id: str | None = None) -> None:
        resource, record_id = "reports", self.report_id if report_id is None else report_id
        if record_id is None and self.report_request_id is not None:
            resource = "report-requests"
            record_id = self.report_request_id if isinstance(self.report_request_id, str | int) else None
        keep_link(context, hook.settings, resource, record_id)
