"""A second process for long pulls: it makes tables of the pages that this one fetches.

Decoding holds Python's interpreter lock, so threads cannot share it among processors. The second process reads the
lists just as this one would, but has every call made by this one: tokens, retries, TLS and the bound on calls stay
where they are, and no secret leaves the process that has it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from msgspec import Raw

from airflow_provider_openesg.api import COUNT, ID, ITEMS, RESULTS
from airflow_provider_openesg.exceptions import OpenESGError
from airflow_provider_openesg.tables.lists import Lists
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.worker_pipes import Pipes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.pagination import Query
    from airflow_provider_openesg.client.prefetch import Begun
    from airflow_provider_openesg.tables.lists import Batches, Pull

log = logging.getLogger(__name__)

WORTH_BYTES = 64 * 1024 * 1024
"""What has to be read for a second process to be worth its start: some 4,000 reports of 60 field values."""

_PACKAGE = __name__.partition(".")[0]
_CODE = (
    f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {_PACKAGE}.tables.worker_main import main; main()"
)


@contextmanager
def reader_of(client: OpenESGClient, pull: Pull) -> Iterator[Callable[[], Lists | Reader]]:
    """Begin the longest list, and give what says who reads the lists: a second process where there is enough to read.

    Both are made ready while something else is done.

    :raises OpenESGError: the list cannot be read; not before it is asked who reads.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    queries = [query for query, _ in pull.queries("reports")] if "reports" in pull.lists() else []
    if len(usable) < 2 or not queries or ID in queries[0]:
        yield lambda: Lists(client, pull)
        return
    with client.begun("reports", filters=queries[0]) as begun:
        pool = ThreadPoolExecutor(1, thread_name_prefix="openesg-second")
        reader = pool.submit(_reader, client, pull, begun)
        try:
            yield lambda: reader.result() or Lists(client, pull)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            reader.add_done_callback(_closed)


def _rows_of_long_list(first: Response) -> int:
    """Return the rows of a list that is worth a second process, by its first page; else 0."""
    with contextlib.suppress(msgspec.MsgspecError, KeyError, ValueError, TypeError, ZeroDivisionError):
        page = msgspec.json.decode(first.content, type=dict[str, Raw])
        rows = msgspec.json.decode(page.get(ITEMS) or page[RESULTS], type=list[Raw])
        total = int(bytes(page[COUNT]))
        return total if len(first.content) * total // len(rows) >= WORTH_BYTES else 0
    return 0


class Reader:
    """Reads the lists of a pull in a second process, which starts at once.

    :raises OSError: it cannot be started.
    """

    def __init__(self, client: OpenESGClient, pull: Pull) -> None:
        self._client = client
        self._pull = pull
        receiving, answers = os.pipe()
        calls, sending = os.pipe()
        self._pipes = Pipes(FileIO(receiving), FileIO(sending, "w"))
        try:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-c", _CODE, json.dumps(sys.path), str(calls), str(answers)],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a library prints is for the task's log
                pass_fds=(calls, answers),
            )
        except BaseException:
            self._pipes.close()
            raise
        finally:
            os.close(calls)
            os.close(answers)

    def batches(self) -> Batches:
        """Give what :meth:`Lists.batches` gives.

        :raises OpenESGError: the second process was ended from outside.
        """
        try:
            self._pipes.receive()
        except EOFError:
            log.warning("The second process did not start (%s): this one decodes the pages alone.", self._ended())
            yield from Lists(self._client, self._pull).batches()
            return
        calls = ThreadPoolExecutor(2 * self._client.settings.parallel_requests, thread_name_prefix="openesg-calls")
        try:
            settings = replace(self._client.settings, client_secret="", proxies=None)
            level = logging.getLogger(_PACKAGE).getEffectiveLevel()
            self._pipes.send(settings, replace(self._pull, summary=Summary()), level)
            while True:
                (kind, *said), body = self._pipes.receive()
                if kind == "call":
                    calls.submit(self._call, *said)
                elif kind == "batch":
                    yield said[0], pa.ipc.open_stream(body).read_next_batch()
                elif kind == "log":
                    record = logging.makeLogRecord(said[0])
                    logging.getLogger(record.name).handle(record)
                elif kind == "failed":
                    raise said[0]
                else:
                    self._pull.summary.add(said[0])
                    return
        except (EOFError, BrokenPipeError):
            raise OpenESGError(
                f"The second process, which decodes the pages, was ended ({self._ended()}). By -9, it is most often"
                " for want of memory, which the system's log tells. Nothing of this run counts; it can be run again."
            ) from None
        finally:
            # Not waited for: a call that is in the middle of its retries could take minutes.
            calls.shutdown(wait=False, cancel_futures=True)
            self.close()

    def close(self) -> None:
        """End the second process."""
        self._process.kill()
        self._process.wait()
        self._pipes.close()

    def _ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        return f"exit status {self._process.returncode}"

    def _call(self, number: int, path: str, params: Query | None) -> None:
        """Make a call for the second process, and tell it what came of it."""
        answer: Any
        try:
            response = self._client.ask(path, params)()
            answer = response.status_code, response.url, response.headers.get("Content-Type", "")
            body = response.content
        except OpenESGError as error:
            answer, body = error, b""
        except Exception as error:  # not every one can be sent
            log.debug("A call for the second process failed", exc_info=True)
            answer, body = RuntimeError(f"{type(error).__name__}: {error}"), b""
        with contextlib.suppress(OSError, ValueError):  # it has ended: who waits for its batches will say so
            self._pipes.send(number, answer, body=body)


def _reader(client: OpenESGClient, pull: Pull, begun: Begun) -> Reader | None:
    total = _rows_of_long_list(begun.first.result())
    if not total:
        return None
    try:
        reader = Reader(client, pull)
    except OSError as error:
        log.warning("No second process can be started (%s): this one decodes the pages alone.", error)
        return None
    begun.go_on(total)
    return reader


def _closed(reader: Future[Reader | None]) -> None:
    if not reader.cancelled() and reader.exception() is None and (started := reader.result()):
        started.close()
