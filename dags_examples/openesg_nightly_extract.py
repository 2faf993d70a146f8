"""Copy all ESG reports of your openESG platform every night, into DuckDB and into Parquet files.

It needs
- the Connection ``openesg_default``: Base URL, client ID and client secret of your openESG platform;
- the Connection ``duckdb_default`` (type DuckDB), with the path of the database file as its host;
- the Variable ``openesg_lake``: the folder of the Parquet files, such as ``file:///data/openesg``.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG  # only Airflow 3: from airflow.sdk import DAG

from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

with DAG(
    dag_id="openesg_nightly_extract",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:
    # Seven tables: organizations, templates, sections, field types, requests, reports and field values.
    # merge updates rows that exist and inserts new ones, so a repeated run creates no duplicates.
    OpenESGToSqlOperator(task_id="to_duckdb", sql_conn_id="duckdb_default", write_mode="merge")

    # The same tables as files. Readers see either all files of a run or none.
    OpenESGToObjectStorageOperator(task_id="to_parquet", path="{{ var.value.openesg_lake }}", file_format="parquet")
