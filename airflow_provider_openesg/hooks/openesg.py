"""OpenESGHook: from an Airflow Connection to the openESG API; the one door."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import AirflowException, BaseHook, conf, mask_secret

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.get_provider_info import CONNECTION_TYPE, HOOK_NAME
from airflow_provider_openesg.settings import OpenESGSettings
from airflow_provider_openesg.tables import require_pyarrow

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from datetime import datetime

    import pyarrow as pa
    from requests import Response
    from requests_oauthlib import OAuth2Session

    from airflow_provider_openesg.auth.cache import CredentialCache
    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.reports.requests.run import Result
    from airflow_provider_openesg.reports.updates.run import Update
    from airflow_provider_openesg.tables.summary import Summary
    from airflow_provider_openesg.tables.wide import Wide


class OpenESGHook(BaseHook):
    """Calls the openESG platform with the Connection's client ID and secret.

    The token is fetched once per worker and hour, whatever the number of tasks (see
    :mod:`airflow_provider_openesg.auth`). Calls are repeated within the Connection's *Retry budget* where that is safe.
    Use it in a ``with`` statement, or :meth:`close` it, to free its connections before the task ends.

    :param openesg_conn_id: Connection of type ``openesg``.
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
        """Return the form's extra fields for Airflow 2; Airflow 3 reads the provider's manifest."""
        from airflow_provider_openesg.hooks.connection_form import connection_form_widgets

        return connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels, placeholders and hidden fields for Airflow 2; Airflow 3 reads the provider's manifest."""
        from airflow_provider_openesg.hooks.connection_form import ui_field_behaviour

        return ui_field_behaviour()

    @cached_property
    def settings(self) -> OpenESGSettings:
        """The checked Connection.

        :raises OpenESGConfigError: with the field, what was given and what is allowed.
        """
        connection = self.get_connection(self.openesg_conn_id)
        return OpenESGSettings.from_connection(
            host=connection.host,
            login=connection.login,
            password=connection.password,
            extra=connection.extra_dejson,
            port=connection.port,
            schema=connection.schema,
        )

    @cached_property
    def client(self) -> OpenESGClient:
        """The client, made at first use."""
        from airflow_provider_openesg.client.client import OpenESGClient

        settings = self._masked_settings()
        return OpenESGClient(settings, cache=_configured_cache(), on_token=mask_secret)

    def get_conn(self) -> OAuth2Session:
        """Return an authorised session: the token is cached and renewed, calls are retried, other origins refused.

        Paths may be given without the base: ``session.get("reports")``.
        """
        return self.client.session

    def request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None) -> Response:
        """Make one call.

        :param method: ``GET``, ``POST``, …
        :param path: below the Connection's API path, such as ``reports/17``.
        :param params: query.
        :param json: body.
        :raises OpenESGApiError: for 4xx and 5xx, and where no answer came; 404 and 429 have their own classes.
        :raises OpenESGAuthError: no token, or one that the platform refuses.
        """
        return self.client.request(method, path, params=params, json=json)

    def iter_records(self, resource: str, *, filters: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Read all records of a resource, over all pages, each once and with its details.

        :param resource: ``reports``, ``report-requests``, ``report-templates`` or ``organizations``; or a path that
            begins with ``/``.
        :param filters: what the resource's list can be filtered by, such as ``{"customer_identifier": "4711"}``.
        :raises OpenESGConfigError: no such resource or filter.
        :raises OpenESGContractError: the answers are not what the API is taken to be.
        """
        return self.client.iter_records(resource, filters=filters)

    def get_record(self, resource: str, record_id: str | int) -> dict[str, Any]:
        """Read one record.

        :raises OpenESGNotFoundError: the platform has no such record, or does not show it to this client.
        """
        return self.client.get_record(resource, record_id)

    def iter_tables(
        self,
        tables: Iterable[str] | None = None,
        *,
        templates: Iterable[str | int] | None = None,
        updated_after: str | datetime | None = None,
        filters: Mapping[str, Any] | None = None,
        shape: str = "tidy",
        summary: Summary | None = None,
    ) -> Generator[tuple[str, pa.RecordBatch]]:
        """Read tables as Arrow record batches; a second process decodes long lists (:mod:`..tables.beside`).

        :param tables: names of :data:`airflow_provider_openesg.tables.TABLES`; all where None.
        :param templates: ids or keys of the report templates whose reports are read; all where None.
        :param updated_after: reports and requests changed since then only.
        :param filters: further filters of reports.
        :param shape: ``tidy``, or ``wide``: one row per report and a column per field key of the one template that is
            named; see :mod:`airflow_provider_openesg.tables.wide`.
        :param summary: filled while reading: rows, values that could not be read, latest change.
        :raises OpenESGConfigError: no such table, template or filter, or pyarrow is not installed.
        """
        if shape == "wide":
            if tables is not None:
                raise OpenESGConfigError(
                    "tables: given with shape 'wide', which makes them of the template: leave it out."
                )
            return self.wide_tables(templates).batches(
                self.client, updated_after=updated_after, filters=filters, summary=summary
            )
        if shape != "tidy":
            raise OpenESGConfigError(f"shape: {shape!r:.100} given; allowed: tidy, wide.")
        with require_pyarrow():
            from airflow_provider_openesg.tables.read import iter_tables
        return iter_tables(
            self.client, tables, templates=templates, updated_after=updated_after, filters=filters, summary=summary
        )

    def wide_tables(self, templates: Iterable[str | int] | None) -> Wide:
        """Read what a template asks for, and return its wide tables: their names, columns and rows.

        :param templates: id or key of exactly one.
        :raises OpenESGConfigError: none or several, or one that the platform does not have.
        """
        with require_pyarrow():
            from airflow_provider_openesg.tables.wide import Wide
        return Wide.of_template(self.client, templates)

    def request_reports(
        self,
        rows: Iterable[Mapping[str, Any]] | Mapping[int, Mapping[str, Any]],
        *,
        template: str | int | None = None,
        on_invalid: str = "fail",
        on_duplicate: str = "fail",
        dry_run: bool = False,
        retried: bool = False,
    ) -> list[Result]:
        """Ask providers for reports, nobody twice; see :class:`OpenESGRequestReportsOperator` for the promise.

        :param rows: dicts with the columns of the platform's CSV upload; a mapping says what number messages call each
            by, else it is from 1.
        :param template: id or key, for rows that name none.
        :param on_invalid: ``fail``: nothing is sent where a row is at fault; ``skip``: the valid rows are.
        :param on_duplicate: ``fail``: nothing is sent where two rows have one key; ``first``: the first of them is.
        :param dry_run: check and look up only.
        :param retried: an earlier try may have been cut off (``ti.try_number > 1``).
        :returns: what became of each row; those that the platform refused are ``skipped``.
        :raises OpenESGConfigError: rows at fault, each named.
        :raises OpenESGUntraceableError: the platform does not show what was sent; do not retry.
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
        """Write field values of a report, where they differ; see :class:`OpenESGUpdateReportOperator`.

        :param field_values: Python values by field key; or, with what belongs to them, dicts with ``value``, ``unit``,
            ``measurement``, ``comment``, ``attachment`` (a path) and ``instance_id``, by field key or, with a
            ``field_key`` in each, as a list.
        :param submit: submit the report then, unless it is submitted.
        :param object_storage_conn_id: Connection of the store that the attachments' paths are in.
        :returns: names of the fields that were written and attached to, and the report's status.
        :raises OpenESGConfigError: values at fault, each named by field key; nothing was sent.
        :raises OpenESGApiError: the platform refuses, or does not come back.
        """
        from airflow_provider_openesg.reports.updates.run import update_report
        from airflow_provider_openesg.utils.object_storage import object_storage_path

        def open_file(path: Any) -> Any:
            return object_storage_path(path, object_storage_conn_id) if isinstance(path, str) else path

        return update_report(self.client, report_id, field_values, submit=submit, open_file=open_file)

    def test_connection(self) -> tuple[bool, str]:
        """Fetch a token and make one call with it.

        :returns: whether it worked, and in plain words what was seen or what is wrong.
        """
        from airflow_provider_openesg.client.connection_test import check_connection

        try:
            settings = self._masked_settings()
        except (OpenESGConfigError, AirflowException) as error:
            return False, str(error)
        return check_connection(settings, mask_secret)

    def close(self) -> None:
        """Close the connections to the platform, where there are any."""
        if "client" in self.__dict__:
            self.client.close()
            del self.client

    def _masked_settings(self) -> OpenESGSettings:
        from requests.utils import get_auth_from_url

        from airflow_provider_openesg.auth.token import Identity, secret_forms

        for form in secret_forms(Identity.of(self.settings)):
            mask_secret(form)
        for proxy in (self.settings.proxies or {}).values():  # Airflow masks fields named "proxy", not "proxies"
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
