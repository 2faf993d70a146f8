"""OpenESGReportSensor: wait until reports are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseSensorOperator, PokeReturnValue

from airflow_provider_openesg.api import SUBMITTED_STATUSES
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGNotFoundError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.operators.checks import check_filters, check_list, is_template
from airflow_provider_openesg.sensors.waiting import Expected, ReportSelector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

MAX_IDS = 1000
"""Report ids that go to the next task; more belong into a table."""

SELECTORS = ("report_id", "report_request_id", "customer_identifier", "filters")


class OpenESGReportSensor(BaseSensorOperator):
    """Waits until one report, all, a number or a share of them are there; ``poke`` and ``reschedule``.

    Exactly one of the first four is given. With ``customer_identifier``, and with ``filters`` that requests have too
    (``customer_identifier``, ``report_template``), requests without a report count as missing.

    :param report_id: one report. (templated)
    :param report_request_id: the report that answers one request. (templated)
    :param customer_identifier: all reports and requests with it. (templated)
    :param filters: all reports that they select, such as ``{"report_template": 1}``. (templated)
    :param expected: ``"all"``, a number from 1, or a share such as ``"80%"``. (templated)
    :param statuses: of a report that is there; ``submitted`` and ``accepted`` where not given.
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    :raises AirflowFailException: what is waited for cannot come any more: declined, withdrawn, gone from the platform.
    :raises OpenESGApiError: a call failed, after all retries that the Connection allows.
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
        """Look once.

        :returns: in the XCom ``report_ids`` (at most 1,000), and how many are ``there``, ``missing``, ``ended``.
        """
        expected, selector = Expected.parse(self.expected), self._selector()
        with OpenESGHook(self.openesg_conn_id) as hook:
            try:
                seen = selector.look(hook.client)
            except OpenESGNotFoundError as error:
                raise AirflowFailException(
                    f"It will not come: deleted, or not to be seen by this client. {error}"
                ) from error
        self.log.info("%s", seen)
        if expected.out_of_reach(seen) and not expected.met_by(seen):
            raise AirflowFailException(f"Expected {self.expected}, which cannot be reached any more. {seen}")
        return PokeReturnValue(
            is_done=expected.met_by(seen),
            xcom_value={
                "report_ids": [each.report_id for each in seen.there[:MAX_IDS]],
                "there": len(seen.there),
                "missing": len(seen.missing),
                "ended": len(seen.ended),
            },
        )

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
