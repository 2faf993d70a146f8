"""The second process of long pulls: what it reads, who notices its end, what it is never told."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import FileIO
from typing import TYPE_CHECKING

import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGError
from airflow_provider_openesg.tables import worker as beside
from airflow_provider_openesg.tables import worker_pipes as pipes
from airflow_provider_openesg.tables.read import iter_tables
from airflow_provider_openesg.tables.summary import Summary

if TYPE_CHECKING:
    import pyarrow as pa

VALUES = ["reports", "field_values"]


@pytest.fixture
def started(monkeypatch) -> list[subprocess.Popen[bytes]]:
    """Have every pull read by a second process, and collect them."""
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def spy(*args, **kwargs):
        processes.append(popen(*args, **kwargs))
        return processes[-1]

    monkeypatch.setattr(beside.subprocess, "Popen", spy)
    monkeypatch.setattr(beside, "WORTH_BYTES", 0)
    return processes


def has_ended(process_id: int) -> bool:
    for _ in range(200):
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_the_same_batches_and_summary(sandbox, client_for, started, monkeypatch) -> None:
    def pulled() -> tuple[list[tuple[str, pa.RecordBatch]], Summary]:
        summary = Summary()
        return list(iter_tables(client_for(sandbox, page_size=20), VALUES, summary=summary)), summary

    two, of_two = pulled()
    assert len(started) == 1
    assert started[0].returncode is not None
    monkeypatch.setattr(beside, "WORTH_BYTES", 10**12)
    one, of_one = pulled()
    assert len(started) == 1
    assert two == one
    assert {table for table, _ in one} == {*VALUES}
    assert of_two == of_one
    assert of_one.malformed.total() > 0


def test_short_lists_and_lone_processors_are_read_by_one(sandbox, client_for, started, monkeypatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(beside, "Reader", None)  # would be an error
    list(iter_tables(client_for(sandbox), VALUES))
    monkeypatch.setattr(beside, "WORTH_BYTES", 0)
    monkeypatch.setattr(beside.os, "sched_getaffinity", lambda _: {0}, raising=False)
    list(iter_tables(client_for(sandbox), VALUES))
    assert not started


def test_its_end_is_an_error_that_says_so(sandbox, client_for, started) -> None:
    batches = iter_tables(client_for(sandbox, page_size=2), VALUES)
    next(batches)
    started[0].kill()
    with pytest.raises(OpenESGError, match=r"second process.*exit status -9.*want of memory"):
        list(batches)


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "print('not for the pipe')"])
def test_one_that_does_not_start_is_done_without(sandbox, client_for, started, caplog, monkeypatch, code) -> None:
    monkeypatch.setattr(beside, "_CODE", code)
    rows = sum(len(batch) for table, batch in iter_tables(client_for(sandbox), VALUES) if table == "reports")
    assert rows == sandbox.state()["reports"]
    assert "second process did not start (exit status" in caplog.text


def test_one_that_cannot_be_started_is_done_without(sandbox, client_for, started, caplog, monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert list(iter_tables(client_for(sandbox), VALUES))
    assert "No second process can be started" in caplog.text


def test_it_ends_with_who_reads(sandbox, client_for, started) -> None:
    with closing(iter_tables(client_for(sandbox, page_size=2), VALUES)) as batches:
        next(batches)
    assert has_ended(started[0].pid)
    sandbox.fault("answer", path=r"/report-templates$", status=403)
    with pytest.raises(OpenESGApiError):  # before its turn comes
        list(iter_tables(client_for(sandbox), VALUES))
    assert all(has_ended(process.pid) for process in started)


def test_it_ends_with_the_first_process(sandbox, started, settings_for) -> None:
    script = f"""
import os, pickle, sys, time
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.tables import worker as beside
from airflow_provider_openesg.tables.read import iter_tables
beside.WORTH_BYTES = 0
client = OpenESGClient(pickle.loads({pickle.dumps(settings_for(sandbox, page_size=2))!r}), cache=open_cache("off"))
popen = beside.subprocess.Popen
def spy(*args, **kwargs):
    process = popen(*args, **kwargs)
    print(process.pid, flush=True)
    return process
beside.subprocess.Popen = spy
batches = iter_tables(client, ["reports"])
next(batches)
print("reading", flush=True)
time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as first:
        second = int(first.stdout.readline())
        assert first.stdout.readline() == "reading\n"
        os.kill(second, 0)
        first.send_signal(signal.SIGKILL)
    assert has_ended(second)


def test_it_is_told_no_secret(sandbox, client_for, started, monkeypatch) -> None:
    told: list[bytes] = []
    send = pipes.Pipes.send

    def spy(self, *said, body=b""):
        told.append(pickle.dumps(said) + bytes(body))
        send(self, *said, body=body)

    monkeypatch.setattr(pipes.Pipes, "send", spy)
    client = client_for(sandbox, proxies={"https": "http://me:pass@proxy.example"})
    list(iter_tables(client, VALUES))
    assert len(told) > 2
    for secret in (client.settings.client_secret, client.session.token["access_token"], "pass@proxy"):
        assert secret
        assert not [said for said in told if secret.encode() in said]


def list_calls(sandbox) -> int:
    return sandbox.state()["calls"]["GET /api/v1/reports"]


@pytest.mark.parametrize("worth", [0, 10**12])
def test_what_was_begun_is_not_asked_for_again(sandbox, client_for, started, monkeypatch, worth) -> None:
    monkeypatch.setattr(beside, "WORTH_BYTES", worth)
    list(iter_tables(client_for(sandbox, page_size=50), ["reports"]))
    assert list_calls(sandbox) == 5  # of 200 rows, each page but the first with a row of the one before


def test_what_was_begun_for_one_pull_is_not_for_the_next(sandbox, client_for, started, monkeypatch) -> None:
    client = client_for(sandbox, page_size=200)
    with closing(iter_tables(client, ["organizations", *VALUES])) as batches:
        next(batches)
        while "GET /api/v1/reports" not in sandbox.state()["calls"]:
            time.sleep(0.01)
    assert list_calls(sandbox) == 1
    monkeypatch.setattr(beside.os, "sched_getaffinity", lambda _: {0}, raising=False)  # begins none of its own
    list(iter_tables(client, VALUES))
    assert list_calls(sandbox) == 2


def test_what_fails_there_fails_here(sandbox, client_for, started) -> None:
    sandbox.fault("answer", path=r"/reports$", after=3, status=403)
    with pytest.raises(OpenESGApiError, match=r"/api/v1/reports.*HTTP 403") as failed:
        list(iter_tables(client_for(sandbox, page_size=20), VALUES))
    assert failed.value.status == 403


def test_a_failure_of_its_own_comes_with_its_traceback(sandbox, client_for, started, monkeypatch) -> None:
    broken = "from airflow_provider_openesg.tables import builders; builders.is_enough = lambda _: 1 / 0"
    monkeypatch.setattr(beside, "_CODE", beside._CODE.replace("; main()", f"; {broken}; main()"))
    with pytest.raises(RuntimeError, match=r"second process failed(?s:.*)ZeroDivisionError"):
        list(iter_tables(client_for(sandbox), VALUES))


def test_what_it_logs_is_logged_here(sandbox, client_for, started, caplog) -> None:
    caplog.set_level("INFO")
    list(iter_tables(client_for(sandbox), VALUES))
    record = next(record for record in caplog.records if "reports: 200 rows from" in record.getMessage())
    assert (record.name, record.filename) == ("airflow_provider_openesg.client.progress", "progress.py")


def test_large_bodies_pass_whole_and_in_any_order() -> None:
    here, there = os.pipe(), os.pipe()
    one = pipes.Pipes(FileIO(there[0]), FileIO(here[1], "w"))
    other = pipes.Pipes(FileIO(here[0]), FileIO(there[1], "w"))
    bodies = [os.urandom(size) for size in (0, 1, 70_000, 5_000_000)]
    with ThreadPoolExecutor(len(bodies)) as threads:
        for number, body in enumerate(bodies):
            threads.submit(one.send, number, body=body)
        received = [other.receive() for _ in bodies]
    assert {number: body for (number,), body in received} == dict(enumerate(bodies))
    one.close()
    with pytest.raises(EOFError):
        other.receive()
    with pytest.raises(ValueError, match="closed"):
        one.send(1)
    other.close()


def test_it_is_there_without_what_makes_calls() -> None:
    script = (
        "import sys, airflow_provider_openesg.tables.worker_main;"
        "print({'requests', 'airflow', 'tenacity'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "set()\n"
