"""Several parts as one run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake.manifest import Manifest, ManifestFile, ManifestTable
from airflow_provider_openesg.lake.parts import merge
from airflow_provider_openesg.runs import OVERLAP, Run

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


def part(number, tables=("reports",), *, mark=None, file_format="parquet", api_url="https://x/api/v1", **selection):
    selection = {"tables": list(tables), "templates": None, "filters": None, "updated_after": None} | selection
    run = Run("d", "part", "r", number, api_url, selection, NOON + timedelta(minutes=number))
    files = {name: ManifestTable(1, [], [ManifestFile(f"{name}/{number}.parquet", 1, 10)]) for name in tables}
    return Manifest.of(run, file_format=file_format, high_water_mark=mark, tables=files)


def merged(*parts):
    return merge("d", "commit", "r", -1, parts)


def test_tables_rows_and_files_are_merged():
    run = merged(
        part(0, ["organizations"]), part(1, templates=["a"]), part(2, ["reports", "sections"], templates=["b"])
    )
    assert {name: table.rows for name, table in run.tables.items()} == {"organizations": 1, "reports": 2, "sections": 1}
    assert run.paths == ["organizations/0.parquet", "reports/1.parquet", "reports/2.parquet", "sections/2.parquet"]
    assert len(run.parts) == 3
    assert run.started_at == NOON
    assert (run.task_id, run.run_id, run.map_index) == ("commit", "r", -1)


def test_high_water_mark_is_what_all_parts_have_read():
    early, late = NOON - timedelta(days=2), NOON - timedelta(days=1)
    assert merged(part(0, ["organizations"]), part(1, mark=early)).high_water_mark == early
    # Both parts have read all changes until they started, so the later mark applies.
    assert merged(part(1, mark=early, templates=["a"]), part(2, mark=late, templates=["b"])).high_water_mark == late
    after = NOON + timedelta(minutes=9) - OVERLAP
    run = merged(part(1, templates=["a"], mark=after), part(2, templates=["b"]))
    assert run.high_water_mark == NOON + timedelta(minutes=1) - OVERLAP
    assert merged(part(0)).high_water_mark is None


def test_run_with_a_part_of_changes_is_a_run_of_changes():
    run = merged(part(0, ["organizations"]), part(1, templates=["a"], updated_after="2026-01-01T00:00:00+00:00"))
    assert run.selection["updated_after"] == "2026-01-01T00:00:00+00:00"
    assert merged(part(0)).selection["updated_after"] is None


@pytest.mark.parametrize(
    ("tables", "one", "other"),
    [
        (["reports"], {"templates": ["a", "b"]}, {"templates": ["c"]}),
        (["reports", "report_requests"], {"filters": {"status": "x"}}, {"filters": {"status": "y"}}),
        (["reports"], {"filters": {"organization": 1, "status": "x"}}, {"filters": {"organization": 2}}),
        (["sections"], {"templates": ["a"]}, {"templates": [2]}),
    ],
)
def test_parts_without_common_rows_are_merged(tables, one, other):
    assert merged(part(0, tables, **one), part(1, tables, **other)).tables[tables[0]].rows == 2


@pytest.mark.parametrize(
    ("table", "one", "other"),
    [
        ("organizations", {"templates": ["a"]}, {"templates": ["b"]}),
        ("reports", {}, {"templates": ["b"]}),
        ("reports", {"templates": ["a", "b"]}, {"templates": ["b", "c"]}),
        ("reports", {"templates": [1]}, {"templates": ["1"]}),
        ("reports", {"filters": {"status": "x"}}, {}),
        ("reports", {"filters": {"status": "x"}}, {"filters": {"organization": 1}}),
        ("reports", {"filters": {"status": ["x", "y"]}}, {"filters": {"status": ["y", "z"]}}),
        ("sections", {"filters": {"status": "x"}}, {"filters": {"status": "y"}}),
        ("report_requests", {"filters": {"organization": 1}}, {"filters": {"organization": 2}}),
    ],
)
def test_parts_that_may_have_common_rows_are_an_error(table, one, other):
    with pytest.raises(
        OpenESGConfigError, match=f"table {table} would contain rows twice, from task part .map index 0: .*1"
    ):
        merged(part(0, [table], **one), part(1, [table], **other))


@pytest.mark.parametrize("differs", [{"file_format": "csv"}, {"api_url": "https://y/api/v1"}])
def test_parts_of_different_format_or_platform_are_an_error(differs):
    with pytest.raises(OpenESGConfigError, match=f"{next(iter(differs))} differs"):
        merged(part(0, templates=["a"]), part(1, templates=["b"], **differs))
