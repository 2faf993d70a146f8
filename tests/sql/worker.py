"""Load one version of the data, in a process that may be killed."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any

# Imported once, so that tries are killed during the load and not during imports.
from adbc_driver_postgresql import dbapi as postgres_driver  # noqa: F401
from adbc_driver_sqlite import dbapi as sqlite_driver  # noqa: F401
from airflow.providers.duckdb.hooks.duckdb import DuckDBHook  # noqa: F401
from arrow_batches import platform
from forking import serve

import airflow_provider_openesg.sql.duckdb
import airflow_provider_openesg.sql.postgres
import airflow_provider_openesg.sql.sqlite  # noqa: F401
from airflow_provider_openesg.runs import Run
from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.transfers.databases import database_of


def attempt(task: dict[str, Any]) -> None:
    os.environ["AIRFLOW_CONN_WAREHOUSE"] = task["connection"]
    run = Run("nightly", "extract", task["run_id"], -1, "http://127.0.0.1/api/v1", {})
    tables = ["report_templates", "reports", "field_values"]
    writer = SqlRunWriter(database_of("warehouse", task["schema"]), tables, task["write_mode"], run)
    with closing(writer):
        writer.check()
        for table, batch in platform(range(*task["reports"]), value=task["value"]):
            writer.write(table, batch)
        writer.commit(None)


if __name__ == "__main__":
    os.environ["AIRFLOW_CONN_WAREHOUSE"] = '{"conn_type": "sqlite", "host": "nowhere"}'
    serve(attempt, lambda: database_of("warehouse", None))  # much is imported for the first Connection
