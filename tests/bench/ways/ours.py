"""This package: all tidy tables, eight requests at once."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile

import measured

home = tempfile.TemporaryDirectory()
extra = {"parallel_requests": 8}
connection = {"conn_type": "openesg", "host": sys.argv[1], "login": "bench", "password": "bench", "extra": extra}
os.environ.update(
    AIRFLOW_HOME=home.name,
    AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR=home.name,
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    AIRFLOW_CONN_OPENESG_DEFAULT=json.dumps(connection),
)

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector  # noqa: E402
from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath  # noqa: E402

from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator  # noqa: E402
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator  # noqa: E402

# Imports are not measured. This package imports many modules at first use, so they are imported here.
for module in (
    "adbc_driver_postgresql.dbapi",
    "airflow.providers.duckdb.hooks.duckdb",
    "airflow_provider_openesg.client.client",
    "airflow_provider_openesg.client.session",
    "airflow_provider_openesg.tables.read",
    "airflow_provider_openesg.sql.duckdb",
    "airflow_provider_openesg.lake.writer",
    "airflow_provider_openesg.sql.postgres",
):
    importlib.import_module(module)

# Airflow loads plugins, and boto3 if the Amazon provider is installed, for the first Connection, path and lineage.
get_hook_lineage_collector()
BaseHook.get_connection("openesg_default")
ObjectStoragePath("file:///tmp").fs.exists("/tmp")


def pull(_base: str, target: str, place: str) -> None:
    if target in ("parquet", "jsonl"):
        OpenESGToObjectStorageOperator(task_id="pull", path=place, file_format=target).execute({})
        return
    sql = {"conn_type": "duckdb", "host": place}
    if target == "postgres":
        user, host, port, database, schema = place.split()
        sql = {"conn_type": "postgres", "host": host, "port": int(port), "login": user, "schema": database}
    os.environ["AIRFLOW_CONN_TARGET"] = json.dumps(sql)
    schema = {"schema": schema} if target == "postgres" else {}
    OpenESGToSqlOperator(task_id="pull", sql_conn_id="target", **schema).execute({})


measured.run(pull)
