"""One request: where it may go, with whose token, and how much of an answer is taken. The server's notes judge."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote_plus

import pytest
import trustme

from airflow_provider_openesg import __version__
from airflow_provider_openesg.client import session as session_module
from airflow_provider_openesg.client.session import raise_for_error
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGAuthError,
    OpenESGConfigError,
    OpenESGContractError,
    OpenESGNotFoundError,
    OpenESGRateLimitError,
)


def bearers(wire):
    return [seen.headers.get("Authorization") for seen in wire.calls()]


def test_relative_and_absolute_urls_reach_the_api_with_the_token(wire, connect):
    session = connect()
    for url in ("reports", "/reports", f"{wire.url}/api/v1/reports", "reports?next=https://elsewhere.example/"):
        assert session.get(url, params={"limit": 5}).json() == {"items": [], "count": 0}
    assert [seen.path.partition("?")[0] for seen in wire.calls()] == ["/api/v1/reports"] * 4
    assert wire.calls()[0].path == "/api/v1/reports?limit=5"
    assert bearers(wire) == ["Bearer token-1-of-the-wire"] * 4
    assert wire.token_requests == 1
    assert wire.seen[0].headers["User-Agent"].startswith(f"airflow-provider-openesg/{__version__} python-requests/")


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/api/v1/reports",
        "http://127.0.0.1:1/api/v1/reports",
        "HTTPS://127.0.0.1:{port}/api/v1/reports",
        "http://localhost:{port}/api/v1/reports",
        "http://user:word@127.0.0.1:{port}/api/v1/reports",
        "http://elsewhere.example\\@127.0.0.1:{port}/api/v1/reports",
        "http://127.0.0.1:{port}@elsewhere.example/",
        "ftp://127.0.0.1:{port}/",
        "http://[/",
    ],
)
def test_a_url_of_another_origin_is_refused_before_anything_is_sent(wire, connect, url):
    with pytest.raises(OpenESGConfigError, match="not on Base URL") as caught:
        connect().get(url.format(port=wire.server_port))
    assert wire.seen == []
    assert "word" not in str(caught.value)


def test_two_slashes_do_not_name_another_host(wire, connect):
    connect().get("//elsewhere.example/reports")
    assert [seen.path for seen in wire.calls()] == ["/api/v1/elsewhere.example/reports"]


def test_a_refused_token_is_renewed_once_and_the_call_made_again(wire, connect):
    session = connect()
    session.get("reports")
    wire.tokens.clear()
    assert session.post("report-requests", json={"a": 1}).status_code == 200
    assert [(seen.method, seen.body) for seen in wire.calls()] == [
        ("GET", b""),
        ("POST", b'{"a": 1}'),
        ("POST", b'{"a": 1}'),
    ]
    assert wire.token_requests == 2


def test_a_second_401_with_a_new_token_is_an_error_that_says_so(wire, connect, steps):
    wire.script("/api/", *[steps["answer"](401, {"detail": "Unauthorized"})] * 9)
    with pytest.raises(OpenESGAuthError, match=r"refuses a token that it has just given out.*Unauthorized.*/o/token/"):
        connect().get("reports")
    assert (wire.token_requests, len(wire.calls())) == (2, 2)


def test_old_tokens_in_session_and_cache_are_both_given_up(wire, connect):
    first, second = connect(), connect()
    first.get("reports")
    wire.tokens.clear()
    second.get("reports")  # stores another token, which `first` does not know
    wire.tokens.clear()
    assert first.get("reports").status_code == 200
    assert wire.token_requests == 3


@pytest.mark.parametrize("kind", ["disk", "memory", "off"])
def test_threads_that_share_a_session_fetch_one_token_between_them(wire, connect, kind, monkeypatch):
    session = connect(kind=kind, parallel_requests=16, scope=f"threads {kind}")
    with ThreadPoolExecutor(16) as pool:
        assert {r.status_code for r in pool.map(lambda _: session.get("reports"), range(32))} == {200}
        assert wire.token_requests == 1
        wire.tokens.clear()
        assert {r.status_code for r in pool.map(lambda _: session.get("reports"), range(32))} == {200}
    assert wire.token_requests == 2


def test_the_kinds_of_cache_share_what_they_say(wire, connect):
    for kind, expected in (("off", 2), ("memory", 1)):
        before = wire.token_requests
        for _ in range(2):
            connect(kind=kind, scope=f"kinds {kind}").get("reports")
        assert wire.token_requests - before == expected


@pytest.mark.parametrize(("life", "expected"), [(None, 1), (0, 1), ("3600", 1), (-5, 2), (3600.5, 1)])
def test_a_token_without_a_usable_life_is_used_all_the_same(wire, connect, life, expected):
    wire.life = life
    session = connect()
    assert [session.get("reports").status_code for _ in range(2)] == [200, 200]
    assert wire.token_requests == expected


def test_a_redirect_to_another_host_is_not_followed(wire, wire_factory, connect, steps):
    elsewhere = wire_factory()
    for location in (f"{elsewhere.url}/api/v1/reports", f"//127.0.0.1:{elsewhere.server_port}/"):
        wire.script("/api/v1/reports", steps["answer"](302, Location=location))
        with pytest.raises(OpenESGApiError, match="not followed") as caught:
            connect().get("reports")
        assert caught.value.status == 302
    assert elsewhere.seen == []
    assert len(wire.calls()) == 2


def test_a_redirect_on_the_platform_is_followed_with_the_token_for_reading_only(wire, connect, steps):
    session = connect()
    wire.script(
        "/api/v1/old", *[steps["answer"](status, Location="/api/v1/reports?page=2") for status in (301, 308, 302)]
    )
    for _ in range(2):
        assert session.get("old", params={"a": 1}).json() == {"items": [], "count": 0}
    assert [seen.path for seen in wire.calls()] == ["/api/v1/old?a=1", "/api/v1/reports?page=2"] * 2
    assert set(bearers(wire)) == {"Bearer token-1-of-the-wire"}
    with pytest.raises(OpenESGApiError, match="a POST is not sent to another URL"):
        session.post("old", json={})
    assert [seen.method for seen in wire.calls()] == ["GET"] * 4 + ["POST"]


def test_redirects_in_a_circle_end(wire, connect, steps):
    wire.script("/api/v1/reports", *[steps["answer"](302, Location="/api/v1/reports")] * 99)
    with pytest.raises(OpenESGApiError, match="5 redirects"):
        connect().get("reports")
    assert len(wire.calls()) == 6
    assert connect().get("reports", allow_redirects=False).status_code == 302


def test_netrc_never_replaces_the_token(wire, connect, steps, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\nmachine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    wire.script("/api/v1/old", steps["answer"](302, Location="/api/v1/reports"))
    connect().get("old")
    assert bearers(wire) == ["Bearer token-1-of-the-wire"] * 2
    assert wire.seen[0].headers["Authorization"].startswith("Basic ")


def test_the_environments_proxy_never_carries_plain_http(wire, wire_factory, connect, monkeypatch):
    proxy = wire_factory()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert connect().get("reports").status_code == 200
    assert proxy.seen == []


def test_the_connections_proxy_is_used(wire, wire_factory, connect):
    proxy = wire_factory()
    connect(proxies=proxy.url).get("reports")
    assert [seen.path for seen in proxy.seen] == [f"{wire.url}/o/token/", f"{wire.url}/api/v1/reports"]


def test_no_call_touches_the_environment_of_other_threads(wire, connect):
    written = []
    listening = True
    sys.addaudithook(lambda event, args: listening and event in ("os.putenv", "os.unsetenv") and written.append(args))
    try:
        connect().get("reports")
        connect(proxies={"no_proxy": "127.0.0.1"}).get("reports")
    finally:
        listening = False  # a hook cannot be taken away
    assert written == []


def test_a_proxy_that_cannot_be_used_is_named_without_its_password(connect):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OpenESGApiError, match=r"the proxy does not respond.*Proxies") as caught:
        connect(proxies=f"http://user:pr0xyword@127.0.0.1:{port}", max_retry_time=0).get("reports")
    assert "pr0xyword" not in str(caught.value)
    with pytest.raises(OpenESGConfigError, match="proxy's URL") as caught_config:
        connect(proxies="foo://user:pr0xyword@127.0.0.1:1", max_retry_time=0).get("reports")
    assert "pr0xyword" not in str(caught_config.value)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(wire_factory, authority):
    return wire_factory(certificate=authority.issue_cert("127.0.0.1"))


@pytest.fixture
def pem(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_an_untrusted_certificate_is_one_attempt_and_names_the_ca_option(tls, connect):
    with pytest.raises(OpenESGApiError, match=r"certificate is not trusted.*CA bundle \(ca_bundle\)"):
        connect(host=tls.url).get("reports")
    assert tls.seen == []


def test_the_ca_bundle_is_trusted_whatever_the_environment_says(tls, connect, pem, monkeypatch, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other))
    assert connect(host=tls.url, ca_bundle=pem).get("reports").status_code == 200


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verification_that_is_switched_off_stays_off(tls, connect, tmp_path, monkeypatch):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    assert connect(host=tls.url, verify_tls=False).get("reports").status_code == 200


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_bundle_that_cannot_be_read_is_named(tls, connect, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OpenESGConfigError, match=r"CA bundle \(ca_bundle\).*ca\.pem"):
        connect(host=tls.url, ca_bundle=str(path)).get("reports")


def test_https_on_a_port_that_speaks_http_is_said_so(wire, connect):
    with pytest.raises(OpenESGApiError, match=r"TLS failure.*https port"):
        connect(host=wire.url.replace("http:", "https:")).get("reports")


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_above_the_cap_is_not_taken(wire, connect, steps, compressed, monkeypatch):
    size = session_module.MAX_BODY_BYTES + 1
    body = gzip.compress(bytes(size), 1) if compressed else bytes(size)
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    wire.script("/api/", steps["answer"](200, body, **headers))
    with pytest.raises(OpenESGContractError, match=r"/api/v1/reports: .* 64 MiB.*Page size \(page_size\)"):
        connect().get("reports")
    assert len(wire.calls()) == 1


def test_an_answer_at_the_cap_is_taken_whole(wire, connect, steps):
    wire.script(
        "/api/", steps["answer"](200, gzip.compress(bytes(session_module.MAX_BODY_BYTES), 1), Content_Encoding="gzip")
    )
    response = connect().get("reports")
    assert len(response.content) == session_module.MAX_BODY_BYTES


def test_a_chunked_answer_without_length_and_an_empty_one_are_read(wire, connect):
    def chunked(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in (b'{"items"', b": []}"):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    wire.script("/api/v1/chunked", chunked)
    session = connect()
    assert session.get("chunked").json() == {"items": []}
    assert session.head("reports").content == b""
    assert session.get("reports", stream=True).json() == {"items": [], "count": 0}


def test_connections_are_kept_open(wire, connect):
    ports = set()
    wire.script("/api/", *[lambda handler: (ports.add(handler.client_address), handler.answer(200, {}))] * 5)
    session = connect()
    for _ in range(5):
        session.get("reports")
    assert len(ports) == 1


def test_a_forked_child_opens_a_connection_of_its_own(wire, connect):
    ports: list[tuple[str, int]] = []
    wire.script("/api/", *[lambda handler: (ports.append(handler.client_address), handler.answer(200, {}))] * 3)
    session = connect()
    session.get("reports")
    child = os.fork()
    if not child:
        status = 1
        try:
            status = int(session.get("reports").status_code != 200)
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    session.get("reports")
    assert ports[0] == ports[2] != ports[1]
    assert wire.token_requests == 1


def test_no_cookie_is_stored_or_sent_back(wire, connect, steps):
    wire.script("/api/", steps["answer"](200, {}, Set_Cookie="sessionid=1"))
    session = connect()
    session.get("reports")
    session.get("reports")
    assert not list(session.cookies)
    assert all("Cookie" not in seen.headers for seen in wire.seen)


def test_a_users_authorization_header_does_not_replace_the_token(wire, connect):
    connect().get("reports", headers={"Authorization": "Basic bm8="}, auth=("no", "no"))
    assert bearers(wire) == ["Bearer token-1-of-the-wire"]


def test_requests_of_all_sessions_and_threads_keep_the_pace(wire, connect):
    sessions = [connect(requests_per_second=20, parallel_requests=4) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: sessions[number % 2].get("reports"), range(12)))
    times = sorted(seen.at for seen in wire.seen)
    assert len(times) == 13
    # Single gaps vary with the scheduler; what the server sees as a whole does not.
    assert times[-1] - times[0] >= 12 / 20 - 0.1


def test_waiting_for_the_pace_is_not_counted_against_the_budget(wire, connect, steps):
    session = connect(requests_per_second=2, max_retry_time=0, timeout=1)
    with ThreadPoolExecutor(4) as pool:
        assert {r.status_code for r in pool.map(lambda _: session.get("reports"), range(4))} == {200}


def test_fetch_token_returns_the_cached_token_and_knows_one_url(wire, connect):
    session = connect()
    assert not session.authorized
    token = session.fetch_token(token_url=f"{wire.url}/o/token/", auth=("x", "y"), client_secret="no")
    assert token["access_token"] == "token-1-of-the-wire"
    assert session.authorized
    assert connect().fetch_token()["access_token"] == session.refresh_token()["access_token"] == "token-1-of-the-wire"
    assert wire.token_requests == 1
    with pytest.raises(OpenESGConfigError, match=r"elsewhere\.example"):
        session.fetch_token("https://elsewhere.example/o/token/")


def test_the_answers_errors_carry_what_the_platform_says(wire, connect, steps):
    detail = [{"type": "int_parsing", "loc": ["query", "limit"], "msg": "Input should be a valid integer"}]
    cases = [
        (422, {"detail": detail}, OpenESGApiError, "query.limit: Input should be a valid integer"),
        (404, {"detail": "Not Found"}, OpenESGNotFoundError, "Not Found"),
        (410, {"error": "gone", "error_description": "for good"}, OpenESGNotFoundError, "gone: for good"),
        (403, b"<html><body>No\n entry</body>", OpenESGApiError, "<html><body>No entry</body>"),
        (400, b"", OpenESGApiError, "Bad Request"),
        (429, {"detail": "Slow down"}, OpenESGRateLimitError, "Slow down"),
    ]
    for status, content, expected, message in cases:
        wire.script("/api/", steps["answer"](status, content, X_Request_ID="r-17"))
        response = connect(max_retry_time=0).get("reports", params={"api_key": "hidden", "status": "submitted"})
        with pytest.raises(expected) as caught:
            raise_for_error(response)
        error = caught.value
        assert type(error) is expected
        assert message in error.message
        assert (error.status, error.method, error.request_id) == (status, "GET", "r-17")
        assert error.url == f"{wire.url}/api/v1/reports?api_key=***&status=submitted"


def test_an_error_does_not_repeat_a_token_that_the_server_echoes(wire, connect):
    wire.script("/api/", lambda handler: handler.answer(400, {"detail": handler.headers["Authorization"]}))
    with pytest.raises(OpenESGApiError) as caught:
        raise_for_error(connect().get("reports"))
    assert "token-1" not in str(caught.value)


def test_a_good_answer_passes(wire, connect):
    assert raise_for_error(connect().get("reports")) is None


def test_a_url_that_names_no_host_says_so(connect):
    with pytest.raises(OpenESGApiError, match="the host name does not resolve"):
        connect(host="https://no-such-host.invalid", max_retry_time=0).get("reports")


def test_a_form_can_be_posted_and_a_scope_asked_for_in_either_way(wire, connect):
    for client_auth in ("header", "body"):
        connect(client_auth=client_auth, scope="read write", kind="off").post("report-requests", data={"a": "ü"})
    header, body = wire.calls("/o/token/")
    assert header.body == b"grant_type=client_credentials&scope=read+write"
    pair = base64.b64decode(header.headers["Authorization"].removeprefix("Basic ")).decode()
    # As django-oauth-toolkit takes it apart; each half is form-urlencoded (RFC 6749, 2.3.1).
    assert [unquote_plus(part) for part in pair.split(":")] == ["test-client", "test-secret/+ %ä"]
    assert body.headers.get("Authorization") is None
    assert body.body == (
        b"grant_type=client_credentials&client_id=test-client&client_secret=test-secret%2F%2B+%25%C3%A4&scope=read+write"
    )
    assert [seen.body for seen in wire.calls()] == [b"a=%C3%BC"] * 2


def test_the_session_module_brings_no_airflow():
    code = "import sys, airflow_provider_openesg.client.session as _; print([m for m in sys.modules if m == 'airflow'])"
    assert json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) == []
