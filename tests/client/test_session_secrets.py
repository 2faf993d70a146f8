"""With every logger at DEBUG and every local variable shown, neither token nor secret is seen anywhere."""

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
def hidden(connect):
    """What must not be seen. A function, so that no traceback with locals shows it by itself."""
    settings = connect().settings
    client_id, secret = settings.client_id, settings.client_secret
    pairs = [f"{client_id}:{secret}", f"{quote_plus(client_id)}:{quote_plus(secret)}"]
    known = [secret, quote(secret), quote_plus(secret), repr(secret.encode())[2:-1]]
    known += [base64.b64encode(pair.encode(code)).decode() for pair in pairs for code in ("utf-8", "latin-1")]
    tokens = re.compile(r"token-\d+-of-the-wire")
    return lambda text: [part for part in known if part in text] + tokens.findall(text)


@pytest.fixture
def all_logs():
    """Everything that any logger says, at DEBUG."""
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


def shown(error):
    """Return all that a person or a log may ever see of an exception: suppressed contexts and local variables too."""
    seen = []
    while error is not None:
        seen += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        rich_trace = rich.traceback.Traceback.extract(type(error), error, error.__traceback__, show_locals=True)
        frames = [frame for stack in rich_trace.stacks for frame in stack.frames]
        seen += [node.render(max_width=1000) for frame in frames for node in (frame.locals or {}).values()]
        seen += [repr(error), str(error), str(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(seen)


def outcome(action):
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("no error")


def test_the_detector_sees_what_the_library_itself_would_show(wire, hidden, all_logs, monkeypatch, connect):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    settings = connect().settings
    plain = requests_oauthlib.OAuth2Session(client=connect()._client)
    plain.fetch_token(settings.token_url, client_secret=settings.client_secret)
    plain.get(f"{wire.url}/api/v1/reports")
    assert {"token-1-of-the-wire"} < set(hidden(all_logs()))


@pytest.mark.parametrize("client_auth", ["header", "body"])
def test_nothing_is_logged(wire, connect, steps, hidden, all_logs, client_auth):
    session = connect(client_auth=client_auth, max_retry_time=5)
    wire.script("/o/token/", steps["answer"](503), steps["reset"])
    session.get("reports")
    session.fetch_token()
    session.refresh_token()
    wire.tokens.clear()
    wire.script("/api/", steps["answer"](503), steps["reset"], steps["answer"](302, Location="/api/v1/reports"))
    session.get("reports")
    session.post("report-requests", json={})
    assert "urllib3" in all_logs() or "POST" in all_logs()
    assert wire.token_requests == 4
    assert hidden(all_logs()) == []


@pytest.mark.parametrize("client_auth", ["header", "body"])
def test_no_error_shows_anything(wire, wire_factory, connect, steps, hidden, all_logs, client_auth):
    def echo(handler):
        body = str(handler.server.seen[-1].body.decode())
        handler.answer(400, {"error": "echo", "error_description": f"{dict(handler.headers)} {body}"})

    def session(**extra):
        return connect(client_auth=client_auth, max_retry_time=extra.pop("max_retry_time", 0), kind="off", **extra)

    def after(path, *script):
        wire.script(path, *script)
        return session()

    elsewhere = wire_factory()
    errors = [
        outcome(lambda: after("/o/token/", echo).get("reports")),
        outcome(lambda: after("/o/token/", steps["reset"]).get("reports")),
        outcome(lambda: after("/o/token/", steps["truncated"]).get("reports")),
        outcome(lambda: after("/o/token/", steps["answer"](401, {"error": "invalid_client"})).get("reports")),
        outcome(lambda: after("/api/", *[steps["answer"](401)] * 2).get("reports")),
        outcome(lambda: after("/api/", steps["reset"]).get("reports")),
        outcome(lambda: after("/api/", steps["truncated"]).post("reports", json={})),
        outcome(lambda: raise_for_error(after("/api/", echo).get("reports"))),
        outcome(lambda: after("/api/", steps["answer"](302, Location=elsewhere.url)).get("reports")),
        outcome(lambda: session().get("https://elsewhere.example/?token=token-1-of-the-wire")),
        outcome(lambda: session(proxies="http://127.0.0.1:1").get("reports")),
        outcome(lambda: session().fetch_token("https://elsewhere.example/")),
        outcome(lambda: session().get("reports", headers={"X-Bad": "a\r\nb"})),
        outcome(lambda: session().post("reports", json=float("nan"))),
        outcome(lambda: session().post("reports", json=object())),
        outcome(lambda: session().get("reports", unknown=1)),
    ]
    ours = [error for error in errors if isinstance(error, OpenESGError)]
    assert len(ours) == len(errors) - 2
    assert [error for error in ours if error.__cause__ is not None] == []
    # The test's own frame names the token that it looks for.
    for error in errors:
        error.__traceback__ = error.__traceback__.tb_next.tb_next if error.__traceback__.tb_next else None
        assert hidden(shown(error).replace("?token=token-1-of-the-wire", "")) == [], repr(error)
    assert hidden(all_logs()) == []


def test_no_object_shows_anything(wire, connect, hidden):
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
    assert hidden(" ".join(f"{each!r} {each}" for each in objects)) == []


def test_each_token_is_handed_over_before_it_is_used(wire, connect, tmp_path):
    used_before = []
    settings = connect().settings
    session = OpenESGSession(
        settings,
        cache=open_cache("disk", str(tmp_path / "cache")),
        on_token=lambda token: used_before.append((token, len(wire.calls()))),
    )
    session.get("reports")
    wire.tokens.clear()
    session.get("reports")
    assert used_before == [("token-1-of-the-wire", 0), ("token-2-of-the-wire", 2)]
    cached = []
    OpenESGSession(settings, cache=open_cache("disk", str(tmp_path / "cache")), on_token=cached.append).get("reports")
    assert cached == ["token-2-of-the-wire"]


def test_errors_and_settings_survive_the_way_between_processes(wire, connect, steps, hidden):
    wire.script("/api/", steps["answer"](422, {"detail": "No"}, X_Request_ID="r-1"))
    error = outcome(lambda: raise_for_error(connect().get("reports")))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert hidden(repr(pickle.dumps(error))) == []
    assert isinstance(copy.deepcopy(connect().settings), OpenESGSettings)
