"""A wait in the triggerer for the report that the run names."""

from airflow.sdk import dag

from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor


@dag(schedule=None, params={"report_id": None})
def deferred_wait():
    OpenESGReportSensor(
        task_id="wait", report_id="{{ params.report_id }}", deferrable=True, poke_interval=2, timeout=3600
    )


deferred_wait()
