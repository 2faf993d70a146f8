"""When a token is used, and the messages of errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.auth.token import Identity, Token
from airflow_provider_openesg.client.session import OpenESGSession
from airflow_provider_openesg.exceptions import OpenESGAuthError


@given(life=st.floats(0, 10_000_000), share=st.floats(-0.5, 1.5))
def test_lead_time_is_a_minute_and_at_most_half_the_lifetime(life, share):
    token = Token("t", 1_000_000.0, 1_000_000.0 + life)
    age = life * share
    lead = min(60, life / 2)
    usable = token.usable(1_000_000.0 + age)
    if age < -1e-3 or age > life - lead + 1e-3:
        assert not usable
    elif 0 <= age < life - lead - 1e-3:
        assert usable


@pytest.fixture
def session(sandbox, settings_for):
    return lambda **overrides: OpenESGSession(settings_for(sandbox, **overrides), cache=open_cache("off"))


def error_message(session):
    with pytest.raises(OpenESGAuthError) as caught:
        session.get("reports")
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_errors_of_the_sandbox_name_the_cause(session, sandbox):
    assert "(invalid_client). Check Client ID and Client secret" in error_message(session(password="nonsense-secret"))
    assert "does not know client ID 'nobody'" in error_message(session(login="nobody"))
    assert "scope 'everything' is not allowed" in error_message(session(scope="everything"))
    assert sandbox.state()["token_requests"]["total"] == 3
    assert sandbox.state()["tokens_issued"] == 0


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (400, '{"error": "invalid_client"}', {}, "Check Client ID and Client secret"),
        (400, '{"error": "unauthorized_client"}', {}, "grant type client credentials"),
        (400, '{"error": "unsupported_grant_type"}', {}, "does not offer client credentials"),
        (400, '{"error": "invalid_scope"}', {}, "Leave Scope empty"),
        (400, '{"error": "invalid_request", "error_description": "No grant"}', {}, "invalid_request No grant"),
        (401, '{"detail": "Who are you?"}', {}, "Who are you?. Check Client ID and Client secret"),
        (404, "<html>", {"Content-Type": "text/html"}, "no openESG token endpoint at this URL. Check Base URL"),
        (200, "<html>Log in</html>", {"Content-Type": "text/html; charset=utf-8"}, "not JSON (text/html): not openESG"),
        (200, "[]", {}, "not JSON"),
        (200, '{"hello": 1}', {}, "without a usable bearer token"),
        (200, '{"access_token": null}', {}, "without a usable bearer token"),
        (200, '{"access_token": "a\\r\\nX-Evil: 1"}', {}, "without a usable bearer token"),
        (200, '{"access_token": "a", "token_type": "mac"}', {}, "without a usable bearer token"),
        (200, '{"access_token": "a", "expires_in": "soon"}', {}, "without a usable bearer token"),
        (200, '{"access_token": "a", "expires_in": Infinity}', {}, "without a usable bearer token"),
        (302, "", {"Location": "https://elsewhere.example/"}, "a redirect, which is not followed with a secret"),
        (403, '{"error": "no", "detail": "SECRET"}', {}, "no ***"),
    ],
)
def test_every_token_endpoint_error_says_what_to_do(session, sandbox, status, body, headers, expected):
    body = body.replace("SECRET", sandbox.client_secret)
    sandbox.fault("answer", path="/o/token/", status=status, body=body, headers=headers)
    message = error_message(session())
    assert expected in message
    assert message.count("/o/token/") == 1
    assert sandbox.client_secret not in message
    assert sandbox.state()["token_requests"]["total"] == 1


def test_no_repr_shows_a_secret():
    identity = Identity("https://demo.openesg.de/o/token/", "client-1", "the-secret", "read")
    assert "the-secret" not in repr(identity)
    assert "the-token" not in repr(Token("the-token", 0, 1))
