"""Where the OpenAPI schema comes from: the platform, or a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests

from airflow_provider_openesg.auth.token import BearerAuth, Token
from airflow_provider_openesg.check.openapi import OpenApi
from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from requests.auth import AuthBase

    from airflow_provider_openesg.client.samples import SamplingClient

MAX_BYTES = 32 * 1024 * 1024
_PATHS = ("openapi.json", "schema/", "schema")


def read_schema_file(path: Path) -> Any:
    """Return the content of a file in JSON; in YAML, if a YAML library is installed.

    :raises OpenESGConfigError: if it cannot be read, or is no OpenAPI schema.
    """
    try:
        content = _parsed(path.read_bytes())
        OpenApi(content)
    except (OSError, ValueError) as error:
        raise OpenESGConfigError(
            f"schema: the file {str(path)!r} cannot be used ({error}). Allowed: an OpenAPI schema in JSON"
            f"{'' if _yaml() else ' (for YAML, install PyYAML)'}."
        ) from None
    return content


def fetch_schema(client: SamplingClient) -> tuple[OpenApi, str] | None:
    """Return the schema that the platform shows, and where: with the token, or without it."""
    settings = client.settings
    urls = [*(f"{settings.api_url}/{path}" for path in _PATHS), f"{settings.base_url}/openapi.json"]
    token = BearerAuth(Token(client.session.token["access_token"], 0, 0))
    for auth, how in ((token, "with the token"), (_without, "without a token")):
        for url in urls:
            content = _fetch(client, url, auth)
            if content is not None:
                try:
                    return OpenApi(content, api_path(client)), f"{urlsplit(url).path}, {how}"
                except ValueError:
                    continue
    return None


def api_path(client: SamplingClient) -> str:
    """Return the path of the API."""
    return urlsplit(client.settings.api_url).path


def _without(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials; without an auth, requests would use those of a netrc file."""
    return request


def _fetch(client: SamplingClient, url: str, auth: AuthBase | Any, hops: int = 1) -> Any:
    """Return the parsed body of a response; ``None`` if there is none. Only the Base URL's origin is requested.

    Not by the session's own method, which remembers whether paths end with a slash, and retries.
    """
    session, settings = client.session, client.settings
    if not session.same_origin(url):
        return None
    try:
        with requests.Session.request(
            session, "GET", url, auth=auth, timeout=settings.timeout, verify=settings.verify,
            proxies=session._proxies(url), allow_redirects=False, stream=True,
        ) as response:  # fmt: skip
            target = session.get_redirect_target(response)
            if target is not None and hops:
                return _fetch(client, urljoin(url, target), auth, hops - 1)
            body = response.raw.read(MAX_BYTES + 1, decode_content=True) if response.status_code == 200 else b""
        return _parsed(body) if 0 < len(body) <= MAX_BYTES else None
    except (requests.RequestException, OSError, ValueError):
        return None


def _parsed(body: bytes) -> Any:
    """Return parsed JSON or YAML.

    :raises ValueError: if it is neither.
    """
    try:
        return json.loads(body)
    except ValueError as error:
        yaml = _yaml()
        if yaml is None or body.lstrip()[:1] in (b"<", b"{"):
            raise
        try:
            return yaml.safe_load(body)
        except yaml.YAMLError:
            raise ValueError(str(error)) from None


def _yaml() -> Any:
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return None
    return yaml
