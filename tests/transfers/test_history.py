"""After any sequence of changes and runs, the tables equal those of one full read."""

from __future__ import annotations

import random
from types import SimpleNamespace

import duckdb
import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.sandbox.templates import TEMPLATES
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

RUNS = 6
TEXTS = {
    number
    for template in TEMPLATES.values()
    for number, (_, field_type) in template.field_types.items()
    if field_type.datatype in ("short_text", "string", "text")
}
MAX_LATE = 599
"""Seconds: less than the overlap."""


@pytest.fixture(scope="module")
def few_reports(request):
    from airflow_provider_openesg.sandbox.process import SandboxProcess

    with SandboxProcess(reports=25, seed=3) as sandbox:
        yield sandbox


@pytest.fixture
def platform(few_reports, token_cache_dir, monkeypatch):
    few_reports.reset()
    monkeypatch.setenv("AIRFLOW_CONN_OPENESG_DEFAULT", few_reports.connection_json)
    return few_reports


class History:
    """Changes on the platform, drawn at random."""

    def __init__(self, sandbox, draw):
        self.sandbox, self.draw, self.requests = sandbox, draw, 0

    def make_changes(self):
        for change in self.draw.choices(
            [self.wait, self.edit, self.insert, self.request_report], [3, 3, 2, 1], k=self.draw.randrange(6)
        ):
            change()

    def wait(self):
        self.sandbox.turn_clock(self.draw.choice([1, 60, 599, 601, 3600, 86_400, 5 * 86_400]))

    def insert(self):
        self.sandbox.insert_report(
            self.draw.choice(["start", "middle", "end"]), late=self.draw.choice([0, 1, 300, MAX_LATE])
        )

    def edit(self):
        with OpenESGHook() as hook:
            texts = [
                (report["id"], value["id"])
                for report in hook.iter_records("reports", filters={"status": "in_progress"})
                for value in report["field_values"]
                if value["field_type"] in TEXTS
            ]
            if texts:
                report, value = self.draw.choice(texts)
                change = {"id": value, "value": f"edited {self.draw.random()}"}
                hook.request("PATCH", f"reports/{report}", json={"field_values": [change]})

    def request_report(self):
        self.requests += 1
        body = {
            "report_template": self.draw.choice(["vsme", "supplier-basics"]),
            "organization_name": f"Neu {self.requests} GmbH",
            "user_email": f"anna@neu-{self.requests}.example",
        }
        with OpenESGHook() as hook:
            hook.request("POST", "report-requests", json=body)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("selection", [{}, {"shape": "wide", "templates": ["vsme"]}], ids=["tidy", "wide"])
def test_any_runs_equal_one_full_read(platform, warehouse, seed, selection):
    draw = random.Random(seed)
    history = History(platform, draw)

    def run(number, schema, **arguments):
        task = SimpleNamespace(dag_id="nightly", run_id=str(number), map_index=-1)
        given = {"task_id": "load", "sql_conn_id": "warehouse", "schema": schema} | selection | arguments
        return OpenESGToSqlOperator(**given).execute({"ti": task})["tables"]

    def tables(schema):
        with duckdb.connect(warehouse.connection["host"]) as connection:
            names = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [schema]
            ).fetchall()
            rows = {name: connection.sql(f"FROM esg.{schema}.{name}").to_arrow_table() for (name,) in names}
            return {name: sorted(map(repr, each.to_pylist())) for name, each in rows.items() if name != "openesg_runs"}

    read = []
    for number in range(RUNS):
        platform.options(list_field_values=draw.random() < 0.5, updated_after=draw.random() < 0.5)
        if draw.random() < 0.3:  # an attempt that fails during the pull
            platform.fault("answer", path=draw.choice(["/reports$", "/report-requests$", r"/reports/\d+$"]), status=403)
            try:
                run(number, "merged", updated_after="last_run")
            except OpenESGApiError:
                platform.clear_faults()
                history.make_changes()
            platform.clear_faults()
        again = draw.randrange(number + 1) if draw.random() < 0.2 else number  # or a cleared task
        read.append(run(again, "merged", updated_after="last_run"))
        history.make_changes()
    read.append(run(RUNS, "merged", updated_after="last_run"))
    run(RUNS, "full")
    assert tables("merged") == tables("full")
    table = "vsme_reports" if selection else "reports"
    assert min(rows[table] for rows in read[1:]) < read[0][table] / 2
