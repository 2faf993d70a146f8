"""Requests through the hook, with the sandbox: no e-mail is sent twice, with any failure."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pytest
import requests as http

from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGConfigError,
    OpenESGRateLimitError,
    OpenESGUntraceableError,
)
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.reports.requests.columns import COLUMNS
from airflow_provider_openesg.reports.requests.run import request_reports
from airflow_provider_openesg.reports.requests.worker_lock import worker_lock

POST = "POST /api/v1/report-requests"
LIST = "GET /api/v1/report-requests"


@pytest.fixture
def ask(sandbox, token_cache_dir, connect):
    """Return a function that requests reports; the timeout is 1 s, so the pause before a second lookup is 2 s."""
    connect(sandbox, timeout=1)

    def run(rows, **arguments):
        with OpenESGHook() as hook:
            return hook.request_reports(rows, **arguments)

    return run


def outcomes(results):
    return [result.outcome for result in results]


def one_email_per_row(rows):
    return {row["user_email"]: 1 for row in rows}


def test_rows_are_requested_once_and_found_again(sandbox, ask, rows, sent_emails):
    thirty = rows(30)
    first = ask(thirty)
    assert outcomes(first) == ["created"] * 30
    assert sent_emails(sandbox) == one_email_per_row(thirty)
    sandbox.turn_clock(86_400)
    second = ask(thirty)
    assert outcomes(second) == ["existing"] * 30
    assert [(each.report_request_id, each.report_id) for each in second] == [
        (each.report_request_id, each.report_id) for each in first
    ]
    assert {type(id_) for each in first for id_ in (each.report_request_id, each.report_id)} == {str}
    assert sent_emails(sandbox) == one_email_per_row(thirty)
    state = sandbox.state()
    assert state["calls"][POST] == 30
    # Lookups of all requests: before and after the first request, and in the second run. 205 to 235 are one page.
    # Two requests check that the platform shows requests by their keys.
    assert state["calls"][LIST] == 1 + 2 + 1 + 1
    with OpenESGHook() as hook:
        report = hook.get_record("reports", first[0].report_id)
    assert (report["customer_identifier"], report["reason"], report["status"]) == ("L-0", "2026", "requested")


def test_every_column_is_sent_to_the_platform(sandbox, ask, rows):
    every = rows(1)[0] | {
        name: {"organization_country": "FR", "organization_legal_form": "SE", "user_salutation": "good_day"}.get(
            name, "a@b.example" if name.endswith("email") else name
        )
        for name in COLUMNS
        if name not in rows(1)[0]
    }
    every |= {"user_locale": "fr_FR", "user_timezone": "Europe/Paris", "provider_notification": "directly"}
    every |= {"submission_date": "2026-04-30", "creation_date": "2026-01-15"}
    (result,) = ask([every])
    with OpenESGHook() as hook:
        record = hook.get_record("report-requests", result.report_request_id)
    assert set(every) == set(COLUMNS)
    assert (record["personal_message"], record["submission_date"]) == ("personal_message", "2026-04-30")
    assert record["organization"]["type"] == "se"


def test_only_new_rows_are_requested(sandbox, ask, rows, sent_emails):
    ask(rows(3))
    assert outcomes(ask(rows(5))) == ["existing"] * 3 + ["created"] * 2
    assert outcomes(ask(rows(5, reason="2027"))) == ["created"] * 5
    assert outcomes(ask(rows(5, report_template="1"))) == ["existing"] * 5
    assert set(sent_emails(sandbox).values()) == {2}


def test_rows_without_an_identifier(sandbox, ask, rows, sent_emails):
    some = rows(3, customer_identifier=None)
    first = ask(some)
    assert outcomes(ask(some)) == ["existing"] * 3
    assert sent_emails(sandbox) == one_email_per_row(some)
    with OpenESGHook() as hook:
        stored = hook.get_record("report-requests", first[0].report_request_id)["customer_identifier"]
    assert stored == first[0].key.customer_identifier


@pytest.mark.parametrize("references", ["ids", "nested"])
def test_references_in_other_shapes(sandbox, ask, rows, sent_emails, references):
    sandbox.options(references=references)
    assert outcomes(ask(rows(2))) == ["created"] * 2
    assert outcomes(ask(rows(2))) == ["existing"] * 2


class TestInvalidRows:
    def test_all_invalid_rows_are_listed_and_nothing_is_sent(self, sandbox, ask, rows):
        some = rows(4)
        some[1] |= {"user_email": "nobody", "user_locale": "de-DE"}
        some[3] |= {"report_template": "nope"}
        with pytest.raises(OpenESGConfigError) as caught:
            ask(some)
        lines = str(caught.value).splitlines()
        assert lines[1:] == [
            "row 2, user_email: 'nobody' given; allowed: an e-mail address",
            "row 2, user_locale: 'de-DE' given; allowed: en_US, de_DE, fr_FR, es_ES, it_IT. Did you mean 'de_DE'?",
            lines[3],
        ]
        assert lines[3].startswith("row 4, report_template: 'nope' given; allowed: one of ")
        assert "vsme" in lines[3]
        assert sandbox.state()["calls"].get(POST, 0) == 0

    def test_skip(self, sandbox, ask, rows, sent_emails):
        some = rows(3)
        some[1] |= {"user_email": "nobody"}
        results = ask(some, on_invalid="skip")
        assert outcomes(results) == ["created", "skipped", "created"]
        assert "user_email: 'nobody' given" in results[1].message
        assert len(sent_emails(sandbox)) == 2

    def test_duplicates(self, sandbox, ask, rows, sent_emails):
        some = rows(2)
        with pytest.raises(OpenESGConfigError, match=r"row 3: the same request .* as row 1"):
            ask([*some, some[0]], on_invalid="skip")
        assert sandbox.state()["calls"].get(POST, 0) == 0
        results = ask([*some, some[0]], on_duplicate="first")
        assert outcomes(results) == ["created", "created", "skipped"]
        assert sent_emails(sandbox) == one_email_per_row(some)

    def test_row_that_only_the_platform_rejects(self, sandbox, ask, rows, sent_emails):
        some = rows(4)
        some[2] |= {"organization_name": "x" * 300}
        results = ask(some)
        assert outcomes(results) == ["created", "created", "skipped", "created"]
        assert results[2].message.startswith("rejected by the platform: HTTP 422")
        assert len(sent_emails(sandbox)) == 3

    def test_conflict_is_looked_up(self, sandbox, ask, rows):
        sandbox.fault("answer", path="report-requests$", method="POST", status=409, times=1)
        results = ask(rows(1))
        assert outcomes(results) == ["skipped"]
        assert "HTTP 409" in results[0].message


def test_dry_run(sandbox, ask, rows):
    ask(rows(1))
    results = ask(rows(3), dry_run=True)
    assert outcomes(results) == ["existing", "to_create", "to_create"]
    assert sandbox.state()["calls"][POST] == 1


LOST = {
    "timeout": {"kind": "delay", "seconds": 1.5},
    "reset after sending": {"kind": "reset", "carried_out": True},
    "reset before": {"kind": "reset"},
    "502": {"kind": "answer", "status": 502, "body": "<html>Bad Gateway"},
    "cut short": {"kind": "truncate"},
    "broken JSON": {"kind": "cut_json"},
    "no id": {"kind": "answer", "status": 201, "body": "{}"},
}


@pytest.mark.parametrize(("name", "after"), [("timeout", 0), ("reset before", 0), *((name, 2) for name in LOST)])
def test_lost_response(sandbox, ask, rows, sent_emails, name, after):
    sandbox.fault(path="report-requests$", method="POST", times=1, after=after, **LOST[name])
    some = rows(5)
    assert outcomes(ask(some)) == ["created"] * 5
    assert sent_emails(sandbox) == one_email_per_row(some)
    carried_out = name not in ("reset before", "502", "no id")
    assert sandbox.state()["calls"][POST] == 5 + (not carried_out)


def test_429_is_retried(sandbox, ask, rows, sent_emails):
    sandbox.fault("answer", path="report-requests$", method="POST", status=429, times=2, headers={"Retry-After": "0"})
    some = rows(4)
    ask(some)
    assert sent_emails(sandbox) == one_email_per_row(some)


def test_unavailable_platform_is_an_error(sandbox, ask, connect, rows, sent_emails):
    connect(sandbox, timeout=1, max_retry_time=1)
    ask(rows(1))
    sandbox.fault("answer", path="report-requests$", method="POST", status=503)
    with pytest.raises(OpenESGApiError) as caught:
        ask(rows(200))
    assert caught.value.status == 503
    # Only one row, three times; never the other 198.
    assert sandbox.state()["calls"][POST] == 1 + 3
    sandbox.clear_faults()
    ask(rows(40), retried=True)
    assert sent_emails(sandbox) == one_email_per_row(rows(40))


def test_sending_stops_if_the_platform_becomes_unavailable(sandbox, ask, rows, sent_emails):
    some = rows(200)
    sandbox.fault("answer", path="report-requests$", method="POST", status=503, after=50)
    with pytest.raises(OpenESGApiError):
        ask(some)
    # A round ends after ten lost responses and the requests in progress; the other rows are not sent.
    assert sandbox.state()["calls"][POST] <= 50 + 4 * 14
    assert len(sent_emails(sandbox)) == 50


def test_403_stops_sending_at_once(sandbox, ask, rows):
    sandbox.fault("answer", path="report-requests$", method="POST", status=403, after=1)
    with pytest.raises(OpenESGApiError) as caught:
        ask(rows(100))
    assert caught.value.status == 403
    assert sandbox.state()["calls"][POST] <= 1 + 8


class TestUntraceable:
    """If the platform does not show a request, every retry would send it again."""

    def test_list_without_the_key_fields(self, sandbox, ask, rows):
        sandbox.fault(
            "answer", path="report-requests$", method="GET", status=200, body='{"items": [{"id": 1}], "count": 1}'
        )
        with pytest.raises(OpenESGUntraceableError, match="customer_identifier"):
            ask(rows(3))
        assert sandbox.state()["calls"].get(POST, 0) == 0

    def test_list_that_does_not_contain_the_first_request(self, sandbox, ask, rows, sent_emails, token_cache_dir):
        sandbox.fault("answer", path="report-requests$", method="GET", status=200, body='{"items": [], "count": 0}')
        with pytest.raises(OpenESGUntraceableError, match="the platform's list does not show it"):
            ask(rows(50))
        assert sandbox.state()["calls"][POST] == 1
        # Later runs stop, also if the platform shows requests again, until a person has removed the file.
        sandbox.clear_faults()
        (marker,) = token_cache_dir.glob("*.untraceable")
        assert marker.stat().st_mode & 0o777 == 0o600
        for _ in range(2):
            with pytest.raises(OpenESGUntraceableError, match=re.escape(f"remove the file {marker}")):
                ask(rows(50))
        assert sandbox.state()["calls"][POST] == 1
        marker.unlink()
        assert len(ask(rows(2))) == 2

    @pytest.mark.parametrize(("status", "body"), [(204, ""), (202, "{}"), (201, '{"detail": "ok"}'), (502, "")])
    def test_request_that_may_have_been_carried_out_is_not_sent_again(self, sandbox, ask, rows, connect, status, body):
        """The platform has no request that was found by its key, and does not show this one."""
        connect(sandbox, timeout=1)
        sandbox.fault("answer", path="report-requests$", method="GET", status=200, body='{"items": [], "count": 0}')
        sandbox.fault("answer", path="report-requests$", method="POST", status=status, body=body)
        for _ in range(3):
            with pytest.raises(OpenESGUntraceableError, match=r"may have been carried out|remove the file"):
                ask(rows(2))
        assert sandbox.state()["calls"][POST] == 1

    def test_identifier_filter_that_hides_requests(self, sandbox, ask, rows):
        """The requests of the platform are checked before the first one is sent."""
        page = {"id": 1, "customer_identifier": "K", "report_template": 1, "reason": None}
        sandbox.fault(
            "answer", path="report-requests$", method="GET", status=200, body='{"items": [], "count": 0}', times=1
        )
        sandbox.fault(
            "answer",
            path="report-requests$",
            method="GET",
            status=200,
            body=json.dumps({"items": [page], "count": 1}),
            times=1,
        )
        sandbox.fault("answer", path="report-requests$", method="GET", status=200, body='{"items": [], "count": 0}')
        with pytest.raises(
            OpenESGUntraceableError, match=r"request 1 is not found by its customer_identifier.*Nothing was"
        ):
            ask(rows(1))
        assert sandbox.state()["calls"].get(POST, 0) == 0

    @pytest.mark.parametrize("template", [501, "VSME-2", "T 1"])
    def test_templates_that_are_not_in_the_list(self, sandbox, ask, rows, template):
        request = {"id": 1, "customer_identifier": "K", "report_template": template, "reason": None}
        body = json.dumps({"items": [request], "count": 1})
        sandbox.fault("answer", path="report-requests$", method="GET", status=200, body=body)
        with pytest.raises(OpenESGUntraceableError, match=r"Nothing was sent.*report_request\.report_template"):
            ask(rows(1))
        assert sandbox.state()["calls"].get(POST, 0) == 0

    def test_identifier_that_the_platform_stores_differently(self, sandbox, ask, rows):
        body = (
            '{"report_request": {"id": 1, "report": null, "customer_identifier": "L", "reason": "2026", '
            '"report_template": 1}}'
        )
        sandbox.fault("answer", path="report-requests$", method="POST", status=201, body=body)
        with pytest.raises(OpenESGUntraceableError, match=r"sent as .*'L-0'.* and stored as .*'L'"):
            ask(rows(50))
        assert sandbox.state()["calls"][POST] == 1


class TestLock:
    def test_concurrent_tasks_with_the_same_rows(self, sandbox, ask, rows, sent_emails):
        sandbox.fault("delay", path="report-requests$", method="POST", seconds=0.02)
        some, results = rows(60), []
        threads = [threading.Thread(target=lambda: results.append(ask(some))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(sorted(set(outcomes(each))) for each in results) == [["created"], ["existing"], ["existing"]]
        assert sent_emails(sandbox) == one_email_per_row(some)

    def test_nothing_is_sent_without_a_lock(self, sandbox, ask, rows, token_cache_dir, monkeypatch):
        token_cache_dir.mkdir(mode=0o755)
        token_cache_dir.chmod(0o755)
        with pytest.raises(OpenESGConfigError, match="credential_cache_dir"):
            ask(rows(1))
        assert sandbox.state()["calls"].get(POST, 0) == 0

    def test_request_in_progress_of_an_interrupted_try_is_found(self, sandbox, ask, rows, sent_emails, token_cache_dir):
        """The platform still processes the last request at the first lookup of the next try, and not at the second."""
        sandbox.fault("delay", path="report-requests$", method="POST", times=1, seconds=1.7)
        (row,) = rows(1)
        with OpenESGHook() as hook, worker_lock(hook.settings.api_url, str(token_cache_dir)) as interrupted:
            interrupted.start_sending()
            token = hook.get_conn().fetch_token()["access_token"]
            with pytest.raises(http.ReadTimeout):
                http.post(
                    f"{hook.settings.api_url}/report-requests",
                    json=row,
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=0.2,
                )
        started = time.monotonic()
        assert outcomes(ask([row])) == ["existing"]
        assert time.monotonic() - started >= 2  # the pause itself
        assert sent_emails(sandbox) == one_email_per_row([row])
        with worker_lock(hook.settings.api_url, str(token_cache_dir)) as after:
            assert not after.interrupted

    def test_retry_looks_up_requests_twice_on_any_worker(self, sandbox, ask, rows):
        ask(rows(2), retried=True)
        assert sandbox.state()["calls"][LIST] == 2 + 2 + 2 + 2  # with the two of the check


class TestTwoMachines:
    """Machines have no common lock: here each has its own directory."""

    @pytest.fixture
    def machine(self, ask, tmp_path):
        def start(name, rows, **arguments):
            def run():
                with OpenESGHook() as hook:
                    results.extend(request_reports(hook.client, rows, directory=str(tmp_path / name), **arguments))

            results: list[Any] = []
            thread = threading.Thread(target=run)
            thread.start()
            return thread, results

        return start

    def test_both_start_at_the_same_time(self, sandbox, machine, rows, sent_emails):
        """Both find both first requests: the sender of the older one continues, the other one waits."""
        sandbox.fault("delay", path="report-requests$", method="POST", seconds=0.05)
        some = rows(60)
        machines = [machine(name, some) for name in "ab"]
        for thread, _ in machines:
            thread.join()
        counts = sent_emails(sandbox)
        first = some[0]["user_email"]
        assert counts[first] in (1, 2)
        assert counts == one_email_per_row(some) | {first: counts[first]}
        assert [len(results) for _, results in machines] == [60, 60]

    def test_one_starts_while_the_other_is_sending(self, sandbox, machine, rows, sent_emails):
        sandbox.fault("delay", path="report-requests$", method="POST", seconds=0.05)
        some = rows(100)
        early, _ = machine("a", some)
        while early.is_alive() and len(sent_emails(sandbox)) < 10:
            time.sleep(0.01)
        late, results = machine("b", some)
        early.join()
        late.join()
        counts = sent_emails(sandbox)
        # The first request of the late one is sent by both if the early one has not sent it yet.
        assert counts.keys() == one_email_per_row(some).keys()
        assert counts.total() <= 101
        assert len(results) == 100

    def test_abandoned_try_that_still_sends_and_its_retry(self, sandbox, machine, rows, sent_emails):
        """The first try is still sending; its retry waits until it has ended."""
        sandbox.fault("delay", path="report-requests$", method="POST", seconds=0.1)
        some = rows(60)
        early, _ = machine("a", some)
        while early.is_alive() and len(sent_emails(sandbox)) < 5:
            time.sleep(0.01)
        late, results = machine("b", some, retried=True)
        early.join()
        late.join()
        assert sent_emails(sandbox) == one_email_per_row(some)
        assert outcomes(results) == ["existing"] * 60

    def test_platform_that_rejects_duplicate_requests(self, sandbox, machine, rows, sent_emails):
        sandbox.options(unique_requests=True)
        sandbox.fault("delay", path="report-requests$", method="POST", seconds=0.05)
        some = rows(30)
        machines = [machine(name, some) for name in "ab"]
        for thread, _ in machines:
            thread.join()
        assert sent_emails(sandbox) == one_email_per_row(some)
        assert all(set(outcomes(results)) <= {"created", "existing"} for _, results in machines)


def test_requests_are_sent_in_parallel_up_to_the_limit(sandbox, ask, connect, rows):
    connect(sandbox, parallel_requests=8)
    sandbox.fault("delay", path="report-requests$", method="POST", seconds=0.3)
    ask(rows(24))
    assert sandbox.state()["in_flight_max"] == 8


def test_1000_rows_need_1000_requests_and_few_lookups(sandbox, ask, connect, rows):
    connect(sandbox, parallel_requests=16)
    sandbox.fault("delay", path="report-requests$", method="POST", seconds=0.02)
    ask(rows(1000))
    state = sandbox.state()
    assert 8 < state["in_flight_max"] <= 16  # a busy machine may not reach the limit
    # 205 requests are one page, before the first request and after it; all 1205 are three pages of 500. The check of
    # the keys needs two.
    assert state["calls"] == {"POST /o/token/": 1, "GET /api/v1/report-templates": 1, POST: 1000, LIST: 1 + 2 + 1}
    assert outcomes(ask(rows(1000))) == ["existing"] * 1000
    assert sandbox.state()["calls"] == state["calls"] | {"GET /api/v1/report-templates": 2, LIST: 1 + 2 + 1 + 3}


def test_rate_limit_is_kept(sandbox, ask, connect, rows):
    connect(sandbox, parallel_requests=8, requests_per_second=100)
    ask(rows(40))
    log = [call["at"] for call in sandbox.state()["log"] if call["method"] == "POST" and "o/token" not in call["path"]]
    # They are sent 10 ms apart, and may arrive a little closer together, but not in half of the time.
    assert log[-1] - log[0] >= 0.01 * (len(log) - 1) / 2


def test_no_personal_data_in_the_log(sandbox, ask, rows, caplog):
    caplog.set_level("INFO")
    sandbox.fault("answer", path="report-requests$", method="POST", status=502, times=2, after=1)
    ask(rows(10))
    assert "to send" in caplog.text
    assert "lieferant.example" not in caplog.text
    assert "Lieferant" not in caplog.text


def test_permanent_429_is_an_error(sandbox, ask, connect, rows):
    connect(sandbox, max_retry_time=1)
    sandbox.fault("answer", path="report-requests$", method="POST", status=429)
    with pytest.raises(OpenESGRateLimitError):
        ask(rows(3))
