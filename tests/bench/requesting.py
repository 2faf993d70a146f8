"""Measure 1,000 report requests at a delay of 50 ms: time against the optimum, and CPU time of client and server.

The sandbox delays every response, so N requests in parallel take at least 1,000 / N delays. The wall time is meaningful
on an idle machine only; the CPU times show the reason for a worse ratio.
Run: ``python tests/bench/requesting.py [rows]``.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from pathlib import Path

from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.reports.requests.run import request_reports
from airflow_provider_openesg.sandbox.process import SandboxProcess
from airflow_provider_openesg.settings import OpenESGSettings

DELAY = 0.05
PARALLEL = (4, 16)
TARGET = 1.5
POST = "POST /api/v1/report-requests"


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of another process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rows(count: int) -> list[dict[str, str]]:
    """Return rows, each for another company."""
    return [
        {
            "organization_name": f"Lieferant {number} GmbH",
            "user_email": f"esg@lieferant-{number}.example",
            "customer_identifier": f"L-{number}",
        }
        for number in range(count)
    ]


def measure(parallel: int, count: int) -> float:
    """Send the requests, print the times, and return the ratio to the optimum."""
    with SandboxProcess(reports=0) as sandbox, tempfile.TemporaryDirectory() as directory:
        settings = OpenESGSettings.from_connection(
            host=sandbox.base_url,
            login=sandbox.client_id,
            password=sandbox.client_secret,
            extra={"parallel_requests": parallel},
        )
        sandbox.fault("delay", path="/api/v1/", seconds=DELAY)
        with OpenESGClient(settings, cache=open_cache("memory")) as client:
            server, own, started = cpu_of(sandbox.pid), time.process_time(), time.perf_counter()
            results = request_reports(client, rows(count), template="vsme", directory=f"{directory}/lock")
            seconds = time.perf_counter() - started
            own, server = time.process_time() - own, cpu_of(sandbox.pid) - server
        state = sandbox.state()
    assert [result.outcome for result in results] == ["created"] * count
    assert len(state["emails"]) == count
    best = math.ceil(count / parallel) * DELAY
    print(
        f"{parallel:>8} {best:>8.1f} s {seconds:>8.1f} s {seconds / best:>7.2f} {own / count * 1e3:>9.2f} ms"
        f" {server / count * 1e3:>9.2f} ms {state['requests'] - count:>8}"
    )
    return seconds / best


def main() -> None:
    """Measure each parallelism."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{count} report requests, {DELAY * 1e3:.0f} ms a call; target: {TARGET} times the best")
    print(f"parallel {'best':>10} {'took':>10} {'ratio':>7} {'client CPU':>12} {'server CPU':>12} {'others':>8}")
    for parallel in PARALLEL:
        measure(parallel, count)


if __name__ == "__main__":
    main()
