"""OpenESGClient against the sandbox, over real sockets; the sandbox counts the requests."""

import json
import logging
import re
import threading
import time

import pytest

from airflow_provider_openesg import clock
from airflow_provider_openesg.api import RESOURCES
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGConfigError,
    OpenESGContractError,
    OpenESGNotFoundError,
)

REPORTS = "/api/v1/reports$"


@pytest.fixture
def connect(sandbox, settings_for):
    """A client of the sandbox; extras of the Connection as arguments."""
    clients = []

    def make(**extra):
        clients.append(OpenESGClient(settings_for(sandbox, **extra), cache=open_cache("off")))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def ids(rows):
    return [row["id"] for row in rows]


def calls(sandbox, path):
    return [call for call in sandbox.state()["log"] if re.search(path, call["path"])]


def offsets(sandbox):
    return [int(re.search(r"offset=(\d+)", call["query"])[1]) for call in calls(sandbox, REPORTS)]


def test_all_resources_are_read_completely(connect, sandbox):
    client = connect()
    state = sandbox.state()
    for resource in RESOURCES:
        rows = ids(client.iter_records(resource))
        assert len(rows) == len(set(rows))
        assert len(rows) == state.get(resource.replace("-", "_"), 2)


def test_pages_are_fetched_in_parallel_and_returned_in_order(connect, sandbox):
    sandbox.fault("delay", seconds=0.05, path=REPORTS)
    got = ids(connect(page_size=10, parallel_requests=3).iter_records("reports"))
    assert got == sorted(got)
    assert len(got) == 200
    assert sandbox.state()["in_flight_max"] == 3
    assert sorted(offsets(sandbox)) == list(range(0, 199, 9))  # each page is requested once


def test_one_request_at_a_time_without_parallel_requests(connect, sandbox):
    sandbox.options(list_field_values=False)
    assert len(ids(connect(page_size=50, parallel_requests=1).iter_records("reports"))) == 200
    assert sandbox.state()["in_flight_max"] == 1


def test_few_pages_are_prefetched_for_a_slow_reader(connect, sandbox):
    pages = connect(page_size=5, parallel_requests=3).iter_pages("reports")
    for number in range(1, 4):
        next(pages)
        time.sleep(0.2)
        assert len(calls(sandbox, REPORTS)) <= number + 2 * 3
    pages.close()
    time.sleep(0.2)
    assert len(calls(sandbox, REPORTS)) <= 9


def test_closed_iterator_leaves_no_thread(connect, sandbox):
    sandbox.options(list_field_values=False)
    records = connect(page_size=5).iter_records("reports")
    for _ in range(7):
        next(records)
    records.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("openesg") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("envelope", ["items", "results", "bare"])
@pytest.mark.parametrize("page_size", [7, 100, 200, 500])
def test_every_envelope(connect, sandbox, envelope, page_size):
    sandbox.options(envelope=envelope)
    got = ids(connect(page_size=page_size).iter_records("reports"))
    assert got == sorted(set(got))
    assert len(got) == 200


@pytest.mark.parametrize("envelope", ["items", "results", "bare"])
@pytest.mark.parametrize("order", ["id", "-id"])
@pytest.mark.parametrize("position", ["start", "middle", "end"])
@pytest.mark.parametrize("after", [1, 2, 4])
def test_row_inserted_while_reading(connect, sandbox, envelope, order, position, after):
    sandbox.options(envelope=envelope, order=order)
    before = set(ids(connect().iter_records("reports")))
    sandbox.trigger("insert", after=after, position=position)
    got = ids(connect(page_size=40, parallel_requests=2).iter_records("reports"))
    assert len(got) == len(set(got)), "doubled"
    assert before <= set(got), "lost"
    if envelope == "items":
        assert len(set(got) - before) == 1, "the new row is lost"


@pytest.mark.parametrize("envelope", ["items", "results", "bare"])
@pytest.mark.parametrize("order", ["id", "-id"])
@pytest.mark.parametrize("position", ["start", "middle", "end"])
@pytest.mark.parametrize("after", [1, 2, 4])
def test_row_removed_while_reading(connect, sandbox, envelope, order, position, after):
    sandbox.options(envelope=envelope, order=order)
    sandbox.trigger("remove", after=after, position=position)
    got = ids(connect(page_size=40, parallel_requests=2).iter_records("reports"))
    assert len(got) == len(set(got)), "doubled"
    assert set(ids(connect().iter_records("reports"))) <= set(got), "lost"


def test_many_rows_removed_at_the_start_while_reading(connect, sandbox):
    for after in (1, 2, 2, 2, 3, 3):
        sandbox.trigger("remove", after=after, position="start")
    got = ids(connect(page_size=20, parallel_requests=1).iter_records("reports"))
    assert len(got) == len(set(got))
    assert set(ids(connect().iter_records("reports"))) <= set(got)


def test_reports_without_field_values_are_completed(connect, sandbox):
    complete = list(connect().iter_records("reports"))
    sandbox.reset()
    sandbox.options(list_field_values=False)
    sandbox.fault("delay", seconds=0.01, path="/reports")
    assert list(connect(page_size=30, parallel_requests=4).iter_records("reports")) == complete
    state = sandbox.state()
    assert state["calls"]["GET /api/v1/reports/{id}"] == 200
    assert 1 < state["in_flight_max"] <= 4
    assert state["token_requests"]["total"] == 1


def test_reports_with_field_values_need_no_further_call(connect, sandbox):
    list(connect().iter_records("reports"))
    assert calls(sandbox, r"/reports/\d+") == []


def test_templates_contain_all_their_sections(connect, sandbox):
    templates = list(connect(page_size=5).iter_records("report-templates"))
    assert [template["key"] for template in templates].count("vsme") == 1
    sections = next(template["sections"] for template in templates if template["key"] == "vsme")
    assert len(sections) > 5
    assert ids(sections) == list(dict.fromkeys(ids(sections)))
    assert any(section["field_types"] for section in sections)


def test_report_deleted_between_list_and_details_is_left_out(connect, sandbox, caplog):
    sandbox.options(list_field_values=False)
    deleted = ids(connect().iter_records("reports"))[57]
    sandbox.trigger("remove", after=1, report_id=deleted)  # after the response with its page
    with caplog.at_level(logging.WARNING):
        got = ids(connect().iter_records("reports"))
    assert len(got) == 199
    assert deleted not in got
    assert f"/reports/{deleted}: HTTP 404" in caplog.text


def test_sections_in_the_template_itself_are_used_if_they_have_no_list(connect, sandbox):
    template = {"id": 1, "key": "vsme", "sections": [{"id": 5, "key": "b1", "field_types": [{"id": 1}]}]}
    sandbox.fault("answer", path="/sections$", status=404)
    sandbox.fault("answer", path=r"/report-templates/\d+$", status=200, body=json.dumps(template))
    assert next(connect().iter_records("report-templates")) == template


@pytest.mark.parametrize(("resource", "path"), [("reports", r"/reports/\d"), ("report-templates", "/sections")])
def test_missing_details_are_an_error(connect, sandbox, resource, path):
    sandbox.options(list_field_values=False)
    sandbox.fault("answer", path=path, status=404, body='{"detail": "Not Found"}')
    with pytest.raises(
        OpenESGContractError, match=r"HTTP 404: Not Found|neither its row in the list nor its own record"
    ):
        list(connect().iter_records(resource))


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            {"kind": "answer", "status": 200, "body": "<html>Log in</html>", "headers": {"Content-Type": "text/html"}},
            "<html>",
        ),
        ({"kind": "answer", "status": 200, "body": '{"detail": "down for maintenance"}'}, "down for maintenance"),
        ({"kind": "answer", "status": 200, "body": ""}, "truncated"),
        ({"kind": "cut_json"}, "truncated"),
        ({"kind": "short_page", "rows": 3}, "the page ends early"),
    ],
)
def test_invalid_pages_are_an_error(connect, sandbox, fault, message, after):
    sandbox.fault(path=REPORTS, after=after, **fault)
    with pytest.raises(OpenESGContractError, match=message) as caught:
        list(connect(page_size=50).iter_records("reports"))
    text = str(caught.value)
    assert f"{sandbox.base_url}/api/v1/reports" in text
    assert len(text) < 1200


def test_error_of_a_page_of_100_mb_names_the_page_size(connect, sandbox):
    sandbox.fault("big", path=REPORTS)
    with pytest.raises(OpenESGContractError, match=r"larger than 64 MiB.*Page size"):
        list(connect().iter_records("reports"))
    assert len(calls(sandbox, REPORTS)) == 1


def test_repeated_first_page_is_an_error(connect, sandbox):
    sandbox.fault("repeat_page", path=REPORTS)
    with pytest.raises(OpenESGContractError, match="neither 'offset' nor 'page' leads to the rows after the first 50"):
        list(connect(page_size=50).iter_records("reports"))


def test_page_size_above_the_platforms_limit(connect, sandbox):
    sandbox.options(page_cap=30)
    client = connect()
    assert len(ids(client.iter_records("reports"))) == 200
    assert "pages of at most 30 rows" in client.differences.recognized["reports"]
    sandbox.options(page_cap=30, envelope="bare")
    assert len(ids(connect().iter_records("reports"))) == 200


def test_link_to_another_origin_is_not_followed(connect, sandbox):
    sandbox.options(envelope="results")
    sandbox.fault("next_origin", path=REPORTS)
    with pytest.raises(OpenESGContractError, match=r"leaves the platform: 'http://elsewhere\.example"):
        list(connect(page_size=50).iter_records("reports"))
    assert len(calls(sandbox, REPORTS)) == 1


def test_rows_before_the_error_of_a_later_page_are_returned(connect, sandbox):
    sandbox.fault("answer", path=REPORTS, status=403, body='{"detail": "Forbidden"}', after=2)
    got = []
    with pytest.raises(OpenESGApiError, match="Forbidden") as caught:
        got.extend(connect(page_size=51, parallel_requests=1).iter_records("reports"))
    assert caught.value.status == 403
    assert len(got) == 101


def test_list_of_filter_values_selects_the_rows_of_each(connect, sandbox):
    client = connect()
    ids_of = {
        status: ids(client.iter_records("reports", filters={"status": status})) for status in ("submitted", "declined")
    }
    assert all(ids_of.values())
    both = ids(client.iter_records("reports", filters={"status": ["submitted", "declined"]}))
    assert both == ids_of["submitted"] + ids_of["declined"]


def test_filters_are_sent_to_the_platform(connect, sandbox):
    report = next(connect().iter_records("reports"))
    chosen = report["customer_identifier"]
    got = list(connect().iter_records("reports", filters={"customer_identifier": chosen}))
    assert {row["customer_identifier"] for row in got} == {chosen}
    assert report["id"] in ids(got)


@pytest.mark.parametrize(
    ("resource", "filters", "message"),
    [
        ("report", None, r"resource: 'report' given; allowed: organizations, .*Did you mean 'reports'\?"),
        ("", None, "resource: '' given"),
        ("reports", {"costumer_identifier": "1"}, r"allowed: .*Did you mean 'customer_identifier'\?"),
        ("organizations", {"status": "x"}, r"filters: 'status' given; allowed: none"),
        ("reports", {"status": None}, r"filters: status: None given; allowed: text"),
        ("reports", {"status": " "}, "filters: status: ' ' given"),
        ("reports", {"status": []}, "an empty list given"),
        ("reports", {"status": {"a": 1}}, "allowed: text"),
        ("/reports", {"offset": 5}, "filters: 'offset' given; all pages are read"),
    ],
)
def test_invalid_resource_or_filter_is_an_error_before_any_call(connect, sandbox, resource, filters, message):
    with pytest.raises(OpenESGConfigError, match=message):
        connect().iter_records(resource, filters=filters)
    assert sandbox.state()["requests"] == 0


def test_any_path_can_be_paged(connect, sandbox):
    got = list(connect(page_size=30).iter_records("/reports", filters={"status": "submitted"}))
    assert {row["status"] for row in got} == {"submitted"}
    assert len(got) == len({row["id"] for row in got}) > 1


def test_get_record(connect, sandbox):
    client = connect()
    report = next(client.iter_records("reports"))
    assert client.get_record("reports", report["id"]) == client.get_record("reports", f" {report['id']} ") == report
    with pytest.raises(OpenESGNotFoundError, match="HTTP 404"):
        client.get_record("reports", 10**9)


@pytest.mark.parametrize("record_id", ["", " ", ".", "..", None, True])
def test_invalid_id_is_an_error(connect, sandbox, record_id):
    with pytest.raises(OpenESGConfigError, match=r"record_id: .* given; allowed: an id"):
        connect().get_record("reports", record_id)
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize("record_id", ["a/b", "../organizations", "1?x=y", "1#2", "ä ö"])
def test_id_is_one_segment_of_the_path(connect, sandbox, record_id):
    with pytest.raises(OpenESGApiError):
        connect().get_record("reports", record_id)
    call = sandbox.state()["log"][-1]
    assert call["path"].startswith("/api/v1/reports/")
    assert call["query"] == ""


def test_response_without_a_record_is_an_error(connect, sandbox):
    sandbox.fault("answer", path=r"/reports/1$", status=200, body='{"detail": "no"}')
    with pytest.raises(OpenESGContractError, match=r"expected a record.*The body says: no"):
        connect().get_record("reports", 1)


def test_progress_is_logged(connect, sandbox, caplog, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    client = connect(page_size=50, parallel_requests=1, max_retry_time=3600)
    with caplog.at_level(logging.INFO, "airflow_provider_openesg.client.progress"):
        for _ in client.iter_pages("reports"):
            now += 5
    assert [record.getMessage() for record in caplog.records] == [
        "reports: 200 rows expected",
        "reports: 148 rows of 200 (74%), 15 rows/s, about 4 s left",
        "reports: 200 rows of 200 (100%), 10 rows/s, about 0 s left",
        "reports: 200 rows from 5 pages in 25.0 s",
    ]


def test_records_with_given_ids_are_fetched_individually(connect, sandbox):
    client = connect()
    assert ids(client.iter_records("reports", filters={"id": 1010})) == [1010]
    assert ids(client.iter_records("reports", filters={"id": ["1030", 1010]})) == [1030, 1010]
    assert calls(sandbox, REPORTS) == []
    assert sandbox.state()["calls"]["GET /api/v1/reports/{id}"] == 3
    with pytest.raises(OpenESGNotFoundError):
        ids(client.iter_records("reports", filters={"id": 7}))
    with pytest.raises(OpenESGConfigError, match="'id' given together with status"):
        client.iter_records("reports", filters={"id": 1010, "status": "submitted"})
