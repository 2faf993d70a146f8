"""Random combinations of shapes: the seven tables, filters, and one request. ``OPENESG_TEST_SEED`` repeats a run."""

from __future__ import annotations

import os
import random
import secrets

import pytest

from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.sandbox.shapes.table import SHAPES, ShapeError, shape_of
from tests.platforms.test_reading import said, selection_differences
from tests.platforms.test_requesting import request_twice

SEED = os.environ.get("OPENESG_TEST_SEED") or str(secrets.randbelow(10**9))
COMBINATIONS = 30


def combination(number: int) -> list[str]:
    """Return 2 to 6 names that can be combined."""
    draw = random.Random(f"{SEED} {number}")
    size, names = draw.randint(2, 6), []
    for name in draw.sample([*SHAPES], len(SHAPES)):
        try:
            shape_of([*names, name])
        except ShapeError:
            continue
        names.append(name)
        if len(names) == size:
            break
    return names


@pytest.mark.parametrize("number", range(COMBINATIONS))
def test_combination(number, platform_of, use, truth):
    names = combination(number)
    platform = platform_of(*names)
    found = []
    for step in (_tables, selection_differences):
        try:
            found += step(platform, truth)
        except OpenESGError as error:
            found.append(f"{step.__name__}: {type(error).__name__}: {error}")
    use(platform)
    try:
        found += request_twice(platform)
    except OpenESGError as error:
        found.append(f"request: {type(error).__name__}: {error}")
    assert not found, "\n".join([f"OPENESG_TEST_SEED={SEED} [{number}]: {','.join(names)}", *found])


def _tables(platform, truth):
    tables, summary = platform.tables()
    expected = platform.readable(truth)
    found = platform.normal.differences(expected, tables) + said(summary)
    is_complete = len(expected["field_values"]) == len(truth.tables["field_values"])
    if is_complete and summary.malformed != truth.summary.malformed:
        found.append(f"malformed: {summary.malformed}")
    return found
