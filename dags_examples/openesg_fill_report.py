"""Fill your own report from a database table, and submit it.

The DAG can run every night: only values that differ from the report are sent. Trigger it with ``{"report_id": 1010}``.

It needs the Connections ``openesg_default`` and ``postgres_default``, and a table in PostgreSQL with one row per value:

    CREATE TABLE esg_values (field_key text, instance_id integer, value numeric, unit text, measurement text)
    INSERT INTO esg_values VALUES ('esg.supplier.climate.energy_total', NULL, 812.4, 'MWh', 'measurement')
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import (  # only Airflow 3: from airflow.sdk import ...
    DAG,
    BaseHook,
    Param,
    task,
)

from airflow_provider_openesg.operators.openesg import OpenESGUpdateReportOperator

with DAG(
    dag_id="openesg_fill_report",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={"report_id": Param(type=["integer", "string"], description="Id of the report on the platform")},
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:

    @task
    def measured_values() -> list[dict[str, Any]]:
        """Read the table. Its columns have the names that the operator expects."""
        rows = BaseHook.get_hook("postgres_default").get_records(
            "SELECT field_key, instance_id, value, unit, measurement FROM esg_values WHERE value IS NOT NULL"
        )
        names = ("field_key", "instance_id", "value", "unit", "measurement")
        return [dict(zip(names, row, strict=True)) for row in rows]

    # The operator checks all values against the report's template, and lists all errors at once.
    measured = OpenESGUpdateReportOperator(
        task_id="measured", report_id="{{ params.report_id }}", field_values=measured_values()
    )

    # Values that are not in the table. submit=True submits the report after they are written.
    rest = OpenESGUpdateReportOperator(
        task_id="rest",
        report_id="{{ params.report_id }}",
        field_values={
            "esg.supplier.company.nace_code": ("03.11", "Marine fishing"),
            "esg.supplier.conduct.code_of_conduct": True,
            "esg.supplier.conduct.certificate_period": (date(2024, 7, 1), date(2027, 6, 30)),
        },
        submit=True,
    )

    measured >> rest
