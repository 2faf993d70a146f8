"""A server on a real socket that follows a script and records the requests."""

from __future__ import annotations

import http.server
import itertools
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.session import OpenESGSession
from airflow_provider_openesg.settings import OpenESGSettings

if TYPE_CHECKING:
    from pathlib import Path

    import trustme

CLIENT_ID, CLIENT_SECRET = "test-client", "test-secret/+ %ä"


@dataclass
class ReceivedRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


Step = Callable[["Handler"], None]


class ScriptedServer(http.server.ThreadingHTTPServer):
    """A server that issues ``token-1``, ``token-2``, …, accepts tokens that are not revoked, and follows a script."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0, certificate: trustme.LeafCert | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.requests: list[ReceivedRequest] = []
        self.tokens: set[str] = set()
        self.life: Any = 3600
        self.lock = threading.Lock()
        self._script: list[tuple[re.Pattern[str], list[Step]]] = []
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def script(self, path: str, *steps: Step) -> None:
        """Respond to the next calls of ``path`` by ``steps``, one each, and then as usual."""
        self._script.append((re.compile(path), list(steps)))

    def step(self, path: str) -> Step | None:
        with self.lock:
            return next((steps.pop(0) for pattern, steps in self._script if steps and pattern.search(path)), None)

    def calls(self, path: str = "/api/") -> list[ReceivedRequest]:
        return [request for request in self.requests if path in request.path]

    @property
    def token_requests(self) -> int:
        return len(self.calls("/o/token/"))

    def gaps(self, path: str = "/api/") -> list[float]:
        times = [request.at for request in self.calls(path)]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    def new_token(self) -> str:
        with self.lock:
            token = f"token-{self.token_requests}-of-the-server"
            self.tokens.add(token)
            return token

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.requests.append(ReceivedRequest(self.command, self.path, dict(self.headers), body))
        step = self.server.step(self.path)
        if step is not None:
            step(self)
        elif "/o/token/" in self.path:
            self.answer(200, {"access_token": self.server.new_token(), "token_type": "Bearer"} | self.life())
        elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.server.tokens:
            self.answer(401, {"detail": "Unauthorized"})
        else:
            self.answer(200, {"items": [], "count": 0})

    # http.server's own names.
    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = serve  # noqa: N815

    def life(self) -> dict[str, Any]:
        return {} if self.server.life is None else {"expires_in": self.server.life}

    def answer(self, status: int, content: Any, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in ({"Content_Type": "application/json", "Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def answer(status: int, content: Any = b"", **headers: str) -> Step:
    return lambda handler: handler.answer(status, content, **headers)


def reset(handler: Handler) -> None:
    """End the connection with a reset, after the request was read."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()
    handler.close_connection = True


def truncated(handler: Handler) -> None:
    handler.answer(200, b'{"items": [', Content_Length="1000")
    handler.close_connection = True
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def steps() -> dict[str, Any]:
    return {"answer": answer, "reset": reset, "truncated": truncated}


@pytest.fixture
def server_factory() -> Iterator[Callable[..., ScriptedServer]]:
    started: list[ScriptedServer] = []

    def start(**arguments: Any) -> ScriptedServer:
        started.append(ScriptedServer(**arguments))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(server_factory: Callable[..., ScriptedServer]) -> ScriptedServer:
    return server_factory()


@pytest.fixture
def connect(server: ScriptedServer, tmp_path: Path) -> Iterator[Callable[..., OpenESGSession]]:
    """Open a session with the given Connection extras; each test has a separate token cache."""
    sessions: list[OpenESGSession] = []

    def open_session(*, host: str | None = None, kind: str = "disk", **extra: Any) -> OpenESGSession:
        settings = OpenESGSettings.from_connection(
            host=host or server.url, login=CLIENT_ID, password=CLIENT_SECRET, extra=extra
        )
        sessions.append(OpenESGSession(settings, cache=open_cache(kind, str(tmp_path / "cache"))))
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()
