"""What runs in the second process (:mod:`.beside`)."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import sys
import threading
import traceback
from functools import partial
from io import FileIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from airflow_provider_openesg.client.reading import ReadingClient
from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.tables.lists import Lists
from airflow_provider_openesg.tables.worker_pipes import Pipes

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from airflow_provider_openesg.client.pagination import Query
    from airflow_provider_openesg.settings import OpenESGSettings


_LOGGED = ("name", "levelno", "levelname", "pathname", "filename", "module", "lineno", "funcName", "created", "msecs")


class _Client(ReadingClient):
    """A client whose calls are made by the first process."""

    def __init__(self, settings: OpenESGSettings, pipes: Pipes) -> None:
        self.settings = settings
        self._pipes = pipes
        self._numbers = itertools.count()
        self._answers: dict[int, tuple[Any, bytes]] = {}
        self._received = threading.Condition()
        self._ended = False
        threading.Thread(target=self._receive, daemon=True).start()

    def ask(self, url: str, params: Query | None) -> Callable[[], Response]:
        """Ask, and give what waits for the answer: where it is put to use no other thread needs the interpreter."""
        number = next(self._numbers)
        self._pipes.send("call", number, url, params)
        return partial(self._answer, number)

    def same_origin(self, url: str) -> bool:
        """Tell whether a link may be followed with the token."""
        from airflow_provider_openesg.client.session import same_origin

        return same_origin(url, self.settings.base_url)

    def _receive(self) -> None:
        with contextlib.suppress(EOFError):
            while True:
                (number, answer), body = self._pipes.receive()
                with self._received:
                    self._answers[number] = answer, body
                    self._received.notify_all()
        with self._received:
            self._ended = True
            self._received.notify_all()

    def _answer(self, number: int) -> Response:
        with self._received:
            self._received.wait_for(lambda: self._ended or number in self._answers)
            if number not in self._answers:
                raise EOFError
            answer, body = self._answers.pop(number)
        if isinstance(answer, Exception):
            raise answer
        status, url, content_type = answer
        # What is used of requests' own class, which would take as long to import as Arrow.
        response = SimpleNamespace(status_code=status, url=url, content=body, reason="")
        response.headers = {"Content-Type": content_type}
        response.request = SimpleNamespace(method="GET", headers={})
        return cast("Response", response)


class _Told(logging.Handler):
    """Has the first process log what is logged here."""

    def __init__(self, pipes: Pipes) -> None:
        super().__init__()
        self._pipes = pipes

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: getattr(record, name) for name in _LOGGED}
        self._pipes.send("log", {**fields, "msg": record.getMessage()})


def main() -> None:
    """Read the lists that the first process names, by the calls that it makes."""
    # Whoever interrupts means the first process; this one ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipes = Pipes(FileIO(int(sys.argv[2])), FileIO(int(sys.argv[3]), "w"))
    try:
        pipes.send("ready")
        (settings, pull, level), _ = pipes.receive()
        logging.basicConfig(level=level, handlers=[_Told(pipes)])
        for table, batch in Lists(_Client(settings, pipes), pull).batches():
            pipes.send("batch", table, body=_encoded(batch))
        pipes.send("done", pull.summary)
    except (EOFError, OSError):
        pass  # the first process has ended, or wants no more
    except OpenESGError as error:
        pipes.send("failed", error)
    except Exception:  # not every one can be sent
        pipes.send("failed", RuntimeError(f"The second process failed:\n{traceback.format_exc()}"))
    os._exit(0)  # threads may still wait for answers


def _encoded(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()
