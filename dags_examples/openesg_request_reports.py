"""Request reports from your suppliers. The suppliers are in a CSV file with the columns of the platform's CSV upload.

The DAG can be repeated at any time: a request that is on the platform is not sent again.

It needs the Connection ``openesg_default`` (see ``openesg_nightly_extract.py``) and the Variable ``openesg_suppliers``
with the path of the file, such as ``s3://bucket/suppliers.csv``.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG  # only Airflow 3: from airflow.sdk import DAG

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
    # A dry run sends nothing. Its log and XCom show which requests would be sent.
    preview = OpenESGRequestReportsOperator(
        task_id="preview", requests="{{ var.value.openesg_suppliers }}", template="vsme", dry_run=True
    )

    # All rows are checked before the first is sent. The platform sends an e-mail for each request.
    send = OpenESGRequestReportsOperator(task_id="send", requests="{{ var.value.openesg_suppliers }}", template="vsme")

    preview >> send
