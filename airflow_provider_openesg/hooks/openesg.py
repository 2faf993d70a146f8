"""OpenESGHook: access to the openESG API with an Airflow Connection."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import AirflowException, BaseHook, conf, mask_secret

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.filters import check_filters, check_query
from airflow_provider_openesg.get_provider_info import CONNECTION_TYPE, HOOK_NAME
from airflow_provider_openesg.parameters import (
    METHODS,
    check_api_path,
    check_choice,
    check_names,
    check_record_id,
    check_shape,
    check_templates,
    read_updated_after,
)
from airflow_provider_openesg.settings import OpenESGSettings
from airflow_provider_openesg.tables import TABLES, filtered_lists, require_pyarrow

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
    from datetime import date

    import pyarrow as pa
    from requests import Response
    from requests_oauthlib import OAuth2Session

    from airflow_provider_openesg.auth.cache import CredentialCache
    from airflow_provider_openesg.check import CheckResult
    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.parameters import Method, OnDuplicate, OnInvalid, Shape
    from airflow_provider_openesg.reports.requests.run import Result
    from airflow_provider_openesg.reports.updates.run import Update
    from airflow_provider_openesg.tables.summary import Summary
    from airflow_provider_openesg.tables.wide import Wide


class OpenESGHook(BaseHook):
    """Call the openESG platform with the client ID and secret of a Connection.

    The access token is fetched once per worker and hour and shared by all tasks (see
    :mod:`airflow_provider_openesg.auth`). Requests that are safe to repeat are retried within the Connection's *Retry
    budget*. Use the hook in a ``with`` statement, or call :meth:`close`, to close its network connections early.

    :param openesg_conn_id: id of a Connection of type ``openesg``.
    """

    conn_name_attr = "openesg_conn_id"
    default_conn_name = "openesg_default"
    conn_type = CONNECTION_TYPE
    hook_name = HOOK_NAME

    def __init__(self, openesg_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.openesg_conn_id = openesg_conn_id

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the Connection form for Airflow before 3.2; later versions read the manifest."""
        from airflow_provider_openesg.hooks.connection_form import connection_form_widgets

        return connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels, placeholders and hidden fields of the Connection form for Airflow before 3.2."""
        from airflow_provider_openesg.hooks.connection_form import ui_field_behaviour

        return ui_field_behaviour()

    @cached_property
    def settings(self) -> OpenESGSettings:
        """Settings from the Connection, checked.

        :raises OpenESGConfigError: if a field of the Connection cannot be used.
        """
        connection = self.get_connection(self.openesg_conn_id)
        return OpenESGSettings.from_connection(
            host=connection.host,
            login=connection.login,
            password=connection.password,
            extra=connection.extra_dejson,
            port=connection.port,
            schema=connection.schema,
            api=conf.get("openesg", "api", fallback=""),
            read_file=_read_file,
        )

    @cached_property
    def client(self) -> OpenESGClient:
        """API client, created at first use."""
        from airflow_provider_openesg.client.client import OpenESGClient

        settings = self._masked_settings()
        return OpenESGClient(settings, cache=_configured_cache(), on_token=mask_secret)

    def get_conn(self) -> OAuth2Session:
        """Return an authorized session. It caches and renews the token, retries, and sends the token to no other host.

        Paths may be relative to the API path: ``session.get("reports")``.
        """
        return self.client.session

    def request(
        self, method: Method, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Response:
        """Send one request and return its response.

        :param method: HTTP method.
        :param path: path below the Connection's API path, such as ``reports/17``.
        :param params: query parameters.
        :param json: body, sent as JSON.
        :raises OpenESGConfigError: if the method is not allowed, or the path is empty or leads to another host.
        :raises OpenESGApiError: if the response is 4xx or 5xx, or if there is none; 404 and 429 have own subclasses.
        :raises OpenESGAuthError: if no token is issued, or if the platform rejects the token.
        """
        check_choice("method", method, METHODS)
        check_api_path(path)
        check_query("params", params)
        return self.client.request(method, path, params=params, json=json)

    def iter_records(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield all records of a resource, with their details, from all pages, each record once.

        :param resource: ``reports``, ``report-requests``, ``report-templates`` or ``organizations``; or a path that
            begins with ``/``.
        :param filters: filters of the resource's list, such as ``{"customer_identifier": "4711"}``.
        :raises OpenESGConfigError: if the resource or a filter is not known.
        :raises OpenESGContractError: if a response is not as the package expects of the API.
        """
        return self.client.iter_records(resource, filters=filters)

    def get_record(self, resource: str, record_id: str | int) -> dict[str, Any]:
        """Return one record.

        :param resource: name of a resource, as for :meth:`iter_records`.
        :param record_id: id of the record.
        :raises OpenESGConfigError: if the resource is not known, or the id is empty.
        :raises OpenESGNotFoundError: if the record does not exist, or this client may not read it.
        """
        return self.client.get_record(resource, check_record_id("record_id", record_id))

    def iter_tables(
        self,
        tables: Collection[str] | None = None,
        *,
        templates: Collection[str | int] | None = None,
        updated_after: str | date | None = None,
        filters: Mapping[str, Any] | None = None,
        shape: Shape = "tidy",
        summary: Summary | None = None,
    ) -> Generator[tuple[str, pa.RecordBatch]]:
        """Yield the name of a table and a record batch of it, until all rows of all tables are read.

        :param tables: names in :data:`airflow_provider_openesg.tables.TABLES`; all by default.
        :param templates: ids or keys of report templates; all by default.
        :param updated_after: only reports and requests that changed after this time; text is ISO 8601, UTC by default.
        :param filters: filters of reports.
        :param shape: ``tidy``: one row per field value; ``wide``: one row per report and one column per field key of
            the only template in ``templates``, see :mod:`airflow_provider_openesg.tables.wide`.
        :param summary: object that is filled while tables are read: number of rows, malformed values, latest change.
        :raises OpenESGConfigError: if a table, template, filter, time or shape cannot be used, or if pyarrow is not
            installed. Parameters are checked by this call, not by the first ``next()``.
        """
        check_shape(shape, tables=tables)
        if tables is not None:
            check_names("tables", tables, TABLES)
        template_names = check_templates(templates, shape=shape)
        after = read_updated_after(updated_after)
        if filters is not None:
            check_filters(filters, filtered_lists(tables), templates=templates)
        if shape == "wide":
            return self.wide_tables(templates).batches(
                self.client, updated_after=after, filters=filters, summary=summary
            )
        with require_pyarrow():
            from airflow_provider_openesg.tables.read import iter_tables
        return iter_tables(
            self.client, tables, templates=template_names, updated_after=after, filters=filters, summary=summary
        )

    def wide_tables(self, templates: Collection[str | int] | None) -> Wide:
        """Read the field types of a template and return its wide tables: names, columns and a reader of their rows.

        :param templates: list of one template id or key.
        :raises OpenESGConfigError: if it is not exactly one, or if the platform does not have it.
        """
        with require_pyarrow():
            from airflow_provider_openesg.tables.wide import Wide
        return Wide.of_template(self.client, check_templates(templates, shape="wide"))

    def request_reports(
        self,
        rows: Iterable[Mapping[str, Any]] | Mapping[int, Mapping[str, Any]],
        *,
        template: str | int | None = None,
        on_invalid: OnInvalid = "fail",
        on_duplicate: OnDuplicate = "fail",
        dry_run: bool = False,
        retried: bool = False,
    ) -> list[Result]:
        """Request a report for each row, unless the platform already has the request.

        See :class:`~airflow_provider_openesg.operators.openesg.OpenESGRequestReportsOperator` for the guarantees.

        :param rows: dicts with the columns of the platform's CSV upload; or a mapping from row numbers, which messages
            show, to such dicts. By default, rows are numbered from 1.
        :param template: id or key of the report template for rows without one.
        :param on_invalid: ``fail``: if a row is not valid, nothing is sent; ``skip``: the valid rows are sent.
        :param on_duplicate: ``fail``: if two rows have the same key, nothing is sent; ``first``: the first is sent.
        :param dry_run: whether rows are only checked and looked up, and nothing is sent.
        :param retried: whether an earlier try may have been interrupted (``ti.try_number > 1``).
        :return: result of each row, in the order of the rows; rows that the platform rejected are ``skipped``.
        :raises OpenESGConfigError: if a parameter cannot be used, or if rows are not valid; all of them are listed.
        :raises OpenESGUntraceableError: if the platform does not show a request that was sent. Do not retry.
        """
        from airflow_provider_openesg.reports.requests.run import request_reports

        return request_reports(
            self.client,
            rows,
            template=template,
            on_invalid=on_invalid,
            on_duplicate=on_duplicate,
            dry_run=dry_run,
            retried=retried,
            directory=_configured_directory(),
        )

    def update_report(
        self,
        report_id: str | int,
        field_values: Mapping[str, Any] | Iterable[Mapping[str, Any]],
        *,
        submit: bool = False,
        object_storage_conn_id: str | None = None,
    ) -> Update:
        """Write the field values of a report that differ from the given ones.

        :param report_id: id of the report.
        :param field_values: Python values by field key; or dicts with ``value``, ``unit``, ``measurement``,
            ``comment``, ``attachment`` (a path) and ``instance_id`` by field key; or a list of such dicts, each with
            its ``field_key``.
        :param submit: whether the report is submitted afterwards, unless it is submitted already.
        :param object_storage_conn_id: id of the Connection for the paths of attachments.
        :return: names of the fields that were written or got a file, and the status of the report.
        :raises OpenESGConfigError: if values are not valid; all of them are listed, and nothing was sent.
        :raises OpenESGApiError: if the platform rejects the values, or does not respond.
        """
        from airflow_provider_openesg.reports.updates.run import update_report
        from airflow_provider_openesg.utils.object_storage import object_storage_path

        def open_file(path: Any) -> Any:
            return object_storage_path(path, object_storage_conn_id) if isinstance(path, str) else path

        return update_report(self.client, report_id, field_values, submit=submit, open_file=open_file)

    def check(self, schema: Mapping[str, Any] | None = None) -> CheckResult:
        """Compare the platform with what is assumed of it, or written down. It only reads, with a new token.

        :param schema: the platform's OpenAPI schema; by default, the platform is asked for it.
        :return: a line for each entry of the profile, what to write, and whether the platform can be used.
        :raises OpenESGConfigError: if a field of the Connection cannot be used.
        """
        from airflow_provider_openesg.auth.cache import open_cache
        from airflow_provider_openesg.check import run_check
        from airflow_provider_openesg.client.samples import sampling_client

        with sampling_client(self._masked_settings(), cache=open_cache("off"), on_token=mask_secret) as client:
            return run_check(client, schema)

    def test_connection(self) -> tuple[bool, str]:
        """Fetch a token, and read one row of each list and one report.

        :return: whether they were understood, and a message for the user.
        """
        from airflow_provider_openesg.client.connection_test import check_connection

        try:
            settings = self._masked_settings()
        except (OpenESGConfigError, AirflowException) as error:
            return False, str(error)
        return check_connection(settings, mask_secret)

    def close(self) -> None:
        """Close the network connections. The hook can be used again afterwards."""
        if "client" in self.__dict__:
            self.client.close()
            del self.client

    def _masked_settings(self) -> OpenESGSettings:
        from requests.utils import get_auth_from_url

        from airflow_provider_openesg.auth.token import Identity, secret_forms

        for form in secret_forms(Identity.of(self.settings)):
            mask_secret(form)
        for proxy in (self.settings.proxies or {}).values():  # Airflow masks "proxy", but not "proxies"
            if password := get_auth_from_url(proxy)[1]:
                mask_secret(password)
        return self.settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _configured_cache() -> CredentialCache:
    from airflow_provider_openesg.auth.cache import open_cache

    kind = conf.get("openesg", "credential_cache", fallback="disk")
    return open_cache(kind, _configured_directory())


def _configured_directory() -> str | None:
    return conf.get("openesg", "credential_cache_dir", fallback="") or None


def _read_file(path: str) -> str:
    from airflow_provider_openesg.api_document import read_document
    from airflow_provider_openesg.utils.object_storage import object_storage_path

    return read_document(object_storage_path(path, None) if "://" in path else Path(path))
