"""A DAG that every submitted report starts, and one that is started by the asset of a transfer."""

import os

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator
from airflow_provider_openesg.triggers.openesg import OpenESGReportEventTrigger

LAKE = os.environ["OPENESG_LAKE"]
WRITTEN = Asset(f"{LAKE}/organizations")
SUBMITTED = Asset(
    name="submitted",
    uri="openesg://sandbox.example/reports",
    watchers=[AssetWatcher(name="submitted", trigger=OpenESGReportEventTrigger(poke_interval=2))],
)


@dag(schedule=SUBMITTED)
def on_submitted():
    @task
    def name(triggering_asset_events=None):
        return [each.extra["payload"]["report_id"] for events in triggering_asset_events.values() for each in events]

    name()


@dag(schedule=None)
def writes():
    OpenESGToObjectStorageOperator(task_id="write", path=LAKE, tables=["organizations"])


@dag(schedule=WRITTEN)
def on_written():
    @task
    def rows(triggering_asset_events=None):
        return [event.extra["rows"] for event in triggering_asset_events[WRITTEN]]

    rows()


on_submitted()
writes()
on_written()
