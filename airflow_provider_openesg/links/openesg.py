"""OpenESGReportLink: a link from a task to its report or request on the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_openesg.settings import OpenESGSettings

PAGE_KEY = "openesg_page"
"""Key of the XCom with the URL of the page."""


class OpenESGReportLink(BaseOperatorLink):
    """The button *openESG* of a task, which opens its report or request, or their list."""

    name = "openESG"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the URL that the task has stored, or empty text."""
        return XCom.get_value(key=PAGE_KEY, ti_key=ti_key) or ""


def keep_link(context: Context, settings: OpenESGSettings, resource: str, record_id: str | int | None = None) -> None:
    """Store the URL of the page that the task's button opens.

    :param settings: settings of the Connection.
    :param resource: ``reports`` or ``report-requests``.
    :param record_id: id of the record; ``None`` for the list.
    """
    task = context.get("ti")
    if task is not None:  # there is no task instance if the operator is called directly
        page = getattr(settings.api.pages, resource.replace("-", "_"))
        record = "" if record_id is None else f"/{quote(str(record_id).strip(), safe='')}"
        task.xcom_push(key=PAGE_KEY, value=f"{settings.base_url}{page}{record}")
