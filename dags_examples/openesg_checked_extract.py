"""Copy all ESG reports every night, if the platform is still as it was when this was set up.

It needs
- the Connection ``openesg_default``: Base URL, client ID and client secret of your openESG platform;
- the Connection ``duckdb_default`` (type DuckDB), with the path of the database file as its host.

If the platform has changed, the check fails, its log shows what to write into the field *API differences* of the
Connection, and nothing is loaded.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG  # only Airflow 3: from airflow.sdk import DAG

from airflow_provider_openesg.operators.openesg import OpenESGCheckOperator
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

with DAG(
    dag_id="openesg_checked_extract",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:
    check = OpenESGCheckOperator(task_id="check")
    load = OpenESGToSqlOperator(task_id="load", sql_conn_id="duckdb_default", write_mode="merge")
    check >> load
