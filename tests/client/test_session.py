"""One request: its URL, its token and the size of the response, checked by the requests that the server received."""

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


def bearers(server):
    return [request.headers.get("Authorization") for request in server.calls()]


def test_relative_and_absolute_urls_reach_the_api_with_the_token(server, connect):
    session = connect()
    for url in ("reports", "/reports", f"{server.url}/api/v1/reports", "reports?next=https://elsewhere.example/"):
        assert session.get(url, params={"limit": 5}).json() == {"items": [], "count": 0}
    assert [request.path.partition("?")[0] for request in server.calls()] == ["/api/v1/reports"] * 4
    assert server.calls()[0].path == "/api/v1/reports?limit=5"
    assert bearers(server) == ["Bearer token-1-of-the-server"] * 4
    assert server.token_requests == 1
    assert (
        server.requests[0].headers["User-Agent"].startswith(f"airflow-provider-openesg/{__version__} python-requests/")
    )


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
def test_url_of_another_origin_is_an_error_and_nothing_is_sent(server, connect, url):
    with pytest.raises(OpenESGConfigError, match="not on Base URL") as caught:
        connect().get(url.format(port=server.server_port))
    assert server.requests == []
    assert "word" not in str(caught.value)


def test_two_slashes_do_not_name_another_host(server, connect):
    connect().get("//elsewhere.example/reports")
    assert [request.path for request in server.calls()] == ["/api/v1/elsewhere.example/reports"]


def test_rejected_token_is_renewed_once_and_the_call_repeated(server, connect):
    session = connect()
    session.get("reports")
    server.tokens.clear()
    assert session.post("report-requests", json={"a": 1}).status_code == 200
    assert [(request.method, request.body) for request in server.calls()] == [
        ("GET", b""),
        ("POST", b'{"a": 1}'),
        ("POST", b'{"a": 1}'),
    ]
    assert server.token_requests == 2


def test_second_401_with_a_new_token_is_an_error(server, connect, steps):
    server.script("/api/", *[steps["answer"](401, {"detail": "Unauthorized"})] * 9)
    with pytest.raises(OpenESGAuthError, match=r"rejects a token that it has just issued.*Unauthorized.*/o/token/"):
        connect().get("reports")
    assert (server.token_requests, len(server.calls())) == (2, 2)


def test_invalid_tokens_in_session_and_cache_are_both_dropped(server, connect):
    first, second = connect(), connect()
    first.get("reports")
    server.tokens.clear()
    second.get("reports")  # stores another token, which `first` does not know
    server.tokens.clear()
    assert first.get("reports").status_code == 200
    assert server.token_requests == 3


@pytest.mark.parametrize("kind", ["disk", "memory", "off"])
def test_threads_that_share_a_session_fetch_one_token(server, connect, kind, monkeypatch):
    session = connect(kind=kind, parallel_requests=16, scope=f"threads {kind}")
    with ThreadPoolExecutor(16) as pool:
        assert {r.status_code for r in pool.map(lambda _: session.get("reports"), range(32))} == {200}
        assert server.token_requests == 1
        server.tokens.clear()
        assert {r.status_code for r in pool.map(lambda _: session.get("reports"), range(32))} == {200}
    assert server.token_requests == 2


def test_memory_cache_is_shared_between_sessions(server, connect):
    for kind, expected in (("off", 2), ("memory", 1)):
        before = server.token_requests
        for _ in range(2):
            connect(kind=kind, scope=f"kinds {kind}").get("reports")
        assert server.token_requests - before == expected


@pytest.mark.parametrize(("life", "expected"), [(None, 1), (0, 1), ("3600", 1), (-5, 2), (3600.5, 1)])
def test_token_with_an_invalid_lifetime_is_used(server, connect, life, expected):
    server.life = life
    session = connect()
    assert [session.get("reports").status_code for _ in range(2)] == [200, 200]
    assert server.token_requests == expected


def test_redirect_to_another_host_is_not_followed(server, server_factory, connect, steps):
    elsewhere = server_factory()
    for location in (f"{elsewhere.url}/api/v1/reports", f"//127.0.0.1:{elsewhere.server_port}/"):
        server.script("/api/v1/reports", steps["answer"](302, Location=location))
        with pytest.raises(OpenESGApiError, match="not followed") as caught:
            connect().get("reports")
        assert caught.value.status == 302
    assert elsewhere.requests == []
    assert len(server.calls()) == 2


def test_redirect_on_the_platform_is_followed_only_for_reads(server, connect, steps):
    session = connect()
    server.script(
        "/api/v1/old", *[steps["answer"](status, Location="/api/v1/reports?page=2") for status in (301, 308, 302)]
    )
    for _ in range(2):
        assert session.get("old", params={"a": 1}).json() == {"items": [], "count": 0}
    assert [request.path for request in server.calls()] == ["/api/v1/old?a=1", "/api/v1/reports?page=2"] * 2
    assert set(bearers(server)) == {"Bearer token-1-of-the-server"}
    with pytest.raises(OpenESGApiError, match="a POST is not sent to another URL"):
        session.post("old", json={})
    assert [request.method for request in server.calls()] == ["GET"] * 4 + ["POST"]


def test_cyclic_redirects_are_an_error(server, connect, steps):
    server.script("/api/v1/reports", *[steps["answer"](302, Location="/api/v1/reports")] * 99)
    with pytest.raises(OpenESGApiError, match="5 redirects"):
        connect().get("reports")
    assert len(server.calls()) == 6
    assert connect().get("reports", allow_redirects=False).status_code == 302


def test_netrc_never_replaces_the_token(server, connect, steps, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\nmachine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.script("/api/v1/old", steps["answer"](302, Location="/api/v1/reports"))
    connect().get("old")
    assert bearers(server) == ["Bearer token-1-of-the-server"] * 2
    assert server.requests[0].headers["Authorization"].startswith("Basic ")


def test_proxy_of_the_environment_is_not_used_for_plain_http(server, server_factory, connect, monkeypatch):
    proxy = server_factory()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert connect().get("reports").status_code == 200
    assert proxy.requests == []


def test_proxy_of_the_connection_is_used(server, server_factory, connect):
    proxy = server_factory()
    connect(proxies=proxy.url).get("reports")
    assert [request.path for request in proxy.requests] == [f"{server.url}/o/token/", f"{server.url}/api/v1/reports"]


def test_no_call_changes_the_environment(server, connect):
    written = []
    listening = True
    sys.addaudithook(lambda event, args: listening and event in ("os.putenv", "os.unsetenv") and written.append(args))
    try:
        connect().get("reports")
        connect(proxies={"no_proxy": "127.0.0.1"}).get("reports")
    finally:
        listening = False  # a hook cannot be removed
    assert written == []


def test_error_names_an_unusable_proxy_without_its_password(connect):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OpenESGApiError, match=r"the proxy does not respond.*Proxies") as caught:
        connect(proxies=f"http://user:pr0xyword@127.0.0.1:{port}", max_retry_time=0).get("reports")
    assert "pr0xyword" not in str(caught.value)
    with pytest.raises(OpenESGConfigError, match="proxy's URL") as caught_config:
        connect(proxies="foo://user:pr0xyword@127.0.0.1:1", max_retry_time=0).get("reports")
    assert "pr0xyword" not in str(caught_config.value)


@pytest.mark.parametrize(("status", "attempts"), [(403, 1), (407, 1), (503, 2)])
def test_proxy_that_refuses_to_connect_is_retried_only_if_it_is_overloaded(server_factory, connect, status, attempts):
    proxy, refused = server_factory(), []

    def refuse(handler):
        refused.append(handler.path)
        handler.answer(status if len(refused) == 1 else 403, b"")

    proxy.RequestHandlerClass = type("Proxy", (proxy.RequestHandlerClass,), {"do_CONNECT": refuse})
    with pytest.raises(
        OpenESGApiError, match=r"the proxy refuses to connect \(HTTP 40[37]\)\. Check Proxies"
    ) as caught:
        connect(host="https://platform.example", proxies=proxy.url, max_retry_time=10).get("reports")
    assert refused == ["platform.example:443"] * attempts
    assert caught.value.permanent


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(server_factory, authority):
    return server_factory(certificate=authority.issue_cert("127.0.0.1"))


@pytest.fixture
def pem(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_untrusted_certificate_is_not_retried_and_names_ca_bundle(tls, connect):
    with pytest.raises(OpenESGApiError, match=r"certificate is not trusted.*CA bundle \(ca_bundle\)"):
        connect(host=tls.url).get("reports")
    assert tls.requests == []


def test_ca_bundle_has_priority_over_the_environment(tls, connect, pem, monkeypatch, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other))
    assert connect(host=tls.url, ca_bundle=pem).get("reports").status_code == 200


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verify_tls_false_has_priority_over_the_environment(tls, connect, tmp_path, monkeypatch):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    assert connect(host=tls.url, verify_tls=False).get("reports").status_code == 200


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_unreadable_ca_bundle_is_an_error(tls, connect, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OpenESGConfigError, match=r"CA bundle \(ca_bundle\).*ca\.pem"):
        connect(host=tls.url, ca_bundle=str(path)).get("reports")


def test_https_on_a_plain_http_port_is_an_error(server, connect):
    with pytest.raises(OpenESGApiError, match=r"TLS failure.*https port"):
        connect(host=server.url.replace("http:", "https:")).get("reports")


@pytest.mark.parametrize("compressed", [False, True])
def test_response_above_the_size_limit_is_an_error(server, connect, steps, compressed, monkeypatch):
    size = session_module.MAX_BODY_BYTES + 1
    body = gzip.compress(bytes(size), 1) if compressed else bytes(size)
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    server.script("/api/", steps["answer"](200, body, **headers))
    with pytest.raises(OpenESGContractError, match=r"/api/v1/reports: .* 64 MiB.*Page size \(page_size\)"):
        connect().get("reports")
    assert len(server.calls()) == 1


def test_response_of_the_maximum_size_is_read(server, connect, steps):
    server.script(
        "/api/", steps["answer"](200, gzip.compress(bytes(session_module.MAX_BODY_BYTES), 1), Content_Encoding="gzip")
    )
    response = connect().get("reports")
    assert len(response.content) == session_module.MAX_BODY_BYTES


def test_chunked_and_empty_responses_are_read(server, connect):
    def chunked(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in (b'{"items"', b": []}"):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    server.script("/api/v1/chunked", chunked)
    session = connect()
    assert session.get("chunked").json() == {"items": []}
    assert session.head("reports").content == b""
    assert session.get("reports", stream=True).json() == {"items": [], "count": 0}


def test_connections_are_kept_open(server, connect):
    ports = set()
    server.script("/api/", *[lambda handler: (ports.add(handler.client_address), handler.answer(200, {}))] * 5)
    session = connect()
    for _ in range(5):
        session.get("reports")
    assert len(ports) == 1


def test_forked_child_opens_a_separate_connection(server, connect):
    ports: list[tuple[str, int]] = []
    server.script("/api/", *[lambda handler: (ports.append(handler.client_address), handler.answer(200, {}))] * 3)
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
    assert server.token_requests == 1


def test_no_cookie_is_stored_or_sent_back(server, connect, steps):
    server.script("/api/", steps["answer"](200, {}, Set_Cookie="sessionid=1"))
    session = connect()
    session.get("reports")
    session.get("reports")
    assert not list(session.cookies)
    assert all("Cookie" not in request.headers for request in server.requests)


def test_authorization_header_of_the_user_does_not_replace_the_token(server, connect):
    connect().get("reports", headers={"Authorization": "Basic bm8="}, auth=("no", "no"))
    assert bearers(server) == ["Bearer token-1-of-the-server"]


def test_rate_limit_applies_to_all_sessions_and_threads(server, connect):
    sessions = [connect(requests_per_second=20, parallel_requests=4) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: sessions[number % 2].get("reports"), range(12)))
    times = sorted(request.at for request in server.requests)
    assert len(times) == 13
    # Single gaps vary with the scheduler; the total time at the server does not.
    assert times[-1] - times[0] >= 12 / 20 - 0.1


def test_rate_limit_wait_does_not_count_as_retry_time(server, connect, steps):
    session = connect(requests_per_second=2, max_retry_time=0, timeout=1)
    with ThreadPoolExecutor(4) as pool:
        assert {r.status_code for r in pool.map(lambda _: session.get("reports"), range(4))} == {200}


def test_fetch_token_returns_the_cached_token_and_allows_one_url(server, connect):
    session = connect()
    assert not session.authorized
    token = session.fetch_token(token_url=f"{server.url}/o/token/", auth=("x", "y"), client_secret="no")
    assert token["access_token"] == "token-1-of-the-server"
    assert session.authorized
    assert connect().fetch_token()["access_token"] == session.refresh_token()["access_token"] == "token-1-of-the-server"
    assert server.token_requests == 1
    with pytest.raises(OpenESGConfigError, match=r"elsewhere\.example"):
        session.fetch_token("https://elsewhere.example/o/token/")


def test_errors_contain_the_message_of_the_platform(server, connect, steps):
    detail = [{"type": "int_parsing", "loc": ["query", "limit"], "msg": "Input should be a valid integer"}]
    cases = [
        (422, {"detail": detail}, OpenESGApiError, "query.limit: Input should be a valid integer"),
        (422, {"detail": ["Too many rows", {"msg": "no"}]}, OpenESGApiError, "Too many rows; : no"),
        (404, {"detail": "Not Found"}, OpenESGNotFoundError, "Not Found"),
        (410, {"error": "gone", "error_description": "for good"}, OpenESGNotFoundError, "gone: for good"),
        (403, b"<html><body>No\n entry</body>", OpenESGApiError, "<html><body>No entry</body>"),
        (400, b"", OpenESGApiError, "Bad Request"),
        (429, {"detail": "Slow down"}, OpenESGRateLimitError, "Slow down"),
    ]
    for status, content, expected, message in cases:
        answer = steps["answer"](status, content, X_Request_ID="r-17")
        server.script("/api/", answer, *[answer] * (status == 404))  # after 404, the path is tried with a slash
        response = connect(max_retry_time=0).get("reports", params={"api_key": "hidden", "status": "submitted"})
        with pytest.raises(expected) as caught:
            raise_for_error(response)
        error = caught.value
        assert type(error) is expected
        assert message in error.message
        assert (error.status, error.method, error.request_id) == (status, "GET", "r-17")
        assert error.url == f"{server.url}/api/v1/reports?api_key=***&status=submitted"


def test_error_does_not_contain_a_token_that_the_server_echoes(server, connect):
    server.script("/api/", lambda handler: handler.answer(400, {"detail": handler.headers["Authorization"]}))
    with pytest.raises(OpenESGApiError) as caught:
        raise_for_error(connect().get("reports"))
    assert "token-1" not in str(caught.value)


def test_raise_for_error_accepts_200(server, connect):
    assert raise_for_error(connect().get("reports")) is None


def test_unknown_host_name_is_an_error(connect):
    with pytest.raises(OpenESGApiError, match="the host name does not resolve"):
        connect(host="https://no-such-host.invalid", max_retry_time=0).get("reports")


def test_form_data_and_scope_with_header_and_body_authentication(server, connect):
    for client_auth in ("header", "body"):
        connect(client_auth=client_auth, scope="read write", kind="off").post("report-requests", data={"a": "ü"})
    header, body = server.calls("/o/token/")
    assert header.body == b"grant_type=client_credentials&scope=read+write"
    pair = base64.b64decode(header.headers["Authorization"].removeprefix("Basic ")).decode()
    # As django-oauth-toolkit parses it; each half is form-urlencoded (RFC 6749, 2.3.1).
    assert [unquote_plus(part) for part in pair.split(":")] == ["test-client", "test-secret/+ %ä"]
    assert body.headers.get("Authorization") is None
    assert body.body == (
        b"grant_type=client_credentials&client_id=test-client&client_secret=test-secret%2F%2B+%25%C3%A4&scope=read+write"
    )
    assert [request.body for request in server.calls()] == [b"a=%C3%BC"] * 2


def test_session_module_imports_no_airflow():
    code = "import sys, airflow_provider_openesg.client.session as _; print([m for m in sys.modules if m == 'airflow'])"
    assert json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) == []
