"""Killed with SIGKILL after each of its calls and run again, the report equals that of an uninterrupted run."""

from __future__ import annotations

import os
import signal
import sys
import traceback

import pytest

from airflow_provider_openesg.hooks.openesg import OpenESGHook

pytestmark = pytest.mark.processes

CODE = "esg.supplier.conduct.code_of_conduct"


def entries(path):
    return {
        "esg.supplier.company.nace_code": "03.11 | Marine fishing",
        "esg.supplier.company.employees": 12,
        "esg.supplier.climate.energy_total": {"value": "7.5", "measurement": "measurement"},
        CODE: {"value": True, "attachment": str(path)},
    }


def fill_in_a_child(report_id, path, killed_at):
    """Update the report in a separate process, which is killed after its request number ``killed_at``."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        with OpenESGHook() as hook:
            session, calls = hook.get_conn(), 0
            send = session.request

            def request(*arguments, **keywords):
                nonlocal calls
                response = send(*arguments, **keywords)
                calls += 1
                if calls == killed_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return response

            session.request = request
            hook.update_report(report_id, entries(path), submit=True)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)
    os._exit(0)


def test_result_equals_an_uninterrupted_run(platform, basics_id, tmp_path, stored, sent):
    path = tmp_path / "code.pdf"
    path.write_bytes(b"%PDF-1.7")
    exit_codes, killed_at = [], 0
    # Each run continues where the one before was killed, one call further, until one completes.
    while not exit_codes or exit_codes[-1] != 0:
        killed_at += 1
        exit_codes.append(fill_in_a_child(basics_id, path, killed_at))
        assert killed_at < 20
    assert set(exit_codes[:-1]) == {-signal.SIGKILL}
    assert len(exit_codes) > 4
    assert stored(basics_id) == {
        "esg.supplier.company.nace_code": "03.11 | Marine fishing",
        "esg.supplier.company.employees": "12",
        "esg.supplier.climate.energy_total": "7.5",
        CODE: "true",
    }
    assert stored(basics_id, "attachment")[CODE]["size"] == 8
    with OpenESGHook() as hook:
        assert hook.get_record("reports", basics_id)["status"] == "submitted"
    # No run repeats a call that a killed run has made.
    assert set(sent().values()) == {1}
