"""The settings of a Connection: fields, defaults, limits and validation.

``FIELDS`` is the only definition of the fields. The form in Airflow 3 (provider metadata), the form in Airflow 2.11
(hook methods), the docs and the validation below use it.
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from airflow_provider_openesg.api import ASSUMED, Api
from airflow_provider_openesg.exceptions import OpenESGConfigError

DEFAULT_BASE_URL = "https://app.openesg.de"
TOKEN_PATH = "/o/token/"  # noqa: S105 - a path, the platform's page "Authentication"

FieldType = Literal["string", "integer", "number", "boolean"]


@dataclass(frozen=True, slots=True)
class ConnectionField:
    """A field in the ``extra`` of the Connection: form, type and limits."""

    label: str
    type: FieldType = "string"
    description: str = ""
    default: Any = None
    placeholder: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    multiline: bool = False


FIELDS: Mapping[str, ConnectionField] = {
    "scope": ConnectionField(
        "Scope",
        description="OAuth 2.0 scope, space-separated. Empty: the default of the platform (read write).",
        placeholder="read write",
    ),
    "client_auth": ConnectionField(
        "Client authentication",
        description="How client ID and secret are sent: header (HTTP Basic) or body (form fields).",
        default="header",
        choices=("header", "body"),
    ),
    "auth_url": ConnectionField(
        "OAuth2 endpoint",
        description="Where tokens are fetched. Empty: {Base URL}/o/token/.",
        placeholder=DEFAULT_BASE_URL + TOKEN_PATH,
    ),
    "api_path": ConnectionField("API path", description="Path of the REST API below the Base URL.", default="/api/v1"),
    "timeout": ConnectionField(
        "Timeout (s)",
        "number",
        "Maximum time to connect, and to wait for the next bytes of a response.",
        30,
        minimum=1,
        maximum=3600,
    ),
    "max_retry_time": ConnectionField(
        "Retry budget (s)", "number", "Maximum time for all attempts of one request.", 300, minimum=0, maximum=86400
    ),
    "parallel_requests": ConnectionField(
        "Parallel requests",
        "integer",
        "Requests that one task sends at the same time.",
        4,
        minimum=1,
        maximum=32,
    ),
    "requests_per_second": ConnectionField(
        "Request rate limit",
        "number",
        "Maximum number of requests per second of one process. Empty: no limit.",
        minimum=0.01,
    ),
    "page_size": ConnectionField(
        "Page size",
        "integer",
        "Reports in one page. For lists with small rows five times as many, if the platform allows it.",
        100,
        minimum=2,
        maximum=10000,
    ),
    "verify_tls": ConnectionField("Verify TLS", "boolean", "Check the certificate of the platform.", default=True),
    "ca_bundle": ConnectionField(
        "CA bundle",
        description="Path of a PEM file with the certificate authorities to trust.",
        placeholder="/etc/ssl/certs/ca.pem",
    ),
    "proxies": ConnectionField(
        "Proxies",
        description='A proxy URL, or JSON by scheme as requests takes it: {"https": "http://proxy:3128"}. '
        "Empty: the proxies of the environment.",
    ),
    "api": ConnectionField(
        "API differences",
        description="What differs on your platform from the API that is assumed: TOML or JSON, or the path or URL of a "
        "file with it. Empty: the option api in section openesg of Airflow.",
        placeholder="/etc/airflow/openesg-api.toml",
        multiline=True,
    ),
    "strict": ConnectionField(
        "Strict",
        "boolean",
        "What differs and is not recognized is an error before anything is written.",
        default=False,
    ),
}


@dataclass(frozen=True, slots=True)
class OpenESGSettings:
    """Validated settings of a Connection. ``repr`` shows no secret.

    :param base_url: scheme and host, no trailing slash.
    :param client_id: OAuth 2.0 client ID.
    :param client_secret: OAuth 2.0 client secret.
    :param token_url: URL of the token endpoint.
    :param verify: ``verify`` of requests: True, False, or the path of a CA bundle.
    :param proxies: ``proxies`` of requests; by default those of the environment.
    :param api: the API of the platform.

    The others are the fields of :data:`FIELDS`, by name.
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    token_url: str
    scope: str | None = None
    client_auth: str = "header"
    api_path: str = "/api/v1"
    timeout: float = 30
    max_retry_time: float = 300
    parallel_requests: int = 4
    requests_per_second: float | None = None
    page_size: int = 100
    verify: bool | str = True
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    api: Api = ASSUMED
    strict: bool = False

    @classmethod
    def from_connection(
        cls,
        *,
        host: str | None,
        login: str | None,
        password: str | None,
        extra: Mapping[str, Any] | None = None,
        port: int | None = None,
        schema: str | None = None,
        api: str | None = None,
        read_file: Callable[[str], str] | None = None,
    ) -> OpenESGSettings:
        """Return the settings of a Connection. Nulls and empty strings count as not set; strings are converted.

        White space around a value is removed, also around the secret: it comes from copying.

        :param port: port, used if the host has none (a Connection from a URI has it in a separate field).
        :param schema: scheme, ``http`` or ``https`` (a Connection from a URI has it in a separate field).
        :param api: what differs of the API, if ``extra`` does not contain it: the option of Airflow.
        :param read_file: function that returns the text of the file that a path or URL in ``api`` names; by default it
            reads local files.
        :raises OpenESGConfigError: if a field is not valid, with its value and the allowed values.
        """
        values = {name: _coerce(name, spec, (extra or {}).get(name)) for name, spec in FIELDS.items()}
        unknown = sorted(set(extra or {}) - set(FIELDS))
        if unknown:
            raise OpenESGConfigError(
                f"Connection extra: {', '.join(map(repr, unknown))} given; allowed: {', '.join(FIELDS)}."
            )
        base_url = _base_url(host, port, schema)
        # In JSON, an ID of digits may be a number.
        client_id, client_secret = (str(given or "").strip() for given in (login, password))
        for label, value in (("Client ID (login)", client_id), ("Client secret (password)", client_secret)):
            if not value:
                raise OpenESGConfigError(
                    f"Connection field {label}: not set. Both come from your openESG OAuth 2.0 application."
                )
        verify_tls, ca_bundle = values.pop("verify_tls"), values.pop("ca_bundle")
        auth_url = values.pop("auth_url")
        token_url = base_url + TOKEN_PATH if auth_url is None else checked_url("OAuth2 endpoint (auth_url)", auth_url)
        values["api_path"] = "/" + values["api_path"].strip("/")
        values["proxies"] = _proxies(values["proxies"])
        values["api"] = _api(values["api"], (api or "").strip(), read_file)
        return cls(
            base_url=base_url,
            client_id=client_id,
            client_secret=client_secret,
            token_url=token_url,
            verify=(ca_bundle or True) if verify_tls else False,
            **values,
        )

    @property
    def settle_time(self) -> float:
        """Seconds after which a write without a response has either been processed or will never be.

        Twice *Timeout*, because a request that was cut off (connection reset, killed task) may have been sent just
        before.
        """
        return 2 * self.timeout

    @property
    def api_url(self) -> str:
        """Base URL and API path, without a trailing slash."""
        return (self.base_url + self.api_path).rstrip("/")


def checked_url(label: str, url: str) -> str:
    """Return ``url`` if the client secret or the token may be sent to it: https, or http on loopback.

    :raises OpenESGConfigError: if it is any other URL.
    """
    shown = _shown_url(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise OpenESGConfigError(
            f"{label}: {shown} is not a URL (host or port); give one like {DEFAULT_BASE_URL}."
        ) from None
    if parts.username is not None or parts.password is not None:
        raise OpenESGConfigError(
            f"{label}: user and password in the URL {shown} are not allowed; use Client ID and Client secret."
        )
    if not host or "\\" in url or any(character.isspace() for character in url):
        raise OpenESGConfigError(f"{label}: {shown} is not a URL; give one like {DEFAULT_BASE_URL}.")
    if parts.scheme not in ("https", "http"):
        raise OpenESGConfigError(f"{label}: scheme {parts.scheme!r} in {shown}; allowed: https.")
    if parts.scheme == "http" and not is_loopback(host):
        raise OpenESGConfigError(
            f"{label}: {shown} is plain http, which would send the secret unencrypted. Use https (http is allowed "
            "only for localhost)."
        )
    return url


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _base_url(host: str | None, port: int | None, schema: str | None) -> str:
    text = (host or "").strip() or DEFAULT_BASE_URL
    if "://" not in text:
        text = f"{(schema or '').strip() or 'https'}://{_bracketed(text)}"
    checked_url("Base URL (host)", text)
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise OpenESGConfigError(
            f"Base URL (host): {_shown_url(text)} has a query or fragment; give only scheme and host."
        )
    netloc = parts.netloc.lower() if parts.port or not port else f"{parts.netloc.lower()}:{port}"
    return f"{parts.scheme}://{netloc}{parts.path}".rstrip("/")


def _bracketed(host: str) -> str:
    """Return ``host`` with brackets if it is an IPv6 address. A Connection from a URI has none."""
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return host


def _coerce(name: str, spec: ConnectionField, given: Any) -> Any:
    if given is None or (isinstance(given, str) and not given.strip()):
        return spec.default
    if name in ("proxies", "api") and not isinstance(given, str):
        return given  # Checked by _proxies, which shows no password, and by _api.
    value = given.strip() if isinstance(given, str) else given
    if spec.type == "boolean":
        return _boolean(name, spec, value)
    if spec.type in ("integer", "number"):
        return _number(name, spec, value)
    if not isinstance(value, str):
        _refuse(name, spec, given, "text")
    if spec.choices and value.lower() not in spec.choices:
        _refuse(name, spec, given, " or ".join(spec.choices))
    return value.lower() if spec.choices else value


def _boolean(name: str, spec: ConnectionField, value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    result = words.get(str(value).lower())
    if result is None:
        _refuse(name, spec, value, "true or false")
    return result


def _number(name: str, spec: ConnectionField, value: Any) -> float | int:
    bounds = " ".join(
        f"{word} {limit:g}" for word, limit in (("from", spec.minimum), ("to", spec.maximum)) if limit is not None
    )
    allowed = f"a{'n' if spec.type == 'integer' else ''} {spec.type} {bounds}".rstrip()
    if isinstance(value, bool):
        _refuse(name, spec, value, allowed)
    try:
        number = float(value)
    except (TypeError, ValueError):
        _refuse(name, spec, value, allowed)
    low, high = spec.minimum, spec.maximum
    whole = spec.type != "integer" or number.is_integer()
    if (
        not math.isfinite(number)
        or not whole
        or (low is not None and number < low)
        or (high is not None and number > high)
    ):
        _refuse(name, spec, value, allowed)
    return int(number) if number.is_integer() else number


def _proxies(value: Any) -> dict[str, str] | None:
    """Return the proxies. Errors never show the value, because it may contain passwords."""
    if value is None:
        return None
    if isinstance(value, str) and not value.startswith("{"):
        value = {"http": value, "https": value}
    elif isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise OpenESGConfigError(
            'Connection field Proxies (proxies): not valid; allowed: a proxy URL, or JSON like {"https": "http://proxy:3128"}.'
        )
    return dict(value)


def _api(given: Any, configured: str, read_file: Callable[[str], str] | None) -> Api:
    if given is None and not configured:
        return ASSUMED
    from airflow_provider_openesg.api_document import load_api

    if given is None:
        return load_api(configured, "Airflow option [openesg] api", read_file)
    return load_api(given, "Connection extra api", read_file)


def _refuse(name: str, spec: ConnectionField, given: Any, allowed: str) -> NoReturn:
    raise OpenESGConfigError(f"Connection field {spec.label} ({name}): {_shown(given)} given; allowed: {allowed}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _shown_url(url: str) -> str:
    """Return a URL for messages, without user, password, query and a port that is not a number."""
    scheme, colon, rest = url.rpartition("://")
    rest = rest.replace("#", "?").partition("?")[0]
    if "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]
    netloc, slash, path = rest.partition("/")
    host, _, port = netloc.rpartition(":")
    if host and not port.endswith("]") and not (port.isdecimal() and len(port) <= 5):
        netloc = f"{host}:***"
    return _shown(f"{scheme}{colon}{netloc}{slash}{path}")
