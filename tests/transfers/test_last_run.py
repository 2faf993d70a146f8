"""``updated_after="last_run"``: the target stores how far it was read."""

from __future__ import annotations

import json
import os
import shutil
import signal
from types import SimpleNamespace

import duckdb
import pytest
from databases import WAYS

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake.manifest import read_manifests
from airflow_provider_openesg.sql.duckdb import DuckDBSession
from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

pytestmark = pytest.mark.usefixtures("openesg_connection", "short_lists")


@pytest.fixture
def short_lists(sandbox):
    """Return no field values in the list of reports, because most tests read only reports."""
    sandbox.options(list_field_values=False)


class Lake:
    """Files, read as documented: each report from the latest run that has it."""

    def __init__(self, path):
        self.path = path

    def run(self, run_id, **arguments):
        task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
        given = {"task_id": "pull", "path": str(self.path), "updated_after": "last_run"} | arguments
        return OpenESGToObjectStorageOperator(**given).execute({"ti": task})

    def reports(self):
        runs = read_manifests(self.path)
        selects = [
            f"SELECT *, {number} AS run FROM read_parquet({run.files('reports')})" for number, run in enumerate(runs)
        ]
        of_all_runs = " UNION ALL BY NAME ".join(selects)
        reports = duckdb.sql(f"SELECT * EXCLUDE run FROM ({of_all_runs}) QUALIFY run = max(run) OVER (PARTITION BY id)")
        return {row["id"]: row for row in reports.to_arrow_table().to_pylist()}

    def delete_reports(self):
        shutil.rmtree(self.path / "reports")


class Warehouse:
    """Tables of a database."""

    def __init__(self, database):
        self.database = database
        self.query = database.query

    def run(self, run_id, **arguments):
        task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
        given = {"task_id": "pull", "sql_conn_id": "warehouse", "schema": self.database.schema} | arguments
        return OpenESGToSqlOperator(**{"updated_after": "last_run"} | given).execute({"ti": task})

    def reports(self):
        return {row[0]: row for row in self.query("SELECT id, status, updated_at FROM reports")}

    def delete_reports(self):
        self.query("DROP TABLE reports")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def tables(warehouse):
    return Warehouse(warehouse)


@pytest.fixture(params=["lake", "tables"])
def target(request):
    return request.getfixturevalue(request.param)


def test_first_run_reads_everything_and_the_next_only_changes(target, sandbox, task_log):
    assert target.run("1")["tables"]["reports"] == 200
    assert "no earlier run of this task with this selection: reading everything" in task_log()
    sandbox.turn_clock(86_400)
    before = sandbox.state()["calls"]["GET /api/v1/reports/{id}"]
    second = target.run("2")["tables"]["reports"]
    assert 1 < second < 40
    assert "reading changes after 2026-03-0" in task_log()
    assert sandbox.state()["calls"]["GET /api/v1/reports/{id}"] == before + second
    assert target.run("3")["tables"]["reports"] < second


def test_change_that_is_committed_late_is_read(target, sandbox):
    target.run("1", tables=["reports"])
    sandbox.turn_clock(86_400)
    sandbox.insert_report()
    target.run("2", tables=["reports"])
    late = sandbox.insert_report(late=540)
    assert target.run("3", tables=["reports"])["tables"]["reports"] > 0
    assert target.reports().keys() >= {str(late["id"])}
    assert len(target.reports()) == 202


def test_other_selections_and_tasks_start_with_a_full_read(target, sandbox):
    target.run("1", tables=["reports"])
    vsme = {"templates": ["vsme"], "tables": ["reports"]}
    assert target.run("2", **vsme)["tables"]["reports"] > 100
    assert target.run("3", **vsme)["tables"]["reports"] < 3
    assert target.run("4", tables=["reports"])["tables"]["reports"] < 3
    assert target.run("5", tables=["reports"], task_id="other")["tables"]["reports"] == 200
    filtered = {"filters": {"status": "submitted"}, "tables": ["reports"]}
    assert target.run("6", **filtered)["tables"]["reports"] > 100
    assert target.run("7", **filtered)["tables"]["reports"] < 3


def test_order_of_a_selection_does_not_matter(target):
    target.run("1", tables=["reports", "report_requests"], templates=["vsme", "supplier-basics"])
    reordered = {"tables": ["report_requests", "reports"], "templates": {"supplier-basics", "vsme"}}
    assert target.run("2", **reordered)["tables"]["reports"] < 3


def test_additional_table_starts_with_a_full_read(target):
    target.run("1", tables=["reports"])
    assert target.run("2", tables=["reports", "report_requests"])["tables"]["reports"] == 200
    assert target.run("3", tables=["report_requests"])["tables"]["report_requests"] < 5


def test_deleted_table_is_loaded_again(target, sandbox):
    target.run("1", tables=["reports", "report_requests"])
    sandbox.turn_clock(86_400)
    target.run("2", tables=["reports", "report_requests"])
    target.delete_reports()
    assert target.run("3", tables=["report_requests"])["tables"]["report_requests"] < 40
    assert target.run("4", tables=["reports"])["tables"]["reports"] == 200


def test_failed_or_repeated_run_loses_nothing(target, sandbox):
    target.run("1", tables=["reports"])
    sandbox.turn_clock(86_400)
    sandbox.fault("answer", path="/reports$", after=1, status=403)
    with pytest.raises(Exception, match="HTTP 403"):
        target.run("2", tables=["reports"])
    sandbox.clear_faults()
    second = target.run("2", tables=["reports"])["tables"]["reports"]
    sandbox.turn_clock(86_400)
    target.run("3", tables=["reports"])
    before = target.reports()
    assert target.run("2", tables=["reports"])["tables"]["reports"] > second  # because its files are replaced
    assert target.reports() == before
    assert target.run("4", tables=["reports"])["tables"]["reports"] < 3


@pytest.mark.parametrize("warehouse", [*WAYS, "duckdb-warehouse"], indirect=True)
def test_each_database(tables, sandbox):
    def reports(run_id, **arguments):
        return tables.run(run_id, tables=["reports"], **arguments)["tables"]["reports"]

    assert reports("1") == 200
    sandbox.turn_clock(86_400)
    assert 1 < reports("2") < 40
    assert reports("3") < 3
    assert tables.query("SELECT run_id, row_count FROM openesg_runs ORDER BY run_id")[0] == ("1", 200)
    # A table that was emptied, or dropped and filled by another task, is read again.
    tables.query("DELETE FROM reports")
    assert reports("4") == 200
    tables.query("DROP TABLE reports")
    assert reports("other", updated_after=None, filters={"status": "declined"}) < 50
    assert reports("5") == 200
    assert reports("6") < 3
    assert reports("7", updated_after=None, write_mode="replace") == 200
    assert reports("8") == 200
    assert len(tables.reports()) == 200
    assert reports("9") < 3


def test_retry_after_the_commit_appends_the_same_rows(tables, sandbox):
    append = {"tables": ["reports"], "write_mode": "append"}

    def rows():
        return dict(tables.query("SELECT run_id, count(*) FROM reports GROUP BY ALL"))

    first = tables.run("1", **append)
    sandbox.turn_clock(86_400)
    second = tables.run("2", **append)
    before = rows()
    assert before == {run["run"]: run["tables"]["reports"] for run in (first, second)}
    tables.run("2", **append)
    tables.run("1", **append)
    assert rows() == before


def test_killed_run_stores_no_high_water_mark(tables, sandbox):
    tables.run("1", tables=["reports"])
    sandbox.turn_clock(86_400)
    pid = os.fork()
    if pid == 0:
        # Rows and high-water mark are written, but not committed.
        DuckDBSession.commit = lambda session: os.kill(os.getpid(), signal.SIGKILL)
        tables.run("2", tables=["reports"])
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert tables.query("SELECT run_id FROM openesg_runs") == [("1",)]
    assert 1 < tables.run("2", tables=["reports"])["tables"]["reports"] < 40


def test_no_history_table_without_last_run(tables):
    tables.run("1", tables=["reports"], updated_after=None)
    assert tables.database.tables().keys() == {"reports"}


def test_changes_of_a_removed_run_are_read_again(lake, sandbox):
    lake.run("1", tables=["reports"])
    sandbox.turn_clock(86_400)
    missed = lake.run("2", tables=["reports"])
    sandbox.turn_clock(86_400)
    lake.run("3", tables=["reports"])
    expected = lake.reports()
    (lake.path / "_openesg" / "runs" / f"{missed['run']}.json").unlink()
    assert lake.run("4", tables=["reports"])["tables"]["reports"] >= missed["tables"]["reports"]
    assert lake.reports() == expected


def test_updated_after_is_checked_after_rendering(lake):
    with pytest.raises(OpenESGConfigError, match=r"updated_after: 'lastrun' given; allowed: a time .*, or 'last_run'"):
        lake.run("1", updated_after="lastrun")
    lake.run("1", tables=["reports"])
    assert lake.run("2", tables=["reports"])["tables"]["reports"] < 3


def test_last_run_with_replace_is_an_error(monkeypatch):
    with pytest.raises(OpenESGConfigError, match="updated_after 'last_run' with write_mode 'replace'"):
        OpenESGToSqlOperator(task_id="t", sql_conn_id="d", write_mode="replace", updated_after="last_run")
    monkeypatch.setenv("AIRFLOW_CONN_D", json.dumps({"conn_type": "duckdb", "host": "x"}))
    operator = OpenESGToSqlOperator(task_id="t", sql_conn_id="d", write_mode="replace", updated_after="{{ 1 }}")
    operator.updated_after = "last_run"
    with pytest.raises(OpenESGConfigError, match="updated_after 'last_run' with write_mode 'replace'"):
        operator.execute({})
