"""A worker process that decodes the pages of a long list, so that a pull uses two CPUs, as decoding holds the GIL.

The task process makes all requests and sends page bodies. The worker returns batches; it has no credentials and no log.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from array import array
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from select import POLLIN, poll
from socket import MSG_WAITALL, socket, socketpair
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.tables.remote_page import RemotePage
from airflow_provider_openesg.tables.report_builder import DecodedPages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.api import Api
    from airflow_provider_openesg.client.envelope import Decode
    from airflow_provider_openesg.tables.remote_page import RemoteRow
    from airflow_provider_openesg.tables.report_builder import Batches, Built, Selection
    from airflow_provider_openesg.tables.summary import Summary
    from airflow_provider_openesg.tables.template_lookup import Templates

log = logging.getLogger(__name__)
_CODE = f"from {__name__} import main; main()"
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")  # others of Airflow hold secrets


class Worker:
    """Run :class:`DecodedPages` in a process, which is started at once.

    :param selection, summary: get the counts of the rows.
    :raises OSError: if the process cannot be started.
    """

    def __init__(self, selection: Selection, with_values: bool, summary: Summary, api: Api) -> None:
        self._counts, self._summary = selection.counts, summary
        self._expected, self._builds = deque[Future[Any]](), deque[Future["Built"]]()  # the process replies in order
        self._number, self._dropped = 0, deque[int]()
        self._ready: bool | None = None
        self._channel, theirs = socketpair()
        for each in (self._channel, theirs):
            each.setblocking(True)  # a default timeout of all sockets is not for these
        self._started = poll()
        self._started.register(self._channel, POLLIN)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-I", "-c", _CODE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # output of a library belongs in the task's log
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                pass_fds=[theirs.fileno()],
            )
        _send(self._channel, (selection.resource, selection.after, selection.allowed, with_values, api))

    def is_ready(self, seconds: float) -> bool:
        """Return whether the process has started; wait for it as long as ``seconds``."""
        if self._ready is None and self._started.poll(1000 * seconds):
            try:
                self._ready = bool(_receive(self._channel))
            except (EOFError, OSError):
                self._ready, status = False, self._process.wait()
                log.warning("The worker process did not start (exit status %d); pages are decoded in the task.", status)
        return bool(self._ready)

    def page(self, body: bytes, templates: Sequence[str] | None) -> Decode[RemoteRow]:
        """Start :meth:`DecodedPages.page`; return a function that returns the page."""
        self._number += 1
        number, dropped = self._number, [self._dropped.popleft() for _ in range(len(self._dropped))]
        future = self._start("page", number, pickle.PickleBuffer(body), templates, dropped)
        return lambda: RemotePage(number, body, self._result(future), self._dropped).page()

    def build(self, rows: Sequence[RemoteRow], templates: Templates | None) -> Batches:
        """Start :meth:`DecodedPages.build`, and return the batches received until now; without rows, wait for all."""
        number = rows[0].page.number if rows else 0
        self._builds.append(self._start("build", number, [row.position for row in rows], templates))
        batches: Batches = []
        while self._builds and (self._builds[0].done() or not rows):
            built, summary, counts = self._result(self._builds.popleft())
            batches += built
            self._summary.add(summary)
            self._counts.update(counts)
        return batches

    def close(self) -> None:
        """End the process. The channel is closed with this object, as a thread may still be receiving."""
        self._process.kill()
        self._process.wait()

    def __del__(self) -> None:
        with suppress(AttributeError):  # no socket could be created
            self._channel.close()

    def _start(self, *message: Any) -> Future[Any]:
        _send(self._channel, message)
        self._expected.append(Future())
        return self._expected[-1]

    def _result(self, future: Future[Any]) -> Any:
        while not future.done():
            try:
                reply = _receive(self._channel)
            except (EOFError, OSError):
                raise OpenESGError(
                    f"The worker process that decodes pages was ended (exit status {self._process.wait()}). -9 mostly"
                    " means that memory was exhausted: see the system log. Nothing of this run counts; run it again."
                ) from None
            expected = self._expected.popleft()
            (expected.set_exception if isinstance(reply, Exception) else expected.set_result)(reply)
        return future.result()


def main() -> None:
    """Run the worker process until the task process closes the channel."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the task process
    channel = socket(fileno=int(sys.argv[1]))
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def receive() -> None:  # in a thread, so that the task process never waits for this one while this one sends
        try:
            while True:
                messages.put(_receive(channel))
        except (EOFError, OSError):
            os._exit(0)  # the task process has ended, even if it was killed
        finally:
            os._exit(1)  # such as MemoryError: the task process reports it

    threading.Thread(target=receive, daemon=True).start()
    _send(channel, True)
    pages = DecodedPages(*messages.get())
    while True:
        name, *arguments = messages.get()
        try:
            reply = getattr(pages, name)(*arguments)
        except Exception as error:
            expected = isinstance(error, (ValueError, msgspec.MsgspecError) if name == "page" else OpenESGError)
            reply = error if expected else RuntimeError(f"The worker process failed:\n{traceback.format_exc()}")
        _send(channel, reply)


def _send(channel: socket, message: Any) -> None:
    """Send an object; page bodies and Arrow buffers in it are not copied."""
    buffers: list[pickle.PickleBuffer] = []
    parts = [memoryview(pickle.dumps(message, protocol=5, buffer_callback=buffers.append))]
    parts += [buffer.raw() for buffer in buffers]
    with suppress(OSError):  # the other process has ended: receiving raises the error
        channel.sendall(array("Q", [len(parts), *(part.nbytes for part in parts)]))
        for part in parts:
            channel.sendall(part)


def _receive(channel: socket) -> Any:
    (count,) = array("Q", _bytes(channel, 8))
    head, *buffers = [_bytes(channel, size) for size in array("Q", _bytes(channel, 8 * count))]
    return pickle.loads(head, buffers=buffers)  # noqa: S301 - our own


def _bytes(channel: socket, size: int) -> bytearray:
    """Receive bytes. A pipe of :mod:`multiprocessing` would copy them several times."""
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        received = channel.recv_into(rest, 0, MSG_WAITALL)
        if not received:
            raise EOFError
        rest = rest[received:]
    return content
