from __future__ import annotations

import json
from types import SimpleNamespace

import duckdb
import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGConfigError
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")


@pytest.fixture
def database(tmp_path, monkeypatch):
    path = tmp_path / "esg.duckdb"
    monkeypatch.setenv("AIRFLOW_CONN_DUCK", json.dumps({"conn_type": "duckdb", "host": str(path)}))
    return path


@pytest.fixture
def query(database):
    def run(sql):
        with duckdb.connect(str(database)) as connection:
            return connection.execute(sql).fetchall()

    return run


def run(run_id="r", sql_conn_id="duck", **arguments):
    task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
    return OpenESGToSqlOperator(task_id="load", sql_conn_id=sql_conn_id, **arguments).execute({"ti": task})


def test_all_tables_and_a_small_result(database, query, sandbox, task_log):
    result = run(schema="esg")
    assert {table: query(f"SELECT count(*) FROM esg.esg.{table}")[0][0] for table in TABLES} == result["tables"]
    assert result["database"] == str(database)
    assert result["schema"] == "esg"
    assert len(json.dumps(result)) < 1000
    assert f"database {database}, schema esg" in task_log()
    assert query("SELECT count(*) > 100 FROM esg.esg.field_values v JOIN esg.esg.reports r ON r.id = v.report_id") == [
        (True,)
    ]


def test_second_run_is_merged(database, query, sandbox):
    run(tables=["reports", "field_values"])
    before = query("FROM reports ORDER BY id")
    mark = sandbox.turn_clock(86_400 * 3)
    deleted = before[0][0]
    sandbox.remove_report(int(deleted))
    run("2", tables=["reports", "field_values"])
    assert query("SELECT count(*) FROM reports") == [(200,)]
    assert query(f"SELECT count(*) FROM reports WHERE id = '{deleted}'") == [(1,)]
    assert query("FROM reports ORDER BY id") != before
    run("3", tables=["reports", "field_values"], write_mode="replace")
    assert query("SELECT count(*) FROM reports") == [(199,)]
    assert mark


def test_failed_pull_leaves_the_tables_unchanged(database, query, sandbox):
    run(tables=["reports"])
    before = query("FROM reports ORDER BY id")
    sandbox.turn_clock(86_400 * 3)
    sandbox.fault("answer", path="/reports$", after=1, status=403)
    with pytest.raises(OpenESGApiError):
        run("2", tables=["reports"])
    assert query("FROM reports ORDER BY id") == before


def test_existing_table_with_other_columns_is_an_error_before_any_call(database, query, sandbox):
    query("CREATE TABLE reports (id INTEGER PRIMARY KEY)")
    with pytest.raises(OpenESGConfigError, match="column id is INTEGER, but must be VARCHAR"):
        run()
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ({"conn_type": "openesg", "host": "x"}, "'other': a Connection of type 'openesg', which is not a SQL database"),
        ({"conn_type": "nothing", "host": "x"}, "'other': a Connection of type 'nothing': "),
        ({"conn_type": "duckdb"}, "'other': an in-memory database ends with the task"),
        ({"conn_type": "duckdb", "host": ":memory:"}, "'other': an in-memory database ends with the task"),
        (
            {"conn_type": "duckdb", "host": "/x.duckdb", "extra": {"read_only": True}},
            "'other': the database is read-only",
        ),
        ({"conn_type": "duckdb", "host": "/no/such/dir/x.duckdb"}, "/no/such/dir/x.duckdb: cannot be opened"),
    ],
)
def test_unusable_connection_is_an_error_before_any_call(connection, message, monkeypatch, sandbox):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
    with pytest.raises(OpenESGConfigError, match=message):
        run(sql_conn_id="other")
    assert sandbox.state()["requests"] == 0


def test_write_mode_is_checked_in_the_dag_file():
    with pytest.raises(OpenESGConfigError, match="write_mode: 'upsert' given; allowed: merge, replace, append"):
        OpenESGToSqlOperator(task_id="load", sql_conn_id="duck", write_mode="upsert")
