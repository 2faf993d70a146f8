"""Errors from responses: the exception for a status, the platform's message, URLs without secrets."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from airflow_provider_openesg.api import REQUEST_ID_HEADERS
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGNotFoundError, OpenESGRateLimitError

if TYPE_CHECKING:
    from requests import Response

_SECRET_PARAMETER = re.compile(
    r"token|secret|passw|signature|authorization|credential|api_?key|access_?key|_code$|^code$", re.IGNORECASE
)
_EXCERPT = 300
_ERRORS: dict[int, type[OpenESGApiError]] = {
    404: OpenESGNotFoundError,
    410: OpenESGNotFoundError,
    429: OpenESGRateLimitError,
}


def raise_for_error(response: Response, scope: str | None = None) -> None:
    """Raise an error if the status of ``response`` is not 2xx.

    :param scope: scope of the Connection, for the message of a 403.
    :raises OpenESGNotFoundError: if the status is 404 or 410.
    :raises OpenESGRateLimitError: if the status is 429.
    :raises OpenESGApiError: if the status is any other that is not 2xx.
    """
    status = response.status_code
    if 200 <= status < 300:
        return
    message = platform_message(response)
    if status in (429, 503) and "Retry-After" in response.headers:
        message += (
            f" (it asks to wait {response.headers['Retry-After']!r} (Retry-After), longer than the Retry budget "
            "(max_retry_time) of the Connection allows)"
        )
    if status == 403:
        given = f"{scope!r}" if scope else "empty: the platform's own"
        message += f" (if the token lacks a scope, set Scope (scope) in the Connection, which is {given})"
    raise _ERRORS.get(status, OpenESGApiError)(
        message,
        method=response.request.method or "",
        url=shown_url(response.url),
        status=status,
        request_id=next((response.headers[name] for name in REQUEST_ID_HEADERS if name in response.headers), None),
    )


def platform_message(response: Response) -> str:
    """Return the error message in a response, or an excerpt of the body if it has none."""
    try:
        content = json.loads(response.content)
    except ValueError:
        content = None
    message = _message(content) if isinstance(content, dict) else None
    if message is None:
        text = " ".join(response.content[: 4 * _EXCERPT].decode("utf-8", "replace").split())
        kind = response.headers.get("Content-Type", "").split(";")[0]
        message = f"{kind or 'response'}: {text}" if text else response.reason or "empty response"
    return _without_credentials(message, response)[:_EXCERPT]


def shown_url(url: str) -> str:
    """Return ``url`` for logs: without user, password and the values of parameters that are named like secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    query = "&".join(
        f"{quote(name)}={'***' if _SECRET_PARAMETER.search(name) else quote(value, safe=':,/')}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def _message(content: dict[str, Any]) -> str | None:
    detail = content.get("detail")
    if isinstance(detail, list):  # django-ninja's 422
        return "; ".join(_validation_error(item) for item in detail)
    if isinstance(detail, str):
        return detail
    parts = [str(content[name]) for name in ("error", "error_description", "message") if content.get(name)]
    return ": ".join(parts) or None


def _validation_error(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    return f"{'.'.join(map(str, item.get('loc') or ()))}: {item.get('msg')}"


def _without_credentials(text: str, response: Response) -> str:
    credentials = str(response.request.headers.get("Authorization") or "").partition(" ")[2]
    return text.replace(credentials, "***") if credentials else text
