"""OpenESGHook against the sandbox: calls, token, and the result of *Test*; on the oldest and the newest Airflow."""

import base64
import http.server
import json
import socket
import socketserver
import subprocess
import sys
import threading

import pytest
import trustme

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGNotFoundError
from airflow_provider_openesg.hooks.openesg import OpenESGHook

pytestmark = pytest.mark.airflow

TEMPLATES = "/api/v1/report-templates$"


@pytest.fixture
def hook_for(sandbox, token_cache_dir, monkeypatch):
    """A hook whose Connection is the sandbox's, but for the arguments; None leaves a field out."""

    def make(**changes):
        given = json.loads(sandbox.connection_json) | changes
        monkeypatch.setenv(
            "AIRFLOW_CONN_ESG", json.dumps({name: value for name, value in given.items() if value is not None})
        )
        return OpenESGHook("esg")

    return make


@pytest.fixture
def port():
    """A port of this machine on which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


@pytest.fixture
def tls_sandbox(sandbox_factory, tmp_path):
    """A sandbox with a certificate of an untrusted authority, and the authority's file."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    sandbox = sandbox_factory(tls_cert=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "key.pem"), reports=5)
    return sandbox, str(tmp_path / "ca.pem")


class RejectingProxy(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self):
        self.send_error(403, "Not this host")

    def log_message(self, *_):
        pass


@pytest.fixture
def rejecting_proxy():
    with http.server.HTTPServer(("127.0.0.1", 0), RejectingProxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:hunter22@127.0.0.1:{server.server_port}"
        server.shutdown()


class Greeting(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 not what you think\r\n")
        self.rfile.read(1)


@pytest.fixture
def plain_server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_calls(hook_for, sandbox):
    with hook_for() as hook:
        assert hook.request("GET", "reports", params={"limit": 1}).json()["count"] == 200
        assert hook.get_conn().get("/report-templates").status_code == 200
        first = next(hook.iter_records("reports"))
        assert hook.get_record("reports", first["id"]) == first
        with pytest.raises(OpenESGNotFoundError):
            hook.request("GET", "reports/999999999")
    assert sandbox.state()["token_requests"]["total"] == 1


def test_default_connection(sandbox, token_cache_dir, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OPENESG_DEFAULT", sandbox.connection_json)
    assert len(list(OpenESGHook().iter_records("report-templates"))) == 2


def test_connection_is_read_once(hook_for, monkeypatch):
    hook = hook_for()
    assert hook.settings
    monkeypatch.delenv("AIRFLOW_CONN_ESG")
    assert hook.request("GET", "report-templates").ok
    assert hook.client is hook.client


def test_one_token_for_all_hooks_of_a_worker(hook_for, sandbox):
    for _ in range(3):
        with hook_for() as hook:
            hook.request("GET", "report-templates")
    assert sandbox.state()["token_requests"]["total"] == 1


def test_closed_hook_can_be_used_again(hook_for):
    hook = hook_for()
    hook.close()
    hook.request("GET", "report-templates")
    hook.close()
    assert hook.request("GET", "report-templates").ok


@pytest.mark.parametrize(("kind", "requests"), [("disk", 1), ("memory", 1), ("off", 2)])
def test_cache_of_the_configuration(hook_for, sandbox, monkeypatch, token_cache_dir, kind, requests):
    monkeypatch.setenv("AIRFLOW__OPENESG__CREDENTIAL_CACHE", kind)
    for _ in range(2):
        hook_for().request("GET", "report-templates")
    assert sandbox.state()["token_requests"]["total"] == requests
    assert token_cache_dir.exists() == (kind == "disk")


def test_unknown_cache_is_an_error(hook_for, monkeypatch):
    monkeypatch.setenv("AIRFLOW__OPENESG__CREDENTIAL_CACHE", "redis")
    with pytest.raises(OpenESGConfigError, match=r"credential_cache.*'redis'.*disk.*memory.*off"):
        hook_for().request("GET", "report-templates")


def test_secret_and_token_are_masked(hook_for, sandbox):
    from airflow.providers.common.compat.sdk import redact

    hook = hook_for()
    token = hook.get_conn().fetch_token()["access_token"]
    basic = base64.b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
    for secret in (token, sandbox.client_secret, basic):
        assert redact(f"say {secret}!") == "say ***!"
        assert secret not in repr(hook.settings)


def test_proxy_password_is_masked(hook_for):
    from airflow.providers.common.compat.sdk import redact

    hook_for(extra={"proxies": {"https": "http://user:pr0xy-passw0rd@127.0.0.1:3128"}}).get_conn()
    assert redact("say pr0xy-passw0rd!") == "say ***!"


def test_tables(hook_for):
    batches = list(hook_for().iter_tables(["reports", "report_templates"]))
    assert sum(batch.num_rows for table, batch in batches if table == "reports") == 200
    with pytest.raises(OpenESGConfigError, match="'report'"):
        hook_for().iter_tables(["report"])


def test_tables_without_pyarrow(hook_for):
    hook_for()
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from airflow_provider_openesg.hooks.openesg import OpenESGHook\n"
        "OpenESGHook('esg').iter_tables()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "OpenESGConfigError: Tables need pyarrow" in done.stderr
    assert "pip install 'airflow-provider-openesg[parquet]'" in done.stderr


def test_working_connection(hook_for, sandbox):
    ok, message = hook_for().test_connection()
    assert ok
    assert message == (
        f"Connected to {sandbox.base_url} as {sandbox.client_id}: the token is valid for 60 minutes "
        "(the platform's own scope). This client sees 2 report templates."
    )


def test_connection_test_fetches_a_separate_token(hook_for, sandbox):
    hook_for().request("GET", "report-templates")
    assert hook_for().test_connection()[0]
    assert sandbox.state()["token_requests"]["total"] == 2
    hook_for().request("GET", "report-templates")
    assert sandbox.state()["token_requests"]["total"] == 2


def test_connection_test_does_not_use_a_cached_token_of_an_old_secret(hook_for, sandbox):
    hook_for().request("GET", "report-templates")
    old_secret = sandbox.client_secret
    sandbox.rotate_secret()
    hook_for().request("GET", "report-templates")
    ok, message = hook_for(password=old_secret).test_connection()
    assert not ok
    assert "the secret does not belong to it" in message


def html(path):
    return {
        "kind": "answer",
        "path": path,
        "status": 200,
        "body": "<!doctype html><html><title>Welcome</title></html>",
        "headers": {"Content-Type": "text/html; charset=utf-8"},
    }


def answer(status, path, body='{"detail": "Fault of the sandbox"}'):
    return {"kind": "answer", "path": path, "status": status, "body": body}


CASES = {
    "wrong secret": (
        {"password": "not-the-secret"},
        None,
        ["the secret does not belong to it", "Check Client ID and Client secret"],
    ),
    "unknown client": ({"login": "nobody"}, None, ["'nobody'", "does not know", "Check Client ID and Client secret"]),
    "no client ID": ({"login": None}, None, ["Client ID (login): not set"]),
    "no secret": ({"password": " "}, None, ["Client secret (password): not set"]),
    "bad value": (
        {"extra": {"timeout": "soon"}},
        None,
        ["Timeout (s) (timeout): 'soon' given; allowed: a number from 1"],
    ),
    "unknown field": ({"extra": {"timout": 5}}, None, ["'timout'", "allowed: scope"]),
    "plain http": ({"host": "http://esg.example"}, None, ["Base URL (host)", "unencrypted", "Use https"]),
    "no such host": ({"host": "https://openesg.invalid"}, None, ["openesg.invalid", "does not resolve", "Base URL"]),
    "HTML for a token": ({}, html("/o/token/"), ["/o/token/", "not openESG at this URL", "Check Base URL"]),
    "HTML for data": ({}, html(TEMPLATES), ["/api/v1/report-templates", "text/html", "Check Base URL and API path"]),
    "404 for a token": ({}, answer(404, "/o/token/"), ["HTTP 404: no openESG token endpoint", "Check Base URL"]),
    "404 for data": (
        {"extra": {"api_path": "/api/v7"}},
        None,
        ["not the openESG API", "/api/v7/", "Check Base URL and API path"],
    ),
    "401 with a new token": ({}, answer(401, TEMPLATES), ["rejects a token that it has just issued"]),
    "403": ({}, answer(403, TEMPLATES, '{"detail": "No role"}'), ["HTTP 403: No role"]),
    "500": ({}, answer(500, TEMPLATES), ["HTTP 500"]),
    "timeout": ({"extra": {"timeout": 1}}, {"kind": "hang", "path": "/o/token/"}, ["no response in time (timeout)"]),
    "reset": ({}, {"kind": "reset", "path": "/o/token/"}, ["the connection broke"]),
    "wrong scope": (
        {"extra": {"scope": "everything"}},
        None,
        ["scope 'everything' is not allowed", "Leave Scope empty"],
    ),
    "no CA bundle": (
        {"host": "https://openesg.invalid", "extra": {"ca_bundle": "/no/such.pem"}},
        None,
        ["CA bundle (ca_bundle)", "/no/such.pem"],
    ),
}


@pytest.mark.parametrize(("changes", "fault", "message"), CASES.values(), ids=CASES)
def test_failing_connection(hook_for, sandbox, changes, fault, message):
    hook = hook_for(**changes)
    if fault:
        sandbox.fault(**fault)
    check_failure(hook, message, sandbox.client_secret, "not-the-secret")


def check_failure(hook, parts, *secrets):
    ok, message = hook.test_connection()
    assert not ok
    for part in parts:
        assert part in message
    for secret in secrets:
        assert secret not in message
    assert len(message) < 700
    assert "Traceback" not in message


def test_port_without_a_server(hook_for, sandbox, port):
    check_failure(
        hook_for(host=f"http://127.0.0.1:{port}"), [f"127.0.0.1:{port}", "Connection refused"], sandbox.client_secret
    )


def test_server_without_tls(hook_for, sandbox, plain_server):
    check_failure(hook_for(host=f"https://{plain_server}"), ["TLS", "is it an https port?"], sandbox.client_secret)


def test_untrusted_certificate(hook_for, tls_sandbox):
    sandbox, authority = tls_sandbox
    given = {"host": sandbox.base_url, "login": sandbox.client_id, "password": sandbox.client_secret}
    message = ["the certificate is not trusted", "CA bundle (ca_bundle)"]
    check_failure(hook_for(**given), message, sandbox.client_secret)
    for extra in ({"ca_bundle": authority}, {"verify_tls": False}):
        ok, message = hook_for(**given, extra=extra).test_connection()
        assert ok, message


@pytest.mark.parametrize("responds", [True, False])
def test_proxy(hook_for, sandbox, rejecting_proxy, port, responds):
    proxy = rejecting_proxy if responds else f"http://user:hunter22@127.0.0.1:{port}"
    message = ["the proxy refuses to connect (HTTP 403)" if responds else "the proxy does not respond", "Check Proxies"]
    hook = hook_for(host="https://openesg.invalid", extra={"proxies": proxy})
    check_failure(hook, message, sandbox.client_secret, "hunter22")


def test_missing_connection():
    ok, message = OpenESGHook("no_such_connection").test_connection()
    assert not ok
    assert "no_such_connection" in message


def test_concurrent_connection_tests(hook_for):
    hooks = [hook_for() for _ in range(8)]
    results = []
    threads = [threading.Thread(target=lambda hook=hook: results.append(hook.test_connection())) for hook in hooks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ok for ok, _ in results] == [True] * 8
