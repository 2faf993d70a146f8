"""The repair of *Test* in two versions of Airflow's UI. That it does repair it, a browser shows (tests/airflow)."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_provider_openesg.plugins import openesg as plugin
from airflow_provider_openesg.version_compat import AIRFLOW_3

TEST = "/api/v2/connections/test"
OURS = {"conn_type": "openesg", "host": "https://app.openesg.de", "password": "***", "port": 0}


def received(pieces: list[bytes], path: str = TEST, method: str = "POST") -> bytes:
    """Return the body that an application behind the middleware receives."""
    messages = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]
    bodies = []

    async def receive():
        return messages.pop(0)

    async def application(scope, receive, send):
        more = True
        while more:
            message = await receive()
            bodies.append(message["body"])
            more = message["more_body"]

    asyncio.run(plugin.PortOfTest(application)({"type": "http", "method": method, "path": path}, receive, None))
    return b"".join(bodies)


@pytest.mark.parametrize("pieces", [1, 3])
def test_port_0_of_ours_is_none(pieces: int):
    body = json.dumps(OURS).encode()
    size = -(-len(body) // pieces)
    sent = [body[start : start + size] for start in range(0, len(body), size)]
    assert len(sent) == pieces
    assert json.loads(received(sent)) == OURS | {"port": None}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(OURS | {"port": 8443}),
        json.dumps(OURS | {"conn_type": "http"}),
        json.dumps([OURS]),
        "not JSON",
        "",
    ],
)
def test_anything_else_is_left_alone(body: str):
    assert received([body.encode()]) == body.encode()


def test_other_calls_are_left_alone():
    body = json.dumps(OURS).encode()
    assert received([body], path="/api/v2/connections") == body
    assert received([body], method="PATCH") == body


@pytest.mark.parametrize(("version", "count"), [("3.3.0", 0), ("3.3.1", 1), ("3.3.2", 1), ("3.3.3", 0)])
def test_only_the_versions_that_need_it(version: str, count: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugin, "version", lambda distribution: version)
    assert len(plugin._middlewares()) == count


def test_events_of_reports_are_attended_to_where_assets_have_watchers():
    listeners = [listener.__name__ for listener in plugin.OpenESGPlugin.listeners]
    assert listeners == (["airflow_provider_openesg.listeners.asset_events"] if AIRFLOW_3 else [])
