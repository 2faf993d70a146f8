"""Measure how long waits block the event loop of a triggerer: ``python tests/bench/waits.py [WAITS] [REPORTS]``.

The platform delays every response by 2 s. Waits of both kinds run in one event loop, with a ticker that is due every
10 ms: its delay shows how long the loop was blocked.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

from airflow_provider_openesg.sandbox.process import SandboxProcess

INTERVAL, INTERVALS, TICK, HANG = 15, 3, 0.01, 2
MEMORY = "--memory" in sys.argv  # tracing slows the loop down


def main() -> None:
    """Measure and print."""
    waits, reports = [*(int(each) for each in sys.argv[1:] if each.isdecimal()), 2000, 400][:2]
    with SandboxProcess(reports=reports, seed=1) as sandbox:
        os.environ["AIRFLOW_CONN_OPENESG_DEFAULT"] = sandbox.connection_json
        os.environ["AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR"] = f"{os.environ['AIRFLOW_HOME']}/cache"
        sandbox.options(list_field_values=False)
        sandbox.fault("delay", path="/api/", seconds=HANG)
        late, busy, memory = asyncio.run(measured(waits, reports))
        state = sandbox.state()
    late.sort()
    busy.sort()
    print(f"{waits} waits, {INTERVALS} polls {INTERVAL} s apart, {reports} reports, each call hangs {HANG} s")
    print(f"calls {state['requests']}, of which token requests {state['token_requests']['total']}")
    for what, each in (("loop blocked", late), ("of that, its own work (CPU)", busy)):
        print(f"{what}: longest {each[-1]:.0f} ms, 99.9 % below {each[int(len(each) * 0.999)]:.0f} ms")
    if MEMORY:
        print(f"memory per wait: {memory / waits / 1000:.1f} KB")


async def measured(waits: int, reports: int) -> tuple[list[float], list[float], int]:
    """Return the delay of each tick and the CPU time since the last one, in ms, and the memory of all waits."""
    from airflow_provider_openesg.triggers.openesg import OpenESGReportTrigger

    end = datetime.now(UTC) + timedelta(seconds=INTERVAL * (INTERVALS + 0.5))
    common = {
        "statuses": ["accepted"],  # a status that no report of the sandbox gets
        "expected": "all",
        "poke_interval": INTERVAL,
        "openesg_conn_id": "openesg_default",
    }
    late: list[float] = []
    busy: list[float] = []
    done = asyncio.Event()

    async def tick() -> None:
        while not done.is_set():
            began, worked = time.monotonic(), time.thread_time()
            await asyncio.sleep(TICK)
            late.append((time.monotonic() - began - TICK) * 1000)
            busy.append((time.thread_time() - worked) * 1000)

    async def wait(number: int) -> None:
        chosen = {"report_id": 1010 + 10 * (number % reports)} if number % 2 else {"customer_identifier": f"K-{number}"}
        deadline = (end + timedelta(milliseconds=number)).isoformat()  # waits begin, and end, one after the other
        async for _ in OpenESGReportTrigger(**common, **chosen, deadline=deadline).run():
            pass

    gc.freeze()  # a full collection of Airflow's own modules takes 100 ms
    if MEMORY:
        tracemalloc.start()
    tasks = []
    ticker = asyncio.create_task(tick())
    for number in range(waits):
        tasks.append(asyncio.create_task(wait(number)))
        await asyncio.sleep(0)
    await asyncio.sleep(INTERVAL * 0.5)
    if MEMORY:
        gc.collect()
    memory = tracemalloc.get_traced_memory()[0]
    await asyncio.gather(*tasks)
    done.set()
    await ticker
    return late, busy, memory


if __name__ == "__main__":
    main()
