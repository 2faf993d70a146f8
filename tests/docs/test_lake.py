"""The examples in docs/lake.md that read a lake."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from s3_server import S3Server

from airflow_provider_openesg.lake.manifest import read_manifests
from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")

BLOCKS = re.findall(
    r"^```(python|sql)\n(.*?)^```$",
    (Path(__file__).parents[2] / "docs" / "lake.md").read_text(),
    re.DOTALL | re.MULTILINE,
)


def run(path, run_id, **arguments):
    task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
    return OpenESGToObjectStorageOperator(task_id="extract", path=str(path), **arguments).execute({"ti": task})


def block(*containing: str) -> str:
    [found] = [code for _, code in BLOCKS if all(each in code for each in containing) and "Operator" not in code]
    return found


def execute(code: str, path) -> dict:
    names: dict = {}
    exec(code.replace("/data/openesg", str(path)), names)
    return names


@pytest.fixture
def lake(tmp_path, sandbox):
    """A complete run, a run of changes, the files of a killed task, and a run that is being removed."""
    mark = run(tmp_path / "lake", "1")["high_water_mark"]
    sandbox.turn_clock(5 * 86_400)
    changed = run(tmp_path / "lake", "2", updated_after=mark)["tables"]
    assert 0 < changed["reports"] < 100
    run(tmp_path / "lake", "0", tables=["reports"])
    removed = next((tmp_path / "lake/_openesg/runs").glob("0-*.json"))
    removed.write_text(json.dumps(json.loads(removed.read_text()) | {"tables": {}, "removed": ["reports/x.parquet"]}))
    (tmp_path / "lake/reports/99991231T000000000000Z-dead.parquet").write_bytes(b"PAR1 half a")
    (tmp_path / "lake/reports/99991231T000000000000Z-dead.parquet.unfinished").write_bytes(b"")
    return tmp_path / "lake"


def test_last_run(lake):
    changed = read_manifests(lake)[-1].tables["reports"].rows
    assert execute(block('duckdb.read_parquet(read_manifest("/data'), lake)["reports"].shape[0] == changed
    assert len(execute(block("dataset(read_manifest", ".to_table()"), lake)["reports"]) == changed
    with duckdb.connect() as database:
        assert len(database.execute(block("SET VARIABLE").replace("/data/openesg", str(lake))).fetchall()) == changed


def test_current_state(lake, tmp_path):
    """It equals one complete pull."""
    run(tmp_path / "now", "1")
    found = execute(block("QUALIFY"), lake)
    expected = execute(block("QUALIFY"), tmp_path / "now")
    for name in ("reports", "values"):
        rows = found[name].project("* EXCLUDE filename").order("id").fetchall()
        assert rows == expected[name].project("* EXCLUDE filename").order("id").fetchall()
        assert len(rows) >= 200


def test_partitions(tmp_path):
    run(tmp_path, "1", partition_by="template")
    by_duckdb = execute(block("hive_partitioning"), tmp_path)["vsme"]
    by_arrow = execute(block('partitioning="hive"'), tmp_path)["vsme"]
    assert 0 < len(by_duckdb.fetchall()) == len(by_arrow) < 200
    assert set(by_arrow["template_id"].to_pylist()) == {"1"}


def test_object_store(monkeypatch):
    with S3Server() as s3:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection())
        run("s3://lake/openesg", "1", tables=["reports"], object_storage_conn_id="aws_default")
        assert len(execute(block("register_filesystem"), "")["reports"].fetchall()) == 200


def test_every_block_that_reads_a_lake_is_tested():
    reading = [code for language, code in BLOCKS if "Operator" not in code]
    assert len(reading) == 7
    assert json.dumps(reading).count("read_manifest(") >= 5
