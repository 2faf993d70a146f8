"""Wait until a customer has submitted its reports, then load them.

Trigger the DAG with ``{"customer_identifier": "4711"}``. It needs the Connections ``openesg_default`` and
``duckdb_default`` (see ``openesg_nightly_extract.py``).
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param  # only Airflow 3: from airflow.sdk import DAG, Param

from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

CUSTOMER = "{{ params.customer_identifier }}"

with DAG(
    dag_id="openesg_wait_for_report",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    params={"customer_identifier": Param(type="string", description="Your own identifier of the customer")},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:
    # The sensor succeeds when all reports of the customer are submitted. It fails as soon as one is declined.
    # mode="reschedule" frees the worker between two polls.
    wait = OpenESGReportSensor(
        task_id="wait_for_report",
        customer_identifier=CUSTOMER,
        mode="reschedule",
        poke_interval=timedelta(minutes=10).total_seconds(),
        timeout=timedelta(days=30).total_seconds(),
    )

    load = OpenESGToSqlOperator(
        task_id="load",
        sql_conn_id="duckdb_default",
        tables=["organizations", "reports", "field_values"],
        filters={"customer_identifier": CUSTOMER},
    )

    wait >> load
