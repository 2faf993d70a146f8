"""OAuth 2.0 clients and tokens, by django-oauth-toolkit on a database in memory that ends with the process."""

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

# SQLite in memory, shared between threads, locks whole tables and does not wait: one use at a time.
_DATABASE = threading.RLock()
# Looking a token up costs more than all the rest of a call: until it expires, or tokens change, it stays known.
_VALID: dict[str, tuple[datetime, list[str]]] = {}


def client_id(number: int) -> str:
    """Return the ID of the ``number``-th client, counted from 1."""
    return f"sandbox-client-{number}"


def client_secret(seed: int, number: int) -> str:
    """Return the secret of the ``number``-th client: the same for equal seeds."""
    return hashlib.sha256(f"openesg-sandbox/{seed}/{number}".encode()).hexdigest()[:48]


class Clients:
    """The clients that may fetch tokens.

    :param count: how many.
    :param seed: their secrets follow from it.
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
                    # The slow hash of the default would cost every token request a third of a second.
                    hash_client_secret=False,
                    client_type=Application.CLIENT_CONFIDENTIAL,
                    authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
                    name=name,
                )

    def reset(self) -> None:
        """Give every client its first secret back and revoke all tokens."""
        with _DATABASE:
            AccessToken.objects.all().delete()
            _VALID.clear()
            for name, secret in self._secrets.items():
                Application.objects.filter(client_id=name).update(client_secret=secret)

    def rotate(self, name: str) -> str | None:
        """Give a client a new secret and return it; ``None`` where there is no such client."""
        secret = secrets.token_hex(24)
        with _DATABASE:
            known = Application.objects.filter(client_id=name).update(client_secret=secret)
        return secret if known else None

    def revoke(self, name: str | None = None, token: str | None = None) -> int:
        """Revoke the tokens of a client, or one token, or all; return how many."""
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
        """Let ``seconds`` pass for every token there is."""
        with _DATABASE:
            AccessToken.objects.update(expires=F("expires") - timedelta(seconds=seconds))
            _VALID.clear()


def set_token_lifetime(seconds: int) -> None:
    """Set how long tokens issued from now on are valid."""
    oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS = seconds


def token_view(request: HttpRequest) -> HttpResponse:
    """Serve ``POST /o/token/``."""
    with _DATABASE:
        return _TOKEN_VIEW(request)


def scopes_of(request: HttpRequest) -> list[str] | None:
    """Return the scopes of the request's bearer token; ``None`` without a valid one."""
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
