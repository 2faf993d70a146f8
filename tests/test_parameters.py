"""Every check of a parameter is in parameters.py or filters.py. Operators, transfers and the hook call it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

import airflow_provider_openesg
from airflow_provider_openesg import parameters
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.filters import check_filters, check_query, filter_texts, plain_filters
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.operators.openesg import (
    OpenESGOperator,
    OpenESGRequestReportsOperator,
    OpenESGUpdateReportOperator,
)
from airflow_provider_openesg.sensors.openesg import OpenESGReportSensor
from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator
from airflow_provider_openesg.triggers.report_events import OpenESGReportEventTrigger

PACKAGE = Path(airflow_provider_openesg.__file__).parent
ROW = {"organization_name": "A GmbH", "user_email": "a@a.example", "report_template": "vsme"}

WRONG = [
    (lambda: parameters.check_choice("color", "gren", ["red", "green"]), "color: 'gren' given; allowed: red, green."),
    (lambda: parameters.check_choice("color", "gren", ["red", "green"]), "Did you mean 'green'?"),
    (lambda: parameters.check_boolean("flag", "True"), "flag: 'True' given; allowed: True or False"),
    (lambda: parameters.check_boolean("flag", 1), "flag: 1 given"),
    (
        lambda: parameters.check_list("tables", "reports"),
        r"tables: 'reports' given; allowed: a list. Write \['reports'\]",
    ),
    (lambda: parameters.check_list("tables", []), "tables: an empty list given"),
    (lambda: parameters.check_list("tables", [True]), "tables: True in the list"),
    (lambda: parameters.check_names("tables", ["report"], ["reports"]), "tables: 'report' given; allowed: reports"),
    (lambda: parameters.check_statuses(["submited"]), "statuses: 'submited' given.*'submitted'"),
    (lambda: parameters.check_poke_interval(0.5), "poke_interval: 0.5 given"),
    (lambda: parameters.check_poke_interval(True), "poke_interval: True given"),
    (
        lambda: parameters.check_poke_interval(0.1, shortest=0.5),
        "poke_interval: 0.1 given; allowed: seconds, from 0.5",
    ),
    (lambda: parameters.read_deadline("2026-01-31"), "deadline: '2026-01-31' given; .* with time zone"),
    (lambda: check_filters("a=b"), "filters: 'a=b' given; allowed: a dict"),
    (lambda: check_filters({"statsu": 1}), "filters: 'statsu' given.*'status'"),
    (lambda: check_filters({"limit": 1}), "filters: 'limit' given; all pages are read"),
    (lambda: check_filters({"status": []}), "filters: status: an empty list"),
    (lambda: check_filters({"status": "None"}), "filters: status: 'None' given"),
    (lambda: filter_texts("status", {}), "filters: status: {} given"),
    (lambda: parameters.check_shape("tall"), "shape: 'tall' given; allowed: tidy, wide"),
    (lambda: parameters.check_shape("wide", tables=["reports"]), "tables: given with shape='wide'"),
    (lambda: parameters.check_templates("vsme"), "templates: 'vsme' given; allowed: a list"),
    (lambda: parameters.check_templates(["a", "b"], shape="wide"), "templates: .* given; with shape='wide'"),
    (lambda: parameters.read_updated_after("yesterday"), "updated_after: 'yesterday' given; allowed: a time"),
    (lambda: parameters.read_updated_after("last_run"), "updated_after: 'last_run' given"),
    (lambda: parameters.read_updated_after(7, last_run=True), "updated_after: 7 given; .* or 'last_run'"),
    (lambda: parameters.check_id("report_id", " "), "report_id: ' ' given; allowed: an id"),
    (lambda: parameters.check_id("report_id", True), "report_id: True given"),
    (lambda: parameters.check_id("report_id", [1]), r"report_id: \[1\] given"),
    (lambda: parameters.check_record_id("report_id", " ..\n"), r"report_id: ' ..\\n' given; allowed: an id"),
    (lambda: parameters.check_storage_path(" "), "path: ' ' given; allowed: a folder"),
    (lambda: parameters.check_keep_runs(0), "keep_runs: 0 given; allowed: a whole number from 1"),
    (lambda: parameters.check_keep_runs(True), "keep_runs: True given"),
    (lambda: parameters.check_keep_runs(2, commit=False), "keep_runs: given with commit=False"),
    (lambda: parameters.check_schema("dwh.esg"), "schema: 'dwh.esg' given; allowed: the name of a schema only"),
    (lambda: parameters.check_schema(5), "schema: 5 given"),
    (lambda: parameters.require_one({"a": 1, "b": 2}, ["a", "b"]), "a and b given; allowed: exactly one of a, b"),
    (lambda: parameters.require_one({}, ["a", "b"]), "nothing given"),
    (lambda: parameters.check_api_path("None"), "path: 'None' given"),
    (
        lambda: parameters.check_request_options(None, "Fail", "fail", False),
        "on_invalid: 'Fail' given; allowed: fail, skip",
    ),
    (
        lambda: parameters.check_request_options(None, "fail", "last", False),
        "on_duplicate: 'last' given; allowed: fail, first",
    ),
    (
        lambda: parameters.check_request_options(None, "fail", "fail", "no"),
        "dry_run: 'no' given; allowed: True or False",
    ),
    (
        lambda: parameters.check_request_options(None, "fail", "fail", False, retried="no"),
        "retried: 'no' given; allowed: True or False",
    ),
    (lambda: parameters.check_request_options([1], "fail", "fail", False), r"template: \[1\] given; allowed: an id"),
    (lambda: check_filters({"id": 1, "status": "x"}), "filters: 'id' given together with status"),
    (lambda: check_filters({"id": 1, 5: 6}), "filters: 'id' given together with 5"),
    (
        lambda: check_query("query", {"limit": 1}, all_pages=True),
        "^query: 'limit' given; all pages are read",
    ),
    (lambda: parameters.check_request_rows("a.csv"), "requests: 'a.csv' given; allowed: a list of dicts"),
    (lambda: parameters.check_request_rows({"user_email": "x"}), "requests: a single dict given"),
    (lambda: parameters.check_field_values("{}"), "field_values: '{}' given; .*render_template_as_native_obj"),
    (lambda: parameters.check_field_values(None), "field_values: None given"),
]


@pytest.mark.parametrize(("check", "message"), WRONG)
def test_invalid_values_are_an_error(check, message):
    with pytest.raises(OpenESGConfigError, match=message):
        check()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("None", None),
        (date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)),
        (datetime(2026, 1, 31, 12), datetime(2026, 1, 31, 12, tzinfo=UTC)),  # noqa: DTZ001 - without a zone on purpose
        (" 2026-01-31T00:00:00+01:00", datetime(2026, 1, 30, 23, tzinfo=UTC)),
    ],
)
def test_updated_after(value, expected):
    assert parameters.read_updated_after(value) == expected


def test_valid_values():
    parameters.check_statuses(["submitted", "archived_by_hand"])
    check_filters({"status": ("submitted",), "customer_identifier": "{{ x }}"})
    parameters.check_request_rows({2: ROW})
    parameters.check_request_rows(iter([ROW]))
    check_query("query", {"limit": 1})
    assert parameters.check_templates([1, " vsme "]) == ["1", "vsme"]
    assert parameters.check_id("report_id", 17) == "17"
    assert plain_filters({"a": {"y", "x"}, "b": date(2026, 1, 31)}) == {"a": ["x", "y"], "b": "2026-01-31"}


@pytest.fixture
def hook(openesg_connection):
    with OpenESGHook() as hook:
        yield hook


def transfer(**arguments):
    return lambda: OpenESGToSqlOperator(task_id="t", sql_conn_id="db", **arguments)


def request_operator(**arguments):
    return lambda: OpenESGRequestReportsOperator(task_id="t", requests=[], **arguments)


SAME = {
    name: (operator, call)
    for name, operator, call in [
        ("on_invalid", request_operator(on_invalid="Fail"), lambda h: h.request_reports([ROW], on_invalid="Fail")),
        ("on_duplicate", request_operator(on_duplicate="FIRST"), lambda h: h.request_reports([], on_duplicate="FIRST")),
        ("dry_run", request_operator(dry_run="yes"), lambda h: h.request_reports([ROW], dry_run="yes")),
        (
            "requests",
            lambda: OpenESGRequestReportsOperator(task_id="t", requests=ROW),
            lambda h: h.request_reports(ROW),
        ),
        (
            "submit",
            lambda: OpenESGUpdateReportOperator(task_id="t", report_id=1, field_values={}, submit="yes"),
            lambda h: h.update_report(1, {}, submit="yes"),
        ),
        (
            "field_values",
            lambda: OpenESGUpdateReportOperator(task_id="t", report_id=1, field_values="a=b"),
            lambda h: h.update_report(1, "a=b"),
        ),
        (
            "report_id",
            lambda: OpenESGUpdateReportOperator(task_id="t", report_id="None", field_values={}).execute({}),
            lambda h: h.update_report("None", {}),
        ),
        (
            "method",
            lambda: OpenESGOperator(task_id="t", path="reports", method="FETCH"),
            lambda h: h.request("FETCH", "reports"),
        ),
        ("path", lambda: OpenESGOperator(task_id="t", path=" "), lambda h: h.request("GET", " ")),
        ("shape", transfer(shape="tall"), lambda h: h.iter_tables(shape="tall")),
        (
            "tables",
            transfer(shape="wide", templates=["vsme"], tables=["reports"]),
            lambda h: h.iter_tables(["reports"], shape="wide", templates=["vsme"]),
        ),
        ("unknown table", transfer(tables=["report"]), lambda h: h.iter_tables(["report"])),
        ("one table as text", transfer(tables="reports"), lambda h: h.iter_tables("reports")),
        ("templates", transfer(templates="vsme"), lambda h: h.iter_tables(templates="vsme")),
        ("two templates", transfer(shape="wide", templates=["a", "b"]), lambda h: h.wide_tables(["a", "b"])),
        ("filters", transfer(filters={"statsu": "x"}), lambda h: h.iter_tables(filters={"statsu": "x"})),
        (
            "filter of another table",
            transfer(tables=["organizations"], filters={"status": "x"}),
            lambda h: h.iter_tables(["organizations"], filters={"status": "x"}),
        ),
        (
            "templates and filter",
            transfer(templates=["vsme"], filters={"template": 1}),
            lambda h: h.iter_tables(templates=["vsme"], filters={"template": 1}),
        ),
        (
            "id and another filter",
            transfer(filters={"id": 1, "status": "x"}),
            lambda h: h.iter_records("reports", filters={"id": 1, "status": "x"}),
        ),
        (
            "template of requests",
            lambda: request_operator(template=1.5)(),
            lambda h: h.request_reports([ROW], template=1.5),
        ),
        ("filters as text", transfer(filters=""), lambda h: h.iter_records("reports", filters="")),
        ("filters as list", transfer(filters=[]), lambda h: h.iter_tables(filters=[])),
        ("empty filter", transfer(filters={"status": []}), lambda h: h.iter_tables(filters={"status": []})),
    ]
}


@pytest.mark.parametrize(("operator", "call"), SAME.values(), ids=SAME)
def test_hook_and_operator_raise_the_same_error(hook, sandbox, operator, call):
    with pytest.raises(OpenESGConfigError) as of_operator:
        operator()
    with pytest.raises(OpenESGConfigError) as of_hook:
        call(hook)
    assert str(of_hook.value) == str(of_operator.value)
    assert sandbox.state()["requests"] == 0


def test_updated_after_of_hook_and_operator(hook):
    """Only the operator has a last run to continue from."""
    with pytest.raises(OpenESGConfigError) as of_hook:
        hook.iter_tables(updated_after="soon")
    with pytest.raises(OpenESGConfigError) as of_operator:
        transfer(updated_after="soon")()
    assert str(of_operator.value) == str(of_hook.value)[:-1] + ", or 'last_run'."
    assert sum(batch.num_rows for _, batch in hook.iter_tables(["reports"], updated_after=date(2026, 1, 31))) > 0


def sources(*but):
    return [path for path in PACKAGE.rglob("*.py") if path.name not in but and "sandbox" not in path.parts]


def test_hints_are_in_one_module():
    users = [path for path in sources("hints.py") if "difflib" in path.read_text()]
    assert [str(path) for path in users if path.parent.name != "check"] == []  # check compares names of the platform


READERS = {
    # what reads such a value: the modules that may use it, with what they read
    "fromisoformat": {
        "parameters.py",  # parameters
        "settings.py",  # Connection
        "tables/columns.py",  # times of records
        "tables/value_format.py",  # values of fields
        "reports/requests/columns.py",  # rows of requests
        "lake/manifest.py",  # manifests
        "lake/writer.py",  # manifests
        "sql/runs_table.py",  # run history
    },
    "conninfo_to_dict": {"sql/identity.py"},
    "make_url": {"sql/identity.py", "sql/dbapi_types.py"},  # there: only the name of a dialect
    "get_openlineage_database_info": {"transfers/databases.py"},
}


@pytest.mark.parametrize("name", READERS)
def test_values_are_read_where_they_are_checked(name):
    """A second reader of parameters, or of the server in a connection string, would use one of these functions."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if getattr(node, "attr", getattr(node, "id", None)) == name
    }
    assert users - READERS[name] == set()


def test_shape_is_checked_in_one_place():
    """Elsewhere, ``shape == "wide"`` raises no error about shape, tables or templates."""
    other_checks = [
        f"{path}:{node.lineno}"
        for path in sources("parameters.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.If) and '"wide"' in ast.unparse(node.test).replace("'", '"')
        for each in ast.walk(node)
        if isinstance(each, ast.Raise)
        and any(f"{name}:" in ast.unparse(each) for name in ("shape", "tables", "templates"))
    ]
    assert other_checks == []


OPERATORS = [
    operator
    for path in sorted(PACKAGE.glob("operators/*.py")) + sorted(PACKAGE.glob("transfers/*.py"))
    for operator in vars(importlib.import_module(f"airflow_provider_openesg.{path.parent.name}.{path.stem}")).values()
    if inspect.isclass(operator) and issubclass(operator, BaseOperator) and operator.__module__.endswith(path.stem)
]


OTHER_ERRORS = {
    # name at the start of an error: the modules that raise it, with what those two cannot know
    "expected": {"reports/waiting.py"},  # Expected.parse, the only reader; compared with the number of reports
    "field_values": {"reports/updates/entries.py"},  # entries, compared with the report
    "filters": {"reports/waiting.py", "triggers/report_events.py"},  # none at all; the status, which has a parameter
    "paginate": {"operators/openesg.py"},  # its only user
    "partition_by": {"transfers/openesg_to_object_storage.py"},  # its only user
    "parts": {
        "transfers/openesg_to_object_storage.py",  # its only user
        "lake/commit.py",  # parts in the lake
        "lake/parts.py",  # parts that do not fit together
    },
    "path": {"lake/manifest.py", "utils/object_storage.py"},  # manifests; Connections of object stores
    "requests": {
        "operators/request_reports.py",  # results of queries
        "reports/requests/csv_file.py",  # CSV files
        "reports/requests/run.py",  # rows
    },
    "schema": {
        "check/source.py",  # files with an OpenAPI schema
        "sql/warehouse.py",  # databases that need one
        "transfers/databases.py",  # databases that have none
    },
    "sql_conn_id": {"utils/sql_connection.py"},  # Connections of Airflow
    "start_from_trigger": {"sensors/openesg.py"},  # its only user
    "tables": {"transfers/openesg_to_object_storage.py"},  # mapped tasks
    "template": {"reports/requests/run.py"},  # templates of the platform
    "templates": {"tables/wide.py"},  # templates of the platform
    "updated_after": {"transfers/openesg_to_sql.py"},  # together with write_mode
}


def test_parameters_are_checked_in_two_modules():
    """A second check would raise an error that begins with the name of a parameter."""
    calls = [*OPERATORS, OpenESGReportSensor, OpenESGReportEventTrigger, *vars(OpenESGHook).values()]
    names = {name for each in calls if callable(each) for name in inspect.signature(each).parameters}
    errors: dict[str, set[str]] = {}
    for path in sources("parameters.py", "filters.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc and "OpenESGConfigError" in ast.unparse(node.exc):
                message = ast.unparse(node.exc).partition("(")[2].lstrip("f").strip("\"'")
                name = re.sub(r"^\{[^}]*\}[^:]*: ", "", message)
                if (name := re.split(r"\W", name, maxsplit=1)[0]) in names:
                    errors.setdefault(name, set()).add(path.relative_to(PACKAGE).as_posix())
    assert errors == OTHER_ERRORS


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_connection_is_templated(operator):
    names = {name for name in inspect.signature(operator).parameters if name.endswith("conn_id")}
    assert names <= set(operator.template_fields)


def test_operators_are_found():
    assert {OpenESGUpdateReportOperator, OpenESGToObjectStorageOperator} <= set(OPERATORS)
    assert "object_storage_conn_id" in OpenESGRequestReportsOperator.template_fields


@pytest.mark.parametrize(
    ("value", "sent"), [(True, ["true"]), (7, ["7"]), ("x", ["x"]), (["x", False], ["x", "false"])]
)
def test_filter_values_are_sent_as_text(value, sent):
    assert filter_texts("status", value) == sent


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_time_outside_of_the_calendar_is_an_error(value):
    with pytest.raises(OpenESGConfigError, match="updated_after"):
        parameters.read_updated_after(value)


def test_query_that_is_not_a_dict_is_an_error():
    with pytest.raises(OpenESGConfigError, match=r"params: .* given; allowed: a dict"):
        OpenESGHook().request("GET", "reports", params=[1])


@pytest.mark.parametrize("on_invalid", ["fail", "skip"])
def test_wrong_default_template_is_an_error_and_not_a_skipped_row(hook, sandbox, on_invalid):
    with pytest.raises(OpenESGConfigError, match=r"template: 'vmse' given; allowed: .*Did you mean 'vsme'"):
        hook.request_reports([ROW], template="vmse", on_invalid=on_invalid)
    assert not [name for name in sandbox.state()["calls"] if name.startswith("POST /api")]


@pytest.mark.parametrize(
    ("parameter", "make"),
    [
        ("commit", lambda text: OpenESGToObjectStorageOperator(task_id="t", path="/x", commit=text)),
        ("deferrable", lambda text: OpenESGReportSensor(task_id="t", report_id=1, deferrable=text)),
        ("start_from_trigger", lambda text: OpenESGReportSensor(task_id="t", report_id=1, start_from_trigger=text)),
    ],
)
@pytest.mark.parametrize("text", ["False", "no", 0, None])
def test_switches_are_booleans(parameter, make, text):
    with pytest.raises(OpenESGConfigError, match=f"{parameter}: .* given; allowed: True or False"):
        make(text)
