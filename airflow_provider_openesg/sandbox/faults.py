"""Faults that can be set for matching requests, such as errors, delays and broken responses."""

# pydantic evaluates annotations at runtime.
# ruff: noqa: TC003

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from ninja import Field, Schema
from pydantic import field_validator
from waitress.channel import ClientDisconnected, HTTPChannel

Environ = dict[str, Any]
Response = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers, body."""

PIECE = 64 * 1024

Kind = Literal[
    "answer",
    "reset",
    "hang",
    "delay",
    "drip",
    "truncate",
    "cut_json",
    "big",
    "repeat_page",
    "short_page",
    "next_origin",
]


class Fault(Schema):
    """A fault for matching requests.

    ``answer``: send the given status, headers and body instead of the platform's response.
    ``reset``: reset the connection; with ``carried_out`` after the request was processed, otherwise before.
    ``hang``: send no response until the faults are cleared or the client disconnects.
    ``delay``: wait ``seconds``, then respond normally.
    ``drip``: send the body in ``pieces`` with a pause of ``seconds`` before each.
    ``truncate``: send ``share_sent`` of the body, then close the connection before ``Content-Length`` is reached.
    ``cut_json``: send ``share_sent`` of the body with a matching ``Content-Length``, so that only the JSON is invalid.
    ``big``: send ``size`` bytes of valid JSON. ``repeat_page``: every page is the first page.
    ``short_page``: a page has ``rows`` fewer rows than requested.
    ``next_origin``: links in the response point to ``host``.
    """

    kind: Kind
    path: str = Field("/", description="regular expression to search for in the path")
    method: str | None = None
    times: int | None = Field(None, ge=1, description="maximum number of requests with the fault; null: no limit")
    after: int = Field(0, ge=0, description="number of matching requests without the fault at the start")
    share: float = Field(
        1.0, ge=0, le=1, description="share of matching requests with the fault, selected at random by the seed"
    )
    status: int = Field(500, ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = '{"detail": "Fault of the sandbox"}'
    carried_out: bool = False
    seconds: float = Field(0, ge=0)
    pieces: int = Field(10, ge=1)
    share_sent: float = Field(0.5, ge=0, lt=1)
    size: int = Field(100 * 1024 * 1024, ge=1)
    rows: int = Field(1, ge=1)
    host: str = "elsewhere.example"

    @field_validator("path")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}") from None
        return value


class Faults:
    """The active faults, in the order in which they were set.

    :param seed: seed of the random selection for ``share``.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._set: list[_Set] = []
        self._count = 0

    def add(self, fault: Fault) -> int:
        """Set a fault and return its id."""
        with self._lock:
            self._count += 1
            self._set.append(_Set(self._count, fault, random.Random(f"{self._seed}/{self._count}")))  # noqa: S311 - not a secret
            return self._count

    def clear(self) -> None:
        """Remove all faults and end hanging requests."""
        with self._lock:
            self._set, self._count = [], 0

    def report(self) -> list[dict[str, Any]]:
        """Return the active faults, and how often each matched and was applied."""
        with self._lock:
            return [
                {
                    "id": each.id,
                    "matched": each.matched,
                    "applied": each.applied,
                    **each.fault.dict(exclude_defaults=True),
                }
                for each in self._set
            ]

    def apply(self, method: str, path: str) -> list[Fault]:
        """Return and count the faults to apply to this request: delays, and the first fault of another kind."""
        applied: list[Fault] = []
        with self._lock:
            for each in self._set:
                if each.applies(method, path):
                    applied.append(each.fault)
                    if each.fault.kind != "delay":
                        break
        return applied

    def hang(self, fault: Fault, environ: Environ) -> None:
        """Wait until the fault is cleared or the client disconnects, then close the connection without a response."""
        channel = channel_of(environ)
        while channel.connected and any(each.fault is fault for each in self._set):
            time.sleep(0.05)
        raise ClientDisconnected


class _Set:
    """An active fault, and how often it matched and was applied."""

    def __init__(self, number: int, fault: Fault, draw: random.Random) -> None:
        self.id, self.fault, self._draw = number, fault, draw
        self.matched = self.applied = 0

    def applies(self, method: str, path: str) -> bool:
        fault = self.fault
        if fault.method not in (None, method) or not re.search(fault.path, path):
            return False
        self.matched += 1
        if self.matched <= fault.after or (fault.times is not None and self.applied >= fault.times):
            return False
        if self._draw.random() >= fault.share:
            return False
        self.applied += 1
        return True


def channel_of(environ: Environ) -> HTTPChannel:
    """Return the waitress connection of a request."""
    return environ["waitress.client_disconnected"].__self__


def reset(environ: Environ) -> None:
    """Reset the connection (TCP RST) without sending more data."""
    channel_of(environ).socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ClientDisconnected


def change_query(fault: Fault, query: str) -> str:
    """Return the query string, changed as the fault requires."""
    if fault.kind == "repeat_page":
        query = re.sub(r"(^|&)offset=\d+", r"\1offset=0", query)
        return re.sub(r"(^|&)page=\d+", r"\1page=1", re.sub(r"(^|&)cursor=[^&]*", r"\1", query))
    if fault.kind == "short_page":
        return re.sub(r"(^|&)limit=(\d+)", lambda m: f"{m[1]}limit={max(1, int(m[2]) - fault.rows)}", query)
    return query


def body_of(fault: Fault, body: bytes) -> tuple[int, Iterable[bytes]]:
    """Return the ``Content-Length`` and the pieces of the body, changed as the fault requires."""
    cut = body[: int(len(body) * fault.share_sent)]
    if fault.kind == "truncate":
        return len(body), _then_disconnect(cut)
    if fault.kind == "cut_json":
        return len(cut), [cut]
    if fault.kind == "drip":
        return len(body), _drip(fault, body)
    if fault.kind == "big":
        return fault.size, _big(fault.size)
    return len(body), [body]


def _then_disconnect(body: bytes) -> Iterator[bytes]:
    yield body
    raise ClientDisconnected


def _drip(fault: Fault, body: bytes) -> Iterator[bytes]:
    size = max(1, -(-len(body) // fault.pieces))
    for start in range(0, len(body), size):
        time.sleep(fault.seconds)
        yield body[start : start + size]


def _big(size: int) -> Iterator[bytes]:
    head, tail = b'{"items": [{"id": 1, "name": "', b'"}], "count": 1}'
    yield head
    for left in range(size - len(head) - len(tail), 0, -PIECE):
        yield b"x" * min(PIECE, left)
    yield tail
