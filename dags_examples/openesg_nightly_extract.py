"""Every night, all ESG reports of your openESG platform into DuckDB, to query them, and into Parquet files, for a lake.

Needs
- Connection ``openesg_default``: Base URL, client ID and client secret of your openESG platform;
- Connection ``duckdb_default`` (type DuckDB): the path of the database file as its host;
- Variable ``openesg_lake``: where the Parquet files go, such as ``file:///data/openesg``.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG  # Airflow 3 alone: from airflow.sdk import DAG

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
    # One table each for organizations, templates, sections, field types, requests, reports and field values.
    # merge: what the platform changed is changed, what is new is added. A run that is repeated doubles nothing.
    OpenESGToSqlOperator(task_id="to_duckdb", sql_conn_id="duckdb_default", write_mode="merge")

    # The same tables as files. A reader sees all files of a run or none of them.
    OpenESGToObjectStorageOperator(task_id="to_parquet", path="{{ var.value.openesg_lake }}", file_format="parquet")
