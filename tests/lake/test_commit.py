"""What a commit replaces, which old runs are removed, and what is never removed."""

from __future__ import annotations

import logging
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError
from airflow_provider_openesg.lake import commit
from airflow_provider_openesg.lake.manifest import committed_files, read_manifests
from airflow_provider_openesg.lake.storage import Lake
from airflow_provider_openesg.lake.writer import FileRunWriter

START = datetime(2026, 2, 1, 3, tzinfo=UTC)


@pytest.fixture
def write(tmp_path, make_run, pull):
    """Write a run of a day: complete, or changes only; ``killed`` leaves its files as a kill does."""

    def write(
        day=0,
        *,
        run_id=None,
        updated_after=None,
        keep_runs=None,
        killed=False,
        task_id="extract",
        tables=None,
        path=None,
    ):
        run = make_run(run_id or f"scheduled__day-{day}")
        selection = {"templates": None, "updated_after": updated_after, "filters": None}
        run = replace(run, selection=selection, started_at=START + timedelta(days=day), task_id=task_id)
        tables = tables or ("report_templates", "reports", "field_values")
        writer = FileRunWriter(str(path or tmp_path), tables, "parquet", run, keep_runs=keep_runs)
        writer.check()
        for table, batch in pull(range(3)):
            writer.write(table, batch)
        if killed:
            return run
        with closing(writer):
            writer.commit(None)
        return run

    return write


def kill_after(patch, number: int) -> None:
    """Stop the process, as a kill does, after that many files have been removed."""
    remove = Lake.remove
    left = [number]

    def stopped(self, paths):
        for path in paths:
            if "write_tests" in path:
                remove(self, [path])
                continue
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            remove(self, [path])

    patch.setattr(Lake, "remove", stopped)


def runs(path) -> list[str]:
    return sorted(manifest.run_id.rpartition("__")[2] for manifest in read_manifests(path))


def files(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def expected(path: Path) -> set[str]:
    """Return the files that the manifests name, and the manifests."""
    manifests = read_manifests(path)
    return {*(each for run in manifests for each in run.paths), *(f"_openesg/runs/{run.run}.json" for run in manifests)}


def test_file_names_sort_by_time(tmp_path, write):
    for day in (2, 0, 1):
        write(day)
    named = committed_files(tmp_path, "reports")
    assert [Path(file).name[len("20260201T030000000000Z-scheduled-") :][:5] for file in named] == [
        "day-0",
        "day-1",
        "day-2",
    ]


def test_files_of_a_killed_try_are_removed_by_the_next(tmp_path, write):
    write(0, run_id="r", killed=True)
    write(1, run_id="r", killed=True)
    left = files(tmp_path)
    assert len([file for file in left if file.endswith(".unfinished")]) == 6
    assert not read_manifests(tmp_path)
    write(2, run_id="other")
    assert left < files(tmp_path)  # another run does not remove them
    write(3, run_id="r")
    assert files(tmp_path) == expected(tmp_path)


def test_files_left_by_an_interrupted_commit_are_removed_by_the_next(tmp_path, write, monkeypatch):
    write(0, run_id="r")
    with monkeypatch.context() as patch:
        kill_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            write(1, run_id="r")
    assert files(tmp_path) > expected(tmp_path)
    write(2, run_id="r")
    assert files(tmp_path) == expected(tmp_path)


def test_retry_with_fewer_tables_removes_the_files_of_the_others(tmp_path, write):
    write(0, run_id="r")
    write(1, run_id="r", tables=("reports",))
    assert files(tmp_path) == expected(tmp_path)


def test_late_commit_of_an_earlier_try_does_not_replace_its_retry(tmp_path, write):
    write(1, run_id="r")
    before = read_manifests(tmp_path)
    committed = files(tmp_path)
    with pytest.raises(OpenESGError, match="a later try of this task, started at 2026-02-02 03:00:00 UTC, has already"):
        write(0, run_id="r")
    assert read_manifests(tmp_path) == before
    assert files(tmp_path) == committed
    assert all(Path(file).exists() for file in before[0].files("reports"))


def test_no_run_is_removed_by_default(tmp_path, write):
    for day in range(4):
        write(day)
    assert len(runs(tmp_path)) == 4


def test_keep_runs_keeps_the_newest_runs(tmp_path, write, caplog):
    caplog.set_level(logging.INFO)
    for day in range(4):
        write(day)
    write(4, keep_runs=2)
    assert runs(tmp_path) == ["day-3", "day-4"]
    assert files(tmp_path) == expected(tmp_path)
    assert "Removed 3 run(s)" in caplog.text


def test_runs_of_changes_are_kept_with_their_complete_run(tmp_path, write):
    write(0)
    write(1, updated_after="x")
    write(2)
    for day in (3, 4, 5):
        write(day, updated_after="x", keep_runs=1)
    assert runs(tmp_path) == ["day-2", "day-3", "day-4", "day-5"]
    write(6, updated_after="x", keep_runs=2)
    assert len(runs(tmp_path)) == 5  # there is only one complete run
    write(7, keep_runs=1)
    assert runs(tmp_path) == ["day-7"]
    assert files(tmp_path) == expected(tmp_path)


def test_runs_of_other_tasks_and_later_runs_are_kept(tmp_path, write):
    write(0, task_id="other")
    write(0)
    write(9)
    write(5, keep_runs=1)
    assert runs(tmp_path) == ["day-0", "day-5", "day-9"]


def test_files_of_others_are_never_removed(tmp_path, write, caplog):
    run = write(0)
    manifest = tmp_path / f"_openesg/runs/{run.token}.json"
    [own] = read_manifests(tmp_path)
    foreign = tmp_path / "reports" / "somebodys.parquet"
    foreign.write_text("keep me")
    manifest.write_text(manifest.read_text().replace(own.tables["reports"].files[0].path, "reports/somebodys.parquet"))
    (tmp_path / "_openesg/runs/notes.json").write_text("{}")
    write(1, keep_runs=1)
    assert foreign.read_text() == "keep me"
    assert (tmp_path / "_openesg/runs/notes.json").exists()
    assert not manifest.exists()
    assert "notes.json: not a manifest" in caplog.text


def test_interrupted_removal_is_continued_by_the_next(tmp_path, write, monkeypatch):
    """Killed before, between and after the files of the old run: readers never see it again."""
    for day, removed in enumerate((0, 2, 3)):
        lake = tmp_path / str(removed)
        write(0, path=lake)
        with monkeypatch.context() as patch:
            kill_after(patch, removed)
            with pytest.raises(KeyboardInterrupt):
                write(day + 1, keep_runs=1, path=lake)
        assert runs(lake) == [f"day-{day + 1}"]
        write(9, keep_runs=1, path=lake)
        assert files(lake) == expected(lake)


def test_run_repeated_during_its_removal_is_kept(tmp_path, write, monkeypatch):
    write(0)
    with monkeypatch.context() as patch:
        kill_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            write(1, keep_runs=1)
    assert len(files(tmp_path)) == len(expected(tmp_path)) + 3  # two files and the manifest without tables
    write(2, run_id="scheduled__day-0", tables=("reports",))
    assert runs(tmp_path) == ["day-0", "day-1"]
    assert files(tmp_path) == expected(tmp_path)


def test_run_committed_again_while_its_files_are_removed_is_kept(tmp_path, write, monkeypatch):
    write(0)
    remove, repeated = Lake.remove, []

    def repeating(self, paths):
        remove(self, paths := list(paths))
        if not repeated and "day-0" in "".join(paths) and "write_tests" not in "".join(paths):
            repeated.append(paths)
            write(2, run_id="scheduled__day-0")

    monkeypatch.setattr(Lake, "remove", repeating)
    write(1, keep_runs=1)
    assert repeated
    assert runs(tmp_path) == ["day-0", "day-1"]
    assert files(tmp_path) == expected(tmp_path)


def test_failed_removal_is_only_a_warning(tmp_path, write, caplog, monkeypatch):
    write(0)
    monkeypatch.setattr(commit, "remove_old_runs", lambda *_: (_ for _ in ()).throw(PermissionError("Access Denied")))
    write(1, keep_runs=1)
    assert "could not be removed (Access Denied)" in caplog.text
    assert "day-1" in runs(tmp_path)


def test_earlier_try_that_still_runs_does_not_affect_its_retry(tmp_path, make_run, pull):
    """The earlier try commits while the later one writes; then the later one replaces it."""
    tables = ("report_templates", "reports", "field_values")
    early, late = (replace(make_run("r"), started_at=START + timedelta(hours=hour)) for hour in (0, 1))
    with (
        closing(FileRunWriter(str(tmp_path), tables, "parquet", early)) as first,
        closing(FileRunWriter(str(tmp_path), tables, "parquet", late)) as second,
    ):
        for writer, reports in ((first, 3), (second, 5)):
            writer.check()
            for table, batch in pull(range(reports)):
                writer.write(table, batch)
        first.commit(None)
        assert read_manifests(tmp_path)[0].tables["reports"].rows == 3
        second.commit(None)
    assert read_manifests(tmp_path)[0].tables["reports"].rows == 5
    assert files(tmp_path) == expected(tmp_path)


def test_part_of_an_earlier_try_does_not_replace_the_retrys_part(tmp_path, make_run, pull):
    early, late = (replace(make_run("r"), started_at=START + timedelta(hours=hour)) for hour in (0, 1))
    for run, error in ((late, nullcontext()), (early, pytest.raises(OpenESGError, match="a later try of this task"))):
        with error, closing(FileRunWriter(str(tmp_path), ("reports",), "parquet", run, part=True)) as writer:
            for table, batch in pull(range(3)):
                writer.write(table, batch)
            writer.commit(None)
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "reports/../../outside", "reports//x", "a\\b"])
def test_path_outside_of_the_lake_is_rejected(tmp_path, write, caplog, path):
    lake = tmp_path / "lake"
    run = write(0, path=lake)
    [manifest] = read_manifests(lake)
    file = lake / f"_openesg/runs/{run.token}.json"
    file.write_text(file.read_text().replace(manifest.tables["reports"].files[0].path, path.replace("\\", "\\\\")))
    with pytest.raises(OpenESGConfigError, match="is not a file in the lake"):
        read_manifests(lake)
    write(1, keep_runs=1, path=lake)
    assert "is not a file in the lake" in caplog.text
    assert file.exists()
