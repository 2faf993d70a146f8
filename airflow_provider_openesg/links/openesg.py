"""OpenESGReportLink: from a task to its report or request on the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_openesg.api import PAGES

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

PAGE_KEY = "openesg_page"
"""XCom that holds the page's URL."""


class OpenESGReportLink(BaseOperatorLink):
    """The button *openESG* of a task: opens the report or request that it is about, else the list of them."""

    name = "openESG"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return what the task has kept; nothing before that."""
        return XCom.get_value(key=PAGE_KEY, ti_key=ti_key) or ""


def keep_link(context: Context, base_url: str, resource: str, record_id: str | int | None = None) -> None:
    """Keep the page that the task's button opens.

    :param resource: ``reports`` or ``report-requests``.
    :param record_id: ``None`` for the list.
    """
    task = context.get("ti")
    if task is not None:  # called by hand, outside of a task instance, there is nobody to press a button
        record = "" if record_id is None else f"/{quote(str(record_id).strip(), safe='')}"
        task.xcom_push(key=PAGE_KEY, value=f"{base_url}{PAGES[resource]}{record}")
