"""Faults on demand: what goes wrong on a wire, for calls that match."""

# pydantic reads annotations when it runs.
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
Answer = tuple[str, list[tuple[str, str]], bytes]
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
    """What happens to matching calls.

    ``answer``: the given status, headers and body instead of the platform's own (429, 401, 503, HTML, a redirect, …).
    ``reset``: the connection is reset; with ``carried_out`` after the call was carried out, else before.
    ``hang``: no answer until faults are cleared or the client leaves. ``delay``: ``seconds`` later, then as always.
    ``drip``: the body in ``pieces`` with ``seconds`` between them.
    ``truncate``: ``share_sent`` of the body, then the connection ends short of the announced length.
    ``cut_json``: ``share_sent`` of the body with the length to match, so that only the JSON is broken.
    ``big``: ``size`` bytes of valid JSON. ``repeat_page``: every page is the first. ``short_page``: ``rows``
    fewer than asked for. ``next_origin``: links in the answer point to ``host``.
    """

    kind: Kind
    path: str = Field("/", description="regular expression, searched in the path")
    method: str | None = None
    times: int | None = Field(None, ge=1, description="calls it strikes; null: all")
    after: int = Field(0, ge=0, description="matching calls that pass first")
    share: float = Field(1.0, ge=0, le=1, description="of the matching calls, drawn by the seed")
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
    """The faults that are set, in the order in which they were.

    :param seed: of the draws for ``share``.
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
            self._set.append(_Set(self._count, fault, random.Random(f"{self._seed}/{self._count}")))  # noqa: S311 - nothing secret
            return self._count

    def clear(self) -> None:
        """Take all away and let hanging answers end."""
        with self._lock:
            self._set, self._count = [], 0

    def report(self) -> list[dict[str, Any]]:
        """Return what is set, and how often each matched and struck."""
        with self._lock:
            return [
                {
                    "id": each.id,
                    "matched": each.matched,
                    "struck": each.struck,
                    **each.fault.dict(exclude_defaults=True),
                }
                for each in self._set
            ]

    def strike(self, method: str, path: str) -> list[Fault]:
        """Return the faults that strike this call: delays, and the first other one."""
        struck: list[Fault] = []
        with self._lock:
            for each in self._set:
                if each.strikes(method, path):
                    struck.append(each.fault)
                    if each.fault.kind != "delay":
                        break
        return struck

    def hang(self, fault: Fault, environ: Environ) -> None:
        """Wait until the fault is cleared or the client leaves, then end the connection without an answer."""
        channel = channel_of(environ)
        while channel.connected and any(each.fault is fault for each in self._set):
            time.sleep(0.05)
        raise ClientDisconnected


class _Set:
    """A fault that is set, and how often it matched."""

    def __init__(self, number: int, fault: Fault, draw: random.Random) -> None:
        self.id, self.fault, self._draw = number, fault, draw
        self.matched = self.struck = 0

    def strikes(self, method: str, path: str) -> bool:
        fault = self.fault
        if fault.method not in (None, method) or not re.search(fault.path, path):
            return False
        self.matched += 1
        if self.matched <= fault.after or (fault.times is not None and self.struck >= fault.times):
            return False
        if self._draw.random() >= fault.share:
            return False
        self.struck += 1
        return True


def channel_of(environ: Environ) -> HTTPChannel:
    """Return waitress's connection of a call."""
    return environ["waitress.client_disconnected"].__self__


def reset(environ: Environ) -> None:
    """End the connection by RST, with nothing more sent."""
    channel_of(environ).socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ClientDisconnected


def change_query(fault: Fault, query: str) -> str:
    """Return the query that a platform with this fault would act on."""
    if fault.kind == "repeat_page":
        return re.sub(r"(^|&)offset=\d+", r"\1offset=0", query)
    if fault.kind == "short_page":
        return re.sub(r"(^|&)limit=(\d+)", lambda m: f"{m[1]}limit={max(1, int(m[2]) - fault.rows)}", query)
    return query


def body_of(fault: Fault, body: bytes) -> tuple[int, Iterable[bytes]]:
    """Return the announced length and the pieces of a spoiled body."""
    cut = body[: int(len(body) * fault.share_sent)]
    if fault.kind == "truncate":
        return len(body), _then_gone(cut)
    if fault.kind == "cut_json":
        return len(cut), [cut]
    if fault.kind == "drip":
        return len(body), _drip(fault, body)
    if fault.kind == "big":
        return fault.size, _big(fault.size)
    return len(body), [body]


def _then_gone(body: bytes) -> Iterator[bytes]:
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
