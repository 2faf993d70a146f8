"""OpenESGUpdateReportOperator: write field values of a report, where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.links.openesg import OpenESGReportLink, keep_link
from airflow_provider_openesg.parameters import check_boolean, check_id, is_template

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

MAX_LISTED = 1000
"""Field keys in the XCom."""


class OpenESGUpdateReportOperator(BaseOperator):
    """Brings a report to hold the given field values. Run it again at any time: what holds already is not sent.

    Every value is checked against the report's template before the first is sent: field key, data type, bounds, unit,
    measurement, instance. A call whose answer is lost is repeated only where the report shows that it was not carried
    out.

    :param report_id: the report. (templated)
    :param field_values: Python values by field key, such as ``{"esg.vsme.b1.turnover": Decimal("1250000.00")}``;
        ``None`` clears a field. With what belongs to it a value is a dict of ``value``, ``unit``, ``measurement``,
        ``comment``, ``attachment`` (a path as ``ObjectStoragePath`` takes it) and ``instance_id``. Or a list of such
        dicts, each with its ``field_key``: the rows of a table, or the output of another task. (templated)
    :param submit: submit the report then, unless it is submitted.
    :param object_storage_conn_id: Connection of the store that the attachments' paths are in.
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    :raises OpenESGConfigError: values at fault, each named by field key, with what is allowed; nothing was sent.
    :raises OpenESGApiError: the platform refuses (a closed report, values that it alone finds wrong, a submission that
        lacks values), or does not come back.
    """

    template_fields: Sequence[str] = ("report_id", "field_values", "openesg_conn_id")
    template_fields_renderers = {"field_values": "json"}  # noqa: RUF012 - Airflow's own way to declare it
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
        if not is_template(field_values):
            _check_kind(field_values)

    def execute(self, context: Context) -> dict[str, Any]:
        """Write what differs.

        :returns: ``report_id``, ``status``, ``submitted`` (by this run), how many fields are ``unchanged``, and the
            names of those ``written`` and ``attached``, at most 1,000 of each.
        """
        _check_kind(self.field_values)
        report_id = check_id("report_id", self.report_id)
        with OpenESGHook(self.openesg_conn_id) as hook:
            keep_link(context, hook.settings.base_url, "reports", report_id)
            update = hook.update_report(
                report_id,
                self.field_values,
                submit=self.submit,
                object_storage_conn_id=self.object_storage_conn_id,
            )
        return asdict(update) | {"written": update.written[:MAX_LISTED], "attached": update.attached[:MAX_LISTED]}


def _check_kind(field_values: Any) -> None:
    if isinstance(field_values, Mapping) or (
        isinstance(field_values, Sequence) and not isinstance(field_values, str | bytes)
    ):
        return
    hint = (
        " A template renders to text: pass the task's output itself (field_values=other_task.output), or set "
        "render_template_as_native_obj in the DAG."
        if isinstance(field_values, str)
        else ""
    )
    raise OpenESGConfigError(
        f"field_values: {field_values!r:.100} given; allowed: a dict of values by field key, or a list of dicts with "
        f"field_key, value, ….{hint}"
    )
