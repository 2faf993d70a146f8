"""What is repeated, how often and after how long, counted where it matters: at the server."""

from __future__ import annotations

import dataclasses
import logging
import socket
import threading
import time
from email.utils import formatdate

import pytest

from airflow_provider_openesg import clock
from airflow_provider_openesg.client import retry
from airflow_provider_openesg.client.session import raise_for_error
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGRateLimitError


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch):
    """Our own part of the waits is random; the tests are about the others."""
    monkeypatch.setattr(retry, "_BACKOFF", retry.tenacity.wait_random_exponential(multiplier=0.01, max=0.05))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_passing_failures_are_repeated_where_that_is_safe(wire, connect, steps, method, status):
    wire.script("/api/", *[steps["answer"](status)] * 3)
    assert connect().request(method, "reports/1").status_code == 200
    assert [seen.method for seen in wire.calls()] == [method] * 4


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_write_that_may_have_been_carried_out_is_not_repeated(wire, connect, steps, method, status):
    wire.script("/api/", *[steps["answer"](status)] * 3)
    assert connect().request(method, "report-requests", json={}).status_code == status
    assert len(wire.calls()) == 1


def test_a_write_is_repeated_where_the_caller_knows_that_it_is_safe(wire, connect, steps):
    wire.script("/api/", steps["answer"](503), steps["reset"])
    assert connect().request("POST", "report-requests", json={}, safe_to_repeat=True).status_code == 200
    assert len(wire.calls()) == 3
    wire.script("/api/", steps["answer"](503))
    assert connect().request("GET", "reports", safe_to_repeat=False).status_code == 503


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_write_is_repeated_where_it_was_refused_for_the_rate(wire, connect, steps, method):
    wire.script("/api/", *[steps["answer"](429)] * 2)
    assert connect().request(method, "report-requests", json={"a": 1}).status_code == 200
    assert [seen.body for seen in wire.calls()] == [b'{"a": 1}'] * 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 501])
def test_lasting_failures_are_not_repeated(wire, connect, steps, status):
    wire.script("/api/", *[steps["answer"](status)] * 3)
    assert connect().get("reports").status_code == status
    assert len(wire.calls()) == 1


@pytest.mark.parametrize("broken", ["reset", "truncated"])
def test_a_broken_connection_is_repeated_for_reading_only(wire, connect, steps, broken):
    wire.script("/api/v1/reports", *[steps[broken]] * 2)
    wire.script("/api/v1/report-requests", *[steps[broken]] * 2)
    session = connect()
    assert session.get("reports").json() == {"items": [], "count": 0}
    with pytest.raises(OpenESGApiError, match=r"no response: the (connection broke|response broke off)") as caught:
        session.post("report-requests", json={})
    assert caught.value.status is None
    assert [seen.method for seen in wire.calls()] == ["GET"] * 3 + ["POST"]


def test_damaged_compression_is_repeated(wire, connect, steps):
    wire.script("/api/", steps["answer"](200, b"not gzip", Content_Encoding="gzip"))
    assert connect().get("reports").status_code == 200
    assert len(wire.calls()) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_is_repeated_for_writing_too(wire, wire_factory, connect, method):
    session = connect()
    session.fetch_token()
    port = wire.server_port
    tokens = wire.tokens
    wire.stop()
    session.close()

    def come_back():
        time.sleep(0.3)
        wire_factory(port=port).tokens = tokens

    back = threading.Thread(target=come_back)
    back.start()
    assert session.request(method, "report-requests").status_code == 200
    back.join()


def test_nobody_listening_is_said_so_once_the_budget_is_spent(connect):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OpenESGApiError, match=r"no response: no connection: .*refused") as caught:
        connect(host=f"http://127.0.0.1:{port}", max_retry_time=0.2).get("reports")
    assert caught.value.status is None


def test_no_answer_in_time_is_repeated_for_reading_only(wire, connect):
    wire.script("/api/", *[lambda handler: time.sleep(0.4)] * 3)
    session = connect(timeout=1)
    session.settings = dataclasses.replace(session.settings, timeout=0.2)
    assert session.get("reports").status_code == 200
    assert len(wire.calls()) == 4
    wire.script("/api/", *[lambda handler: time.sleep(0.4)] * 3)
    with pytest.raises(OpenESGApiError, match="no response in time"):
        session.post("report-requests", json={})
    assert len(wire.calls()) == 5


@pytest.mark.parametrize("status", [429, 503, 500])
def test_retry_after_in_seconds_is_the_least_wait(wire, connect, steps, status):
    wire.script("/api/", steps["answer"](status, Retry_After="1"))
    assert connect().get("reports").status_code == 200
    assert wire.gaps()[0] >= 1


def test_retry_after_as_a_date_is_read_by_the_platforms_clock(wire, connect):
    def in_two_seconds(handler):
        handler.date_time_string = lambda: formatdate(1_000_000_000, usegmt=True)  # its Date header
        handler.answer(503, b"", Retry_After=formatdate(1_000_000_001, usegmt=True))

    wire.script("/api/", in_two_seconds)
    assert connect().get("reports").status_code == 200
    assert wire.gaps()[0] >= 1


@pytest.mark.parametrize("asked", ["", "soon", "-5", "²", "Wed, 99 Foo 2026", formatdate(0, usegmt=True)])
def test_a_retry_after_that_says_nothing_is_not_waited_for(wire, connect, steps, asked):
    wire.script("/api/", steps["answer"](503, Retry_After=asked.encode().decode("latin-1")))
    assert connect(max_retry_time=2).get("reports").status_code == 200
    assert len(wire.calls()) == 2


@pytest.mark.parametrize(("status", "error"), [(429, OpenESGRateLimitError), (503, OpenESGApiError)])
def test_a_wait_beyond_the_budget_ends_at_once_and_says_what_was_asked(wire, connect, steps, status, error):
    wire.script("/api/", steps["answer"](status, {"detail": "Later"}, Retry_After="3600"))
    response = connect(max_retry_time=100).get("reports")
    assert len(wire.calls()) == 1
    with pytest.raises(error, match=r"Later.*'3600' \(Retry-After\).*max_retry_time"):
        raise_for_error(response)


def test_the_budget_ends_the_attempts_and_the_last_answer_is_returned(wire, connect, steps):
    wire.script("/api/", *[steps["answer"](503)] * 9999)
    began = clock.monotonic()
    assert connect(max_retry_time=0.5).get("reports").status_code == 503
    assert clock.monotonic() - began < 5
    assert len(wire.calls()) > 2


def test_no_budget_is_one_attempt(wire, connect, steps):
    wire.script("/api/", steps["answer"](503))
    assert connect(max_retry_time=0).get("reports").status_code == 503
    assert len(wire.calls()) == 1


def test_a_dripping_answer_ends_with_the_budget(wire, connect):
    gone = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            gone.set()
            handler.close_connection = True

    wire.script("/api/", drip)
    with pytest.raises(OpenESGApiError, match="did not end within the Retry budget"):
        connect(max_retry_time=1, timeout=1).get("reports")
    assert len(wire.calls()) == 1
    assert gone.wait(10)


def test_the_token_call_follows_the_same_policy(wire, connect, steps):
    wire.script("/o/token/", steps["answer"](503), steps["reset"], steps["answer"](429, Retry_After="1"))
    assert connect().get("reports").status_code == 200
    assert wire.token_requests == 4
    assert wire.gaps("/o/token/")[2] >= 1


@pytest.mark.parametrize(("status", "error"), [(429, OpenESGRateLimitError), (503, OpenESGApiError)])
def test_a_token_endpoint_that_stays_down_is_no_question_of_credentials(wire, connect, steps, status, error):
    wire.script("/o/token/", *[steps["answer"](status, {"detail": "Maintenance"})] * 999)
    with pytest.raises(error, match="Maintenance") as caught:
        connect(max_retry_time=0.2).get("reports")
    assert (caught.value.status, caught.value.url) == (status, f"{wire.url}/o/token/")


def test_each_repetition_is_one_readable_line(wire, connect, steps, caplog):
    wire.script("/api/", steps["answer"](503, Retry_After="0"), steps["reset"])
    with caplog.at_level(logging.WARNING):
        connect().get("reports", params={"token": "hidden"})
    lines = [record.getMessage() for record in caplog.records if record.name == retry.__name__]
    assert len(lines) == 2
    assert lines[0].startswith(
        f"GET {wire.url}/api/v1/reports: HTTP 503 Service Unavailable (Retry-After 0); attempt 1, next in"
    )
    assert "the connection broke" in lines[1]
    assert "attempt 2" in lines[1]
    assert "s left for this request" in lines[1]
    assert "hidden" not in caplog.text
