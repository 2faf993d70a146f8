"""A pull that a second process decodes, as one of a list of more than 64 MiB would be."""

from airflow.sdk import dag

from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator


class Long(OpenESGToObjectStorageOperator):
    def execute(self, context):
        from airflow_provider_openesg.tables import worker as beside

        class Told(beside.Reader):
            def __init__(reader, *args):  # noqa: N805
                super().__init__(*args)
                self.log.info("second process %d", reader._process.pid)

        beside.WORTH_BYTES, beside.Reader = 0, Told
        return super().execute(context)


@dag(schedule=None)
def long_extract():
    Long(task_id="pull", path="{{ var.value.openesg_lake }}/long")


long_extract()
