"""Tasks that each open a hook, for the Connections named in the run: 30 tasks, or the number in its configuration."""

from airflow.sdk import dag, task

from airflow_provider_openesg.hooks.openesg import OpenESGHook


@dag(schedule=None, params={"connections": ["openesg_default"], "tasks": 30})
def mapped_reads():
    @task
    def connections(params=None):
        names = params["connections"]
        return [names[number % len(names)] for number in range(params["tasks"])]

    @task
    def read(connection):
        with OpenESGHook(connection) as hook:
            return sum(1 for _ in hook.iter_records("report-templates"))

    read.expand(connection=connections())


mapped_reads()
