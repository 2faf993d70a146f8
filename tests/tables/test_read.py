"""Tables of a platform over HTTP: requests, rows and messages."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.records import TEMPLATE
from airflow_provider_openesg.reports.requests.run import request_reports
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.decoder import RecordDecoder
from airflow_provider_openesg.tables.read import _chosen, iter_tables
from airflow_provider_openesg.tables.schemas import EXTRA, SCHEMAS
from airflow_provider_openesg.tables.summary import MOST_LINES, Summary
from airflow_provider_openesg.tables.wide import Wide


@pytest.fixture(autouse=True, params=["one process", "worker process"])
def processes(request, monkeypatch) -> None:
    """Run every test twice: in this process only, and with a worker process."""
    size = 0 if request.param == "worker process" else 10**12
    monkeypatch.setattr("airflow_provider_openesg.tables.lists.WORKER_BYTES", size)
    monkeypatch.setattr("airflow_provider_openesg.tables.lists.WORKER_WAIT", 30)


def calls(sandbox) -> Counter[str]:
    """Return the number of requests to the API by path."""
    called = sandbox.state()["calls"].items()
    return Counter({call.split("/api/v1/")[1]: number for call, number in called if "/api/v1/" in call})


def test_all_tables_are_read_once(sandbox, read) -> None:
    summary = Summary()
    rows = read(sandbox, summary=summary)
    assert set(rows) == set(TABLES)
    assert {name: len(of_table) for name, of_table in rows.items()} == dict(summary.rows)
    state = sandbox.state()
    assert len(rows["reports"]) == state["reports"] == 200
    assert len(rows["report_requests"]) == state["report_requests"]
    assert len(rows["organizations"]) == state["organizations"]
    for name, keys in TABLES.items():
        assert len({tuple(row[key] for key in keys) for row in rows[name]}) == len(rows[name])
    extras = Counter(name for row in rows["field_values"] if row["extra"] for name in json.loads(row["extra"]))
    assert extras  # the sandbox sends fields that no schema knows
    assert summary.high_water_mark == max(
        row["updated_at"] for name in ("reports", "report_requests") for row in rows[name]
    )
    joined = {(row["template_id"], row["id"]): row["key"] for row in rows["field_types"]}
    assert rows["field_values"]
    for row in rows["field_values"]:
        assert row["field_key"] == joined[row["template_id"], row["field_type_id"]]
    assert summary.malformed.total() > 0
    assert summary.without_field_type == 0


def test_templates_are_requested_while_organizations_are_read(sandbox, client_for) -> None:
    batches = iter_tables(client_for(sandbox), ["organizations", "report_templates"])
    assert next(batches)[0] == "organizations"
    ends = time.monotonic() + 10
    while not calls(sandbox)["report-templates"] and time.monotonic() < ends:
        time.sleep(0.05)
    assert calls(sandbox)["report-templates"] == 1
    assert {table for table, _ in batches} >= {"report_templates"}
    assert calls(sandbox)["report-templates"] == 1


def test_small_and_large_batches_have_the_same_rows(sandbox, read, monkeypatch) -> None:
    several = read(sandbox)
    monkeypatch.setattr("airflow_provider_openesg.tables.builders.VALUES_AT_ONCE", 1)
    assert read(sandbox) == several


@pytest.mark.parametrize(
    ("tables", "paths"),
    [
        (["organizations"], {"organizations"}),
        (["report_templates"], {"report-templates"}),
        (["sections"], {"report-templates", "report-templates/{id}/sections"}),
        (["reports"], {"reports"}),
        (["report_requests"], {"report-requests"}),
        (["field_values"], {"reports", "report-templates", "report-templates/{id}/sections"}),
    ],
)
def test_only_necessary_requests_are_made(sandbox, read, tables, paths) -> None:
    assert set(read(sandbox, tables)) == set(tables)
    assert set(calls(sandbox)) == paths


def test_reports_and_field_values_share_one_pass(sandbox, read) -> None:
    read(sandbox, ["reports"], page_size=100)
    once = calls(sandbox)["reports"]
    sandbox.reset()
    read(sandbox, ["reports", "field_values"], page_size=100)
    assert calls(sandbox)["reports"] == once
    assert calls(sandbox)["reports/{id}"] == 0


def test_single_reports(sandbox, read) -> None:
    rows = read(sandbox, ["reports", "field_values"], filters={"id": [1010, 1030]})
    assert [row["id"] for row in rows["reports"]] == ["1010", "1030"]
    assert {row["report_id"] for row in rows["field_values"]} == {"1010", "1030"}
    assert calls(sandbox)["reports/{id}"] == 2
    assert calls(sandbox)["reports"] == 0


def test_single_reports_with_their_requests(sandbox, read) -> None:
    report = read(sandbox, ["reports"], filters={"id": "1010"})["reports"][0]
    rows = read(sandbox, ["reports", "report_requests"], filters={"id": "1010"})
    assert [row["report_id"] for row in rows["report_requests"]] == ["1010"]
    assert [row["id"] for row in rows["report_requests"]] == [report["report_request_id"]]


def test_single_reports_of_a_template(sandbox, read) -> None:
    of_template = {row["id"]: row["template_id"] for row in read(sandbox, ["reports"])["reports"]}
    ids = sorted(of_template)[:12]
    rows = read(sandbox, ["reports"], filters={"id": ids}, templates=["vsme"])["reports"]
    (vsme,) = {row["template_id"] for row in rows}
    assert [row["id"] for row in rows] == [each for each in ids if of_template[each] == vsme]
    assert 0 < len(rows) < len(ids)


def test_details_are_fetched_only_for_field_values(sandbox, read) -> None:
    complete = read(sandbox, ["field_values"])["field_values"]
    sandbox.options(list_field_values=False)
    assert len(read(sandbox, ["reports"])["reports"]) == 200
    assert calls(sandbox)["reports/{id}"] == 0
    assert read(sandbox, ["field_values"])["field_values"] == complete
    assert calls(sandbox)["reports/{id}"] == 200


@pytest.mark.parametrize(
    "options",
    [{"references": "ids"}, {"references": "nested"}, {"envelope": "results"}, {"envelope": "bare"}, {"order": "-id"}],
)
def test_rows_are_the_same_for_all_response_formats(sandbox, read, options) -> None:
    def by_key(rows):
        return {
            name: sorted(
                (
                    {
                        column: value
                        for column, value in row.items()
                        if not column.startswith("user_") and column != EXTRA
                    }
                    for row in of_table
                ),
                key=lambda row: [row[key] for key in TABLES[name]],
            )
            for name, of_table in rows.items()
        }

    tables = ["reports", "field_values", "report_requests"]
    expected = by_key(read(sandbox, tables, page_size=250))
    sandbox.options(**options)
    assert by_key(read(sandbox, tables, page_size=250)) == expected


def test_organizations_from_the_records_that_embed_them(sandbox, read, caplog) -> None:
    caplog.set_level("INFO")
    listed = {row["id"]: row for row in read(sandbox, ["organizations"])["organizations"]}
    sandbox.options(organizations=False)
    embedded = read(sandbox, ["organizations"])["organizations"]
    assert len(embedded) == len({row["id"] for row in embedded}) > 10
    assert all(row == listed[row["id"]] for row in embedded)
    assert "Organizations are read from the reports and requests" in caplog.text
    assert calls(sandbox)["reports/{id}"] == 0


def test_templates_by_key_and_by_id(sandbox, read) -> None:
    every = read(sandbox, ["report_templates", "reports", "report_requests"])
    first, second = every["report_templates"]
    for chosen in (first["key"], first["id"], int(first["id"])):
        rows = read(sandbox, templates=[chosen])
        assert {row["id"] for row in rows["report_templates"]} == {first["id"]}
        assert {row["template_id"] for row in rows["field_types"]} == {first["id"]}
        for name in ("reports", "report_requests"):
            assert rows[name] == [row for row in every[name] if row["template_id"] == first["id"]]
    both = read(sandbox, ["reports"], templates=[first["key"], second["key"]])["reports"]
    assert sorted(row["id"] for row in both) == sorted(row["id"] for row in every["reports"])


def test_updated_after_skips_the_details_of_unchanged_reports(sandbox, read, caplog) -> None:
    caplog.set_level("INFO")
    sandbox.options(list_field_values=False)
    every = read(sandbox, ["reports"])["reports"]
    moments = sorted(row["updated_at"] for row in every)
    mark = moments[-20]
    changed = [row for row in every if row["updated_at"] > mark]
    summary = Summary()
    rows = read(sandbox, ["reports", "field_values"], updated_after=mark.isoformat(), summary=summary)
    assert rows["reports"] == changed
    assert calls(sandbox)["reports/{id}"] == len(changed) < 20
    assert "reports: the list has no filter for changes after" in caplog.text
    assert f"reports: {len(changed)} of 200 rows changed after {mark.isoformat()}" in caplog.text
    assert summary.high_water_mark == moments[-1]
    assert read(sandbox, ["reports"], updated_after=moments[-1]) == {"reports": []}
    assert read(sandbox, ["reports"], updated_after=mark.replace(tzinfo=None))["reports"] == changed
    assert len(read(sandbox, ["reports"], updated_after="None")["reports"]) == len(every)
    day = read(sandbox, ["reports"], updated_after=mark.date())["reports"]
    assert day == [row for row in every if row["updated_at"].date() >= mark.date()]


def test_updated_after_uses_the_filter_of_the_list_if_it_has_one(sandbox, read, caplog) -> None:
    caplog.set_level("INFO")
    mark = sorted(row["updated_at"] for row in read(sandbox, ["reports"])["reports"])[-20]
    expected = read(sandbox, ["reports", "report_requests"], updated_after=mark)
    api = {"filters": {name: {"updated_after": "updated_after"} for name in ("reports", "report_requests")}}
    # A list that ignores the filter is only slower.
    for has_filter, received in ((True, len(expected["reports"])), (False, 200)):
        sandbox.options(updated_after=has_filter)
        caplog.clear()
        assert read(sandbox, ["reports", "report_requests"], updated_after=mark, api=api) == expected
        assert "reports: the list is requested with changes after 2026-" in caplog.text
        assert f"reports: {len(expected['reports'])} of {received} rows changed after" in caplog.text


def test_rows_without_updated_at_are_read_every_time(sandbox, read, caplog) -> None:
    row = {
        "template": 1,
        "status": "submitted",
        "submitted_at": "2020-01-01T00:00:00Z",
        "created_at": "2020-01-01T00:00:00Z",
    }
    rows = [{"id": 1, **row}, {"id": 2, **row, "updated_at": "2020-01-01T00:00:00Z"}]
    sandbox.fault("answer", path="/reports$", status=200, body=json.dumps(rows), times=1)
    sandbox.fault("answer", path="/reports$", status=200, body="[]")
    summary = Summary()
    found = read(sandbox, ["reports"], updated_after="2021-01-01", summary=summary)["reports"]
    assert [row["id"] for row in found] == ["1"]
    assert summary.high_water_mark == datetime(2020, 1, 1, tzinfo=UTC)
    assert "reports: 1 of these have no updated_at: they are read every time" in caplog.text


def test_filters(sandbox, read) -> None:
    every = read(sandbox, ["reports", "report_requests"])
    identifier = next(row["customer_identifier"] for row in every["reports"] if row["customer_identifier"])
    rows = read(sandbox, ["reports", "report_requests"], filters={"customer_identifier": identifier})
    for name, of_table in rows.items():
        assert of_table == [row for row in every[name] if row["customer_identifier"] == identifier]


def test_list_of_filter_values(sandbox, read) -> None:
    statuses = ["submitted", "declined"]
    expected = [row["id"] for row in read(sandbox, ["reports"])["reports"] if row["status"] in statuses]
    rows = read(sandbox, ["reports"], filters={"status": statuses})["reports"]
    assert {row["status"] for row in rows} == {*statuses}
    assert sorted(row["id"] for row in rows) == sorted(expected)


def test_filters_that_a_list_does_not_support(sandbox, read, caplog) -> None:
    caplog.set_level("INFO")
    requests = read(sandbox, ["report_requests"])["report_requests"]
    first, second = [row for row in requests if row["report_id"] and row["organization_id"]][:2]
    both = ["reports", "report_requests"]
    rows = read(sandbox, both, filters={"report_request": int(first["id"])})
    assert rows["report_requests"] == [first]
    assert [row["id"] for row in rows["reports"]] == [first["report_id"]]
    rows = read(sandbox, both, filters={"organization": int(second["organization_id"])})["report_requests"]
    assert rows == [row for row in requests if row["organization_id"] == second["organization_id"]]
    assert "report-requests: the list has no filter 'organization'; all rows are read" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tables": ["report"]}, "tables: 'report' given; allowed: organizations, "),
        ({"tables": ["field_value"]}, "Did you mean 'field_values'?"),
        ({"tables": "reports"}, "Write ['reports']."),
        ({"tables": []}, "tables: an empty list given"),
        ({"templates": []}, "templates: an empty list given"),
        ({"updated_after": "gestern"}, "updated_after: 'gestern' given; allowed: a time in ISO 8601"),
        ({"filters": {"statuss": "submitted"}}, "Did you mean 'status'?"),
        ({"filters": {"status": ""}}, "filters: status: '' given"),
        ({"tables": ["organizations"], "filters": {"status": "x"}}, "allowed: none."),
        ({"filters": {"template": 1}, "templates": ["vsme"]}, "given together with templates"),
    ],
)
def test_invalid_arguments_are_an_error_before_any_call(sandbox, client_for, arguments, message) -> None:
    with pytest.raises(OpenESGConfigError) as error:
        iter_tables(client_for(sandbox), **arguments)
    assert message in str(error.value)
    assert sandbox.state()["requests"] == 0


def test_filter_template_takes_keys_and_ids(sandbox, read, client_for) -> None:
    every = read(sandbox, ["report_templates", "reports"])
    first, second = every["report_templates"]
    of_first = [row for row in every["reports"] if row["template_id"] == first["id"]]
    assert 0 < len(of_first) < len(every["reports"])
    for value in (first["key"], f" {first['key']} ", first["id"], f" {first['id']} ", [first["key"]]):
        assert read(sandbox, ["reports"], filters={"template": value})["reports"] == of_first
        records = client_for(sandbox).iter_records("reports", filters={"template": value})
        assert sorted(str(each["id"]) for each in records) == sorted(row["id"] for row in of_first)
    both = read(sandbox, ["reports"], filters={"template": [first["key"], second["id"]]})["reports"]
    assert len(both) == len(every["reports"])
    wrong = {"template": first["key"][:-1]}
    for call in (
        lambda: read(sandbox, ["reports"], filters=wrong),
        lambda: client_for(sandbox).iter_records("reports", filters=wrong),
    ):
        with pytest.raises(OpenESGConfigError, match=r"filters: template: .* Did you mean"):
            call()


def test_id_of_a_template_comes_before_an_equal_key() -> None:
    body = b'[{"id": 2, "key": "a"}, {"id": 7, "key": "2"}, {"id": 8, "key": "b"}, {"id": 9, "key": "b"}]'
    rows = RecordDecoder(TEMPLATE).page(body).rows
    assert [row.id for row in _chosen(rows, ["2"])] == [2]
    assert [row.id for row in _chosen(rows, ["2", "7", "b"])] == [2, 7, 8, 9]
    assert [row.id for row in _chosen(rows, ["9"])] == [9]
    assert [row.id for row in _chosen(rows, ["a", "2"])] == [2]


def test_key_of_two_templates_selects_both(sandbox, read, client_for) -> None:
    client = client_for(sandbox)
    templates = list(client.iter_records("report-templates"))
    first, second = (str(each["id"]) for each in templates[:2])
    shared = [each | {"key": "pilot" if str(each["id"]) in (first, second) else each["key"]} for each in templates]
    sandbox.fault("answer", path="/report-templates$", status=200, body=json.dumps(shared))
    both = [row for row in read(sandbox, ["reports"])["reports"] if row["template_id"] in (first, second)]
    assert {row["template_id"] for row in both} == {first, second}
    ids = sorted(row["id"] for row in both)
    filters = {"template": "pilot"}
    for selection in ({"templates": ["pilot"]}, {"filters": filters}):
        assert sorted(row["id"] for row in read(sandbox, ["reports"], **selection)["reports"]) == ids
    assert len(list(client.iter_records("reports", filters=filters))) == len(both)
    pages = calls(sandbox)["reports"]
    assert len(list(client.iter_records("reports", filters={"template": ["pilot", first, "pilot"]}))) == len(both)
    assert calls(sandbox)["reports"] - pages == sum(
        -(-number // client.settings.page_size) for number in Counter(row["template_id"] for row in both).values()
    )
    row = {"organization_name": "A GmbH", "user_email": "a@a.example"}
    for call in (
        lambda: Wide.of_template(client, ["pilot"]),
        lambda: request_reports(client, [row | {"report_template": "pilot"}]),
        lambda: request_reports(client, [row], template="pilot", on_invalid="skip"),
    ):
        with pytest.raises(OpenESGConfigError, match=r"templates?: .*'pilot'.* given") as error:
            call()
        assert "several templates" in str(error.value)
        assert f"one of the ids {first}, {second}" in str(error.value)


def test_error_of_an_unknown_template_lists_those_that_exist(sandbox, read) -> None:
    with pytest.raises(OpenESGConfigError, match=r"templates: 'vsm' given; allowed: vsme, .*Did you mean 'vsme'\?"):
        read(sandbox, ["reports"], templates=["vsm"])


def test_sections_that_cannot_be_read_are_an_error(sandbox, read) -> None:
    sandbox.fault("answer", path="/sections$", status=403)
    with pytest.raises(OpenESGContractError, match="Template 1: its sections cannot be read"):
        read(sandbox, ["field_values"])


def test_platform_that_fails_to_send_sections_is_named_as_the_cause(sandbox, read) -> None:
    sandbox.fault("answer", path="/sections$", status=501)
    with pytest.raises(OpenESGApiError, match=r"/report-templates/1/sections.*HTTP 501"):
        read(sandbox, ["field_values"])


def test_reports_without_field_values_anywhere_are_an_error(sandbox, read) -> None:
    sandbox.options(list_field_values=False)
    sandbox.fault("answer", path=r"/reports/\d+$", status=200, body='{"id": 1, "template": 1}')
    with pytest.raises(OpenESGContractError, match=r"Report \d+: neither its row in the list nor its own record has"):
        read(sandbox, ["field_values"])


def test_failed_first_page_is_an_error_and_is_not_requested_again(sandbox, read) -> None:
    sandbox.fault("answer", path="/reports$", status=403)
    with pytest.raises(OpenESGApiError, match="HTTP 403"):
        read(sandbox, ["reports", "report_requests"])
    assert calls(sandbox)["reports"] == 1


def test_only_the_most_frequent_malformed_fields_are_logged_one_by_one(caplog) -> None:
    summary, more = Summary(), Summary()
    for number in range(MOST_LINES):
        summary.count_malformed(f"field-{number}", "x", number + 2)
    more.count_malformed("seldom", "?")
    more.count_malformed("field-0", "y", 1000)
    summary.add(more)  # as the task adds the counts of the worker process
    summary.log()
    assert len(caplog.messages) == MOST_LINES + 1
    assert caplog.messages[0].startswith("field-0: 1002 value(s) cannot be read")
    assert caplog.messages[0].endswith("For example: 'x'")
    assert "seldom" not in caplog.text
    assert caplog.messages[-1] == "1 more fields have values that cannot be read"


def test_every_table_has_a_batch_even_without_rows(sandbox, client_for) -> None:
    after = datetime(2100, 1, 1, tzinfo=UTC)
    batches = list(iter_tables(client_for(sandbox), ["reports", "field_values"], updated_after=after))
    assert [(name, batch.num_rows) for name, batch in batches] == [("reports", 0), ("field_values", 0)]
    assert all(batch.schema.equals(SCHEMAS[name], check_metadata=True) for name, batch in batches)


def test_table_names_need_no_pyarrow() -> None:
    code = "import sys, airflow_provider_openesg.tables; sys.exit('pyarrow' in sys.modules or 'msgspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_column_has_a_description() -> None:
    assert list(SCHEMAS) == list(TABLES)
    for name, schema in SCHEMAS.items():
        assert schema.metadata[b"description"]
        assert all(field.metadata[b"description"] for field in schema)
        assert [field.name for field in schema if not field.nullable] == list(TABLES[name])
        assert schema.names[-1] == EXTRA
