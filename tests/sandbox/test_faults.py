"""Effect of every fault on a client."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

import pytest
import requests


def raw_response(sandbox, path: str, token: str) -> bytes:
    """Send a GET request over a socket and read until the connection is closed. A reset raises an error."""
    parts = urlsplit(sandbox.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def test_answer_with_status_headers_and_body(sandbox, api):
    sandbox.fault(
        "answer", path="reports$", status=429, headers={"Retry-After": "7"}, body='{"detail": "slow"}', times=2
    )
    responses = [api.get("reports?limit=1") for _ in range(3)]
    assert [response.status_code for response in responses] == [429, 429, 200]
    assert responses[0].headers["Retry-After"] == "7"
    assert responses[0].json() == {"detail": "slow"}
    assert [call["status"] for call in sandbox.state()["log"][1:]] == [429, 429, 200]


def test_html_page_with_200_and_redirect(sandbox, api):
    page = {"headers": {"Content-Type": "text/html"}, "body": "<html>Login</html>", "times": 1}
    sandbox.fault("answer", path="reports$", status=200, **page)
    sandbox.fault("answer", path="reports$", status=302, headers={"Location": "https://elsewhere.example/"}, times=1)
    response = api.get("reports")
    assert (response.status_code, response.headers["Content-Type"], response.text) == (
        200,
        "text/html",
        "<html>Login</html>",
    )
    response = api.get("reports", allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (302, "https://elsewhere.example/")


def test_method_path_after_and_the_token_endpoint(sandbox, api, fetch_token):
    sandbox.fault("answer", path="^/o/token/$", method="POST", after=1, times=1, status=503)
    assert [fetch_token(sandbox).status_code for _ in range(3)] == [200, 503, 200]
    assert api.get("reports?limit=1").status_code == 200
    (fault,) = sandbox.state()["faults"]
    assert (fault["matched"], fault["applied"]) == (3, 1)


def test_a_share_of_the_calls_by_seed(sandbox, api_of):
    def statuses() -> list[int]:
        sandbox.reset()
        api = api_of(sandbox)
        sandbox.fault("answer", path="organizations", status=500, share=0.5)
        return [api.get("organizations?limit=1").status_code for _ in range(40)]

    first = statuses()
    assert 10 <= first.count(500) <= 30
    assert statuses() == first


@pytest.mark.parametrize("carried_out", [False, True])
def test_reset(sandbox, api, carried_out):
    sandbox.fault("reset", path="report-requests$", method="POST", carried_out=carried_out, times=1)
    body = {"report_template": "vsme", "organization_name": "Neu GmbH", "user_email": "a@neu.example"}
    before = sandbox.state()["report_requests"]
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        api.post("report-requests", json=body)
    state = sandbox.state()
    assert state["report_requests"] == before + carried_out
    assert len(state["emails"]) == carried_out
    assert state["log"][-1]["status"] is None


def test_reset_sends_a_tcp_reset(sandbox, api):
    sandbox.fault("reset", path="reports$")
    with pytest.raises(ConnectionResetError):
        raw_response(sandbox, "/api/v1/reports", api.headers["Authorization"])


def test_truncated_body(sandbox, api):
    complete = api.get("organizations?limit=100").content
    sandbox.fault("truncate", path="organizations$", share_sent=0.3)
    head, _, body = raw_response(sandbox, "/api/v1/organizations?limit=100", api.headers["Authorization"]).partition(
        b"\r\n\r\n"
    )
    assert f"content-length: {len(complete)}".encode() in head.lower()
    assert body == complete[: int(len(complete) * 0.3)]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.get("organizations?limit=100")


def test_truncated_json(sandbox, api):
    sandbox.fault("cut_json", path="organizations$")
    response = api.get("organizations")
    assert response.status_code == 200
    with pytest.raises(ValueError):
        response.json()


def test_hang_ends_when_the_client_disconnects_or_faults_are_cleared(sandbox, api):
    sandbox.fault("hang", path="organizations$")
    with pytest.raises(requests.ReadTimeout):
        api.get("organizations", timeout=0.5)
    ended = []

    def wait() -> None:
        with pytest.raises(requests.ConnectionError):
            api.get("organizations")
        ended.append(True)

    waiting = threading.Thread(target=wait)
    waiting.start()
    deadline = time.monotonic() + 20
    while sandbox.state()["calls"]["GET /api/v1/organizations"] < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not ended
    sandbox.clear_faults()
    waiting.join(20)
    assert ended
    while sandbox.state()["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sandbox.state()["in_flight"] == 0


def test_delay_is_applied_before_the_response_and_other_faults(sandbox, api):
    sandbox.fault("delay", path="organizations$", seconds=0.6)
    sandbox.fault("answer", path="organizations$", status=502, after=1)
    with pytest.raises(requests.ReadTimeout):
        api.get("organizations", timeout=0.2)
    assert api.get("organizations").status_code == 502


def test_drip_sends_the_body_in_pieces(sandbox, api):
    complete = api.get("organizations?limit=20").content
    sandbox.fault("drip", path="organizations$", pieces=4, seconds=0.3)
    # Each pause is shorter than the timeout, but their sum is longer.
    response = api.get("organizations?limit=20", timeout=1, stream=True)
    pieces = []
    while piece := response.raw.read1(65536):
        pieces.append(piece)
    assert len(pieces) >= 3
    assert b"".join(pieces) == complete


def test_big_page(sandbox, api):
    sandbox.fault("big", path="organizations$", size=3_000_000)
    response = api.get("organizations")
    assert len(response.content) == 3_000_000
    assert json.loads(response.content)["count"] == 1


def test_big_page_is_100_mb_by_default(sandbox, api):
    sandbox.fault("big", path="organizations$")
    with api.get("organizations", stream=True) as response:
        assert response.headers["Content-Length"] == str(100 * 1024 * 1024)


def test_page_faults(sandbox, api):
    first = [row["id"] for row in api.get("organizations?limit=10").json()["items"]]
    sandbox.fault("repeat_page", path="organizations$", times=1)
    assert [row["id"] for row in api.get("organizations?limit=10&offset=20").json()["items"]] == first
    sandbox.fault("short_page", path="organizations$", rows=3, times=1)
    page = api.get("organizations?limit=10&offset=20").json()
    assert [row["id"] for row in page["items"]] == list(range(21, 28))
    assert page["count"] == 240


def test_next_link_to_another_origin(sandbox, api):
    sandbox.options(envelope="results")
    own = api.get("organizations?limit=10").json()["next"]
    assert own == f"{sandbox.base_url}/api/v1/organizations?limit=10&offset=10"
    sandbox.fault("next_origin", path="organizations$")
    assert api.get("organizations?limit=10").json()["next"] == own.replace(
        urlsplit(sandbox.base_url).netloc, "elsewhere.example"
    )


def test_an_invalid_fault_is_rejected(sandbox):
    with pytest.raises(RuntimeError, match="'answer', 'reset', 'hang'"):
        sandbox.fault("explode")
    with pytest.raises(RuntimeError, match="not a regular expression"):
        sandbox.fault("reset", path="(")


def test_control_api_rejects_other_origins(sandbox):
    # DNS rebinding: another host name resolves to the loopback address.
    parts = urlsplit(sandbox.base_url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request("GET", "/sandbox/state", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 401
    connection.close()


def test_a_client_reset_does_not_affect_other_requests(sandbox, api):
    parts = urlsplit(sandbox.base_url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(b"GET /api/v1/reports HTTP/1.1\r\nHost: x\r\n\r\n")
    assert api.get("reports?limit=1").status_code == 200
