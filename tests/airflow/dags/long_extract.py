"""A pull with a worker process, like that of a list of more than 64 MiB."""

from airflow.sdk import dag

from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator


class Long(OpenESGToObjectStorageOperator):
    def execute(self, context):
        from airflow_provider_openesg.tables import lists

        class Logged(lists.Worker):
            def __init__(worker, *args):  # noqa: N805
                super().__init__(*args)
                self.log.info("worker process %d", worker._process.pid)

        lists.WORKER_BYTES, lists.WORKER_WAIT, lists.Worker = 0, 30, Logged
        return super().execute(context)


@dag(schedule=None)
def long_extract():
    Long(task_id="pull", path="{{ var.value.openesg_lake }}/long")


long_extract()
