"""The provider's plugin: a listener for event triggers; and a repair of *Test*, which goes when 3.3.1 and 3.3.2 go.

In the UI of those two, *Test* of every stored Connection without a port ends in "Bad Request", and ours has none: their
UI sends the missing port as 0, and their API takes that for another destination than the stored one, to which it does
not lend the stored secret (https://github.com/apache/airflow/pull/73298). Here 0 becomes "none" again, for our
Connections only. On any other Airflow nothing is repaired.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_openesg.get_provider_info import CONNECTION_TYPE
from airflow_provider_openesg.version_compat import AIRFLOW_3

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

AFFECTED = ("3.3.1", "3.3.2")


class PortOfTest:
    """ASGI middleware: the port 0 of an openESG Connection under test is none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass everything on, the body of a *Test* repaired."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/api/v2/connections/test"):
            receive = _Repaired(receive)
        await self._app(scope, receive, send)


class _Repaired:
    """Receives the whole body first, and hands it on in one piece."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._done = False

    async def __call__(self) -> Message:
        if self._done:
            return await self._receive()
        self._done, body = True, b""
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            body += message.get("body", b"")
            if not message.get("more_body"):
                return {**message, "body": _without_port_0(body)}


def _without_port_0(body: bytes) -> bytes:
    try:
        connection = json.loads(body)
    except ValueError:
        return body
    if (
        not isinstance(connection, dict)
        or connection.get("conn_type") != CONNECTION_TYPE
        or connection.get("port") != 0
    ):
        return body
    return json.dumps({**connection, "port": None}).encode()


def _middlewares() -> list[dict[str, Any]]:
    try:
        affected = version("apache-airflow-core") in AFFECTED
    except PackageNotFoundError:  # Airflow 2
        return []
    return [{"name": "openESG: Test without a port", "middleware": PortOfTest}] if affected else []


def _listeners() -> list[Any]:
    if not AIRFLOW_3:
        return []
    from airflow_provider_openesg.listeners import asset_events

    return [asset_events]


class OpenESGPlugin(AirflowPlugin):
    """Registers the listener and the middleware where they are needed."""

    name = "openesg"
    listeners = _listeners()
    fastapi_root_middlewares = _middlewares()
