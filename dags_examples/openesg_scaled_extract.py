"""A large platform, every night, by many workers: one mapped task per report template, and one run for readers.

Needs
- Connection ``openesg_default``: Base URL, client ID and client secret of your openESG platform;
- Variable ``openesg_lake``: where the Parquet files go, such as ``file:///data/openesg``.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task  # Airflow 3 alone: from airflow.sdk import DAG, task

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.transfers.openesg_to_object_storage import (
    OpenESGCommitRunOperator,
    OpenESGToObjectStorageOperator,
)

LAKE = "{{ var.value.openesg_lake }}"
OF_TEMPLATES = ["report_templates", "sections", "field_types", "report_requests", "reports", "field_values"]

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

    # Each writes a part, which nobody sees: one per template, and one for what belongs to no template.
    parts = OpenESGToObjectStorageOperator.partial(
        task_id="reports", path=LAKE, tables=OF_TEMPLATES, partition_by="template", commit=False
    ).expand(templates=templates())
    organizations = OpenESGToObjectStorageOperator(
        task_id="organizations", path=LAKE, tables=["organizations"], commit=False
    )

    # All parts count from here on, or none of them does.
    OpenESGCommitRunOperator(task_id="commit", path=LAKE, parts=[organizations.output, parts.output])
