"""The worker process of long pulls: the same rows, failures, its end, and no secrets."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError, OpenESGError
from airflow_provider_openesg.tables import cpus, lists, worker
from airflow_provider_openesg.tables.read import iter_tables
from airflow_provider_openesg.tables.summary import Summary

if TYPE_CHECKING:
    import pyarrow as pa

VALUES = ["reports", "field_values"]


@pytest.fixture
def started(monkeypatch) -> list[subprocess.Popen[bytes]]:
    """Start a worker process for every pull, wait for it, and collect the processes."""
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def spy(*args, **kwargs):
        processes.append(popen(*args, **kwargs))
        return processes[-1]

    monkeypatch.setattr(worker.subprocess, "Popen", spy)
    monkeypatch.setattr(lists, "WORKER_BYTES", 0)
    monkeypatch.setattr(lists, "WORKER_WAIT", 30)
    return processes


@pytest.fixture
def sent(monkeypatch) -> list[tuple[object, ...]]:
    """Collect the messages to worker processes."""
    messages: list[tuple[object, ...]] = []
    send = worker._send

    def spy(connection, message):
        messages.append(tuple(bytes(each) if isinstance(each, pickle.PickleBuffer) else each for each in message))
        send(connection, message)

    monkeypatch.setattr(worker, "_send", spy)
    return messages


def has_ended(process_id: int) -> bool:
    for _ in range(200):
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_batches_and_summary_are_the_same(sandbox, client_for, started, sent, monkeypatch) -> None:
    def pulled() -> tuple[list[tuple[str, pa.RecordBatch]], Summary]:
        summary = Summary()
        return list(iter_tables(client_for(sandbox, page_size=20), VALUES, summary=summary)), summary

    two, of_two = pulled()
    assert len(started) == 1
    assert started[0].returncode is not None
    assert [message[0] for message in sent].count("page") == 11
    monkeypatch.setattr(lists, "WORKER_BYTES", 10**12)
    one, of_one = pulled()
    assert len(started) == 1
    assert two == one
    assert {table for table, _ in one} == {*VALUES}
    assert of_two == of_one
    assert of_one.malformed.total() > 0


def test_task_decodes_until_the_worker_process_has_started(sandbox, client_for, started, sent, monkeypatch) -> None:
    batches = [batch for _, batch in iter_tables(client_for(sandbox, page_size=20), ["reports"])]
    expected = [row for batch in batches for row in batch.to_pylist()]
    is_ready, calls = worker.Worker.is_ready, []

    def late(self, seconds):
        calls.append(seconds)
        return len(calls) > 4 and is_ready(self, seconds)

    monkeypatch.setattr(worker.Worker, "is_ready", late)
    sent.clear()
    rows = [
        row for _, batch in iter_tables(client_for(sandbox, page_size=20), ["reports"]) for row in batch.to_pylist()
    ]
    assert [message[0] for message in sent].count("page") == 11 - 4
    assert rows == expected


def test_reports_without_field_values_are_fetched_by_the_task(sandbox, client_for, started, sent) -> None:
    expected = [row for _, batch in iter_tables(client_for(sandbox), ["field_values"]) for row in batch.to_pylist()]
    sandbox.options(list_field_values=False)
    sent.clear()
    rows = [row for _, batch in iter_tables(client_for(sandbox), ["field_values"]) for row in batch.to_pylist()]
    assert rows == expected
    assert "page" in [message[0] for message in sent]
    assert not [message for message in sent if message[0] == "build" and message[2]]


def test_short_lists_and_single_cpus_start_no_worker_process(sandbox, client_for, started, monkeypatch) -> None:
    monkeypatch.setattr(lists, "WORKER_BYTES", 64 * 1024 * 1024)
    list(iter_tables(client_for(sandbox), VALUES))
    monkeypatch.setattr(lists, "WORKER_BYTES", 0)
    monkeypatch.setattr(lists, "usable_cpus", lambda: 1.5)
    list(iter_tables(client_for(sandbox), VALUES))
    assert not started


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 4),
        ({"cpu.max": "max 100000\n"}, 4),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu.max": "900000 100000\n"}, 4),
    ],
)
def test_cpus_are_limited_by_affinity_and_by_the_quota_of_a_container(tmp_path, monkeypatch, files, expected) -> None:
    monkeypatch.setattr(cpus, "CGROUP", tmp_path)
    monkeypatch.setattr(cpus.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpus.usable_cpus() == expected


def test_a_killed_worker_process_is_an_error(sandbox, client_for, started) -> None:
    batches = iter_tables(client_for(sandbox, page_size=2), VALUES)
    next(batches)
    started[0].kill()
    with pytest.raises(OpenESGError, match=r"worker process.*exit status -9.*memory"):
        list(batches)


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import no_such_package"])
def test_task_decodes_if_the_worker_process_does_not_start(
    sandbox, client_for, started, caplog, monkeypatch, code
) -> None:
    monkeypatch.setattr(worker, "_CODE", code)
    rows = sum(len(batch) for table, batch in iter_tables(client_for(sandbox), VALUES) if table == "reports")
    assert rows == sandbox.state()["reports"]
    assert caplog.text.count("The worker process did not start (exit status") == 1


def test_task_decodes_if_the_interpreter_is_missing(sandbox, client_for, started, caplog, monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert list(iter_tables(client_for(sandbox), VALUES))
    assert "The worker process cannot be started" in caplog.text


def test_worker_process_imports_nothing_from_the_current_directory(
    sandbox, client_for, started, tmp_path, monkeypatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('imported from the current directory')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert list(iter_tables(client_for(sandbox, page_size=2), VALUES))
    assert started[0].returncode == -9  # it was running until the end


def test_worker_process_ends_with_the_pull(sandbox, client_for, started) -> None:
    with closing(iter_tables(client_for(sandbox, page_size=2), VALUES)) as batches:
        next(batches)
    assert has_ended(started[0].pid)
    sandbox.fault("answer", path=r"/report-templates$", status=403)
    with pytest.raises(OpenESGApiError):  # before the reports are read
        list(iter_tables(client_for(sandbox), VALUES))
    assert all(has_ended(process.pid) for process in started)


def test_worker_process_ends_with_the_task_process(sandbox, started, settings_for) -> None:
    script = f"""
import pickle, time
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.tables import lists, worker
from airflow_provider_openesg.tables.read import iter_tables
lists.WORKER_BYTES, lists.WORKER_WAIT = 0, 30
client = OpenESGClient(pickle.loads({pickle.dumps(settings_for(sandbox, page_size=2))!r}), cache=open_cache("off"))
popen = worker.subprocess.Popen
def spy(*args, **kwargs):
    process = popen(*args, **kwargs)
    print(process.pid, flush=True)
    return process
worker.subprocess.Popen = spy
batches = iter_tables(client, ["reports"])
next(batches)
print("reading", flush=True)
time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as task:
        process_id = int(task.stdout.readline())
        assert task.stdout.readline() == "reading\n"
        os.kill(process_id, 0)
        task.send_signal(signal.SIGKILL)
    assert has_ended(process_id)


def test_worker_process_receives_no_secret(sandbox, client_for, started, sent, monkeypatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "postgres://me:in-the-environment@db")
    environments: list[bytes] = []
    is_ready = worker.Worker.is_ready

    def spy(self, seconds):
        while not (content := Path(f"/proc/{self._process.pid}/environ").read_bytes()):
            time.sleep(0.01)  # empty until the process has its own memory
        environments.append(content)
        return is_ready(self, seconds)

    monkeypatch.setattr(worker.Worker, "is_ready", spy)
    client = client_for(sandbox, proxies={"https": "http://me:pass@proxy.example"})
    list(iter_tables(client, VALUES))
    assert len(sent) > 2
    received = pickle.dumps(sent) + b"".join(environments)
    assert b"PATH=" in received
    secrets = (client.settings.client_secret, client.session.token["access_token"], "pass@proxy", "in-the-environment")
    for secret in secrets:
        assert secret
        assert secret.encode() not in received


def list_requests(sandbox) -> int:
    return sandbox.state()["calls"]["GET /api/v1/reports"]


@pytest.mark.parametrize("size", [0, 10**12])
def test_a_prefetched_page_is_not_requested_again(sandbox, client_for, started, monkeypatch, size) -> None:
    monkeypatch.setattr(lists, "WORKER_BYTES", size)
    list(iter_tables(client_for(sandbox, page_size=50), ["reports"]))
    assert list_requests(sandbox) == 5  # of 200 rows, each page but the first with a row of the one before


def test_a_page_prefetched_for_one_pull_is_not_used_by_the_next(sandbox, client_for, started, monkeypatch) -> None:
    client = client_for(sandbox, page_size=200)
    with closing(iter_tables(client, ["organizations", *VALUES])) as batches:
        next(batches)
        while "GET /api/v1/reports" not in sandbox.state()["calls"]:
            time.sleep(0.01)
    assert list_requests(sandbox) == 1
    monkeypatch.setattr(lists, "usable_cpus", lambda: 1)  # prefetches nothing
    list(iter_tables(client, VALUES))
    assert list_requests(sandbox) == 2


def test_a_failed_request_is_an_error_of_the_pull(sandbox, client_for, started) -> None:
    sandbox.fault("answer", path=r"/reports$", after=3, status=403)
    with pytest.raises(OpenESGApiError, match=r"/api/v1/reports.*HTTP 403") as failed:
        list(iter_tables(client_for(sandbox, page_size=20), VALUES))
    assert failed.value.status == 403


def test_a_page_that_cannot_be_decoded_is_an_error_with_its_url(sandbox, client_for, started, sent) -> None:
    sandbox.fault("answer", path=r"/reports$", after=3, status=200, body='{"items": [{"status": "x"}], "count": 200}')
    with pytest.raises(OpenESGContractError, match=r"/api/v1/reports.*report: no 'id'"):
        list(iter_tables(client_for(sandbox, page_size=20), VALUES))
    assert "page" in [message[0] for message in sent]


def test_pages_without_new_rows_are_dropped(sandbox, client_for, started, monkeypatch) -> None:
    """If rows move, the list is read again. Pages of which no row is new must not be kept, here or there."""
    alive, most = 0, 0

    class Counted(worker.RemotePage):
        def __init__(self, *arguments) -> None:
            nonlocal alive, most
            super().__init__(*arguments)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1
            super().__del__()

    monkeypatch.setattr(worker, "RemotePage", Counted)
    sandbox.trigger("insert", path=r"/reports$", after=3, position="start")
    client = client_for(sandbox, page_size=10)
    ids = [each for _, batch in iter_tables(client, VALUES[:1]) for each in batch.column("id").to_pylist()]
    assert len(ids) == len({*ids}) == 201
    assert list_requests(sandbox) > 40  # it was read twice
    assert (alive, most < 8) == (0, True)


def test_worker_process_ends_if_it_cannot_receive(sandbox, client_for, started, monkeypatch) -> None:
    send = worker._send

    def damaged(channel, message):
        if message[0] == "page":
            channel.sendall(bytes(8))  # a message without parts
        else:
            send(channel, message)

    monkeypatch.setattr(worker, "_send", damaged)
    with pytest.raises(OpenESGError, match=r"was ended \(exit status 1\)"):
        list(iter_tables(client_for(sandbox), VALUES))
    assert started[0].returncode == 1


def test_a_failure_in_the_worker_process_has_its_traceback(sandbox, client_for, started, monkeypatch) -> None:
    broken = "from airflow_provider_openesg.tables import builders; builders.is_enough = lambda _: 1 / 0; "
    monkeypatch.setattr(worker, "_CODE", broken + worker._CODE)
    with pytest.raises(RuntimeError, match=r"worker process failed(?s:.*)ZeroDivisionError"):
        list(iter_tables(client_for(sandbox), VALUES))


def test_worker_process_imports_no_http_client_and_no_airflow() -> None:
    script = (
        "import sys, airflow_provider_openesg.tables.worker;print({'requests', 'airflow', 'tenacity'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "set()\n"


def test_default_timeout_of_sockets_does_not_end_the_worker_process(sandbox, client_for, started, monkeypatch) -> None:
    default = socket.getdefaulttimeout()
    client = client_for(sandbox)
    rows = sum(batch.num_rows for _, batch in iter_tables(client, VALUES))
    socket.setdefaulttimeout(60)
    try:
        assert sum(batch.num_rows for _, batch in iter_tables(client, VALUES)) == rows > 0
    finally:
        socket.setdefaulttimeout(default)
    assert len(started) == 2
