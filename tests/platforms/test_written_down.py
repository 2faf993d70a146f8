"""Shapes for which a user has to write something down: without it, a message says so, and nothing is wrong silently."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.sandbox.shapes.table import SHAPES
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor

WRITTEN_DOWN = tomllib.loads((Path(__file__).parents[2] / "docs" / "platforms.toml").read_text("utf-8"))
NEEDED = [name for name, each in WRITTEN_DOWN.items() if "connection" in each]

each_needed = pytest.mark.parametrize("name", NEEDED)
ROW = {
    "organization_name": "Lieferant GmbH",
    "user_email": "esg@lieferant.example",
    "customer_identifier": "L-1",
    "reason": "2026",
    "report_template": "vsme",
}


def test_each_name_is_a_shape_and_each_entry_is_known():
    assert {*WRITTEN_DOWN} <= {*SHAPES}
    assert {key for each in WRITTEN_DOWN.values() for key in each} <= {"connection", "without", "result"}
    assert all({"connection", "without"} <= {*each} or "result" in each for each in WRITTEN_DOWN.values())


@each_needed
def test_pull_without_it_names_what_is_wrong(name, platform_of, truth):
    platform = platform_of(name, written_down=False)
    try:
        tables, summary = platform.tables()
    except OpenESGError as error:
        assert WRITTEN_DOWN[name]["without"] in str(error)  # noqa: PT017
        return
    said = "\n".join(summary.differences.texts)
    assert WRITTEN_DOWN[name]["without"] in said
    wrong = platform.normal.wrong_cells(truth.tables, tables)
    assert wrong
    unsaid = sorted(cell for cell in wrong if (cell[0].partition(".")[2] if cell[1] == "None" else cell[1]) not in said)
    assert not unsaid


@each_needed
def test_strict_pull_without_it_is_an_error(name, platform_of):
    platform = platform_of(name, written_down=False)
    platform.extra["strict"] = True
    with pytest.raises(OpenESGError, match=WRITTEN_DOWN[name]["without"].replace("(", r"\(").replace(")", r"\)")):
        platform.tables()


@each_needed
def test_filters_without_it_are_right_or_an_error(name, platform_of, truth):
    platform = platform_of(name, written_down=False)
    one = truth.rows("reports", status="submitted")[3]
    for filters, cells in (
        ({"customer_identifier": one["customer_identifier"]}, {"customer_identifier": one["customer_identifier"]}),
        ({"status": "submitted"}, {"status": "submitted"}),
    ):
        try:
            tables, summary = platform.tables(["reports"], filters=filters)
        except OpenESGError as error:
            assert WRITTEN_DOWN[name]["without"] in str(error)  # noqa: PT017
            continue
        expected = {row["id"] for row in truth.rows("reports", **cells)}
        if {row["id"] for row in tables["reports"]} != expected:
            assert WRITTEN_DOWN[name]["without"] in "\n".join(summary.differences.texts)


@each_needed
def test_sensor_without_it_is_right_or_fails(name, platform_of, use, truth, caplog):
    platform = platform_of(name, written_down=False)
    use(platform)
    submitted, waiting = truth.rows("reports", status="submitted")[5], truth.rows("reports", status="requested")[0]
    for report, expected in ((submitted, True), (waiting, False)):
        for arguments in ({"report_id": report["id"]}, {"customer_identifier": report["customer_identifier"]}):
            try:
                decided = OpenESGReportSensor(task_id="wait", **arguments).poke({}).is_done
            except (AirflowFailException, OpenESGError) as error:
                assert any(text in str(error) for text in (WRITTEN_DOWN[name]["without"], "not known", "[names]"))  # noqa: PT017
            else:
                assert decided == expected, arguments


@each_needed
def test_request_without_it_is_sent_once_or_not_at_all(name, platform_of, use, caplog):
    platform = platform_of(name, written_down=False)
    use(platform)
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        try:
            with OpenESGHook() as hook:
                hook.request_reports([ROW])
        except OpenESGError as error:
            assert WRITTEN_DOWN[name]["without"] in str(error) or "[names]" in str(error)  # noqa: PT017
            assert not platform.sandbox.state()["emails"]
        else:
            assert len(platform.sandbox.state()["emails"]) == 1
