"""Configure Django and serve it with waitress, in one process and on loopback only."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

import django
from django.conf import settings

from airflow_provider_openesg.sandbox.tls import serve_tls

HOST = "127.0.0.1"
THREADS = 48
"""Number of concurrent requests. A hanging request occupies a thread."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Options from the command line."""

    port: int
    reports: int
    seed: int
    clients: int
    token_lifetime: int
    tls_cert: str | None = None
    tls_key: str | None = None
    parent_pid: int | None = None
    shape: tuple[str, ...] = ()


@dataclass(eq=False)
class _Urls:
    urlpatterns: list[Any]


def configure(token_lifetime: int) -> None:
    """Configure Django. Call this before importing ninja or models."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": "file:openesg-sandbox?mode=memory&cache=shared",
            }
        },
        DATA_UPLOAD_MAX_MEMORY_SIZE=64 * 1024 * 1024,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.staticfiles",
            "oauth2_provider",
            "ninja",
        ],
        # Errors are logged to stderr with a traceback; the response contains no details.
        LOGGING_CONFIG=None,
        # The core reads the token lifetime when it is created, so it is recreated to apply changes.
        OAUTH2_PROVIDER={"ACCESS_TOKEN_EXPIRE_SECONDS": token_lifetime, "ALWAYS_RELOAD_OAUTHLIB_CORE": True},
        SECRET_KEY="sandbox",  # noqa: S106 - not used to sign data
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        STATIC_URL="/static/",
        USE_TZ=True,
    )
    django.setup()


def build(config: ServerConfig) -> Any:
    """Return the WSGI application: Django, wrapped in the shape and in the request log."""
    configure(config.token_lifetime)

    # These modules import ninja and models, which require configured settings.
    from django.contrib.staticfiles.views import serve as serve_static
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import path

    from airflow_provider_openesg.sandbox import oauth
    from airflow_provider_openesg.sandbox.api import build_api, media_view
    from airflow_provider_openesg.sandbox.control_api import build_control
    from airflow_provider_openesg.sandbox.faults import Faults
    from airflow_provider_openesg.sandbox.request_log import RequestLog
    from airflow_provider_openesg.sandbox.shapes.middleware import ShapedApplication
    from airflow_provider_openesg.sandbox.state import PlatformState

    platform = PlatformState(config.reports, config.seed, config.token_lifetime, config.shape)
    clients = oauth.Clients(config.clients, config.seed)
    faults = Faults(config.seed)
    request_log = RequestLog(ShapedApplication(WSGIHandler(), platform), faults)
    settings.ROOT_URLCONF = _Urls(
        [
            path("o/token/", oauth.token_view),
            path("api/v1/", build_api(platform).urls),
            path("media/<int:value_id>/<str:name>", media_view(platform)),
            # Swagger's static files, so that the docs pages work without internet access.
            path("static/<path:path>", serve_static, {"insecure": True}),
            path("sandbox/", build_control(platform, clients, faults, request_log).urls),
        ]
    )
    return request_log


def serve(config: ServerConfig) -> None:
    """Serve until this process is stopped or its parent process ends.

    :raises SystemExit: if the port cannot be used.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # Exit immediately, even if requests hang: there are no files to clean up.
        signal.signal(number, lambda *_: os._exit(0))
    parent = config.parent_pid or os.getppid()
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    logging.basicConfig(level=logging.ERROR)
    public = listener = _listen(config.port)
    if config.tls_cert and config.tls_key:
        listener = _listen(0)
        serve_tls(public, listener.getsockname()[1], config.tls_cert, config.tls_key)
    scheme = "https" if config.tls_cert else "http"
    from waitress.server import create_server

    server = create_server(
        build(config),
        sockets=[listener],
        threads=THREADS,
        connection_limit=1000,
        backlog=1024,
        channel_request_lookahead=1,  # detects disconnected clients
        send_bytes=1,  # sends slow responses in pieces
        url_scheme=scheme,
        ident="openESG sandbox",
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
    )
    base_url, plain_url = f"{scheme}://{HOST}:{public.getsockname()[1]}", f"http://{HOST}:{listener.getsockname()[1]}"
    print(greeting(config, base_url, plain_url), flush=True)  # noqa: T201 - the ready line is the interface
    server.run()


def greeting(config: ServerConfig, base_url: str, plain_url: str) -> str:
    """Return the text that the sandbox prints when it is ready. The last line is the ready line."""
    from airflow_provider_openesg.sandbox.oauth import client_id, client_secret

    lines = [
        f"openESG sandbox with {config.reports} reports, seed {config.seed}",
        f"Base URL       {base_url}",
        f"API docs       {base_url}/api/v1/docs",
        f"Control        {plain_url}/sandbox/docs",
    ]
    ready = []
    for number in range(config.clients, 0, -1):
        name, secret = client_id(number), client_secret(config.seed, number)
        connection = json.dumps({"conn_type": "openesg", "host": base_url, "login": name, "password": secret})
        lines[2:2] = [f"Client ID      {name}", f"Client secret  {secret}"]
        ready.append(f"AIRFLOW_CONN_OPENESG_{'DEFAULT' if number == 1 else number}='{connection}'")
    return "\n".join([*lines, *ready])


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        reason = "is in use by another process" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
        raise SystemExit(
            f"Port {port} on {HOST} {reason}. Choose another --port; --port 0 selects a free port."
        ) from None
    return listener


def _exit_with_parent(parent: int) -> None:
    """Exit this process when its parent process ends, even if the parent is killed.

    It polls, because other child processes would keep a pipe open, and PDEATHSIG on Linux already sends its signal
    when the thread that started this process ends.
    """
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(0)
