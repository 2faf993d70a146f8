"""Django, set up for the sandbox, behind waitress: one process, on loopback only."""

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
"""Answers at once; a hanging one holds a thread."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What the command line says."""

    port: int
    reports: int
    seed: int
    clients: int
    token_lifetime: int
    tls_cert: str | None = None
    tls_key: str | None = None
    parent_pid: int | None = None


@dataclass(eq=False)
class _Urls:
    urlpatterns: list[Any]


def configure(token_lifetime: int) -> None:
    """Set Django up; must come before everything that imports ninja or models."""
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
        # An error is told on stderr with its traceback; the answer says no more than a platform's would.
        LOGGING_CONFIG=None,
        # Reloaded, as the lifetime of tokens is read when the core is made, and can be changed.
        OAUTH2_PROVIDER={"ACCESS_TOKEN_EXPIRE_SECONDS": token_lifetime, "ALWAYS_RELOAD_OAUTHLIB_CORE": True},
        SECRET_KEY="sandbox",  # noqa: S106 - signs nothing
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        STATIC_URL="/static/",
        USE_TZ=True,
    )
    django.setup()


def build(config: ServerConfig) -> Any:
    """Return the WSGI application: Django behind counters, faults and triggers."""
    configure(config.token_lifetime)

    # These import ninja and models, which want the settings first.
    from django.contrib.staticfiles.views import serve as serve_static
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import path

    from airflow_provider_openesg.sandbox import oauth
    from airflow_provider_openesg.sandbox.api import build_api, media_view
    from airflow_provider_openesg.sandbox.control_api import build_control
    from airflow_provider_openesg.sandbox.faults import Faults
    from airflow_provider_openesg.sandbox.request_log import Traffic
    from airflow_provider_openesg.sandbox.state import World

    world = World(config.reports, config.seed, config.token_lifetime)
    clients = oauth.Clients(config.clients, config.seed)
    faults = Faults(config.seed)
    traffic = Traffic(WSGIHandler(), faults)
    settings.ROOT_URLCONF = _Urls(
        [
            path("o/token/", oauth.token_view),
            path("api/v1/", build_api(world).urls),
            path("media/<int:value_id>/<str:name>", media_view(world)),
            # Swagger's own files: the docs pages need no internet.
            path("static/<path:path>", serve_static, {"insecure": True}),
            path("sandbox/", build_control(world, clients, faults, traffic).urls),
        ]
    )
    return traffic


def serve(config: ServerConfig) -> None:
    """Serve until the process is stopped, or until the one that started it ends.

    :raises SystemExit: when the port is taken.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # At once, hanging answers or not: there is nothing on disk to tidy.
        signal.signal(number, lambda *_: os._exit(0))
    parent = config.parent_pid or os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
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
        channel_request_lookahead=1,  # notices clients that leave
        send_bytes=1,  # slow answers leave piece by piece
        url_scheme=scheme,
        ident="openESG sandbox",
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
    )
    base_url, plain_url = f"{scheme}://{HOST}:{public.getsockname()[1]}", f"http://{HOST}:{listener.getsockname()[1]}"
    print(greeting(config, base_url, plain_url), flush=True)  # noqa: T201 - the ready line is the interface
    server.run()


def greeting(config: ServerConfig, base_url: str, plain_url: str) -> str:
    """Return what the sandbox prints once it serves; the ready line is the last."""
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
        raise SystemExit(f"Port {port} on {HOST} {reason}. Give another --port; --port 0 takes a free one.") from None
    return listener


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, however that ended.

    Polled, as a pipe would be held open by the parent's other children, and PDEATHSIG of Linux strikes when the thread
    that started this process ends.
    """
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(0)
