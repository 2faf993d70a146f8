"""Parts of several tasks, committed as one run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pyarrow.dataset as ds
import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake.manifest import read_manifest, read_manifests
from airflow_provider_openesg.transfers.openesg_to_object_storage import (
    OpenESGCommitRunOperator,
    OpenESGToObjectStorageOperator,
)

pytestmark = pytest.mark.usefixtures("openesg_connection")

OF_TEMPLATES = ["report_templates", "sections", "field_types", "report_requests", "reports", "field_values"]


def context(run_id, map_index=-1):
    return {"ti": SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=map_index)}


def write_part(path, run_id="r", map_index=-1, task_id="part", **arguments):
    task = OpenESGToObjectStorageOperator(task_id=task_id, path=str(path), commit=False, **arguments)
    return task.execute(context(run_id, map_index))


def write_parts(path, run_id="r"):
    """Write parts as in the example. A mapped task returns a sequence of parts."""
    organizations = write_part(path, run_id, task_id="organizations", tables=["organizations"])
    mapped = [write_part(path, run_id, n, tables=OF_TEMPLATES, templates=[n + 1]) for n in range(2)]
    return [organizations, tuple(mapped)]


def commit(path, parts, run_id="r", **arguments):
    task = OpenESGCommitRunOperator(task_id="commit", path=str(path), parts=parts, **arguments)
    return task.execute(context(run_id))


def ids(manifest, table):
    return ds.dataset(manifest.files(table)).to_table(columns=["id"])["id"].to_pylist()


def data_files(path):
    return {str(file.relative_to(path)) for file in path.glob("*/*.parquet*")}


def test_parts_are_committed_as_one_run(tmp_path):
    parts = write_parts(tmp_path)
    assert read_manifests(tmp_path) == []

    result = commit(tmp_path, parts)

    manifest = read_manifest(tmp_path)
    complete = OpenESGToObjectStorageOperator(task_id="complete", path=str(tmp_path / "complete")).execute(context("r"))
    assert result["tables"] == complete["tables"]
    assert result["malformed_values"] == complete["malformed_values"]
    assert result["high_water_mark"] == complete["high_water_mark"]
    for table in ("organizations", "reports", "field_values"):
        assert sorted(ids(manifest, table)) == sorted(ids(read_manifest(tmp_path / "complete"), table))
    assert data_files(tmp_path) == {*manifest.paths}
    assert not list(tmp_path.glob("_openesg/write_tests/*"))
    assert result.keys() == complete.keys()
    assert len(json.dumps(result)) < 2000


def test_rewritten_part_changes_nothing_before_the_commit(tmp_path):
    parts = write_parts(tmp_path)
    commit(tmp_path, parts)
    before = read_manifest(tmp_path)

    again = write_part(tmp_path, "r", 0, tables=OF_TEMPLATES, templates=[1])
    again = write_part(tmp_path, "r", 0, tables=OF_TEMPLATES, templates=[1])
    assert read_manifests(tmp_path) == [before]
    assert {*before.paths} < data_files(tmp_path)

    commit(tmp_path, [parts[0], again, parts[1][1]])
    after = read_manifest(tmp_path)
    assert {name: table.rows for name, table in after.tables.items()} == {
        name: table.rows for name, table in before.tables.items()
    }
    assert data_files(tmp_path) == {*after.paths}


def test_part_that_is_not_committed_again_is_removed(tmp_path):
    parts = write_parts(tmp_path)
    commit(tmp_path, parts)
    commit(tmp_path, [parts[0], parts[1][:1]])
    assert data_files(tmp_path) == {*read_manifest(tmp_path).paths}


def test_old_runs_are_removed_with_all_their_parts(tmp_path):
    for run_id in ("1", "2", "3"):
        commit(tmp_path, write_parts(tmp_path, run_id), run_id, keep_runs=2)
    assert [manifest.run_id for manifest in read_manifests(tmp_path)] == ["2", "3"]
    assert len(list(tmp_path.glob("_openesg/parts/*.json"))) == 6
    assert len(list(tmp_path.glob("reports/*.parquet"))) == 4


def test_parts_continue_from_the_last_run(tmp_path, sandbox):
    arguments = {"tables": ["reports"], "templates": [1], "updated_after": "last_run"}
    first = write_part(tmp_path, "1", 0, **arguments)
    assert first["tables"]["reports"] > 50
    # Not committed, so it is not in the run history.
    assert write_part(tmp_path, "2", 0, **arguments)["tables"] == first["tables"]
    commit(tmp_path, [first], "1")
    sandbox.turn_clock(86_400)
    assert 0 < write_part(tmp_path, "3", 0, **arguments)["tables"]["reports"] < 50


def test_no_parts_skip_the_task(tmp_path):
    for parts in ([], [[], None], None):
        with pytest.raises(
            AirflowSkipException, match=r"There is no part to commit: the mapped tasks had nothing to map"
        ):
            commit(tmp_path, parts)
    assert not list(tmp_path.iterdir())


def test_duplicate_rows_in_parts_are_an_error(tmp_path):
    parts = [write_part(tmp_path, "r", n, tables=["organizations", "reports"], templates=[n + 1]) for n in range(2)]
    with pytest.raises(OpenESGConfigError, match=r"table organizations would contain rows twice, .*tables=…"):
        commit(tmp_path, parts)
    assert read_manifests(tmp_path) == []


def test_mapped_part_without_tables_is_an_error_before_any_call(tmp_path, sandbox):
    with pytest.raises(OpenESGConfigError, match="tables: not given in a mapped task with commit=False"):
        write_part(tmp_path, map_index=0, templates=[1])
    assert sandbox.state()["requests"] == 0


def test_parts_in_another_path_are_an_error(tmp_path):
    part = write_part(tmp_path / "here", tables=["reports"])
    with pytest.raises(OpenESGConfigError, match=r"parts: 'r-.*' is not in path 'file:///.*/there'"):
        commit(tmp_path / "there", [part])


@pytest.mark.parametrize("parts", [["x"], [{"run": "r", "manifest": "m"}], [3]])
def test_values_that_are_not_parts_are_an_error(tmp_path, parts):
    with pytest.raises(OpenESGConfigError, match=r"parts: .* given; allowed: results of tasks with commit=False"):
        commit(tmp_path, parts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": " "}, "path: ' ' given"),
        ({"keep_runs": 0}, "keep_runs: 0 given; allowed: a whole number from 1"),
        ({"trigger_rule": "all_done"}, "trigger_rule: 'all_done' given; allowed: all_success, none_failed"),
    ],
)
def test_parameters_are_checked_in_the_dag_file(tmp_path, arguments, message):
    with pytest.raises(OpenESGConfigError, match=message):
        OpenESGCommitRunOperator(task_id="commit", **{"path": str(tmp_path), "parts": []} | arguments)
