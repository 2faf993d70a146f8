"""Request a report from each supplier every year, wait for 80 % of them, load them, and list the missing suppliers.

The DAG can be repeated at any time: a report that was requested for this year is not requested again.

It needs the Connections ``openesg_default`` and ``postgres_default``, and a table of suppliers in PostgreSQL:

    CREATE TABLE suppliers (number text PRIMARY KEY, name text, vat_id text, contact_email text, contact_language text)
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task  # only Airflow 3: from airflow.sdk import ...

from airflow_provider_openesg.operators.openesg import OpenESGRequestReportsOperator
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

# Rename your columns to those of the platform's CSV upload. The reason distinguishes the years.
SUPPLIERS = """
    SELECT name AS organization_name,
           vat_id AS organization_vat_id,
           contact_email AS user_email,
           CASE contact_language WHEN 'de' THEN 'de_DE' ELSE 'en_US' END AS user_locale,
           number AS customer_identifier,
           'Supplier report {{ params.year }}' AS reason
    FROM suppliers ORDER BY number
"""

with DAG(
    dag_id="openesg_yearly_campaign",
    schedule="0 8 15 1 *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={"year": Param(2026, type="integer", description="Year that the suppliers report in")},
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:
    # All rows are checked before the first request is sent. Each supplier gets one request.
    request = OpenESGRequestReportsOperator(
        task_id="request", requests=SUPPLIERS, sql_conn_id="postgres_default", template="vsme"
    )

    @task
    def report_request_ids(requested: dict[str, Any]) -> list[str]:
        """Return the requests of this campaign, so that the sensor does not count those of other years."""
        return [each["report_request_id"] for each in requested["requests"] if "report_request_id" in each]

    # mode="reschedule" frees the worker between two polls. deferrable=True would poll in the triggerer instead.
    wait = OpenESGReportSensor(
        task_id="wait_for_reports",
        report_request_id=report_request_ids(request.output),
        expected="80%",
        mode="reschedule",
        poke_interval=timedelta(hours=1).total_seconds(),
        timeout=timedelta(days=90).total_seconds(),
    )

    load = OpenESGToSqlOperator(
        task_id="load",
        sql_conn_id="postgres_default",
        schema="esg",
        tables=["organizations", "reports", "field_values"],
        templates=["vsme"],
    )

    @task
    def missing_suppliers(requested: dict[str, Any], submitted: dict[str, Any]) -> list[str]:
        """Return the suppliers that have not submitted their reports."""
        report_ids = set(map(str, submitted["report_ids"]))
        return [
            each["customer_identifier"] for each in requested["requests"] if each.get("report_id") not in report_ids
        ]

    @task
    def remind(suppliers: list[str]) -> None:
        """Replace this by a message to your team."""
        logging.getLogger(__name__).warning("%d reports are missing: %s", len(suppliers), ", ".join(suppliers))

    missing = missing_suppliers(request.output, wait.output)
    wait >> load >> missing
    remind(missing)
