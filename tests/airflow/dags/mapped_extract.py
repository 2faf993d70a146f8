"""Sixteen mapped tasks that write parts of one run, each of one customer; every fifth is killed in its first try."""

import os
import signal
from datetime import timedelta

from airflow.sdk import dag, task

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.transfers.openesg_to_object_storage import (
    OpenESGCommitRunOperator,
    OpenESGToObjectStorageOperator,
)

LAKE = "{{ var.value.openesg_lake }}/mapped"


class KilledOnce(OpenESGToObjectStorageOperator):
    def execute(self, context):
        self.killed = context["ti"].map_index % 5 == 0 and context["ti"].try_number == 1
        return super().execute(context)

    def open_writer(self, tables, run):
        writer = super().open_writer(tables, run)
        if self.killed:
            writer.commit = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        return writer


@dag(schedule=None, params={"customers": 16}, default_args={"retries": 1, "retry_delay": timedelta(0)})
def mapped_extract():
    @task
    def customers(params=None):
        with OpenESGHook() as hook:
            found = {report["customer_identifier"] for report in hook.iter_records("reports")}
        return [{"customer_identifier": customer} for customer in sorted(found - {None, ""})[: params["customers"]]]

    parts = KilledOnce.partial(
        task_id="part", path=LAKE, tables=["report_requests", "reports", "field_values"], commit=False
    ).expand(filters=customers())
    others = OpenESGToObjectStorageOperator(
        task_id="others",
        path=LAKE,
        tables=["organizations", "report_templates", "sections", "field_types"],
        commit=False,
    )
    OpenESGCommitRunOperator(task_id="commit", path=LAKE, parts=[others.output, parts.output])


mapped_extract()
