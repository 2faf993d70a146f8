"""OpenESGUpdateReportOperator: write field values of a report."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_openesg.exceptions import OpenESGValuesLostError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.links.openesg import OpenESGReportLink, keep_link
from airflow_provider_openesg.parameters import check_boolean, check_field_values, check_record_id, is_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

MAX_LISTED = 1000
"""Maximum number of field names in each list of the XCom."""


class OpenESGUpdateReportOperator(BaseOperator):
    """Write the field values of a report that differ from the given ones. The task can be repeated at any time.

    All values are checked against the report's template before the first is sent: field key, data type, bounds, unit,
    measurement and instance. If a response is lost, the request is repeated only if the report shows that it had no
    effect.

    :param report_id: id of the report. (templated)
    :param field_values: Python values by field key, such as ``{"esg.vsme.b1.turnover": Decimal("1250000.00")}``;
        ``None`` clears a field. A value may also be a dict of ``value``, ``unit``, ``measurement``, ``comment``,
        ``attachment`` (a path for ``ObjectStoragePath``) and ``instance_id``. Or a list of such dicts, each with its
        ``field_key``: rows of a table, or the output of another task. (templated)
    :param submit: whether the report is submitted afterwards, unless it is submitted already. Default: ``False``.
    :param object_storage_conn_id: id of the Connection for the paths of attachments; by default Airflow's own for the
        path. (templated)
    :param openesg_conn_id: id of a Connection of type ``openesg``; by default ``openesg_default``. (templated)
    :raises OpenESGConfigError: if values are not valid; all of them are listed, and nothing was sent.
    :raises AirflowFailException: if the platform has cleared values that were not sent. Restore them; do not retry.
    :raises OpenESGApiError: if the platform rejects the values, for example because the report is closed, or does not
        respond.
    """

    template_fields: Sequence[str] = ("report_id", "field_values", "object_storage_conn_id", "openesg_conn_id")
    template_fields_renderers = {"field_values": "json"}  # noqa: RUF012 - declared this way by Airflow
    operator_extra_links = (OpenESGReportLink(),)
    ui_color = "#dcefdc"

    def __init__(
        self,
        *,
        report_id: str | int,
        field_values: Any,
        submit: bool = False,
        object_storage_conn_id: str | None = None,
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.report_id = report_id
        self.field_values = field_values
        self.submit = submit
        self.object_storage_conn_id = object_storage_conn_id
        self.openesg_conn_id = openesg_conn_id
        check_boolean("submit", submit)
        if not is_template(report_id):
            check_record_id("report_id", report_id)
        if not is_template(field_values):
            check_field_values(field_values)

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the values that differ.

        :return: ``report_id``, ``status``, ``submitted`` (whether this run submitted the report), ``unchanged`` (number
            of fields), and names of the fields in ``written`` and ``attached``, at most 1,000 each.
        """
        check_field_values(self.field_values)
        report_id = check_record_id("report_id", self.report_id)
        with OpenESGHook(self.openesg_conn_id) as hook:
            keep_link(context, hook.settings, "reports", report_id)
            try:
                update = hook.update_report(
                    report_id,
                    self.field_values,
                    submit=self.submit,
                    object_storage_conn_id=self.object_storage_conn_id,
                )
            except OpenESGValuesLostError as error:
                # A retry would find nothing to write, and succeed.
                raise AirflowFailException(str(error)) from error
        return asdict(update) | {"written": update.written[:MAX_LISTED], "attached": update.attached[:MAX_LISTED]}
