"""OpenESGRequestReportsOperator: ask providers for reports, one or thousands, nobody twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook, BaseOperator

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGUntraceableError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.links.openesg import OpenESGReportLink, keep_link
from airflow_provider_openesg.parameters import check_choice, is_template

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_openesg.reports.requests.run import Outcome, Result

MAX_LISTED = 1000
"""Rows in the XCom."""


class OpenESGRequestReportsOperator(BaseOperator):
    """Asks for a report for each row of a list, unless it was asked for before. Run it again at any time.

    A row's key is its template, ``customer_identifier`` and ``reason``. A row without an identifier is sent with one
    made of organization and e-mail address. What the platform has a request for is not sent again, and a request
    whose answer is lost is looked up before it is tried again. Tasks of one machine and user take turns. Machines have
    no lock in common: a task that sees that somebody else is sending its rows waits until that has ended; the guide
    names what can still be sent twice. Airflow runs one instance of this task at a time (``max_active_tis_per_dag=1``,
    unless given otherwise).

    :param requests: a list of dicts, or the output of another task; the path of a CSV file (``,`` or ``;``) as
        ``ObjectStoragePath`` takes it; or, with ``sql_conn_id``, a query, or the path of a ``.sql`` file with one.
        Columns are those of the platform's CSV upload. (templated)
    :param template: id or key of the report template, for rows that name none. (templated)
    :param sql_conn_id: Connection of the database that ``requests`` is a query for. (templated)
    :param object_storage_conn_id: Connection of the store that ``requests`` is a path in.
    :param on_invalid: ``fail``: nothing is sent where a row is at fault; ``skip``: the valid rows are.
    :param on_duplicate: ``fail``: nothing is sent where two rows have one key; ``first``: the first of them is.
    :param dry_run: check and look up, and say what would be sent.
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    :raises OpenESGConfigError: rows at fault, each named with column, value and what is allowed; or rows that the
        platform refuses, once the others are sent.
    :raises OpenESGApiError: the platform does not come back; a retry sends what is missing.
    :raises AirflowFailException: the platform does not show what was sent: to be looked into, not retried.
    """

    template_fields: Sequence[str] = ("requests", "template", "sql_conn_id", "openesg_conn_id")
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
        on_invalid: str = "fail",
        on_duplicate: str = "fail",
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
        # Airflow 2's operators have a method of the name dry_run.
        self.dry_run_only = dry_run
        self.openesg_conn_id = openesg_conn_id
        check_choice("on_invalid", on_invalid, ("fail", "skip"))
        check_choice("on_duplicate", on_duplicate, ("fail", "first"))
        if not isinstance(dry_run, bool):
            raise OpenESGConfigError(f"dry_run: {dry_run!r:.100} given; allowed: True or False.")
        if not is_template(requests):
            _kind(requests)

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask.

        :returns: ``rows``, ``created``, ``existing``, ``skipped`` (with ``dry_run``: ``to_create``), and ``requests``:
            of each row its ``row`` number, ``outcome``, key, ``request_id`` and ``report_id``; at most 1,000 of them.
        """
        rows = self._rows()
        task = context.get("ti")
        with OpenESGHook(self.openesg_conn_id) as hook:
            base_url = hook.settings.base_url
            # A task that fails has its button, too.
            keep_link(context, base_url, "report-requests")
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
                # A retry that cannot see what was sent would send it again.
                raise AirflowFailException(str(error)) from error
        ids = [result.known.request_id for result in results if result.known is not None]
        if len(ids) == 1:
            keep_link(context, base_url, "report-requests", ids[0])
        return self._told(results)

    def _told(self, results: Sequence[Result]) -> dict[str, Any]:
        refused = [result for result in results if result.outcome == "skipped" and result.key is not None]
        if refused and self.on_invalid == "fail":
            listed = "\n".join(f"row {result.row}: {result.why}" for result in refused)
            raise OpenESGConfigError(
                f"requests: {len(refused)} of {len(results)} rows were refused, the others are sent. "
                f"on_invalid='skip' returns them instead.\n{listed}"
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
        if _kind(self.requests) != "text":
            return self.requests
        return self._rows_of_query() if self.sql_conn_id is not None else self._rows_of_file()

    def _rows_of_query(self) -> list[dict[str, Any]]:
        hook: Any = BaseHook.get_hook(self.sql_conn_id or "")
        if not hasattr(hook, "get_records"):
            raise OpenESGConfigError(
                f"sql_conn_id: {self.sql_conn_id!r} is a Connection of {type(hook).__name__}, which runs no SQL."
            )
        names, records = hook.run(self.requests, handler=_with_names)
        return [dict(zip(names, record, strict=True)) for record in records]

    def _rows_of_file(self) -> Mapping[int, Mapping[str, Any]]:
        from airflow_provider_openesg.reports.requests.csv_file import read_csv
        from airflow_provider_openesg.utils.object_storage import object_storage_path

        path = str(self.requests).strip()
        if path[:1] in ("[", "{"):
            raise OpenESGConfigError(
                "requests: a list rendered to text given; pass the task's output itself (requests=other_task.output), "
                "or set render_template_as_native_obj in the DAG."
            )
        try:
            content = object_storage_path(path, self.object_storage_conn_id).read_bytes()
        except (OSError, ValueError, ImportError) as error:
            raise OpenESGConfigError(
                f"requests: {path!r} cannot be read ({error}). Allowed: a list of dicts, the path of a CSV file, or a "
                "query with sql_conn_id."
            ) from error
        return read_csv(content, path)


def _kind(requests: Any) -> str:
    if isinstance(requests, str) and requests.strip() not in ("", "None"):
        return "text"
    if isinstance(requests, Sequence) and not isinstance(requests, str | bytes):
        return "rows"
    given = type(requests).__name__ if isinstance(requests, Mapping) else repr(requests)
    raise OpenESGConfigError(
        f"requests: {given:.100} given; allowed: a list of dicts, the path of a CSV file, or a query with sql_conn_id."
    )


def _with_names(cursor: Any) -> tuple[list[str], list[Any]]:
    if cursor.description is None:
        raise OpenESGConfigError("requests: a statement that returns no rows given; allowed: a query.")
    names = [column[0] for column in cursor.description]
    twice = next((name for name, count in Counter(map(str.lower, names)).items() if count > 1), None)
    if twice is not None:
        raise OpenESGConfigError(f"requests: the query has the column {twice!r} twice.")
    return names, cursor.fetchall()
