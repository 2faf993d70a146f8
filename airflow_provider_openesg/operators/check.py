"""OpenESGCheckOperator: fail if the platform is not as assumed, or as written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, BaseOperator

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context


class OpenESGCheckOperator(BaseOperator):
    """Compare the platform with what is assumed of it, or written down in its profile. It only reads.

    Run it before a nightly load. The task fails without a retry if there are differences to write down, or if the
    Connection cannot be used. Differences that are recognized do not matter. The log has the result, with the lines to
    write, and no values of companies.

    :param openesg_conn_id: id of a Connection of type ``openesg``; by default ``openesg_default``. (templated)
    :raises AirflowFailException: if the platform has changed, or if the Connection cannot be used.
    :raises AirflowException: if the platform does not respond, or with a server error; a retry may succeed.
    """

    template_fields: Sequence[str] = ("openesg_conn_id",)
    ui_color = "#dcefdc"

    def __init__(self, *, openesg_conn_id: str = OpenESGHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.openesg_conn_id = openesg_conn_id

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Check the platform.

        :return: ``exit_status`` (0) and ``differences`` (an empty list).
        """
        with OpenESGHook(self.openesg_conn_id) as hook:
            try:
                result = hook.check()
            except OpenESGConfigError as error:
                raise AirflowFailException(str(error)) from None
        self.log.info("%s", result.text())
        if result.temporary:
            raise AirflowException(result.summary)
        if result.exit_status:
            raise AirflowFailException("; ".join([result.summary, *result.differences]))
        return {"exit_status": result.exit_status, "differences": result.differences}
