"""OpenESGRequestReportsOperator: request reports from companies, each only once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGUntraceableError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.links.openesg import OpenESGReportLink, keep_link
from airflow_provider_openesg.parameters import check_request_options, check_request_rows, is_empty, is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_openesg.parameters import OnDuplicate, OnInvalid
    from airflow_provider_openesg.reports.requests.run import Outcome, Result

MAX_LISTED = 1000
"""Maximum number of rows in the XCom."""


class OpenESGRequestReportsOperator(BaseOperator):
    """Request a report for each row of a list, unless it was requested before. The task can be repeated at any time.

    The key of a row is its template, ``customer_identifier`` and ``reason``. If a row has no identifier, one is derived
    from organization name and e-mail address. A request that is on the platform is not sent again. If the response to a
    request is lost, the request is looked up before it is sent again. A lock serializes the tasks of one machine and
    user. There is no lock between machines: a task that detects another sender of its rows waits until that sender has
    finished. The guide *Requesting reports* lists the cases in which a request can still be sent twice. Airflow runs
    one instance of this task at a time by default (``max_active_tis_per_dag=1``).

    :param requests: list of dicts, or the output of another task; or the path of a CSV file (delimiter ``,`` or ``;``)
        for ``ObjectStoragePath``; or, with ``sql_conn_id``, a query or the path of a ``.sql`` file. The columns are
        those of the platform's CSV upload. (templated)
    :param template: id or key of the report template for rows without one; none by default. (templated)
    :param sql_conn_id: id of the database Connection that runs the query in ``requests``. (templated)
    :param object_storage_conn_id: id of the Connection for the path in ``requests``; by default Airflow's own for the
        path. (templated)
    :param on_invalid: ``fail`` (default): if a row is not valid, nothing is sent; ``skip``: the valid rows are sent.
    :param on_duplicate: ``fail`` (default): if two rows have the same key, nothing is sent; ``first``: the first of
        them is sent.
    :param dry_run: whether rows are only checked and looked up, and nothing is sent. Default: ``False``.
    :param openesg_conn_id: id of a Connection of type ``openesg``; by default ``openesg_default``. (templated)
    :raises OpenESGConfigError: if rows are not valid (all are listed with column, value and allowed values), or if the
        platform rejected rows after the others were sent.
    :raises OpenESGApiError: if the platform does not respond; a retry sends the rows that are missing.
    :raises AirflowFailException: if the platform does not show a request that was sent. Find the cause; do not retry.
    """

    template_fields: Sequence[str] = (
        "requests",
        "template",
        "sql_conn_id",
        "object_storage_conn_id",
        "openesg_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    operator_extra_links = (OpenESGReportLink(),)
    ui_color = "#dcefdc"

    def __init__(
        self,
        *,
        requests: Any,
        template: str | int | None = None,
        sql_conn_id: str | None = None,
        object_storage_conn_id: str | None = None,
        on_invalid: OnInvalid = "fail",
        on_duplicate: OnDuplicate = "fail",
        dry_run: bool = False,
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("max_active_tis_per_dag", 1)
        super().__init__(**kwargs)
        self.requests = requests
        self.template = template
        self.sql_conn_id = sql_conn_id
        self.object_storage_conn_id = object_storage_conn_id
        self.on_invalid = on_invalid
        self.on_duplicate = on_duplicate
        # Operators of Airflow 2 have a method named dry_run.
        self.dry_run_only = dry_run
        self.openesg_conn_id = openesg_conn_id
        check_request_options(template, on_invalid, on_duplicate, dry_run)
        if not is_template(requests) and not _is_text(requests):
            check_request_rows(requests)

    def execute(self, context: Context) -> dict[str, Any]:
        """Send the requests.

        :return: number of ``rows`` and of those ``created`` (with ``dry_run``: ``to_create``), ``existing`` and
            ``skipped``; and ``requests``: number, outcome, key, ``report_request_id`` and ``report_id`` of at most
            1,000 rows.
        """
        rows = self._rows()
        task = context.get("ti")
        with OpenESGHook(self.openesg_conn_id) as hook:
            settings = hook.settings
            # Set before the requests, so that a task that fails has a link too.
            keep_link(context, settings, "report-requests")
            try:
                results = hook.request_reports(
                    rows,
                    template=self.template,
                    on_invalid=self.on_invalid,
                    on_duplicate=self.on_duplicate,
                    dry_run=self.dry_run_only,
                    retried=bool(task and task.try_number > 1),
                )
            except OpenESGUntraceableError as error:
                # A retry could not find the requests that were sent, and would send them again.
                raise AirflowFailException(str(error)) from error
        ids = [result.report_request_id for result in results if result.report_request_id is not None]
        if len(ids) == 1:
            keep_link(context, settings, "report-requests", ids[0])
        return self._summary(results)

    def _summary(self, results: Sequence[Result]) -> dict[str, Any]:
        rejected = [result for result in results if result.outcome == "skipped" and result.key is not None]
        if rejected and self.on_invalid == "fail":
            listed = "\n".join(f"row {result.row}: {result.message}" for result in rejected)
            raise OpenESGConfigError(
                f"requests: the platform rejected {len(rejected)} of {len(results)} rows; the others were sent."
                f" Correct the rows, or set on_invalid='skip' to return them instead.\n{listed}"
            )
        counts = Counter(result.outcome for result in results)
        sendable: Outcome = "to_create" if self.dry_run_only else "created"
        outcomes: tuple[Outcome, ...] = (sendable, "existing", "skipped")
        return {
            "rows": len(results),
            **{outcome: counts[outcome] for outcome in outcomes},
            "requests": [result.as_dict() for result in results[:MAX_LISTED]],
        }

    def _rows(self) -> Any:
        if not _is_text(self.requests):
            check_request_rows(self.requests)
            return self.requests
        return self._rows_of_file() if is_empty(self.sql_conn_id) else self._rows_of_query()

    def _rows_of_query(self) -> list[dict[str, Any]]:
        from airflow_provider_openesg.utils.sql_connection import sql_connection, sql_hook

        with sql_connection(self.sql_conn_id or "") as connection:
            hook: Any = sql_hook(connection)
        names, records = hook.run(self.requests, handler=_names_and_records)
        return [dict(zip(names, record, strict=True)) for record in records]

    def _rows_of_file(self) -> Mapping[int, Mapping[str, Any]]:
        from airflow_provider_openesg.reports.requests.csv_file import read_csv
        from airflow_provider_openesg.utils.object_storage import object_storage_path

        path = str(self.requests).strip()
        if path[:1] in ("[", "{"):
            raise OpenESGConfigError(
                "requests: a list rendered to text given; allowed: a list of dicts. Pass the output of the other task "
                "itself (requests=other_task.output), or set render_template_as_native_obj in the DAG."
            )
        try:
            content = object_storage_path(path, self.object_storage_conn_id).read_bytes()
        except (OSError, ValueError, ImportError) as error:
            raise OpenESGConfigError(
                f"requests: {path!r} cannot be read ({error}). Allowed: a list of dicts, the path of a CSV file, or a "
                "query with sql_conn_id."
            ) from error
        return read_csv(content, path)


def _is_text(requests: Any) -> bool:
    """Return whether the rows are in a file or come from a query."""
    return isinstance(requests, str) and not is_empty(requests)


def _names_and_records(cursor: Any) -> tuple[list[str], list[Any]]:
    if cursor.description is None:
        raise OpenESGConfigError("requests: a statement without a result given; allowed: a query that returns rows.")
    names = [column[0] for column in cursor.description]
    repeated = next((name for name, count in Counter(map(str.lower, names)).items() if count > 1), None)
    if repeated is not None:
        raise OpenESGConfigError(f"requests: the query returns the column {repeated!r} twice. Rename one of them.")
    return names, cursor.fetchall()
