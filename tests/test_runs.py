"""Where a run continues, and how far it has read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_openesg.runs import OVERLAP, CompletedRun, Run, next_updated_after

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def at(hour: int | None) -> datetime | None:
    return None if hour is None else datetime(2026, 3, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], None),
        ([("a", None, 1)], 1),
        ([("a", None, None)], None),  # read everything, and there was no change
        ([("b", 1, 2), ("a", None, 1), ("c", 2, 5)], 5),
        ([("a", None, 1), ("c", 2, 5)], 1),  # the run between them was removed
        ([("b", 1, 2), ("c", 2, 5)], None),  # no run that read everything is left
        ([("a", None, 1), ("b", 1, 2), ("full", None, 7), ("c", 6, 6)], 7),
        ([("a", None, 1), ("again", 1, 3), ("c", 2, 2)], 3),
        ([("a", None, 1), ("this", 1, 2), ("later", 2, 5)], 1),  # is committed already, and is repeated
        ([("this", None, 4), ("later", 4, 5)], None),
    ],
)
def test_run_continues_a_history_without_gaps(history, expected):
    runs = [
        CompletedRun(run, at(after), at(mark), NOW + timedelta(hours=number), NOW + timedelta(hours=number, minutes=30))
        for number, (run, after, mark) in enumerate(history)
    ]
    assert next_updated_after(runs, "this") == at(expected)


def test_changes_read_while_another_run_was_active_are_read_again():
    def completed(run, after, mark, start, end):
        return CompletedRun(run, at(after), at(mark), NOW + timedelta(minutes=start), NOW + timedelta(minutes=end))

    full, slow, quick = (
        completed("full", None, 1, 0, 10),
        completed("slow", 1, 2, 20, 60),
        completed("quick", 1, 5, 30, 40),
    )
    assert next_updated_after([full, slow, quick], "next") == at(2)
    assert next_updated_after([full, slow, quick, completed("later", 2, 6, 70, 80)], "next") == at(6)


def run_of(**changes) -> Run:
    selection = {"tables": ["reports"], "templates": ["vsme"], "filters": None}
    return Run(
        **{
            "dag_id": "d",
            "task_id": "t",
            "run_id": "r",
            "map_index": -1,
            "api_url": "u",
            "selection": selection,
            **changes,
        }
    )


def test_a_series_is_task_platform_and_selection():
    def selection(**changes):
        return {"selection": {"tables": ["reports"], "templates": ["vsme"], "filters": None, **changes}}

    series = run_of().series
    for same in ({"run_id": "s"}, {"map_index": 3}, selection(tables=["x"]), selection(updated_after="2026")):
        assert run_of(**same).series == series
    others = [{"dag_id": "e"}, {"task_id": "u"}, {"api_url": "v"}, selection(templates=None), selection(filters={})]
    assert len({series, *(run_of(**other).series for other in others)}) == 1 + len(others)


def test_high_water_mark_is_before_the_latest_change_and_never_decreases():
    run = run_of(started_at=NOW)
    hour = timedelta(hours=1)
    assert run.high_water_mark(None, None) is None
    assert run.high_water_mark(NOW - hour, None) == NOW - hour - OVERLAP
    assert run.high_water_mark(NOW - hour, NOW - hour) == NOW - hour
    assert run.high_water_mark(None, NOW - hour) == NOW - hour
    assert run.high_water_mark(NOW + hour, NOW - hour) == NOW - OVERLAP
    assert run.high_water_mark(None, NOW + hour) == NOW - OVERLAP
