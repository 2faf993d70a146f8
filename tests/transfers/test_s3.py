"""Files in S3 over HTTP, with an Airflow Connection."""

from __future__ import annotations

import json
import time
from contextlib import closing
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from s3_server import S3Server

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGConfigError, OpenESGError
from airflow_provider_openesg.lake.manifest import read_manifest, read_manifests
from airflow_provider_openesg.lake.storage import BLOCK_BYTES
from airflow_provider_openesg.lake.writer import FileRunWriter
from airflow_provider_openesg.runs import Run
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")


@pytest.fixture(scope="module")
def server():
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(server, monkeypatch):
    """An empty bucket, and the Connection ``files``."""
    for key in server.keys(""):
        server.client.delete_object(Bucket="lake", Key=key)
    monkeypatch.setenv("AIRFLOW_CONN_FILES", server.connection())
    return server


def run(path, run_id="r", **arguments):
    task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
    return OpenESGToObjectStorageOperator(task_id="extract", path=path, **arguments).execute({"ti": task})


@pytest.mark.parametrize(
    ("arguments", "file_format"),
    [
        ({"path": "s3://files@lake/esg"}, "parquet"),
        ({"path": "s3://lake/esg/", "object_storage_conn_id": "files"}, "parquet"),
        ({"path": "s3://files@lake/esg"}, "jsonl"),
        ({"path": "s3://files@lake/esg"}, "csv"),
    ],
)
def test_all_tables_through_a_connection(s3, arguments, file_format):
    result = run(**arguments, file_format=file_format)
    path = ObjectStoragePath("s3://files@lake/esg")
    manifest = read_manifest(path)
    assert result["path"] == "s3://lake/esg"
    assert result["manifest"] == f"s3://lake/esg/_openesg/runs/{manifest.run}.json"
    assert {
        name: ds.dataset(strip(manifest.files(name)), filesystem=path.fs, format=as_arrow(file_format)).count_rows()
        for name in TABLES
    } == result["tables"]
    # Only data files and the manifest, no temporary objects.
    assert sorted(s3.keys()) == sorted(
        ["esg/" + each for each in [*manifest.paths, f"_openesg/runs/{manifest.run}.json"]]
    )
    sizes = {file.path: file.bytes for table in manifest.tables.values() for file in table.files}
    assert sizes == {each: s3.client.head_object(Bucket="lake", Key=f"esg/{each}")["ContentLength"] for each in sizes}
    assert s3.secret_key not in json.dumps(result)


def test_partitions_are_read_by_duckdb_and_pyarrow(s3):
    run("s3://files@lake/esg", partition_by="template")
    path = ObjectStoragePath("s3://files@lake/esg")
    files = read_manifest(path).files("reports")
    database = duckdb.connect()
    database.register_filesystem(path.fs)
    reports = database.read_parquet(files, hive_partitioning=True)
    by_duckdb = reports.aggregate("template, template_id, count(*)").fetchall()
    table = ds.dataset(strip(files), filesystem=path.fs, partitioning="hive").to_table(columns=["template"])
    by_arrow = {each["values"]: each["counts"] for each in table["template"].value_counts().to_pylist()}
    assert {name: count for name, _, count in by_duckdb} == by_arrow
    assert sorted(name for name, _, _ in by_duckdb) == ["supplier-basics", "vsme"]


def test_failed_pull_leaves_no_objects(s3, sandbox):
    run("s3://files@lake/esg", "before")
    before = s3.keys()
    sandbox.fault("answer", path="/reports$", after=1, status=403)
    with pytest.raises(OpenESGApiError, match="HTTP 403"):
        run("s3://files@lake/esg", "r", file_format="jsonl")
    assert s3.keys() == before


@pytest.mark.parametrize("rejected", [False, True])
def test_interrupted_write_creates_no_object(s3, rejected):
    """The file is larger than one block: the store has one part of it, and may reject the next."""
    run("s3://files@lake/esg", "before", tables=["reports"])
    path = ObjectStoragePath("s3://files@lake/esg")
    committed, objects = read_manifests(path), s3.keys()
    task = Run("nightly", "extract", "r", -1, "http://127.0.0.1/api/v1", {})
    rows = [{"id": "1", "reason": "x" * (BLOCK_BYTES + 1)}]
    big = pa.RecordBatch.from_pylist(rows, SCHEMAS["reports"])
    with closing(FileRunWriter(path, ["reports"], "jsonl", task)) as writer:
        writer.check()
        writer.write("reports", big)
        while not s3.unfinished_uploads():
            time.sleep(0.01)
        if rejected:
            s3.reject_credentials(after=0)
            with pytest.raises(
                OpenESGError, match=r"\(Connection 'files'\): cannot be written \(PermissionError: .*Access Key"
            ):
                writer.write("reports", big)
            s3.reject_credentials(after=float("inf"))
    assert s3.unfinished_uploads() == []
    assert s3.keys() == objects
    assert read_manifests(path) == committed


def test_retry_replaces_only_the_objects_of_its_run(s3):
    run("s3://files@lake/esg", "other", tables=["reports"])
    run("s3://files@lake/esg", "r", tables=["reports", "sections"])
    run("s3://files@lake/esg", "r", tables=["reports"])
    path = ObjectStoragePath("s3://files@lake/esg")
    assert [manifest.run_id for manifest in read_manifests(path)] == ["other", "r"]
    assert len(s3.keys("esg/reports/")) == 2
    assert s3.keys("esg/sections/") == []
    assert pq.read_table(strip(read_manifest(path).files("reports")), filesystem=path.fs).num_rows == 200


def test_unusable_path_is_an_error_that_names_the_connection(s3, sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", s3.connection())
    for path, message in {
        "s3://files@no-such-bucket/esg": r"path 's3://no-such-bucket/esg' \(Connection 'files'\): cannot be written "
        r"\(FileNotFoundError: .*bucket does not exist",
        "s3://nobody@lake/esg": "its Connection does not exist .The conn_id `nobody` isn't defined",
        "gs://files@lake/esg": r"cannot be opened \(.*\). For gs://, install apache-airflow-providers-google",
        "abfs://lake/esg": "For abfs://, install apache-airflow-providers-microsoft-azure",
        "s4://lake/esg": r"cannot be opened \(.*\). Allowed: a local path, or s3, ",
    }.items():
        with pytest.raises(OpenESGConfigError, match=message):
            run(path)
    assert [each["Name"] for each in s3.client.list_buckets()["Buckets"]] == ["lake"]  # s3fs creates missing buckets
    s3.reject_credentials(after=0)
    try:
        with pytest.raises(OpenESGConfigError, match=r"\(Connection 'other'\): .*Access Key Id you provided does not"):
            run("s3://other@lake/esg")
    finally:
        s3.reject_credentials(after=float("inf"))
    assert sandbox.state()["requests"] == 0


def strip(files):
    return [file.removeprefix("s3://") for file in files]


def as_arrow(file_format):
    return "json" if file_format == "jsonl" else file_format
