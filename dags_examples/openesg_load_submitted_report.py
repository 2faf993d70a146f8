"""Started by a submitted report, this loads just that report. Needs Airflow 3, with its triggerer running.

Needs the Connections ``openesg_default`` and ``duckdb_default``, as in ``openesg_nightly_extract.py``.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator
from airflow_provider_openesg.triggers.openesg import OpenESGReportEventTrigger

# Put the host of your platform and the key of your template here.
REPORTS = Asset(
    name="openesg_vsme_reports",
    uri="openesg://app.openesg.de/report-templates/vsme/reports",
    watchers=[
        AssetWatcher(
            name="submitted",
            trigger=OpenESGReportEventTrigger(filters={"template": "vsme"}, poke_interval=60),
        )
    ],
)

with DAG(
    dag_id="openesg_load_submitted_report",
    schedule=REPORTS,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["openesg"],
    doc_md=__doc__,
) as dag:

    @task
    def submitted(triggering_asset_events: Any = None) -> dict[str, list[Any]]:
        """Several reports may be submitted before a run begins: Airflow then starts one run for all of them."""
        # A payload names the report and its request, organization, template, customer_identifier, status and time.
        payloads = [each.extra["payload"] for events in triggering_asset_events.values() for each in events]
        # Events are delivered at least once; a repeated one has an equal event_id.
        by_event = {payload["event_id"]: payload["report_id"] for payload in payloads}
        return {"id": sorted(set(by_event.values()))}

    OpenESGToSqlOperator(
        task_id="load", sql_conn_id="duckdb_default", tables=["reports", "field_values"], filters=submitted()
    )
