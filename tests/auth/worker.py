"""Real processes that call the platform as Airflow's tasks do: forked from one that has the modules loaded.

Takes a job as JSON (see ``Job`` in conftest.py) and prints one line of JSON for each call.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

import cryptography.fernet
import filelock  # noqa: F401 - a process of another user could not load it later

from airflow_provider_openesg import clock
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.session import OpenESGSession, raise_for_error
from airflow_provider_openesg.settings import OpenESGSettings


def print_result(**result: object) -> None:
    os.write(1, (json.dumps(result) + "\n").encode())


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def call(session: OpenESGSession, path: str) -> None:
    try:
        raise_for_error(session.get(path))
    except Exception as error:
        print_result(error=type(error).__name__, message=str(error), pid=os.getpid())
    else:
        print_result(ok=True, pid=os.getpid())


def child(job: dict) -> None:
    if job["uid"] is not None:
        os.setgid(job["uid"])
        os.setuid(job["uid"])
    if job["clock"]:
        clock.now = lambda: time.time() + job["clock"]
    if job["die"] == "before writing":
        cryptography.fernet.Fernet.encrypt = die
    elif job["die"] == "before renaming":
        Path.replace = die
    settings = OpenESGSettings.from_connection(**job["connection"])
    session = OpenESGSession(settings, cache=open_cache("disk", job["directory"]))
    if job["calls_before_ready"] is not None:
        for _ in range(job["calls_before_ready"]):
            call(session, job["path"])
        print_result(ready=True, pid=os.getpid())
        os.read(0, 1)  # until the test closes it
    call(session, job["path"])


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    job = json.loads(sys.argv[1])
    children = []
    for _ in range(job["processes"]):
        pid = os.fork()
        if not pid:
            try:
                child(job)
            finally:
                os._exit(0)
        children.append(pid)
        if job["calls_before_ready"] is None:
            os.waitpid(children.pop(), 0)
    for pid in children:
        os.waitpid(pid, 0)


main()
