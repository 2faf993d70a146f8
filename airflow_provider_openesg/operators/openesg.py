"""Operators: one call of the API, asking for reports, and filling them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.operators.request_reports import OpenESGRequestReportsOperator
from airflow_provider_openesg.operators.update_report import OpenESGUpdateReportOperator
from airflow_provider_openesg.parameters import check_choice

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["OpenESGOperator", "OpenESGRequestReportsOperator", "OpenESGUpdateReportOperator"]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_RESULT_BYTES = 1024 * 1024
"""Largest result, as JSON: it goes into Airflow's metadata database."""


class OpenESGOperator(BaseOperator):
    """Makes one call of the openESG API, for whatever has no operator of its own, and returns its JSON.

    :param path: below the Connection's API path, such as ``reports/17``. (templated)
    :param method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
    :param query: query parameters. (templated)
    :param json: body. (templated)
    :param paginate: read a list over all its pages and return its records (``GET``).
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    :raises OpenESGConfigError: a parameter that cannot be used, or a result of more than 1 MiB.
    :raises OpenESGContractError: an answer that is not JSON.
    """

    template_fields: Sequence[str] = ("path", "query", "json", "openesg_conn_id")
    template_fields_renderers = {"query": "json", "json": "json"}  # noqa: RUF012 - Airflow's own way to declare it
    ui_color = "#dcefdc"

    def __init__(
        self,
        *,
        path: str,
        method: str = "GET",
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        paginate: bool = False,
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.method = method
        self.query = query
        self.json = json
        self.paginate = paginate
        self.openesg_conn_id = openesg_conn_id
        check_choice("method", method, METHODS)
        if paginate and (method != "GET" or json is not None):
            raise OpenESGConfigError("paginate: True given; allowed only with method GET and without json.")

    def execute(self, context: Context) -> Any:  # noqa: ARG002 - Airflow's signature
        """Make the call.

        :returns: the JSON of the answer; ``None`` where it has no body; the list of records with ``paginate``.
        """
        if not isinstance(self.path, str) or not self.path.strip():
            raise OpenESGConfigError(f"path: {self.path!r} given; allowed: a path like reports/17.")
        if self.query is not None and not isinstance(self.query, Mapping):
            raise OpenESGConfigError(f"query: {self.query!r:.100} given; allowed: a dict.")
        with OpenESGHook(self.openesg_conn_id) as hook:
            return self._records(hook) if self.paginate else self._answer(hook)

    def _records(self, hook: OpenESGHook) -> list[Any]:
        import msgspec

        records: list[Any] = []
        size, page = 0, list[Any]()
        for page in hook.client.iter_pages("/" + self.path.lstrip("/"), filters=self.query):
            size += len(msgspec.json.encode(page))
            self._check_size(size)
            records += page
        self.log.info("GET %s: %d records", self.path, len(records))
        return records

    def _answer(self, hook: OpenESGHook) -> Any:
        response = hook.request(self.method, self.path, params=self.query, json=self.json)
        self.log.info("%s %s: HTTP %d, %d bytes", self.method, self.path, response.status_code, len(response.content))
        if not response.content:
            return None
        self._check_size(len(response.content))
        try:
            return response.json()
        except ValueError:
            kind = response.headers.get("Content-Type", "no content type")
            raise OpenESGContractError(
                f"{self.method} {self.path}: HTTP {response.status_code} with {kind} instead of JSON."
                " Check path, Base URL and API path."
            ) from None

    def _check_size(self, size: int) -> None:
        if size > MAX_RESULT_BYTES:
            raise OpenESGConfigError(
                f"{self.method} {self.path}: more than {MAX_RESULT_BYTES // 1024:,} KiB: too large for an XCom."
                " Narrow it by query, or use OpenESGToObjectStorageOperator or OpenESGToSqlOperator."
            )
