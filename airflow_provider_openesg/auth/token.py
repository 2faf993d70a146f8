"""The OAuth 2.0 token: its client, the token request and the token response."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import AuthBase

from airflow_provider_openesg import clock
from airflow_provider_openesg.exceptions import OpenESGAuthError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest, Response

    from airflow_provider_openesg.settings import OpenESGSettings

LEAD_SECONDS = 60
DOCUMENTED_LIFE_SECONDS = 3600
"""Default lifetime in seconds, from the platform's page "Authentication", if the response has no ``expires_in``."""

_SENDABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. ``repr`` does not show it.

    :param value: token.
    :param fetched_at: time of the request, in seconds since 1970.
    :param expires_at: time of expiry, in seconds since 1970.
    """

    value: str = field(repr=False)
    fetched_at: float
    expires_at: float

    def usable(self, now: float) -> bool:
        """Return whether it may be sent: it does not expire soon and is not from the future (clock set back)."""
        lead = min(LEAD_SECONDS, (self.expires_at - self.fetched_at) / 2)
        return self.fetched_at <= now < self.expires_at - lead


@dataclass(frozen=True, slots=True)
class Identity:
    """The client of a token and the key of the cache. ``repr`` does not show the secret."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None

    @classmethod
    def of(cls, settings: OpenESGSettings) -> Identity:
        """Return the identity of a Connection."""
        return cls(settings.token_url, settings.client_id, settings.client_secret, settings.scope)


class _Hidden(str):
    """A string with a ``repr`` that does not show it, for debuggers and tracebacks with local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class BearerAuth(AuthBase):
    """Send a token. Unlike a dict of headers, this object does not show it in tracebacks with local variables."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:  # noqa: D102
        request.headers["Authorization"] = _Hidden(f"Bearer {self._token.value}")
        return request


class ClientCredentialsAuth(AuthBase):
    """Turn a request into the token request of the client-credentials grant.

    :param method: ``header`` (HTTP Basic) or ``body`` (form fields).
    """

    def __init__(self, identity: Identity, method: str) -> None:
        self._identity = identity
        self._method = method

    def __call__(self, request: PreparedRequest) -> PreparedRequest:  # noqa: D102
        identity = self._identity
        in_body = self._method == "body"
        body = BackendApplicationClient(identity.client_id).prepare_request_body(
            scope=identity.scope,
            include_client_id=in_body,
            **({"client_secret": identity.client_secret} if in_body else {}),
        )
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        request.prepare_body(_Hidden(body), None)
        if not in_body:
            request.headers["Authorization"] = _Hidden(f"Basic {_basic_credentials(identity)}")
        return request


def read_token_response(response: Response, identity: Identity) -> Token:
    """Return the token in a response of the token endpoint.

    :raises OpenESGAuthError: if it has none, with the reason and what to do.
    """
    # The body is parsed in another function, so that a traceback with local variables does not show it.
    token = _read_token(response, identity)
    if token is None:
        raise OpenESGAuthError(_refusal(response, identity))
    return token


def _read_token(response: Response, identity: Identity) -> Token | None:
    content = _json_object(response)
    if (
        response.status_code not in (200, 201)
        or content is None
        or str(content.get("token_type", "Bearer")).lower() != "bearer"
    ):
        return None
    try:
        # A new client, because it stores the token. Without scope, because a narrower scope is no error.
        read = BackendApplicationClient(identity.client_id).parse_request_body_response(json.dumps(content))
        value, life = read["access_token"], float(read.get("expires_in") or DOCUMENTED_LIFE_SECONDS)
    except (OAuth2Error, TypeError, ValueError, ArithmeticError):
        return None
    if not isinstance(value, str) or not _SENDABLE.fullmatch(value):
        return None
    fetched_at = clock.now() - response.elapsed.total_seconds()
    return Token(value, fetched_at, fetched_at + life)


def _basic_credentials(identity: Identity) -> str:
    # RFC 6749, 2.3.1: both are form-urlencoded first. django-oauth-toolkit decodes them (unquote_plus).
    pair = f"{quote_plus(identity.client_id)}:{quote_plus(identity.client_secret)}"
    return base64.b64encode(pair.encode()).decode()


def _json_object(response: Response) -> Mapping[str, Any] | None:
    try:
        content = json.loads(response.content)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _refusal(response: Response, identity: Identity) -> str:
    content = _json_object(response)
    who, where, status = f"client ID {identity.client_id!r}", identity.token_url, response.status_code
    check_url = "Check Base URL and OAuth2 endpoint (auth_url)."
    known = {
        "invalid_client": f"{where} does not know {who}, or the secret does not belong to it (invalid_client). Check "
        "Client ID and Client secret in the Connection; if both are right, try the other Client authentication "
        "(client_auth: header or body).",
        "unauthorized_client": f"{where}: {who} may not use client credentials (unauthorized_client). The application "
        "on the platform must have the grant type client credentials.",
        "invalid_scope": f"{where}: scope {identity.scope!r} is not allowed for {who} (invalid_scope). Leave Scope "
        "empty for the default of the platform.",
        "unsupported_grant_type": f"{where} does not offer client credentials (unsupported_grant_type). {check_url} "
        "The application on the platform must have the grant type client credentials.",
    }
    error = str((content or {}).get("error", ""))
    if error in known:
        return known[error]
    if status in (404, 405, 410):
        return f"{where} responded with HTTP {status}: no openESG token endpoint at this URL. {check_url}"
    if 300 <= status < 400:
        return f"{where} responded with HTTP {status}, a redirect, which is not followed with a secret. {check_url}"
    if content is None:
        kind = response.headers.get("Content-Type", "no content type").split(";")[0]
        return (
            f"{where} responded with HTTP {status} and a body that is not JSON ({kind}): not openESG at this URL, or a "
            f"proxy or login page in between. {check_url}"
        )
    if status in (200, 201) and "error" not in content:
        return f"{where} responded without a usable bearer token. {check_url}"
    reason = " ".join(str(content[name]) for name in ("error", "error_description", "detail") if content.get(name))
    hint = "Check Client ID and Client secret." if status in (401, 403) else check_url
    return (
        f"{where} issued no token to {who}: HTTP {status}: {_scrubbed(reason, identity)[:200] or 'no reason'}. {hint}"
    )


def secret_forms(identity: Identity) -> tuple[str, ...]:
    """Return the client secret in each form that is sent: plain, form-encoded, and in the Basic header."""
    secret = identity.client_secret
    return secret, quote_plus(secret), _basic_credentials(identity)


def _scrubbed(text: str, identity: Identity) -> str:
    """Return ``text`` without the client secret, in case the server repeats it."""
    for shown in secret_forms(identity):
        text = text.replace(shown, "***")
    return text
