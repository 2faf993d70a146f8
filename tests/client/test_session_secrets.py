"""No log at DEBUG, error or local variable in a traceback contains a token or the secret."""

from __future__ import annotations

import base64
import copy
import io
import logging
import pickle
import re
import traceback
from urllib.parse import quote, quote_plus

import pytest
import requests_oauthlib
import rich.traceback

from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.auth.token import BearerAuth, ClientCredentialsAuth
from airflow_provider_openesg.client.session import OpenESGSession, raise_for_error
from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.settings import OpenESGSettings


@pytest.fixture
def find_secrets(connect):
    """Find secrets in a text. It is a function, so that secrets are not local variables of the tests."""
    settings = connect().settings
    client_id, secret = settings.client_id, settings.client_secret
    pairs = [f"{client_id}:{secret}", f"{quote_plus(client_id)}:{quote_plus(secret)}"]
    known = [secret, quote(secret), quote_plus(secret), repr(secret.encode())[2:-1]]
    known += [base64.b64encode(pair.encode(code)).decode() for pair in pairs for code in ("utf-8", "latin-1")]
    tokens = re.compile(r"token-\d+-of-the-server")
    return lambda text: [part for part in known if part in text] + tokens.findall(text)


@pytest.fixture
def all_logs():
    """The output of all loggers at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    before = [(each, each.level, each.disabled, each.propagate) for each in loggers]
    root.addHandler(handler)
    for each in loggers:
        each.setLevel(logging.DEBUG)
        each.disabled, each.propagate = False, True
    yield stream.getvalue
    root.removeHandler(handler)
    for each, level, disabled, propagate in before:
        each.setLevel(level)
        each.disabled, each.propagate = disabled, propagate


def text_of(error):
    """Return the complete text of an exception, with suppressed contexts and local variables."""
    parts = []
    while error is not None:
        parts += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        rich_trace = rich.traceback.Traceback.extract(type(error), error, error.__traceback__, show_locals=True)
        frames = [frame for stack in rich_trace.stacks for frame in stack.frames]
        parts += [node.render(max_width=1000) for frame in frames for node in (frame.locals or {}).values()]
        parts += [repr(error), str(error), str(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def raised_by(action):
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("no error")


def test_find_secrets_finds_what_requests_oauthlib_logs(server, find_secrets, all_logs, monkeypatch, connect):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    settings = connect().settings
    plain = requests_oauthlib.OAuth2Session(client=connect()._client)
    plain.fetch_token(settings.token_url, client_secret=settings.client_secret)
    plain.get(f"{server.url}/api/v1/reports")
    assert {"token-1-of-the-server"} < set(find_secrets(all_logs()))


@pytest.mark.parametrize("client_auth", ["header", "body"])
def test_no_secret_is_logged(server, connect, steps, find_secrets, all_logs, client_auth):
    session = connect(client_auth=client_auth, max_retry_time=5)
    server.script("/o/token/", steps["answer"](503), steps["reset"])
    session.get("reports")
    session.fetch_token()
    session.refresh_token()
    server.tokens.clear()
    server.script("/api/", steps["answer"](503), steps["reset"], steps["answer"](302, Location="/api/v1/reports"))
    session.get("reports")
    session.post("report-requests", json={})
    assert "urllib3" in all_logs() or "POST" in all_logs()
    assert server.token_requests == 4
    assert find_secrets(all_logs()) == []


@pytest.mark.parametrize("client_auth", ["header", "body"])
def test_no_error_contains_a_secret(server, server_factory, connect, steps, find_secrets, all_logs, client_auth):
    def echo(handler):
        body = str(handler.server.requests[-1].body.decode())
        handler.answer(400, {"error": "echo", "error_description": f"{dict(handler.headers)} {body}"})

    def session(**extra):
        return connect(client_auth=client_auth, max_retry_time=extra.pop("max_retry_time", 0), kind="off", **extra)

    def after(path, *script):
        server.script(path, *script)
        return session()

    elsewhere = server_factory()
    errors = [
        raised_by(lambda: after("/o/token/", echo).get("reports")),
        raised_by(lambda: after("/o/token/", steps["reset"]).get("reports")),
        raised_by(lambda: after("/o/token/", steps["truncated"]).get("reports")),
        raised_by(lambda: after("/o/token/", steps["answer"](401, {"error": "invalid_client"})).get("reports")),
        raised_by(lambda: after("/api/", *[steps["answer"](401)] * 2).get("reports")),
        raised_by(lambda: after("/api/", steps["reset"]).get("reports")),
        raised_by(lambda: after("/api/", steps["truncated"]).post("reports", json={})),
        raised_by(lambda: raise_for_error(after("/api/", echo).get("reports"))),
        raised_by(lambda: after("/api/", steps["answer"](302, Location=elsewhere.url)).get("reports")),
        raised_by(lambda: session().get("https://elsewhere.example/?token=token-1-of-the-server")),
        raised_by(lambda: session(proxies="http://127.0.0.1:1").get("reports")),
        raised_by(lambda: session().fetch_token("https://elsewhere.example/")),
        raised_by(lambda: session().get("reports", headers={"X-Bad": "a\r\nb"})),
        raised_by(lambda: session().post("reports", json=float("nan"))),
        raised_by(lambda: session().post("reports", json=object())),
        raised_by(lambda: session().get("reports", unknown=1)),
    ]
    own_errors = [error for error in errors if isinstance(error, OpenESGError)]
    assert len(own_errors) == len(errors) - 2
    assert [error for error in own_errors if error.__cause__ is not None] == []
    # The frame of the test contains the token that it looks for.
    for error in errors:
        error.__traceback__ = error.__traceback__.tb_next.tb_next if error.__traceback__.tb_next else None
        assert find_secrets(text_of(error).replace("?token=token-1-of-the-server", "")) == [], repr(error)
    assert find_secrets(all_logs()) == []


def test_no_repr_contains_a_secret(server, connect, find_secrets):
    session = connect()
    response = session.get("reports")
    objects = [
        session,
        session.settings,
        session._identity,
        session._current,
        session._cache,
        response,
        response.request,
    ]
    objects += [BearerAuth(session._current), ClientCredentialsAuth(session._identity, "header")]
    objects += [response.request.headers, response.headers]
    assert find_secrets(" ".join(f"{each!r} {each}" for each in objects)) == []


def test_on_token_is_called_before_a_token_is_used(server, connect, tmp_path):
    used_before = []
    settings = connect().settings
    session = OpenESGSession(
        settings,
        cache=open_cache("disk", str(tmp_path / "cache")),
        on_token=lambda token: used_before.append((token, len(server.calls()))),
    )
    session.get("reports")
    server.tokens.clear()
    session.get("reports")
    assert used_before == [("token-1-of-the-server", 0), ("token-2-of-the-server", 2)]
    cached = []
    OpenESGSession(settings, cache=open_cache("disk", str(tmp_path / "cache")), on_token=cached.append).get("reports")
    assert cached == ["token-2-of-the-server"]


def test_errors_can_be_pickled_and_settings_copied(server, connect, steps, find_secrets):
    server.script("/api/", steps["answer"](422, {"detail": "No"}, X_Request_ID="r-1"))
    error = raised_by(lambda: raise_for_error(connect().get("reports")))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert find_secrets(repr(pickle.dumps(error))) == []
    assert isinstance(copy.deepcopy(connect().settings), OpenESGSettings)
