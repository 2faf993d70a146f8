"""What must never happen without a word, on the sandbox, and on platforms that serve a few given records."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator
from tests.client.conftest import CLIENT_ID, CLIENT_SECRET, ScriptedServer
from tests.platforms.conftest import Platform

SECTION = {
    "id": 5,
    "key": "esg.energy",
    "name": "Energy",
    "parent_id": None,
    "multi_instance": True,
    "field_types": [
        {
            "id": 7,
            "key": "esg.energy.total",
            "name": "Energy",
            "metric_type": {
                "id": 1,
                "key": "e",
                "name": "e",
                "datatype": "decimal",
                "units": [{"id": 1, "key": "MWh"}],
            },
        }
    ],
}
RECORDS = {
    "organizations": [{"id": 1, "name": "A GmbH"}],
    "report-templates": [{"id": 1, "key": "vsme", "name": "VSME"}],
    "report-templates/1/sections": [SECTION],
    "report-requests": [],
}


def report(number, texts=("1",), **more):
    values = [
        {"id": number * 100 + instance, "field_type": 7, "section": 5, "instance_id": instance, "value": text}
        for instance, text in enumerate(texts)
    ]
    return {
        "id": number,
        "template": 1,
        "organization": 1,
        "report_request": None,
        "status": "submitted",
        "customer_identifier": f"K-{number}",
        "progress": 100.0,
        "field_values": values,
    } | more


class SmallPlatform(Platform):
    """A server that serves lists and single records.

    :param lists: rows by path, in addition to :data:`RECORDS`.
    :param singles: fields of single records by path, in addition to those of their rows.
    """

    def __init__(self, server, lists, singles=None):
        self.server, self.lists, self.singles = server, RECORDS | lists, singles or {}
        self.extra = {"page_size": 30, "max_retry_time": 1}
        server.script("/api/", *[self.answer] * 200)

    @property
    def connection(self):
        fields = {"conn_type": "openesg", "host": self.server.url, "login": CLIENT_ID, "password": CLIENT_SECRET}
        return json.dumps(fields | {"extra": self.extra})

    def answer(self, handler):
        url = urlsplit(handler.path)
        path, query = url.path.removeprefix("/api/v1/"), parse_qs(url.query)
        name, _, number = path.partition("/")
        if path in self.lists:
            rows, start = self.lists[path], int(query.get("offset", ["0"])[0])
            page = rows[start : start + int(query.get("limit", ["50"])[0])]
            handler.answer(200, {"items": page, "count": len(rows)})
            return
        found = [row for row in self.lists.get(name, ()) if str(row["id"]) == number]
        handler.answer(200 if found else 404, (found[0] | self.singles.get(path, {})) if found else {"detail": "no"})


@pytest.fixture
def small(use):
    """Return a function that starts a small platform, and makes it the Connection."""
    servers = []

    def start(lists, singles=None):
        servers.append(ScriptedServer())
        platform = SmallPlatform(servers[-1], lists, singles)
        use(platform)
        return platform

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that loads reports and values into DuckDB."""
    path = tmp_path / "esg.duckdb"
    monkeypatch.setenv("AIRFLOW_CONN_DUCK", json.dumps({"conn_type": "duckdb", "host": str(path)}))

    def load(run_id, **arguments):
        operator = OpenESGToSqlOperator(
            task_id="load", sql_conn_id="duck", tables=["reports", "field_values"], **arguments
        )
        return operator.execute({"ti": SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)})

    return load


@pytest.fixture
def query(tmp_path):
    """Return a function that queries that database."""

    def query(sql):
        with duckdb.connect(str(tmp_path / "esg.duckdb")) as connection:
            return connection.execute(sql).fetchall()

    return query


def values(query):
    """Return the texts and numbers that are loaded."""
    rows = query("SELECT value, value_decimal FROM field_values ORDER BY id")
    return [(text, None if number is None else float(number)) for text, number in rows]


@pytest.mark.parametrize(
    "selection",
    [{"filters": {"customer_identifier": "no such customer"}}, {"filters": {"organization": "9999999"}}],
    ids=["identifier", "organization"],
)
@pytest.mark.parametrize("names", [(), ("filters-ignored",), ("refs-url",), ("refs-key",)], ids=",".join)
def test_replace_with_a_selection_without_rows_keeps_the_table(names, selection, platform_of, use, load, query):
    use(platform_of(*names))
    load("first", write_mode="replace")
    before = query("SELECT count(*) FROM reports")
    with pytest.raises(OpenESGError, match="would remove all rows"):
        load("second", write_mode="replace", **selection)
    assert query("SELECT count(*) FROM reports") == before != [(0,)]
    assert query("SELECT count(*) > 1000 FROM field_values") == [(True,)]


def test_template_of_another_organization_is_not_a_reason_to_empty_a_table(small, load, query):
    platform = small({"reports": [report(1), report(2)]})
    load("first", write_mode="replace")
    # From now on the platform names templates in a way that nobody can recognize.
    platform.lists["reports"] = [report(1, template="T:1"), report(2, template="T:1")]
    with pytest.raises(OpenESGError):
        load("second", write_mode="replace", templates=["vsme"])
    assert query("SELECT count(*) FROM reports") == [(2,)]


def test_comma_in_a_pull_makes_a_point_a_grouping_point(small, load, query):
    small({"reports": [report(1, ["2.263", "1.234,50"]), report(2, ["12,5"])]})
    load("run")
    assert values(query) == [("2.263", 2263.0), ("1.234,50", 1234.5), ("12,5", 12.5)]


def test_ambiguous_point_is_not_read_and_is_said(small, load, query, caplog):
    small({"reports": [report(1, ["2.263", "1.234,50", "12.50"])]})
    result = load("run")
    assert values(query) == [("2.263", None), ("1.234,50", 1234.5), ("12.50", 12.5)]
    assert result["malformed_values"] == 1
    assert "'2.263' are not read" in caplog.text
    assert "point" in caplog.text


@pytest.mark.parametrize(("point", "number"), [("decimal", 2.263), ("group", 2263.0)])
def test_ambiguous_point_is_read_as_written_down(point, number, small, use, load, query):
    platform = small({"reports": [report(1, ["2.263", "1.234,50", "12.50"])]})
    platform.extra["api"] = f'values = {{point = "{point}"}}'
    use(platform)
    load("run")
    assert values(query)[0] == ("2.263", number)


def test_comma_on_a_later_page_is_no_reason_for_a_wrong_number(small, load, query):
    """The first pages have been read with a decimal point already."""
    reports = [report(number, ["2.263"]) for number in range(1, 61)] + [report(61, ["1.234,50"])]
    small({"reports": reports})
    try:
        load("run")
    except OpenESGError as error:
        assert "2.263" in str(error)  # noqa: PT017
    else:
        assert {number for text, number in values(query) if text == "2.263"} <= {2263.0, None}


@pytest.mark.parametrize("word", ["eingereicht", "COMPLETED", "Fertig"])
@pytest.mark.parametrize("by", ["report_id", "customer_identifier", "filters"])
def test_sensor_with_unknown_words_fails_at_once(word, by, small):
    small({"reports": [report(1, status=word)]})
    given = {"report_id": 1, "customer_identifier": "K-1", "filters": {"template": "vsme"}}[by]
    with pytest.raises(AirflowFailException, match=word) as error:
        OpenESGReportSensor(task_id="wait", **{by: given}).poke({})
    assert "[words.status]" in str(error.value)


def test_sensor_with_unknown_words_works_with_the_profile(small, use):
    platform = small({"reports": [report(1, status="Fertig")]})
    platform.extra["api"] = '[words.status]\nFertig = "submitted"'
    use(platform)
    assert OpenESGReportSensor(task_id="wait", report_id=1).poke({}).is_done


def test_empty_lists_of_values_are_confirmed_by_single_records(small, load, query):
    """Rows of the list have an empty list of values; single records have them."""
    rows = [report(number) for number in range(1, 8)]
    singles = {f"reports/{row['id']}": {"field_values": row["field_values"]} for row in rows}
    small({"reports": [row | {"field_values": []} for row in rows]}, singles)
    assert load("run")["tables"] == {"reports": 7, "field_values": 7}


def test_empty_list_of_some_rows_is_confirmed(small, load, query):
    """Only old reports have their values in the list."""
    rows = [report(number) for number in range(1, 8)]
    singles = {f"reports/{row['id']}": {"field_values": row["field_values"]} for row in rows}
    small({"reports": [row if row["id"] == 1 else row | {"field_values": []} for row in rows]}, singles)
    assert load("run")["tables"] == {"reports": 7, "field_values": 7}
