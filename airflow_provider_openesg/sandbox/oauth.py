"""OAuth 2.0 clients and tokens, implemented with django-oauth-toolkit and an in-memory database."""

from __future__ import annotations

import hashlib
import secrets
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection
from django.db.models import F
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views import TokenView

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

# A shared in-memory SQLite database locks whole tables without waiting, so access is serialized.
_DATABASE = threading.RLock()
# Cache of valid tokens: a token lookup takes longer than the rest of a request. It is cleared when tokens change.
_VALID: dict[str, tuple[datetime, list[str]]] = {}


def client_id(number: int) -> str:
    """Return the ID of client ``number``. Numbers start at 1."""
    return f"sandbox-client-{number}"


def client_secret(seed: int, number: int) -> str:
    """Return the secret of client ``number``. Equal seeds produce equal secrets."""
    return hashlib.sha256(f"openesg-sandbox/{seed}/{number}".encode()).hexdigest()[:48]


class Clients:
    """OAuth 2.0 clients that can request tokens.

    :param count: number of clients.
    :param seed: seed of the client secrets.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._secrets = {client_id(number): client_secret(seed, number) for number in range(1, count + 1)}
        with _DATABASE:
            with connection.schema_editor() as editor:
                for model in apps.get_models():
                    editor.create_model(model)
            for name, secret in self._secrets.items():
                Application.objects.create(
                    client_id=name,
                    client_secret=secret,
                    # The default hash would take 0.3 seconds for each token request.
                    hash_client_secret=False,
                    client_type=Application.CLIENT_CONFIDENTIAL,
                    authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
                    name=name,
                )

    def reset(self) -> None:
        """Restore the initial secret of every client and revoke all tokens."""
        with _DATABASE:
            AccessToken.objects.all().delete()
            _VALID.clear()
            for name, secret in self._secrets.items():
                Application.objects.filter(client_id=name).update(client_secret=secret)

    def rotate(self, name: str) -> str | None:
        """Set a new secret for a client and return it. Return ``None`` if the client does not exist."""
        secret = secrets.token_hex(24)
        with _DATABASE:
            updated = Application.objects.filter(client_id=name).update(client_secret=secret)
        return secret if updated else None

    def revoke(self, name: str | None = None, token: str | None = None) -> int:
        """Revoke the tokens of a client, one token, or all tokens, and return their number."""
        with _DATABASE:
            tokens = AccessToken.objects.all()
            if name is not None:
                tokens = tokens.filter(application__client_id=name)
            if token is not None:
                tokens = tokens.filter(token_checksum=hashlib.sha256(token.encode()).hexdigest())
            count: int = tokens.count()
            tokens.delete()
            _VALID.clear()
        return count

    def age(self, seconds: float) -> None:
        """Move the expiry of all tokens ``seconds`` earlier."""
        with _DATABASE:
            AccessToken.objects.update(expires=F("expires") - timedelta(seconds=seconds))
            _VALID.clear()


def set_token_lifetime(seconds: int) -> None:
    """Set the lifetime of new tokens."""
    oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS = seconds


def token_view(request: HttpRequest) -> HttpResponse:
    """Handle ``POST /o/token/``."""
    with _DATABASE:
        return _TOKEN_VIEW(request)


def scopes_of(request: HttpRequest) -> list[str] | None:
    """Return the scopes of the request's bearer token, or ``None`` if it is missing or not valid."""
    authorization = request.headers.get("Authorization", "")
    expires, scopes = _VALID.get(authorization, (None, None))
    if expires is not None and expires > timezone.now():
        return scopes
    with _DATABASE:
        valid, checked = get_oauthlib_core().verify_request(request, scopes=[])
        if not valid:
            return None
        _VALID[authorization] = checked.access_token.expires, list(checked.access_token.scopes)
        return _VALID[authorization][1]


_TOKEN_VIEW: Any = TokenView.as_view()
token_view.csrf_exempt = True  # type: ignore[attr-defined]
