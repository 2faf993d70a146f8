"""A platform whose responses are encoded before the measurement, so that it uses little CPU itself.

``python tests/bench/page_server.py REPORTS LATENCY`` prints its port, then serves. A round trip takes LATENCY seconds:
one for each request, and one for each new connection, like the TCP handshake on a network (TLS would take one or two
more). ``GET /stats`` returns the requests and connections since the last call, and the checksum of all field values.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import secrets
import sys
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import data
import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EXPIRES_IN = 3600


class Platform:
    """Lists in memory; a page is joined from encoded rows."""

    def __init__(self, reports: int, latency: float) -> None:
        self._latency = latency
        self._token = secrets.token_hex(16)
        self._calls: Counter[str] = Counter()
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._checksum = 0
        template = {
            "id": 1,
            "organization": None,
            "key": "esg.vsme",
            "name": "VSME",
            "description": "",
            "catalog": None,
        }
        self._lists: dict[str, list[bytes]] = {
            "report-templates": [msgspec.json.encode(template)],
            "report-templates/1/sections": [
                bytes(raw) for raw in msgspec.json.decode(data.sections(), type=list[msgspec.Raw])
            ],
            "organizations": [
                msgspec.json.encode({**_organization(number), "homepage": None}) for number in range(200)
            ],
            "report-requests": [msgspec.json.encode(_request(number)) for number in range(reports)],
            "reports": [],
        }
        draw = random.Random(1)
        for number in range(reports):
            report = data.report(number, draw)
            values = report["field_values"]
            self._checksum += data.checksum((each["id"], each["value"]) for each in values)
            self._lists["reports"].append(msgspec.json.encode(report))
        self._values = reports * data.VALUES

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._travel])
        app.router.add_post("/o/token/", self._grant)
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/api/v1/{list:.+}", self._page)
        return app

    @web.middleware
    async def _travel(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Wait for the latency of the round trips."""
        if request.path == "/stats":
            return await handler(request)
        round_trips = 1
        if request.transport not in self._connections:
            self._connections.add(request.transport)
            self._calls["connections"] += 1
            round_trips = 2
        if self._latency:
            await asyncio.sleep(round_trips * self._latency)
        return await handler(request)

    async def _grant(self, _: web.Request) -> web.Response:
        self._calls["tokens"] += 1
        token = {"access_token": self._token, "expires_in": EXPIRES_IN, "token_type": "Bearer", "scope": "read write"}
        return web.json_response(token)

    async def _page(self, request: web.Request) -> web.Response:
        self._calls["requests"] += 1
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.json_response({"detail": "Unauthorized"}, status=401)
        rows = self._lists[request.match_info["list"]]
        limit, offset = int(request.query.get("limit", 100)), int(request.query.get("offset", 0))
        body = b'{"items":[%s],"count":%d}' % (b",".join(rows[offset : offset + limit]), len(rows))
        return web.Response(body=body, content_type="application/json")

    async def _stats(self, _: web.Request) -> web.Response:
        stats: dict[str, Any] = {**self._calls, "checksum": self._checksum, "values": self._values}
        self._calls.clear()
        return web.json_response(stats)


def _organization(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"Firma {number} GmbH", "type": "gmbh", "vat_id": "DE123456789"}


def _request(number: int) -> dict[str, Any]:
    return {
        "id": number + 5000,
        "report_template": 1,
        "organization": number % 200,
        "user": {"id": number, "email": "a@firma.example", "first_name": "Anna", "last_name": "Müller"},
        "report": number,
        "status": "created",
        "customer_identifier": f"K-{number}",
        "created_at": "2026-01-01T10:00:00Z",
        "updated_at": "2026-02-01T10:00:00.123456Z",
    }


async def main(reports: int, latency: float) -> None:
    """Serve on a free port of the loopback interface until the standard input is closed."""
    platform = Platform(reports, latency)
    gc.freeze()
    runner = web.AppRunner(platform.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
