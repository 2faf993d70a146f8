"""Number of tokens that real processes fetch, counted at the sandbox's token endpoint."""

from __future__ import annotations

import os
import signal
import time

import pytest

pytestmark = pytest.mark.processes


def test_forty_processes_at_once_fetch_one_token(start, token_requests):
    programs = [start(processes=5, calls_before_ready=0) for _ in range(8)]
    for program in programs:
        program.ready()
    assert token_requests() == 0
    for program in programs:
        program.release()
    results = [result for program in programs for result in program.finish().results]
    assert len({result["pid"] for result in results}) == 40
    assert [(program.failures(), program.errors) for program in programs] == [([], "")] * 8
    assert token_requests() == 1


def test_two_hundred_tasks_one_after_another_fetch_one_token(start, token_requests):
    job = start(processes=200).finish()
    assert len({result["pid"] for result in job.results}) == 200
    assert job.failures() == []
    assert token_requests() == 1


def test_two_clients_fetch_one_token_each(start, sandbox, connection):
    jobs = [start(connection=connection(sandbox, client), processes=10, calls_before_ready=0) for client in (0, 1)]
    for job in jobs:
        job.ready()
    assert [job.finish().failures() for job in jobs] == [[], []]
    assert set(sandbox.state()["token_requests"]["by_client"].values()) == {1}
    assert len(sandbox.state()["token_requests"]["by_client"]) == 2


def test_each_scope_and_the_default_scope_have_separate_tokens(start, sandbox, connection, token_requests):
    for _ in range(2):
        for extra in ({}, {"scope": "read"}, {"scope": "read write"}):
            assert start(connection=connection(sandbox, **extra)).finish().failures() == []
    assert token_requests() == 3


@pytest.mark.parametrize("client_auth", ["header", "body"])
def test_token_endpoint_accepts_header_and_body_authentication(start, sandbox, connection, client_auth):
    assert start(connection=connection(sandbox, client_auth=client_auth)).finish().failures() == []


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(0, 1), (3600 - 60 - 20, 1), (3600 - 59, 2), (3600 + 1, 2), (-3600, 2)],
    ids=["fresh", "before the lead time", "within the lead time", "expired", "clock set back"],
)
def test_token_is_used_until_its_lead_time(start, token_requests, ahead, expected):
    assert start().finish().failures() == []
    assert start(processes=20, calls_before_ready=0, clock=ahead).ready().finish().failures() == []
    assert token_requests() == expected


def test_token_that_expired_early_on_the_platform_is_renewed_once(start, sandbox, token_requests):
    assert start().finish().failures() == []
    sandbox.turn_clock(3601)
    assert start(processes=20, calls_before_ready=0).ready().finish().failures() == []
    assert token_requests() == 2


def test_token_revoked_while_cached_is_renewed_once(start, sandbox, token_requests):
    assert start().finish().failures() == []
    sandbox.revoke_tokens()
    assert start(processes=5).finish().failures() == []
    assert token_requests() == 2


def test_token_revoked_while_20_processes_use_it_is_renewed_once(start, sandbox, token_requests):
    job = start(processes=20, calls_before_ready=1).ready()
    assert sandbox.revoke_tokens() == 1
    job.finish()
    assert (len(job.results), job.failures()) == (40, [])
    assert token_requests() == 2


def test_platform_that_rejects_every_token_gets_few_requests(start, sandbox, token_requests):
    job = start(processes=20, calls_before_ready=1).ready()
    sandbox.fault("answer", path="/api/", status=401, body='{"detail": "Unauthorized"}')
    job.finish()
    assert {failure["error"] for failure in job.failures()} == {"OpenESGAuthError"}
    assert len(job.failures()) == 20
    # Usually one more: for a late process, the token that another one has just fetched is already rejected.
    assert 2 <= token_requests() <= 5


def test_wrong_secret_is_one_request_and_one_error(start, sandbox, connection, cache_dir, token_requests):
    wrong = connection(sandbox) | {"password": "wrong-secret-given"}
    [failure] = start(connection=wrong).finish().failures()
    assert failure["error"] == "OpenESGAuthError"
    assert "Check Client ID and Client secret" in failure["message"]
    assert "wrong-secret-given" not in failure["message"]
    assert token_requests() == 1
    assert [path.suffix for path in cache_dir.iterdir()] == [".lock"]


def test_wrong_secret_releases_the_lock(start, sandbox, connection, token_requests):
    wrong = connection(sandbox) | {"password": "wrong-secret-given"}
    job = start(connection=wrong, processes=10, calls_before_ready=0).ready().finish()
    assert {failure["error"] for failure in job.failures()} == {"OpenESGAuthError"}
    assert "No lock" not in job.errors
    assert token_requests() == 10
    assert start().finish().failures() == []
    assert token_requests() == 11


def test_new_secret_of_a_client_does_not_use_the_old_token(start, sandbox, connection, cache_dir, token_requests):
    assert start().finish().failures() == []
    assert start(connection=connection(sandbox) | {"password": "wrong-secret-given"}).finish().failures() != []
    new = sandbox.rotate_secret()
    assert start(connection=connection(sandbox) | {"password": new}).finish().failures() == []
    assert token_requests() == 3
    sandbox.reset()


def test_killed_process_releases_the_lock(start, sandbox, token_requests):
    sandbox.fault("hang", path="/o/token/", times=1)
    first = start(calls_before_ready=0).ready()
    waiting = start(processes=3, calls_before_ready=0).ready()
    first.release()
    deadline = time.monotonic() + 30
    while token_requests() == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    waiting.release()
    time.sleep(0.5)
    assert token_requests() == 1
    os.kill(first.pids[0], signal.SIGKILL)
    first.process.wait()
    waiting.finish()
    assert (waiting.failures(), len(waiting.results)) == ([], 3)
    assert "No lock" not in waiting.errors
    assert token_requests() == 2


@pytest.mark.parametrize("moment", ["before writing", "before renaming"])
def test_process_killed_while_writing_leaves_the_cache_usable(start, cache_dir, token_requests, moment):
    assert start(die=moment).finish().results == []
    assert sorted(path.suffix for path in cache_dir.iterdir()) == [".lock", ".new"]
    job = start(processes=3).finish()
    assert (job.failures(), job.errors) == ([], "")
    assert token_requests() == 2
    assert sorted(path.suffix for path in cache_dir.iterdir()) == ["", ".lock"]
