"""If a load is killed by SIGKILL, the tables are unchanged or complete; the next try succeeds."""

from __future__ import annotations

import random
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from databases import database_under_test
from forking import worker

pytestmark = pytest.mark.processes

KILLS = 50
MODES = ("merge", "replace", "append")


@pytest.fixture(scope="module")
def attempt(tmp_path_factory):
    with worker(Path(__file__).with_name("worker.py"), tmp_path_factory.mktemp("worker") / "log") as each:
        yield each


@pytest.mark.timeout(900)  # 50 loads that are killed and repeated, while other tests use the second core
@pytest.mark.parametrize("way", ["postgres", "duckdb", "sqlite"])
def test_killed(way, attempt, postgres, tmp_path):
    draw, outcomes = random.Random(7), {"killed": 0, "before": 0, "after": 0}
    with ExitStack() as stack:
        databases = {}
        for mode in MODES:
            (tmp_path / mode).mkdir()
            databases[mode] = stack.enter_context(database_under_test(way, tmp_path / mode, postgres))
        seconds, state = {}, {}
        for number in count(-len(MODES)):
            if outcomes["killed"] == KILLS:  # some loads end before they are killed
                break
            mode = MODES[number % len(MODES)]
            database = databases[mode]
            task = {
                "connection": database.connection_json,
                "schema": database.schema,
                "write_mode": mode,
                "run_id": f"run-{number}",
                "reports": [number * 10, number * 10 + 50],
                "value": f"{number}.00",
            }
            if number < 0:
                seconds[mode] = attempt(task)["seconds"]
                state[mode] = database.tables()
                continue
            before = state[mode]
            killed = attempt(task, draw.uniform(0, seconds[mode]))["status"] == -9
            after_kill = database.tables()
            seconds[mode] = attempt(task)["seconds"]
            after = state[mode] = database.tables()
            assert after_kill in (before, after)
            values = {"merge": lambda rows: rows + 90, "replace": lambda _: 150, "append": lambda rows: rows + 150}
            assert len(after["field_values"]) == values[mode](len(before["field_values"]))
            assert sum(f"'{number}.00'" in row for row in after["field_values"]) == 150
            outcomes["killed"] += killed
            outcomes["after" if after_kill == after else "before"] += killed
    print(outcomes)
    assert outcomes["before"] > outcomes["after"]
