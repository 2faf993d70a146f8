"""OpenESGToSqlOperator: write tables into a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.parameters import LAST_RUN, check_choice, check_schema, is_empty, is_template
from airflow_provider_openesg.sql import WRITE_MODES, WriteMode
from airflow_provider_openesg.transfers.base import OpenESGTransferOperator
from airflow_provider_openesg.utils.openlineage import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from airflow_provider_openesg.parameters import OnForbidden, Shape
    from airflow_provider_openesg.runs import Run, RunWriter
    from airflow_provider_openesg.sql.identity import DatabaseIdentity
    from airflow_provider_openesg.tables.layout import Table


class OpenESGToSqlOperator(OpenESGTransferOperator):
    """Write tables of the openESG platform into a database.

    PostgreSQL and SQLite are loaded by ADBC if its driver is installed, Snowflake and BigQuery by a Connection of type
    ``adbc``, DuckDB by Arrow, and every other database with a ``DbApiHook`` in batches of parameters. The task log
    names the method.

    The run is staged on local disk (``TMPDIR``) and then loaded into all tables in one transaction. If the task is
    killed, the tables are either unchanged or complete. Schema, tables and columns that do not exist are created.

    :param sql_conn_id: Connection of the database, of type ``postgres``, ``sqlite``, ``duckdb``, ``adbc``, ``mysql`` or
        any other type with a ``DbApiHook``. (templated)
    :param schema: schema of the tables; by default the database's default schema. (templated)
    :param write_mode: ``merge`` writes by key: changed rows are replaced, and values, sections and field types that a
        report or template no longer has are deleted; records that were deleted on the platform are kept.
        ``replace`` keeps only the rows of this run. ``append`` adds this run's rows with a ``run_id``; a retry
        replaces the rows of its earlier tries.
    :param tables: names from :data:`airflow_provider_openesg.tables.TABLES`; all by default. Not with ``shape="wide"``.
    :param templates: ids or keys of templates, such as ``["vsme"]``; all by default. (templated)
    :param updated_after: ``"last_run"``, a time in ISO 8601 or a ``datetime``: only later changes are read; all by
        default. (templated)
    :param filters: filters of reports, such as ``{"customer_identifier": "4711"}``. (templated)
    :param shape: ``tidy``: one row per field value; ``wide``: one row per report, one column per field key.
    :param on_forbidden: if this client may not read a single record (403): ``keep`` what its list has, and count and
        name it in the log and the result; or ``fail``.
    :param strict: whether a difference of the platform that is not recognized is an error, and nothing is written; also
        if *Strict* is set in the Connection.
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    :raises OpenESGConfigError: if a parameter or Connection cannot be used, the database is locked, or an existing
        table has other columns; before any record is read.
    """

    template_fields: Sequence[str] = ("sql_conn_id", "schema", *OpenESGTransferOperator.template_fields)

    def __init__(
        self,
        *,
        sql_conn_id: str,
        schema: str | None = None,
        write_mode: WriteMode = "merge",
        tables: Sequence[str] | None = None,
        templates: Sequence[str | int] | None = None,
        updated_after: str | date | None = None,
        filters: Mapping[str, Any] | None = None,
        shape: Shape = "tidy",
        on_forbidden: OnForbidden = "keep",
        strict: bool = False,
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            tables=tables,
            templates=templates,
            updated_after=updated_after,
            filters=filters,
            shape=shape,
            on_forbidden=on_forbidden,
            strict=strict,
            openesg_conn_id=openesg_conn_id,
            **kwargs,
        )
        self.sql_conn_id = sql_conn_id
        self.schema = schema
        self.write_mode = write_mode
        self._identity: DatabaseIdentity | None = None
        if not is_template(schema):
            check_schema(schema)
        check_choice("write_mode", write_mode, WRITE_MODES)
        self._check_write_mode()

    def open_writer(self, tables: Sequence[Table], run: Run) -> RunWriter:
        """Return the writer of the database, which is not opened yet."""
        from airflow_provider_openesg.sql.writer import SqlRunWriter
        from airflow_provider_openesg.transfers.databases import database_of

        self._check_write_mode()
        check_schema(self.schema)
        database = database_of(self.sql_conn_id, None if is_empty(self.schema) else self.schema)
        self._identity = database.identity
        tidy = [] if self.shape == "wide" else [table.name for table in tables]
        writer = SqlRunWriter(database, tidy, self.write_mode, run)
        for table in tables if self.shape == "wide" else ():
            writer.expect(table)
        return writer

    def place_of(self, table: str, written: Mapping[str, Any]) -> Place:
        """Return the location of a table that this run has written."""
        assert self._identity is not None
        return Place.in_database(self._identity, written["schema"], table)

    def _check_write_mode(self) -> None:
        if self.write_mode == "replace" and self.updated_after == LAST_RUN:
            raise OpenESGConfigError(
                f"updated_after {LAST_RUN!r} with write_mode 'replace': the tables would hold only the changes"
                " since the last run. Use write_mode 'merge', or remove updated_after."
            )
