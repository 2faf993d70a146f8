"""OpenESGSession: sends requests with token, origin check, rate limit, retries, and limits on time and size."""

from __future__ import annotations

import io
import os
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin

import requests
import urllib3
from oauthlib.oauth2 import BackendApplicationClient
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests_oauthlib import OAuth2Session

from airflow_provider_openesg import __version__, clock
from airflow_provider_openesg.auth.cache import CredentialCache, open_cache
from airflow_provider_openesg.auth.token import (
    BearerAuth,
    ClientCredentialsAuth,
    Identity,
    Token,
    read_token_response,
)
from airflow_provider_openesg.client.rate_limit import RATE_LIMIT
from airflow_provider_openesg.client.responses import platform_message, raise_for_error, shown_url
from airflow_provider_openesg.client.retry import Budget, NoResponse, Result, repeat
from airflow_provider_openesg.client.transport_errors import no_response
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGAuthError,
    OpenESGConfigError,
    OpenESGContractError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.auth import AuthBase

    from airflow_provider_openesg.settings import OpenESGSettings


MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_REDIRECTS = 5
_CHUNK = 64 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class OpenESGSession(OAuth2Session):
    """A requests session that adds the token, retries failed attempts and limits time and size.

    Use it like any requests session: ``session.get("reports")``. Threads and forked processes may share it.

    :param settings: validated settings of a Connection.
    :param cache: token cache (:func:`~airflow_provider_openesg.auth.cache.open_cache`); by default on disk.
    :param on_token: function called with each token before its first use, to mask it in logs.
    """

    def __init__(
        self,
        settings: OpenESGSettings,
        *,
        cache: CredentialCache | None = None,
        on_token: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(client=BackendApplicationClient(settings.client_id))
        self.settings = settings
        self._identity = Identity.of(settings)
        self._cache = open_cache() if cache is None else cache
        self._on_token = on_token
        self._current: Token | None = None
        self.trailing_slash: bool | None = None
        self.headers["User-Agent"] = f"airflow-provider-openesg/{__version__} python-requests/{requests.__version__}"
        self.headers["Accept"] = "application/json"
        self._fresh_connections()

    def request(  # type: ignore[override]
        self, method: str, url: str, *, safe_to_repeat: bool | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send a request with the token and return the final response, of any status.

        The whole body is read. Keyword arguments are those of :meth:`requests.Session.request`. ``timeout``, ``verify``
        and ``proxies`` default to the Connection's. ``auth`` and ``stream`` have no effect.

        :param url: path below the API path (``reports``), or absolute URL with the origin of the Base URL.
        :param safe_to_repeat: whether the platform may process the request twice; by default it depends on the method
            (no for ``POST`` and ``PATCH``).
        :raises OpenESGApiError: if there is no response after all retries (status ``None``).
        :raises OpenESGAuthError: if no token is issued, or a new token is rejected.
        :raises OpenESGContractError: if the response is larger than 64 MiB.
        :raises OpenESGConfigError: if the URL has another origin, or proxies or CA bundle cannot be used.
        """
        method, url = method.upper(), self._absolute(url)
        budget = Budget(self.settings)
        result = repeat(
            lambda: self._send_authorized(method, url, budget, kwargs),
            method=method,
            url=url,
            safe=method in _SAFE_METHODS if safe_to_repeat is None else safe_to_repeat,
            budget=budget,
        )
        return _response_or_raise(result, method, url)

    def fetch_token(self, token_url: str | None = None, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return a valid token, from the cache or new.

        Client ID, secret and scope come from the Connection. Other arguments of the base class are ignored.

        :raises OpenESGAuthError: if no token is issued.
        :raises OpenESGConfigError: if ``token_url`` is not the Connection's OAuth2 endpoint.
        """
        if token_url not in (None, self.settings.token_url):
            raise OpenESGConfigError(
                f"fetch_token: token_url {token_url!r} given; allowed: {self.settings.token_url}, or no argument."
            )
        self._usable_token(Budget(self.settings))
        return dict(self.token)

    def refresh_token(self, token_url: str | None = None, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        """Call :meth:`fetch_token`, because the platform has no refresh tokens."""
        return self.fetch_token(token_url)

    def same_origin(self, url: str) -> bool:
        """Return whether ``url`` has scheme, host and port of the Base URL and contains no user."""
        return same_origin(url, self.settings.base_url)

    def _absolute(self, url: str) -> str:
        if "://" not in url.partition("?")[0]:
            return f"{self.settings.api_url}/{url.lstrip('/')}"
        if not self.same_origin(url):
            raise OpenESGConfigError(
                f"URL {shown_url(url)}: not on Base URL {self.settings.base_url}. The token is sent only there."
            )
        return url

    def _send_authorized(self, method: str, url: str, budget: Budget, kwargs: dict[str, Any]) -> Result:
        """Send one attempt. If the platform rejects the token, repeat it with a new token."""
        began = clock.now()
        token = self._usable_token(budget)
        result = self._send_and_redirect(method, url, BearerAuth(token), budget, kwargs)
        # Twice at most: both the token of this session and the one in the cache may be old.
        for _ in range(2):
            if isinstance(result, NoResponse) or result.status_code != 401:
                return result
            token = self._usable_token(budget, rejected=token.value)
            result = self._send_and_redirect(method, url, BearerAuth(token), budget, kwargs)
            if token.fetched_at >= began:
                break
        if isinstance(result, NoResponse) or result.status_code != 401:
            return result
        raise OpenESGAuthError(
            f"{method} {shown_url(url)}: the platform rejects a token that it has just issued (HTTP 401: "
            f"{platform_message(result)}). Check that Base URL and OAuth2 endpoint ({self.settings.token_url}) are "
            f"those of one platform, and that the application with client ID {self.settings.client_id!r} is active "
            "there and has the scope for this request."
        )

    def _usable_token(self, budget: Budget, rejected: str | None = None) -> Token:
        token = self._current
        if token is None or token.value == rejected or not token.usable(clock.now()):
            token = self._cache.get(self._identity, lambda: self._new_token(budget), rejected)
            if self._on_token is not None:
                self._on_token(token.value)
            self.token = {"access_token": token.value, "token_type": "Bearer", "expires_at": token.expires_at}
            self._current = token
        return token

    def _new_token(self, budget: Budget) -> Token:
        url = self.settings.token_url
        auth = ClientCredentialsAuth(self._identity, self.settings.client_auth)
        # A token request changes no data on the platform, so it may be repeated.
        result = repeat(
            lambda: self._send("POST", url, auth, budget, {}), method="POST", url=url, safe=True, budget=budget
        )
        response = _response_or_raise(result, "POST", url)
        if response.status_code == 429 or response.status_code >= 500:
            raise_for_error(response)
        return read_token_response(response, self._identity)

    def _send_and_redirect(
        self, method: str, url: str, auth: AuthBase, budget: Budget, kwargs: dict[str, Any]
    ) -> Result:
        """Send a request. Follow redirects of GET and HEAD on the same origin.

        Frameworks differ in whether a path ends with a slash. A redirect to the same path with a slash is followed for
        all methods, because nothing was carried out, and remembered.
        """
        if self.trailing_slash:
            url = self._with_slash(url)
        result = self._send(method, url, auth, budget, kwargs)
        url, result = self._try_with_slash(
            method, url, result, lambda other: self._send(method, other, auth, budget, kwargs)
        )
        for hop in range(MAX_REDIRECTS + 1):
            location = None if isinstance(result, NoResponse) else self.get_redirect_target(result)
            if isinstance(result, NoResponse) or location is None or not kwargs.get("allow_redirects", True):
                break
            target = urljoin(result.url, location)
            if method not in ("GET", "HEAD"):
                _refuse_redirect(result, target, f"a {method} is not sent to another URL; send it to that URL directly")
            if not self.same_origin(target):
                _refuse_redirect(result, target, "the token is not sent to another host; check Base URL")
            if hop == MAX_REDIRECTS:
                _refuse_redirect(result, target, f"the limit is {MAX_REDIRECTS} redirects")
            result = self._send(method, target, auth, budget, kwargs | {"params": None})
        return result

    def _with_slash(self, url: str) -> str:
        """Return a URL of the API with a slash at the end of its path."""
        path, mark, query = url.partition("?")
        return url if path.endswith("/") or not path.startswith(self.settings.api_url) else f"{path}/{mark}{query}"

    def _try_with_slash(
        self, method: str, url: str, result: Result, send: Callable[[str], Result]
    ) -> tuple[str, Result]:
        """Repeat a request with a slash if the response asks for it, or does not know the path, and remember it."""
        other = self._with_slash(url)
        if isinstance(result, NoResponse) or other == url:
            return url, result
        location = self.get_redirect_target(result)
        if location is not None and urljoin(result.url, location).partition("?")[0] == other.partition("?")[0]:
            self.trailing_slash = True
            return other, send(other)
        if result.status_code == 404 and method == "GET" and self.trailing_slash is not False:
            with_slash = send(other)
            if not isinstance(with_slash, NoResponse) and with_slash.status_code != 404:
                self.trailing_slash = True
                return other, with_slash
        elif result.ok:
            self.trailing_slash = False
        return url, result

    def _send(self, method: str, url: str, auth: AuthBase, budget: Budget, kwargs: dict[str, Any]) -> Result:
        budget.extend(RATE_LIMIT.wait(self.settings))
        if self._pid != os.getpid():
            self._fresh_connections()
        ours = {"timeout": budget.timeout, "verify": self.settings.verify, "proxies": self._proxies(url)}
        fixed = {"auth": auth, "stream": True, "allow_redirects": False}
        try:
            # Not super(): OAuth2Session logs the token and rejects http:// on loopback.
            response = requests.Session.request(self, method, url, **ours | kwargs | fixed)
            too_late = _read_body(response, budget)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = no_response(error, self.settings)
        else:
            return too_late or response
        # Raised outside the handler: the caught exception holds the request with its Authorization header.
        if isinstance(failure, OpenESGConfigError):
            raise failure
        return failure

    def _proxies(self, url: str) -> dict[str, Any]:
        given = self.settings.proxies
        if given is None and not url.startswith("http://"):
            return {}
        # Plain http is allowed only on loopback. A proxy of the environment would send the secret unencrypted.
        # no_proxy is not used: requests sets it in os.environ for a moment, which is not safe with threads.
        fixed = {name: proxy for name, proxy in (given or {}).items() if name != "no_proxy"}
        return {"http": None, "https": None, "all": None, **fixed}

    def _fresh_connections(self) -> None:
        """Replace the connection pools, so that a forked child shares no connection with its parent."""
        self._pid = os.getpid()
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=self.settings.parallel_requests))
        # Threads share this session: a stored cookie would be state that their requests share.
        self.cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _read_body(response: requests.Response, budget: Budget) -> NoResponse | None:
    """Read the whole body within the limits. ``read1`` returns available bytes, so that a slow body is noticed."""
    pieces, size = [], 0
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        pieces.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            response.close()
            raise OpenESGContractError(
                f"{response.request.method} {shown_url(response.url)}: the response is larger than "
                f"{MAX_BODY_BYTES // 1024**2} MiB. Lower Page size (page_size) in the Connection."
            )
        if budget.over:
            response.close()
            return NoResponse("the response did not end within the Retry budget (max_retry_time)")
    # requests would copy the body again in pieces of 10 KiB, which takes longer than reading it.
    content = response._content = b"".join(pieces)
    response.raw = io.BytesIO(content)
    return None


def _response_or_raise(result: Result, method: str, url: str) -> requests.Response:
    if isinstance(result, NoResponse):
        raise OpenESGApiError(result.why, method=method, url=shown_url(url), permanent=result.permanent)
    return result


def _refuse_redirect(response: requests.Response, target: str, why: str) -> NoReturn:
    raise OpenESGApiError(
        f"redirects to {shown_url(target)}, not followed: {why}",
        method=response.request.method or "",
        url=shown_url(response.url),
        status=response.status_code,
    )


def same_origin(url: str, base_url: str) -> bool:
    """Return whether ``url`` has scheme, host and port of ``base_url`` and contains no user."""
    return _origin(url) == _origin(base_url)


def _origin(url: str) -> tuple[str | None, str | None, int | None, str | None]:
    # urllib3 decides where a request is sent. urlsplit parses backslashes differently.
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return None, None, None, url
    default = {"http": 80, "https": 443}.get(parts.scheme or "")
    return parts.scheme, parts.host, parts.port or default, parts.auth
