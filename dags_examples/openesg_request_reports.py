"""Ask your suppliers for reports: from a CSV file with the columns of the platform's CSV upload.

Run it as often as you like: who was asked before is not asked again.

Needs the Connection ``openesg_default``, as in ``openesg_nightly_extract.py``, and the Variable ``openesg_suppliers``:
where the file is, such as ``s3://bucket/suppliers.csv``.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG  # Airflow 3 alone: from airflow.sdk import DAG

from airflow_provider_openesg.operators.openesg import OpenESGRequestReportsOperator

with DAG(
    dag_id="openesg_request_reports",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:
    # Says in its log and XCom what would be sent.
    preview = OpenESGRequestReportsOperator(
        task_id="preview", requests="{{ var.value.openesg_suppliers }}", template="vsme", dry_run=True
    )

    # Every row is checked before the first is sent; each is sent once, whatever fails on the way.
    ask = OpenESGRequestReportsOperator(task_id="ask", requests="{{ var.value.openesg_suppliers }}", template="vsme")

    preview >> ask
