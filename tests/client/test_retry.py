"""Which requests are retried, how often and after how long, counted at the server."""

from __future__ import annotations

import dataclasses
import logging
import socket
import threading
import time
from contextlib import ExitStack
from email.utils import formatdate

import pytest

from airflow_provider_openesg import clock
from airflow_provider_openesg.client import retry
from airflow_provider_openesg.client.session import raise_for_error
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGRateLimitError


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch):
    """Shorten the random part of the waits; the tests are about the other parts."""
    monkeypatch.setattr(retry, "_BACKOFF", retry.tenacity.wait_random_exponential(multiplier=0.01, max=0.05))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_temporary_failures_are_retried_if_that_is_safe(server, connect, steps, method, status):
    server.script("/api/", *[steps["answer"](status)] * 3)
    assert connect().request(method, "reports/1").status_code == 200
    assert [request.method for request in server.calls()] == [method] * 4


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_write_that_may_have_been_processed_is_not_retried(server, connect, steps, method, status):
    server.script("/api/", *[steps["answer"](status)] * 3)
    assert connect().request(method, "report-requests", json={}).status_code == status
    assert len(server.calls()) == 1


def test_write_is_retried_with_safe_to_repeat(server, connect, steps):
    server.script("/api/", steps["answer"](503), steps["reset"])
    assert connect().request("POST", "report-requests", json={}, safe_to_repeat=True).status_code == 200
    assert len(server.calls()) == 3
    server.script("/api/", steps["answer"](503))
    assert connect().request("GET", "reports", safe_to_repeat=False).status_code == 503


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_write_is_retried_after_429(server, connect, steps, method):
    server.script("/api/", *[steps["answer"](429)] * 2)
    assert connect().request(method, "report-requests", json={"a": 1}).status_code == 200
    assert [request.body for request in server.calls()] == [b'{"a": 1}'] * 3


@pytest.mark.parametrize("status", [400, 403, 409, 410, 422, 501])
def test_permanent_failures_are_not_retried(server, connect, steps, status):
    server.script("/api/", *[steps["answer"](status)] * 3)
    assert connect().get("reports").status_code == status
    assert len(server.calls()) == 1


@pytest.mark.parametrize("broken", ["reset", "truncated"])
def test_broken_connection_is_retried_only_for_reads(server, connect, steps, broken):
    server.script("/api/v1/reports", *[steps[broken]] * 2)
    server.script("/api/v1/report-requests", *[steps[broken]] * 2)
    session = connect()
    assert session.get("reports").json() == {"items": [], "count": 0}
    with pytest.raises(OpenESGApiError, match=r"no response: the (connection broke|response broke off)") as caught:
        session.post("report-requests", json={})
    assert caught.value.status is None
    assert [request.method for request in server.calls()] == ["GET"] * 3 + ["POST"]


def test_damaged_compression_is_retried(server, connect, steps):
    server.script("/api/", steps["answer"](200, b"not gzip", Content_Encoding="gzip"))
    assert connect().get("reports").status_code == 200
    assert len(server.calls()) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_failed_connection_is_retried_also_for_writes(server, server_factory, connect, method):
    session = connect()
    session.fetch_token()
    port = server.server_port
    tokens = server.tokens
    server.stop()
    session.close()

    def restart():
        time.sleep(0.3)
        server_factory(port=port).tokens = tokens

    restarting = threading.Thread(target=restart)
    restarting.start()
    assert session.request(method, "report-requests").status_code == 200
    restarting.join()


def test_closed_port_is_an_error_after_the_retry_budget(connect):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OpenESGApiError, match=r"no response: no connection: .*refused") as caught:
        connect(host=f"http://127.0.0.1:{port}", max_retry_time=0.2).get("reports")
    assert caught.value.status is None


def test_connection_that_is_not_accepted_in_time_is_retried_also_for_writes(server, connect, caplog):
    session = connect(timeout=1, max_retry_time=2)
    session.fetch_token()
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # the kernel ignores the next connections
            waiting.enter_context(other := socket.socket()).setblocking(False)
            other.connect_ex(full.getsockname())
        host = f"http://127.0.0.1:{full.getsockname()[1]}"
        session.settings = dataclasses.replace(session.settings, base_url=host, timeout=0.2)
        with pytest.raises(OpenESGApiError, match=r"no response: no connection in time \(timeout\)"):
            session.post("report-requests", json={})
    assert len([line for line in caplog.messages if "no connection in time" in line]) > 1


def test_timeout_is_retried_only_for_reads(server, connect):
    server.script("/api/", *[lambda handler: time.sleep(0.4)] * 3)
    session = connect(timeout=1)
    session.settings = dataclasses.replace(session.settings, timeout=0.2)
    assert session.get("reports").status_code == 200
    assert len(server.calls()) == 4
    server.script("/api/", *[lambda handler: time.sleep(0.4)] * 3)
    with pytest.raises(OpenESGApiError, match="no response in time"):
        session.post("report-requests", json={})
    assert len(server.calls()) == 5


@pytest.mark.parametrize("status", [429, 503, 500])
def test_retry_after_in_seconds_is_the_minimum_wait(server, connect, steps, status):
    server.script("/api/", steps["answer"](status, Retry_After="1"))
    assert connect().get("reports").status_code == 200
    assert server.gaps()[0] >= 1


def test_retry_after_date_is_relative_to_the_platforms_clock(server, connect):
    def in_two_seconds(handler):
        handler.date_time_string = lambda: formatdate(1_000_000_000, usegmt=True)  # its Date header
        handler.answer(503, b"", Retry_After=formatdate(1_000_000_001, usegmt=True))

    server.script("/api/", in_two_seconds)
    assert connect().get("reports").status_code == 200
    assert server.gaps()[0] >= 1


@pytest.mark.parametrize("retry_after", ["", "soon", "-5", "²", "Wed, 99 Foo 2026", formatdate(0, usegmt=True)])
def test_invalid_or_past_retry_after_is_ignored(server, connect, steps, retry_after):
    server.script("/api/", steps["answer"](503, Retry_After=retry_after.encode().decode("latin-1")))
    assert connect(max_retry_time=2).get("reports").status_code == 200
    assert len(server.calls()) == 2


@pytest.mark.parametrize(("status", "error"), [(429, OpenESGRateLimitError), (503, OpenESGApiError)])
def test_retry_after_beyond_the_budget_is_an_error_at_once(server, connect, steps, status, error):
    server.script("/api/", steps["answer"](status, {"detail": "Later"}, Retry_After="3600"))
    response = connect(max_retry_time=100).get("reports")
    assert len(server.calls()) == 1
    with pytest.raises(error, match=r"Later.*'3600' \(Retry-After\).*max_retry_time"):
        raise_for_error(response)


def test_last_response_is_returned_after_the_retry_budget(server, connect, steps):
    server.script("/api/", *[steps["answer"](503)] * 9999)
    began = clock.monotonic()
    assert connect(max_retry_time=0.5).get("reports").status_code == 503
    assert clock.monotonic() - began < 5
    assert len(server.calls()) > 2


def test_retry_budget_0_is_one_attempt(server, connect, steps):
    server.script("/api/", steps["answer"](503))
    assert connect(max_retry_time=0).get("reports").status_code == 503
    assert len(server.calls()) == 1


def test_slow_response_ends_with_the_retry_budget(server, connect):
    disconnected = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            disconnected.set()
            handler.close_connection = True

    server.script("/api/", drip)
    with pytest.raises(OpenESGApiError, match="did not end within the Retry budget"):
        connect(max_retry_time=1, timeout=1).get("reports")
    assert len(server.calls()) == 1
    assert disconnected.wait(10)


def test_token_request_is_retried_by_the_same_rules(server, connect, steps):
    server.script("/o/token/", steps["answer"](503), steps["reset"], steps["answer"](429, Retry_After="1"))
    assert connect().get("reports").status_code == 200
    assert server.token_requests == 4
    assert server.gaps("/o/token/")[2] >= 1


@pytest.mark.parametrize(("status", "error"), [(429, OpenESGRateLimitError), (503, OpenESGApiError)])
def test_unavailable_token_endpoint_is_not_an_auth_error(server, connect, steps, status, error):
    server.script("/o/token/", *[steps["answer"](status, {"detail": "Maintenance"})] * 999)
    with pytest.raises(error, match="Maintenance") as caught:
        connect(max_retry_time=0.2).get("reports")
    assert (caught.value.status, caught.value.url) == (status, f"{server.url}/o/token/")


def test_each_retry_is_one_log_line(server, connect, steps, caplog):
    server.script("/api/", steps["answer"](503, Retry_After="0"), steps["reset"])
    with caplog.at_level(logging.WARNING):
        connect().get("reports", params={"token": "hidden"})
    lines = [record.getMessage() for record in caplog.records if record.name == retry.__name__]
    assert len(lines) == 2
    assert lines[0].startswith(
        f"GET {server.url}/api/v1/reports: HTTP 503 Service Unavailable (Retry-After 0); attempt 1, next in"
    )
    assert "the connection broke" in lines[1]
    assert "attempt 2" in lines[1]
    assert "s left for this request" in lines[1]
    assert "hidden" not in caplog.text
