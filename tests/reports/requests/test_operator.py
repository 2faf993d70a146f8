"""The operator: where rows come from, what it returns, how it fails."""

from __future__ import annotations

import json
import secrets
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook
from s3_server import S3Server

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.operators import request_reports
from airflow_provider_openesg.operators.openesg import OpenESGRequestReportsOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")


def ask(requests, try_number=1, **arguments):
    operator = OpenESGRequestReportsOperator(task_id="ask", requests=requests, **arguments)
    return operator.execute({"ti": SimpleNamespace(try_number=try_number, xcom_push=lambda **_: None)})


def test_list_of_rows(rows, sandbox):
    result = ask(rows(2))
    assert {name: result[name] for name in ("rows", "created", "existing", "skipped")} == {
        "rows": 2,
        "created": 2,
        "existing": 0,
        "skipped": 0,
    }
    assert result["requests"][1] == {
        "row": 2,
        "outcome": "created",
        "template": "1",
        "customer_identifier": "L-1",
        "reason": "2026",
        "report_request_id": str(sandbox.state()["emails"][1]["report_request"]),
        "report_id": result["requests"][1]["report_id"],
    }
    assert json.loads(json.dumps(ask(tuple(rows(3)))))["existing"] == 2


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_csv_file(rows, sandbox, tmp_path, delimiter):
    (row,) = rows(1)
    path = tmp_path / "suppliers.csv"
    path.write_text("\ufeff" + delimiter.join(row) + "\n" + delimiter.join(row.values()), encoding="utf-8")
    assert [(each["row"], each["outcome"]) for each in ask(str(path))["requests"]] == [(2, "created")]
    assert ask(path.as_uri())["existing"] == 1


def test_csv_file_in_s3(rows, sandbox, monkeypatch):
    (row,) = rows(1)
    with S3Server() as server:
        server.client.put_object(
            Bucket="lake", Key="a/suppliers.csv", Body=";".join(row) + "\n" + ";".join(row.values())
        )
        monkeypatch.setenv("AIRFLOW_CONN_STORE", server.connection())
        assert ask("s3://lake/a/suppliers.csv", object_storage_conn_id="store")["created"] == 1
        assert ask("s3://store@lake/a/suppliers.csv")["existing"] == 1
        with pytest.raises(OpenESGConfigError, match=r"'s3://store@lake/b.csv' cannot be read"):
            ask("s3://store@lake/b.csv")


def test_query(sandbox, tmp_path, monkeypatch):
    import duckdb

    database = str(tmp_path / "suppliers.duckdb")
    with duckdb.connect(database) as connection:
        connection.sql("CREATE TABLE suppliers AS SELECT 'Neu GmbH' AS name, 'a@neu.example' AS mail, 4711 AS number")
    monkeypatch.setenv("AIRFLOW_CONN_DUCK", json.dumps({"conn_type": "duckdb", "host": database}))
    query = """SELECT name AS ORGANIZATION_NAME, mail AS user_email, number AS customer_identifier,
        NULL AS user_locale, DATE '2026-04-30' AS submission_date FROM suppliers"""
    result = ask(query, sql_conn_id="duck", template="vsme")
    assert result["requests"][0]["customer_identifier"] == "4711"
    assert len(sandbox.state()["emails"]) == 1


def test_connection_that_is_no_database_is_an_error(sandbox):
    for conn_id, message in (
        ("openesg_default", "a Connection of type 'openesg', which is not"),
        ("none", "this Conn"),
    ):
        with pytest.raises(OpenESGConfigError, match=f"sql_conn_id '{conn_id}': {message}"):
            ask("SELECT 1", sql_conn_id=conn_id)
    assert sandbox.state()["requests"] == 0


def test_empty_list_sends_nothing():
    assert ask([])["rows"] == 0


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        (None, "None given; allowed: a list of dicts"),
        ("", "allowed: a list of dicts"),
        ({"user_email": "a@b.example"}, "dict given; allowed: a list of dicts"),
        ("[{'user_email': 'a@b.example'}]", "a list rendered to text"),
        ("/not/there.csv", "cannot be read"),
    ],
)
def test_invalid_requests_are_an_error(requests, message):
    with pytest.raises(OpenESGConfigError, match=message):
        ask(requests)


@pytest.mark.parametrize("wrong", [{"on_invalid": "ignore"}, {"on_duplicate": "last"}, {"dry_run": "yes"}])
def test_parameters_are_checked_in_the_dag_file(wrong):
    with pytest.raises(OpenESGConfigError, match=next(iter(wrong))):
        OpenESGRequestReportsOperator(task_id="ask", requests="{{ x }}", **wrong)


def test_dry_run(rows, sandbox):
    result = ask(rows(2), dry_run=True)
    assert (result["to_create"], result["existing"], sandbox.state()["emails"]) == (2, 0, [])


def test_list_in_the_xcom_is_limited(rows, monkeypatch):
    monkeypatch.setattr(request_reports, "MAX_LISTED", 2)
    result = ask(rows(3))
    assert (result["created"], len(result["requests"])) == (3, 2)


def test_rows_that_the_platform_rejects(rows, sandbox):
    some = rows(3)
    some[1] |= {"organization_name": "x" * 300}
    with pytest.raises(
        OpenESGConfigError, match=r"the platform rejected 1 of 3 rows; the others were sent.*\nrow 2: .*HTTP 422"
    ):
        ask(some)
    assert len(sandbox.state()["emails"]) == 2
    assert ask(some, on_invalid="skip")["skipped"] == 1


def test_untraceable_request_fails_without_retry(rows, sandbox):
    sandbox.fault(
        "answer", path="report-requests$", method="GET", status=200, body='{"items": [{"id": 1}], "count": 1}'
    )
    with pytest.raises(AirflowFailException, match="customer_identifier"):
        ask(rows(1))


def test_one_instance_at_a_time():
    def made(**arguments):
        return OpenESGRequestReportsOperator(task_id="ask", requests=[], **arguments).max_active_tis_per_dag

    assert (made(), made(max_active_tis_per_dag=4)) == (1, 4)


class TestPostgres:
    """A real database: its types, its errors."""

    @pytest.fixture
    def table(self, postgres, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_PG", json.dumps({"conn_type": "postgres", **postgres}))
        name, hook = f"suppliers_{secrets.token_hex(4)}", BaseHook.get_hook("pg")
        hook.run(f"CREATE TABLE {name} (name text, mail text, number numeric(10), uid uuid, due date, form text)")
        values = (
            "('Eins GmbH', 'a@eins.example', 4711, gen_random_uuid(), DATE '2026-04-30', 'GMBH')",
            "('Zwei UG', 'b@zwei.example', 4712, gen_random_uuid(), NULL, 'UG (haftungsbeschränkt)')",
        )
        hook.run(f"INSERT INTO {name} VALUES {', '.join(values)}")
        yield name
        hook.run(f"DROP TABLE {name}")

    def query(self, table, identifier="number"):
        return f"""SELECT name AS organization_name, mail AS user_email, {identifier} AS customer_identifier,
            due AS submission_date, form AS organization_legal_form FROM {table} ORDER BY number"""

    @pytest.mark.parametrize("identifier", ["number", "uid"])
    def test_column_types(self, table, sandbox, identifier):
        result = ask(self.query(table, identifier), sql_conn_id="pg", template="vsme")
        assert result["created"] == 2
        if identifier == "number":
            assert [each["customer_identifier"] for each in result["requests"]] == ["4711", "4712"]
        assert ask(self.query(table, identifier), sql_conn_id="pg", template="vsme")["existing"] == 2

    def test_no_rows(self, table, sandbox, task_log):
        query = self.query(table).replace(" ORDER", " WHERE number = 0 ORDER")
        assert ask(query, sql_conn_id="pg", template="vsme")["rows"] == 0
        assert "no rows" in task_log()

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("UPDATE {table} SET name = name", "a statement without a result given; allowed: a query"),
            ("SELECT name, mail AS name FROM {table}", "the query returns the column 'name' twice"),
            ("SELECT name FROM {table}", r"2 rows \(1 to 2\), name: 'Eins GmbH' given; allowed: a known column"),
        ],
    )
    def test_invalid_query_is_an_error(self, table, sandbox, query, message):
        with pytest.raises(OpenESGConfigError, match=message):
            ask(query.format(table=table), sql_conn_id="pg", template="vsme")
        assert sandbox.state()["emails"] == []


def test_csv_file_in_windows_1252_is_an_error(sandbox, tmp_path):
    path = tmp_path / "suppliers.csv"
    path.write_bytes("organization_name;user_email\nMüller;a@b.example\n".encode("cp1252"))
    with pytest.raises(OpenESGConfigError, match=r"suppliers.csv: byte 30 is not UTF-8. Save the file as CSV UTF-8"):
        ask(str(path), template="vsme")


def test_csv_file_without_a_mandatory_column_is_an_error(sandbox, tmp_path):
    path = tmp_path / "suppliers.csv"
    path.write_text("organization_name;organisation_city\nA;B\nC;D\n", encoding="utf-8")
    with pytest.raises(OpenESGConfigError) as caught:
        ask(str(path), template="vsme")
    assert str(caught.value).splitlines()[1:] == [
        "2 rows (2 to 3), organisation_city: 'B' given; allowed: a known column. Did you mean 'organization_city'?",
        "2 rows (2 to 3), user_email: no value given; allowed: an e-mail address; it is mandatory",
    ]
