"""Operators: send one request of the API, request reports, update a report, and check the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.filters import check_query
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.operators.check import OpenESGCheckOperator
from airflow_provider_openesg.operators.request_reports import OpenESGRequestReportsOperator
from airflow_provider_openesg.operators.update_report import OpenESGUpdateReportOperator
from airflow_provider_openesg.parameters import METHODS, check_api_path, check_boolean, check_choice, is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_openesg.parameters import Method

__all__ = ["OpenESGCheckOperator", "OpenESGOperator", "OpenESGRequestReportsOperator", "OpenESGUpdateReportOperator"]

MAX_RESULT_BYTES = 1024 * 1024
"""Maximum size of the result in bytes of JSON, because XComs are stored in Airflow's metadata database."""


class OpenESGOperator(BaseOperator):
    """Send one request of the API that has no dedicated operator, and return the JSON of the response.

    :param path: path below the Connection's API path, such as ``reports/17``. (templated)
    :param method: ``GET`` (default), ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
    :param query: query parameters; none by default. (templated)
    :param json: body; none by default. (templated)
    :param paginate: whether a list is read over all its pages and its records are returned; only with ``GET``.
        Default: ``False``.
    :param openesg_conn_id: id of a Connection of type ``openesg``; by default ``openesg_default``. (templated)
    :raises OpenESGConfigError: if a parameter cannot be used, or if the result is larger than 1 MiB.
    :raises OpenESGContractError: if the response is not JSON.
    """

    template_fields: Sequence[str] = ("path", "query", "json", "openesg_conn_id")
    template_fields_renderers = {"query": "json", "json": "json"}  # noqa: RUF012 - declared this way by Airflow
    ui_color = "#dcefdc"

    def __init__(
        self,
        *,
        path: str,
        method: Method = "GET",
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
        if not is_template(path):
            check_api_path(path)
        if not is_template(query):
            check_query("query", query, all_pages=paginate)
        check_boolean("paginate", paginate)
        if paginate and (method != "GET" or json is not None):
            raise OpenESGConfigError("paginate: True given; allowed only with method GET and without json.")

    def execute(self, context: Context) -> Any:  # noqa: ARG002 - Airflow's signature
        """Send the request.

        :return: JSON of the response, ``None`` if it has no body, or the list of records with ``paginate``.
        """
        check_api_path(self.path)
        check_query("query", self.query, all_pages=self.paginate)
        with OpenESGHook(self.openesg_conn_id) as hook:
            return self._records(hook) if self.paginate else self._response(hook)

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

    def _response(self, hook: OpenESGHook) -> Any:
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
                f"{self.method} {self.path}: a result of more than {MAX_RESULT_BYTES // 1024:,} KiB is too large"
                " for an XCom. Reduce it with query, or use OpenESGToObjectStorageOperator or OpenESGToSqlOperator."
            )
