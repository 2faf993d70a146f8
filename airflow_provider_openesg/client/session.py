"""One request, done right: token, origin, pace, retries, 401 renewal, bounds on time and size."""

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
    read_token_answer,
)
from airflow_provider_openesg.client.rate_limit import PACE
from airflow_provider_openesg.client.responses import platform_message, raise_for_answer, shown_url
from airflow_provider_openesg.client.retry import Budget, NoAnswer, Outcome, repeat
from airflow_provider_openesg.client.transport_errors import no_answer
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

__all__ = ["OpenESGSession", "raise_for_answer"]

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_REDIRECTS = 5
_CHUNK = 64 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class OpenESGSession(OAuth2Session):
    """A requests session that is authorised, whatever process it runs in, and that keeps the client's rules.

    Use it as any requests session: ``session.get("reports")``. Threads may share it.

    :param settings: the Connection.
    :param cache: where tokens are kept (:func:`~airflow_provider_openesg.auth.cache.open_cache`); default: on disk.
    :param on_token: called with each token before it is used, to have it masked in logs.
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
        self.headers["User-Agent"] = f"airflow-provider-openesg/{__version__} python-requests/{requests.__version__}"
        self.headers["Accept"] = "application/json"
        self._fresh_connections()

    def request(  # type: ignore[override]
        self, method: str, url: str, *, safe_to_repeat: bool | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send a request with the token and return the platform's final answer, whatever its status.

        The body is read whole. Keywords are those of :meth:`requests.Session.request`; ``timeout``, ``verify`` and
        ``proxies`` default to the Connection's; ``auth`` and ``stream`` have no effect.

        :param url: below the API path (``reports``), or absolute with the Base URL's scheme, host and port.
        :param safe_to_repeat: whether it may be carried out twice; ``None``: by method (``POST``, ``PATCH`` may not).
        :raises OpenESGApiError: with status ``None`` where no answer came, after all attempts that were allowed.
        :raises OpenESGAuthError: where no token is given out, or the one just given out is refused.
        :raises OpenESGContractError: where the answer is larger than 64 MiB.
        :raises OpenESGConfigError: where the URL is another platform's, or proxies or CA bundle cannot be used.
        """
        method, url = method.upper(), self._absolute(url)
        budget = Budget(self.settings)
        outcome = repeat(
            lambda: self._authorised(method, url, budget, kwargs),
            method=method,
            url=url,
            safe=method in _SAFE_METHODS if safe_to_repeat is None else safe_to_repeat,
            budget=budget,
        )
        return _answer(outcome, method, url)

    def fetch_token(self, token_url: str | None = None, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return a usable token: the cached one, else a new one.

        Client ID, secret and scope are the Connection's, so other arguments of the base class are ignored.

        :raises OpenESGAuthError: where none is given out.
        :raises OpenESGConfigError: for another URL than the Connection's OAuth2 endpoint.
        """
        if token_url not in (None, self.settings.token_url):
            raise OpenESGConfigError(
                f"fetch_token: {token_url!r} given; the client's secret goes to {self.settings.token_url} alone."
            )
        self._usable_token(Budget(self.settings))
        return dict(self.token)

    def refresh_token(self, token_url: str | None = None, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return a usable token: the platform has no refresh tokens, so this is :meth:`fetch_token`."""
        return self.fetch_token(token_url)

    def same_origin(self, url: str) -> bool:
        """Tell whether the token may be sent to ``url``: scheme, host and port of the Base URL, and no user in it."""
        return same_origin(url, self.settings.base_url)

    def _absolute(self, url: str) -> str:
        if "://" not in url.partition("?")[0]:
            return f"{self.settings.api_url}/{url.lstrip('/')}"
        if not self.same_origin(url):
            raise OpenESGConfigError(
                f"URL {shown_url(url)}: not on Base URL {self.settings.base_url}; the token is not sent anywhere else."
            )
        return url

    def _authorised(self, method: str, url: str, budget: Budget, kwargs: dict[str, Any]) -> Outcome:
        """Make one attempt, with a new token where the platform refuses this one."""
        began = clock.now()
        token = self._usable_token(budget)
        outcome = self._follow(method, url, BearerAuth(token), budget, kwargs)
        # Twice at most: the token that this session remembers and the one in the cache may both be old.
        for _ in range(2):
            if isinstance(outcome, NoAnswer) or outcome.status_code != 401:
                return outcome
            token = self._usable_token(budget, rejected=token.value)
            outcome = self._follow(method, url, BearerAuth(token), budget, kwargs)
            if token.fetched_at >= began:
                break
        if isinstance(outcome, NoAnswer) or outcome.status_code != 401:
            return outcome
        raise OpenESGAuthError(
            f"{method} {shown_url(url)}: the platform refuses a token that it has just given out (HTTP 401: "
            f"{platform_message(outcome)}). Check that Base URL and OAuth2 endpoint ({self.settings.token_url}) are "
            f"those of one platform, and that the application with client ID {self.settings.client_id!r} is active "
            "there and has the scope for this call."
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
        # Asking for a token changes nothing on the platform.
        outcome = repeat(
            lambda: self._send("POST", url, auth, budget, {}), method="POST", url=url, safe=True, budget=budget
        )
        response = _answer(outcome, "POST", url)
        if response.status_code == 429 or response.status_code >= 500:
            raise_for_answer(response)
        return read_token_answer(response, self._identity)

    def _follow(self, method: str, url: str, auth: AuthBase, budget: Budget, kwargs: dict[str, Any]) -> Outcome:
        """Send, and follow redirects on the same origin where that repeats nothing."""
        outcome = self._send(method, url, auth, budget, kwargs)
        for hop in range(MAX_REDIRECTS + 1):
            location = None if isinstance(outcome, NoAnswer) else self.get_redirect_target(outcome)
            if isinstance(outcome, NoAnswer) or location is None or not kwargs.get("allow_redirects", True):
                break
            target = urljoin(outcome.url, location)
            if method not in ("GET", "HEAD"):
                _refuse_redirect(outcome, target, f"a {method} is not sent elsewhere; call that address itself")
            if not self.same_origin(target):
                _refuse_redirect(outcome, target, "the token is not sent to another host; check Base URL")
            if hop == MAX_REDIRECTS:
                _refuse_redirect(outcome, target, f"there were {MAX_REDIRECTS} redirects before it")
            outcome = self._send(method, target, auth, budget, kwargs | {"params": None})
        return outcome

    def _send(self, method: str, url: str, auth: AuthBase, budget: Budget, kwargs: dict[str, Any]) -> Outcome:
        budget.extend(PACE.wait(self.settings))
        if self._pid != os.getpid():
            self._fresh_connections()
        ours = {"timeout": budget.timeout, "verify": self.settings.verify, "proxies": self._proxies(url)}
        fixed = {"auth": auth, "stream": True, "allow_redirects": False}
        try:
            # Not super(): the base class would log the token, and refuse http:// on loopback.
            response = requests.Session.request(self, method, url, **ours | kwargs | fixed)
            late = _read_body(response, budget)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = no_answer(error, self.settings)
        else:
            return late or response
        # Outside of the handler: the exception holds the request and its Authorization header.
        if isinstance(failure, OpenESGConfigError):
            raise failure
        return failure

    def _proxies(self, url: str) -> dict[str, Any]:
        given = self.settings.proxies
        if given is None and not url.startswith("http://"):
            return {}
        # Plain http is for loopback alone; an environment's proxy would carry the secret off this machine in the clear.
        # Not by no_proxy: requests puts it into os.environ for a moment, where other threads fall over it.
        fixed = {name: proxy for name, proxy in (given or {}).items() if name != "no_proxy"}
        return {"http": None, "https": None, "all": None, **fixed}

    def _fresh_connections(self) -> None:
        """Replace the connection pools, so that a forked child shares no connection with its parent."""
        self._pid = os.getpid()
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=self.settings.parallel_requests))
        # Threads share this session: a stored cookie would be state that their requests share.
        self.cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _read_body(response: requests.Response, budget: Budget) -> NoAnswer | None:
    """Read the whole body, within bounds. ``read1`` hands over what has come in, so that a dripping body is noticed."""
    pieces, size = [], 0
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        pieces.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            response.close()
            raise OpenESGContractError(
                f"{response.request.method} {shown_url(response.url)}: the answer is larger than "
                f"{MAX_BODY_BYTES // 1024**2} MiB. Lower Page size (page_size) in the Connection."
            )
        if budget.over:
            response.close()
            return NoAnswer("the answer did not end within the Retry budget (max_retry_time)")
    # Not left to requests: it would join the body once more from pieces of 10 KiB, which takes longer than reading it.
    content = response._content = b"".join(pieces)
    response.raw = io.BytesIO(content)
    return None


def _answer(outcome: Outcome, method: str, url: str) -> requests.Response:
    if isinstance(outcome, NoAnswer):
        raise OpenESGApiError(outcome.why, method=method, url=shown_url(url), permanent=outcome.permanent)
    return outcome


def _refuse_redirect(response: requests.Response, target: str, why: str) -> NoReturn:
    raise OpenESGApiError(
        f"redirects to {shown_url(target)}, not followed: {why}",
        method=response.request.method or "",
        url=shown_url(response.url),
        status=response.status_code,
    )


def same_origin(url: str, base_url: str) -> bool:
    """Tell whether ``url`` has the scheme, host and port of ``base_url``, and no user."""
    return _origin(url) == _origin(base_url)


def _origin(url: str) -> tuple[str | None, str | None, int | None, str | None]:
    # urllib3's reading of a URL is the one that decides where a request goes; urlsplit differs on backslashes.
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return None, None, None, url
    default = {"http": 80, "https": 443}.get(parts.scheme or "")
    return parts.scheme, parts.host, parts.port or default, parts.auth
