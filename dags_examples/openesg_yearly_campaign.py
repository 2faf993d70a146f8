"""The yearly campaign: ask all suppliers, wait until 80 % have answered, load the answers, name those still missing.

Run it again at any time, and in any state: who was asked for this year's report is not asked again.

Needs the Connections ``openesg_default`` and ``postgres_default``. There, a table of suppliers:

    CREATE TABLE suppliers (number text PRIMARY KEY, name text, vat_id text, contact_email text, contact_language text)
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task  # Airflow 3 alone: from airflow.sdk import ...

from airflow_provider_openesg.operators.openesg import OpenESGRequestReportsOperator
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

# The columns of the platform's CSV upload, from columns of one's own. The reason tells the years apart.
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
    # Every supplier is checked before the first is written to, and each is written to once.
    ask = OpenESGRequestReportsOperator(
        task_id="ask", requests=SUPPLIERS, sql_conn_id="postgres_default", template="vsme"
    )

    @task
    def requests_of(asked: dict[str, Any]) -> list[int | str]:
        """Name the requests of this campaign: nothing else that was ever asked counts."""
        return [each["request_id"] for each in asked["requests"] if "request_id" in each]

    # No worker is held for these weeks. deferrable=True looks in the triggerer, together with all other waits.
    wait = OpenESGReportSensor(
        task_id="wait_for_answers",
        report_request_id=requests_of(ask.output),
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
    def still_missing(asked: dict[str, Any], answered: dict[str, Any]) -> list[str]:
        """Name the suppliers whose reports have not come."""
        there = set(answered["report_ids"])
        return [each["customer_identifier"] for each in asked["requests"] if each.get("report_id") not in there]

    @task
    def remind(suppliers: list[str]) -> None:
        """Hand them to whoever calls them up."""
        logging.getLogger(__name__).warning("%d suppliers have not answered: %s", len(suppliers), ", ".join(suppliers))

    missing = still_missing(ask.output, wait.output)
    wait >> load >> missing
    remind(missing)
