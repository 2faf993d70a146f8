"""Why there is no response: messages for the exceptions of requests and urllib3.

Their texts are not used and they are not chained as causes, because they contain the request with its Authorization
header and proxy URLs with passwords.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import requests
import urllib3.exceptions

from airflow_provider_openesg.client.retry import NoResponse
from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_openesg.settings import OpenESGSettings

_PROXY_HINT = "Check Proxies in the Connection, or the environment's (HTTPS_PROXY, NO_PROXY)."
_CA_HINT = "For a private certificate authority, set CA bundle (ca_bundle) in the Connection to its PEM file."


def no_response(error: Exception, settings: OpenESGSettings) -> NoResponse | OpenESGConfigError:
    """Return why an attempt failed with ``error``, or the error to raise if a field of the Connection is wrong."""
    causes = list(_causes(error))

    def caused_by(*types: type[BaseException]) -> BaseException | None:
        return next((cause for cause in causes if isinstance(cause, types)), None)

    no_socks = isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error)
    if no_socks or caused_by(requests.exceptions.InvalidProxyURL, urllib3.exceptions.ProxySchemeUnknown):
        return OpenESGConfigError(f"The proxy's URL cannot be used. {_PROXY_HINT}")
    # requests raises a plain OSError for a missing file, OpenSSL an SSLError for a file without certificates.
    missing = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
    not_pem = any(isinstance(cause, ssl.SSLError) and cause.library in ("X509", "PEM") for cause in causes)
    if isinstance(settings.verify, str) and (missing or not_pem):
        return OpenESGConfigError(f"CA bundle (ca_bundle): {settings.verify!r} does not exist or is not a PEM file.")
    if isinstance(error, requests.exceptions.ProxyError):
        return _proxy_failure(causes)
    certificate = caused_by(ssl.SSLCertVerificationError)
    if isinstance(certificate, ssl.SSLCertVerificationError):
        return NoResponse(
            f"TLS: the certificate is not trusted ({certificate.verify_message or 'verification failed'}). {_CA_HINT}",
            sent=False,
            permanent=True,
        )
    if isinstance(error, requests.exceptions.SSLError) and not caused_by(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return NoResponse(
            f"TLS failure ({_tls_reason(causes)}): is it an https port? {_CA_HINT}", sent=False, permanent=True
        )
    if isinstance(error, requests.ConnectTimeout):
        return NoResponse("no connection in time (timeout)", sent=False)
    if isinstance(error, requests.Timeout) or caused_by(urllib3.exceptions.ReadTimeoutError):
        return NoResponse("no response in time (timeout)")
    if caused_by(urllib3.exceptions.NameResolutionError, socket.gaierror):
        return NoResponse("the host name does not resolve: check Base URL, and this machine's DNS", sent=False)
    refused = caused_by(urllib3.exceptions.NewConnectionError)
    if refused is not None:
        return NoResponse(f"no connection: {_os_reason(causes) or 'refused or unreachable'}", sent=False)
    if isinstance(
        error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError
    ) or caused_by(urllib3.exceptions.IncompleteRead, urllib3.exceptions.DecodeError):
        return NoResponse("the response broke off or is damaged")
    if isinstance(error, requests.ConnectionError | urllib3.exceptions.HTTPError):
        return NoResponse(f"the connection broke: {_os_reason(causes) or 'closed without a response'}")
    return NoResponse(f"the request cannot be sent ({type(error).__name__})", sent=False, permanent=True)


def _proxy_failure(causes: list[BaseException]) -> NoResponse:
    text = " ".join(str(cause) for cause in causes if type(cause) is OSError)
    if "Tunnel connection failed" in text:
        status = next((word for word in text.split() if word.isdecimal()), "")
        why = f"the proxy refuses to connect (HTTP {status}). {_PROXY_HINT}"
        return NoResponse(why, sent=False, permanent=not status.startswith("5"))
    return NoResponse(f"the proxy does not respond: {_os_reason(causes) or 'no connection'}. {_PROXY_HINT}", sent=False)


def _tls_reason(causes: list[BaseException]) -> str:
    return next(
        (cause.reason for cause in causes if isinstance(cause, ssl.SSLError) and cause.reason), "handshake failed"
    )


def _os_reason(causes: list[BaseException]) -> str | None:
    return next(
        (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.errno and cause.strerror), None
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and all exceptions that it wraps: as argument, as ``reason`` or as cause."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        linked = [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
        waiting.extend(link for link in linked if isinstance(link, BaseException))
