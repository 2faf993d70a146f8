"""WSGI middleware that counts and logs requests, applies faults and runs triggers."""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from airflow_provider_openesg.sandbox.faults import Environ, Fault, Faults, Response, body_of, change_query, reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TOKEN_PATH = "/o/token/"  # noqa: S105 - a path
CONTROL_PATH = "/sandbox/"
LOG_LENGTH = 100_000
ID_IN_PATH = re.compile(r"/([0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=/|$)")


@dataclass(slots=True)
class Call:
    """A request in the log. ``status`` is ``None`` while it is in progress, or if no response was sent."""

    number: int
    at: float
    method: str
    path: str
    query: str
    authorization: bool
    status: int | None = None
    client_id: str | None = None


@dataclass(slots=True)
class _Trigger:
    path: re.Pattern[str]
    left: int
    action: Callable[[], None]


@dataclass(slots=True)
class _Counts:
    calls: Counter[str] = field(default_factory=Counter)
    log: deque[Call] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))
    token_requests: Counter[str] = field(default_factory=Counter)
    tokens_issued: int = 0
    total: int = 0
    in_flight: int = 0
    in_flight_max: int = 0


class RequestLog:
    """WSGI application that wraps Django. Requests to the control API are not counted and get no faults.

    :param application: Django's WSGI application.
    :param faults: active faults, read for every request.
    """

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]], faults: Faults) -> None:
        self._application, self._faults = application, faults
        self._lock = threading.Lock()
        self._counts, self._triggers = _Counts(), list[_Trigger]()

    def reset(self) -> None:
        """Delete counts, log and triggers."""
        with self._lock:
            self._counts, self._triggers = _Counts(), []

    def add_trigger(self, path: str, after: int, action: Callable[[], None]) -> None:
        """Run ``action`` once, during the next request number ``after`` to ``path``, before its response is sent."""
        with self._lock:
            self._triggers.append(_Trigger(re.compile(path), after, action))

    def report(self) -> dict[str, Any]:
        """Return all counts and the log."""
        with self._lock:
            counts = self._counts
            return {
                "requests": counts.total,
                "calls": dict(counts.calls),
                "token_requests": {"total": counts.token_requests.total(), "by_client": dict(counts.token_requests)},
                "tokens_issued": counts.tokens_issued,
                "in_flight": counts.in_flight,
                "in_flight_max": counts.in_flight_max,
                "log": [asdict(call) for call in counts.log],
            }

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Handle one request."""
        if environ["PATH_INFO"].startswith(CONTROL_PATH):
            return self._application(environ, start_response)
        counts, call = self._open(environ)
        try:
            (status, headers, body), fault = self._respond(environ, counts)
            length, pieces = (len(body), [body]) if fault is None else body_of(fault, body)
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            if not any(name.lower() == "x-request-id" for name, _ in headers):
                headers.append(("X-Request-ID", f"sandbox-{call.number}"))
            start_response(status, [*headers, ("Content-Length", str(length))])
            call.status = int(status[:3])
        except BaseException:
            self._close(counts)
            raise
        return _Closing(pieces, lambda: self._close(counts))

    def _open(self, environ: Environ) -> tuple[_Counts, Call]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        client = client_of(environ) if path == TOKEN_PATH else None
        with self._lock:
            counts = self._counts
            counts.total += 1
            call = Call(
                counts.total,
                time.monotonic(),
                method,
                path,
                environ.get("QUERY_STRING", ""),
                "HTTP_AUTHORIZATION" in environ,
                client_id=client,
            )
            counts.log.append(call)
            counts.calls[f"{method} {ID_IN_PATH.sub('/{id}', path)}"] += 1
            if path == TOKEN_PATH:
                counts.token_requests[client or ""] += 1
            counts.in_flight += 1
            counts.in_flight_max = max(counts.in_flight_max, counts.in_flight)
        return counts, call

    def _close(self, counts: _Counts) -> None:
        with self._lock:
            counts.in_flight -= 1

    def _respond(self, environ: Environ, counts: _Counts) -> tuple[Response, Fault | None]:
        due = self._due(environ["PATH_INFO"])
        last: Fault | None = None
        for fault in self._faults.apply(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            last = fault
            time.sleep(fault.seconds if fault.kind == "delay" else 0)
        if last is not None:
            if last.kind == "hang":
                self._faults.hang(last, environ)
            if last.kind == "reset" and not last.carried_out:
                reset(environ)
            if last.kind == "answer":
                return _fault_response(last), None
            if last.kind == "next_origin":
                environ["HTTP_HOST"] = last.host
            environ["QUERY_STRING"] = change_query(last, environ.get("QUERY_STRING", ""))
        response = self._django(environ)
        if environ["PATH_INFO"] == TOKEN_PATH and response[0].startswith("2"):
            with self._lock:
                counts.tokens_issued += 1
        for trigger in due:
            trigger.action()
        if last is not None and last.kind == "reset":
            reset(environ)
        return response, last

    def _django(self, environ: Environ) -> Response:
        started: list[Any] = []
        response = self._application(environ, lambda *arguments: started.extend(arguments))
        try:
            body = b"".join(response)
        finally:
            getattr(response, "close", lambda: None)()
        return started[0], list(started[1]), body

    def _due(self, path: str) -> list[_Trigger]:
        with self._lock:
            matching = [trigger for trigger in self._triggers if trigger.path.search(path)]
            for trigger in matching:
                trigger.left -= 1
            due = [trigger for trigger in matching if not trigger.left]
            self._triggers = [trigger for trigger in self._triggers if trigger.left]
        return due


class _Closing:
    """Response body that calls ``closed`` when the server closes it."""

    def __init__(self, pieces: Iterable[bytes], closed: Callable[[], None]) -> None:
        self._pieces, self.close = pieces, closed

    def __iter__(self) -> Any:
        return iter(self._pieces)


def _fault_response(fault: Fault) -> Response:
    try:
        phrase = HTTPStatus(fault.status).phrase
    except ValueError:
        phrase = "Unknown"
    headers = {"Content-Type": "application/json"} | fault.headers
    return f"{fault.status} {phrase}", list(headers.items()), fault.body.encode()


def client_of(environ: Environ) -> str | None:
    """Return the client ID of a token request from its header or body, or ``None`` if it has none."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return next(iter(parse_qs(body.decode("latin-1")).get("client_id", [])), None)
