"""A worker process that decodes the pages of a long list, so that a pull uses two CPUs.

Decoding holds Python's interpreter lock, so threads cannot run it in parallel. The task process makes all requests and
sends page bodies; the worker process returns record batches. It has no credentials, makes no request and logs nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.tables.report_builder import DecodedPages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.tables.report_builder import Batches, DecodedPage, RowReference, Selection
    from airflow_provider_openesg.tables.summary import Summary
    from airflow_provider_openesg.tables.template_lookup import Templates

log = logging.getLogger(__name__)

_CODE = f"from {__name__} import main; main()"
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
"""Variables that the worker process gets; others of Airflow hold secrets."""


class Worker:
    """A :class:`DecodedPages` in a process of its own, which starts at once.

    :param selection: selection of the reports; gets the counts of their rows.
    :param with_values: whether field values are wanted.
    :param summary: gets the counts of the batches.
    :raises OSError: if the process cannot be started.
    """

    def __init__(self, selection: Selection, with_values: bool, summary: Summary) -> None:
        self._counts, self._summary = selection.counts, summary
        self._built: Batches = []
        self._builds = 0
        self._ready: bool | None = None
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-IB" if sys.dont_write_bytecode else "-I", "-c", _CODE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # output of a library belongs in the task's log
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                pass_fds=[theirs.fileno()],
            )
        self._send(selection.resource, selection.after, selection.others, with_values)

    def is_ready(self, seconds: float) -> bool:
        """Return whether the process has started; wait for it as long as ``seconds``."""
        if self._ready is None and self._connection.poll(seconds):
            try:
                self._ready = self._connection.recv()
            except (EOFError, OSError):
                self._ready = False
                log.warning("The worker process did not start (%s): the task decodes all pages.", self._status())
        return bool(self._ready)

    def page(self, body: bytes, templates: Sequence[str] | None) -> DecodedPage:
        """Decode a page; see :meth:`DecodedPages.page`."""
        self._send("page", body, templates)
        self._receive_built()
        page: DecodedPage = self._receive()
        return page

    def build(self, rows: Sequence[RowReference], templates: Templates | None) -> None:
        """Start to build the batches of rows; see :meth:`DecodedPages.build`."""
        self._send("build", rows, templates)
        self._builds += 1

    def batches(self, *, flush: bool = False) -> Batches:
        """Return the batches received until now; with ``flush``, wait for the batches of all rows."""
        if flush:
            self.build([], None)
            self._receive_built()
        batches, self._built = self._built, []
        return batches

    def close(self) -> None:
        """End the process. Another thread may still be receiving, so the connection is closed with this object."""
        self._process.kill()
        self._process.wait()

    def _send(self, *message: Any) -> None:
        with contextlib.suppress(OSError):  # it has ended: receiving raises the error
            self._connection.send(message)

    def _receive_built(self) -> None:
        while self._builds:
            self._builds -= 1
            batches, summary, counts = self._receive()
            self._built += batches
            self._summary.add(summary)
            self._counts.update(counts)

    def _receive(self) -> Any:
        try:
            reply = self._connection.recv()
        except (EOFError, OSError):
            raise OpenESGError(
                f"The worker process, which decodes the pages, was ended ({self._status()}). With exit status -9,"
                " memory was most likely exhausted: see the system log. Nothing of this run counts; run it again."
            ) from None
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _status(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        return f"exit status {self._process.returncode}"


def main() -> None:
    """Run the worker process until the task process closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the task process
    connection = Connection(int(sys.argv[1]))
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, messages), daemon=True).start()
    connection.send(True)
    pages = DecodedPages(*messages.get())
    while True:
        name, *arguments = messages.get()
        try:
            reply = getattr(pages, name)(*arguments)
        except Exception as error:
            is_refused = name == "page" and isinstance(error, ValueError | msgspec.MsgspecError)
            failure = RuntimeError(f"The worker process failed:\n{traceback.format_exc()}")
            reply = error if is_refused or isinstance(error, OpenESGError) else failure
        connection.send(reply)


def _receive(connection: Connection, messages: queue.SimpleQueue[Any]) -> None:
    """Receive in a thread, so that the task process never waits for this one while this one sends."""
    try:
        while True:
            messages.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # the task process has ended, even if it was killed
