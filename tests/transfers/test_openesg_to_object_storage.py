from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.lake.manifest import read_manifest, read_manifests
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")


def operator(path, **arguments) -> OpenESGToObjectStorageOperator:
    return OpenESGToObjectStorageOperator(task_id="extract", path=str(path), **arguments)


def run(path, run_id="r", **arguments):
    task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
    return operator(path, **arguments).execute({"ti": task})


def test_all_tables_and_a_small_result(tmp_path, sandbox, task_log):
    result = run(tmp_path)
    manifest = read_manifest(tmp_path)
    counts = {table: pq.read_table(manifest.files(table)).num_rows for table in TABLES}
    assert result["tables"] == counts
    assert counts["reports"] == 200
    assert counts["organizations"] == 240
    assert counts["field_values"] > 1000
    assert result["run"] == manifest.run
    assert result["manifest"].endswith(f"/_openesg/runs/{manifest.run}.json")
    assert result["high_water_mark"] == "2026-03-02T08:00:00+00:00" or result["high_water_mark"] < "2026-03-02T08"
    assert manifest.high_water_mark == datetime.fromisoformat(result["high_water_mark"])
    assert manifest.api_url == f"{sandbox.base_url}/api/v1"
    assert len(json.dumps(result)) < 2000
    assert "Wrote organizations 240, " in task_log()
    assert sandbox.client_secret not in json.dumps(result)


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_other_formats(tmp_path, file_format):
    result = run(tmp_path, tables=["reports", "field_types"], file_format=file_format)
    assert list(result["tables"]) == ["field_types", "reports"]
    [file] = read_manifest(tmp_path).files("reports")
    lines = Path(file).read_text().splitlines()
    assert file.endswith(file_format)
    assert len(lines) == 200 + (file_format == "csv")


def test_templates_filters_and_updated_after(tmp_path):
    everything = run(tmp_path, "all")["tables"]
    vsme = run(tmp_path, "vsme", templates=["vsme"])["tables"]
    one = run(tmp_path, "one", filters={"customer_identifier": "K-10026"})["tables"]
    late = run(tmp_path, "late", updated_after="2026-02-20")["tables"]
    assert vsme["report_templates"] == 1
    assert 0 < vsme["reports"] < everything["reports"]
    assert 0 < one["reports"] < 10
    assert 0 < late["reports"] < everything["reports"]
    [manifest] = [each for each in read_manifests(tmp_path) if each.run_id == "late"]
    assert manifest.selection["updated_after"] == "2026-02-20T00:00:00+00:00"
    updated = pq.read_table(manifest.files("reports")).column("updated_at").to_pylist()
    assert min(updated) > datetime(2026, 2, 20, tzinfo=UTC)


def test_high_water_mark_as_updated_after_of_the_next_run(tmp_path, sandbox):
    mark = run(tmp_path, "1")["high_water_mark"]
    again = run(tmp_path, "2", updated_after=mark)
    assert again["tables"]["reports"] == 1  # in the ten minutes that are read again
    assert again["high_water_mark"] == mark
    sandbox.turn_clock(86_400)
    assert run(tmp_path, "3", updated_after=mark)["tables"]["reports"] > 1


def test_time_in_the_future_is_logged_and_is_no_high_water_mark(tmp_path, task_log):
    result = run(tmp_path, tables=["reports"], updated_after="2100-01-01")
    assert result["tables"]["reports"] == 0
    assert "updated_after: 2100-01-01T00:00:00+00:00 is in the future" in task_log()
    assert result["high_water_mark"] < datetime.now(UTC).isoformat()


def test_updated_after_none_of_a_first_run_reads_everything(tmp_path):
    assert run(tmp_path, tables=["reports"], updated_after="None")["tables"]["reports"] == 200


def test_failed_pull_leaves_no_files(tmp_path, sandbox):
    run(tmp_path, "before")
    before = read_manifests(tmp_path)
    sandbox.fault("answer", path="/reports$", after=1, status=403)
    with pytest.raises(OpenESGApiError, match="HTTP 403"):
        run(tmp_path, "r")
    sandbox.clear_faults()
    sandbox.fault("cut_json", path="/reports$", after=1, share_sent=0.5)
    with pytest.raises(OpenESGContractError):
        run(tmp_path, "before")  # a failed second try does not remove the committed first one
    assert read_manifests(tmp_path) == before
    assert pq.read_table(before[0].files("reports")).num_rows == 200
    assert len(list(tmp_path.glob("*/*.parquet"))) == len(TABLES)
    assert not list(tmp_path.glob("_openesg/write_tests/*"))
    assert not list(tmp_path.rglob("*.unfinished"))
    sandbox.clear_faults()
    assert run(tmp_path, "r")["tables"]["reports"] == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tables": ["report"]}, r"tables: 'report' given; allowed: organizations, .*Did you mean 'reports'"),
        ({"tables": "reports"}, r"tables: 'reports' given; allowed: a list\. Write \['reports'\]"),
        ({"tables": []}, "tables: an empty list given"),
        ({"partition_by": "status"}, "partition_by: 'status' given; allowed: template"),
        ({"partition_by": "template", "shape": "wide", "templates": ["vsme"]}, "partition_by: given with shape='wide'"),
        ({"keep_runs": 0}, "keep_runs: 0 given; allowed: a whole number from 1"),
        ({"keep_runs": True}, "keep_runs: True given"),
        ({"keep_runs": 3, "commit": False}, "keep_runs: given with commit=False. Give it to OpenESGCommitRunOperator"),
        ({"file_format": "parket"}, "file_format: 'parket' given; .* Did you mean 'parquet'"),
        ({"templates": "vsme"}, r"templates: 'vsme' given; allowed: a list\. Write \['vsme'\]"),
        ({"updated_after": "yesterday"}, "updated_after: 'yesterday' given"),
        ({"filters": {"state": "x"}}, "filters: 'state' given; .* Did you mean 'status'"),
    ],
)
def test_parameters_are_checked_in_the_dag_file(tmp_path, arguments, message):
    with pytest.raises(OpenESGConfigError, match=message):
        operator(tmp_path, **arguments)


def test_empty_path_is_an_error_in_the_dag_file():
    with pytest.raises(OpenESGConfigError, match="path: ' ' given; allowed: a folder"):
        operator(" ")


@pytest.mark.parametrize(
    ("name", "rendered"),
    [("path", " "), ("templates", "vsme"), ("updated_after", "soon"), ("filters", {"state": "x"}), ("filters", "x")],
)
def test_templates_are_checked_before_any_call(tmp_path, sandbox, name, rendered):
    task = operator(tmp_path)
    setattr(task, name, rendered)
    with pytest.raises(OpenESGConfigError, match=name):
        task.execute({})
    assert sandbox.state()["requests"] == 0


def test_unknown_template_is_an_error_and_nothing_is_written(tmp_path):
    with pytest.raises(OpenESGConfigError, match="vsmee"):
        run(tmp_path, templates=["vsmee"])
    assert read_manifests(tmp_path) == []


def test_unwritable_path_is_an_error_before_any_call(tmp_path, sandbox):
    (tmp_path / "file").write_text("")
    with pytest.raises(OpenESGConfigError, match="cannot be written"):
        run(tmp_path / "file" / "esg")
    with pytest.raises(OpenESGConfigError, match=r"path 'nowhere://x': cannot be opened"):
        run("nowhere://x")
    assert sandbox.state()["requests"] == 0
