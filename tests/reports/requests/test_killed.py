"""1,000 rows, faults at 10 % of the calls, killed 30 times with SIGKILL, three tasks at once: one e-mail per row."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROWS, KILLS = 1000, 30
FAULTS = (
    {"kind": "reset", "carried_out": True, "share": 0.03},
    {"kind": "reset", "share": 0.02},
    {"kind": "answer", "status": 502, "share": 0.02},
    {"kind": "truncate", "share": 0.02},
    {"kind": "delay", "seconds": 1.3, "share": 0.01},  # processed after the timeout, within twice the timeout
)


@contextmanager
def worker(log: Path):
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("worker.py"))]
    with (
        log.open("w") as stream,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True) as process,
    ):

        def begin(**task):
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())["pid"]

        def end():
            status = json.loads(process.stdout.readline())["status"]
            assert status in (0, -9), log.read_text()[-6000:]
            return status

        yield begin, end
        process.stdin.close()


@pytest.mark.timeout(900)
def test_one_email_per_row(sandbox_factory, token_cache_dir, connect, rows, sent_emails, tmp_path):
    sandbox = sandbox_factory(reports=0)
    connect(sandbox, timeout=1, page_size=1000, parallel_requests=8)
    some = rows(ROWS)
    path = tmp_path / "suppliers.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(some[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(some)
    for fault in FAULTS:
        sandbox.fault(path="/api/v1/", **fault)
    draw, killed, grew = random.Random(5), 0, 0
    with ExitStack() as stack:
        # Three tasks with the same rows; those that wait for the lock are killed too.
        tasks = [stack.enter_context(worker(tmp_path / f"worker-{number}.log")) for number in range(3)]
        for kill_round in range(KILLS // 3):
            pids = [begin(requests=str(path), try_number=1) for begin, _ in tasks]
            # Most are killed while they send, also on a slow machine; some are killed at any moment.
            before, deadline = len(sent_emails(sandbox)), time.monotonic() + (60 if kill_round % 3 else 4)
            goal = before + draw.randrange(1, 60)
            while len(sent_emails(sandbox)) < goal and time.monotonic() < deadline:
                time.sleep(draw.uniform(0.05, 0.1))
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            killed += [end() for _, end in tasks].count(-9)
            grew += len(sent_emails(sandbox)) > before  # killed while it was sending
        for begin, _ in tasks[:2]:
            begin(requests=str(path), try_number=2)
        assert [end() for _, end in tasks[:2]] == [0, 0]
    assert sent_emails(sandbox) == {row["user_email"]: 1 for row in some}
    assert killed == KILLS
    assert grew >= 5
