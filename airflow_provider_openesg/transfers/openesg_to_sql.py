"""OpenESGToSqlOperator: tables into a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.parameters import LAST_RUN, check_choice
from airflow_provider_openesg.sql import WRITE_MODES
from airflow_provider_openesg.transfers.base import OpenESGTransferOperator
from airflow_provider_openesg.transfers.databases import database_of
from airflow_provider_openesg.utils.openlineage import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_openesg.runs import Run, RunWriter
    from airflow_provider_openesg.tables.layout import Table


class OpenESGToSqlOperator(OpenESGTransferOperator):
    """Writes tidy tables of the openESG platform into a database.

    PostgreSQL and SQLite take them by ADBC, where its driver is installed, Snowflake and BigQuery by a Connection of
    type ``adbc``, DuckDB by Arrow, and every other database with a ``DbApiHook`` in batches of parameters; the log says
    which.

    The run is staged on local disk (``TMPDIR``) and then loaded into all tables in one transaction: killed at any
    moment, the tables are as before or as after. Tables and schema are made where they do not exist; columns that are
    new here are added.

    :param sql_conn_id: Connection of the database, of type ``postgres``, ``sqlite``, ``duckdb``, ``adbc``, ``mysql`` or
        any other that Airflow has a ``DbApiHook`` for. (templated)
    :param schema: schema of the tables; the database's own where None. (templated)
    :param write_mode: ``merge`` writes by key: rows that changed are replaced, and a report or template that was pulled
        loses the values, sections and field types that it no longer has; records that are gone from the platform stay.
        ``replace`` leaves nothing but this run. ``append`` adds this run's rows with a ``run_id``; a retry replaces
        those of its earlier tries.

    The others are those of :class:`~airflow_provider_openesg.transfers.base.OpenESGTransferOperator`: ``tables``,
    ``templates``, ``updated_after``, ``filters``, ``shape``, ``openesg_conn_id``.

    :raises OpenESGConfigError: a parameter or Connection that cannot be used, a database that is locked, a table in it
        that has other columns; before anything is pulled.
    """

    template_fields: Sequence[str] = ("sql_conn_id", "schema", *OpenESGTransferOperator.template_fields)

    def __init__(
        self, *, sql_conn_id: str, schema: str | None = None, write_mode: str = "merge", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sql_conn_id = sql_conn_id
        self.schema = schema
        self.write_mode = write_mode
        check_choice("write_mode", write_mode, WRITE_MODES)
        self._check_beginning()

    def open_writer(self, tables: Sequence[Table], run: Run) -> RunWriter:
        """Find the way into the database."""
        self._check_beginning()
        if self.schema is not None and (not isinstance(self.schema, str) or "." in self.schema):
            raise OpenESGConfigError(
                f"schema: {self.schema!r:.100} given; allowed: the name of a schema alone (its database is the"
                " Connection's), or None for the database's own."
            )
        try:
            from airflow_provider_openesg.sql.writer import SqlRunWriter
        except ModuleNotFoundError as error:
            raise OpenESGConfigError(
                f"Databases need {error.name}, which is not installed: pip install 'airflow-provider-openesg[parquet]'."
            ) from None
        tidy = [] if self.shape == "wide" else [table.name for table in tables]
        writer = SqlRunWriter(database_of(self.sql_conn_id, self.schema), tidy, self.write_mode, run)
        for table in tables if self.shape == "wide" else ():
            writer.expect(table)
        return writer

    def place_of(self, table: str, written: Mapping[str, Any]) -> Place:
        """Return the table's place in the database; one that is a file goes by the type of its Connection."""
        database = written["database"]
        if "://" not in database:
            database = f"{BaseHook.get_connection(self.sql_conn_id).conn_type}://{database}"
        return Place.in_database(database, written["schema"], table)

    def _check_beginning(self) -> None:
        if self.write_mode == "replace" and self.updated_after == LAST_RUN:
            raise OpenESGConfigError(
                f"updated_after {LAST_RUN!r} with write_mode 'replace': the tables would hold the changes since the"
                " last run and nothing else. Use write_mode 'merge', or leave updated_after out."
            )
