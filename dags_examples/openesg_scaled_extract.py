"""Copy a large platform every night with many workers: one mapped task per report template, one run for readers.

It needs
- the Connection ``openesg_default``: Base URL, client ID and client secret of your openESG platform;
- the Variable ``openesg_lake``: the folder of the Parquet files, such as ``file:///data/openesg``.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task  # only Airflow 3: from airflow.sdk import DAG, task

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.transfers.openesg_to_object_storage import (
    OpenESGCommitRunOperator,
    OpenESGToObjectStorageOperator,
)

LAKE = "{{ var.value.openesg_lake }}"
TEMPLATE_TABLES = ["report_templates", "sections", "field_types", "report_requests", "reports", "field_values"]

with DAG(
    dag_id="openesg_scaled_extract",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:

    @task
    def templates() -> list[list[str]]:
        with OpenESGHook() as hook:
            return [[str(template["id"])] for template in hook.iter_records("report-templates")]

    # commit=False: each task writes a part of the run, which readers do not see yet.
    parts = OpenESGToObjectStorageOperator.partial(
        task_id="reports", path=LAKE, tables=TEMPLATE_TABLES, partition_by="template", commit=False
    ).expand(templates=templates())
    organizations = OpenESGToObjectStorageOperator(
        task_id="organizations", path=LAKE, tables=["organizations"], commit=False
    )

    # Readers see all parts after this task, and none before.
    OpenESGCommitRunOperator(task_id="commit", path=LAKE, parts=[organizations.output, parts.output])
