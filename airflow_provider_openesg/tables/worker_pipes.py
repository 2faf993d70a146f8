"""What two processes say to each other: Python objects, and bytes beside them, over two pipes."""

from __future__ import annotations

import contextlib
import fcntl
import pickle
import struct
import threading
from io import BufferedReader, FileIO
from typing import Any

_HEAD = struct.Struct("<QQ")

HELD_BYTES = 1024 * 1024
"""What a pipe holds, where the system lets it: most of a page, so that neither side waits for the other halfway."""


class Pipes:
    """One end of two pipes. Threads may share its sending side; one at a time may receive.

    :param reading: what is received comes from there.
    :param writing: what is sent goes there; both without a buffer, and closed with this.
    """

    def __init__(self, reading: FileIO, writing: FileIO) -> None:
        self._reading = BufferedReader(reading)
        self._writing = writing
        self._sending = threading.Lock()
        for end in (reading, writing):
            with contextlib.suppress(AttributeError, OSError):  # Linux has it, and an allowance of it for each user
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, HELD_BYTES)

    def send(self, *said: Any, body: Any = b"") -> None:
        """Send objects, and bytes without a copy.

        :raises OSError: the other process has ended.
        :raises ValueError: this end is closed.
        """
        objects = pickle.dumps(said)
        with self._sending:
            self._write(_HEAD.pack(len(objects), len(body)) + objects)
            self._write(body)

    def receive(self) -> tuple[tuple[Any, ...], bytes]:
        """Wait for what the other side sends next.

        :raises EOFError: the other process has ended.
        """
        objects, body = _HEAD.unpack(self._exactly(_HEAD.size))
        # From a process that this one has started, or that has started this one.
        return pickle.loads(self._exactly(objects)), self._exactly(body)  # noqa: S301

    def close(self) -> None:
        """Close this end, once the other one has ended: who is in the middle of sending would else be waited for."""
        with self._sending:
            self._writing.close()
        self._reading.close()

    def _exactly(self, size: int) -> bytes:
        received = self._reading.read(size)
        if len(received) < size:
            raise EOFError
        return received

    def _write(self, data: Any) -> None:
        left = memoryview(data)
        while left:
            left = left[self._writing.write(left) :]
