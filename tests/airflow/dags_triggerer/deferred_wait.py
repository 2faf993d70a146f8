"""Waits in the triggerer for the reports that the run names."""

from airflow.sdk import dag, task

from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor

DEFERRED = {
    "task_id": "wait",
    "deferrable": True,
    "poke_interval": 2,
    "timeout": 3600,
    "openesg_conn_id": "openesg_waits",
}


@dag(schedule=None, params={"report_id": None})
def deferred_wait():
    OpenESGReportSensor(report_id="{{ params.report_id }}", **DEFERRED)


@dag(schedule=None, params={"report_id": None})
def wait_from_trigger():
    OpenESGReportSensor(report_id="{{ params.report_id }}", start_from_trigger=True, **DEFERRED)


@dag(schedule=None, params={"report_ids": []})
def mapped_waits():
    @task
    def report_ids(params=None):
        return params["report_ids"]

    OpenESGReportSensor.partial(**DEFERRED).expand(report_id=report_ids())


deferred_wait()
wait_from_trigger()
mapped_waits()
