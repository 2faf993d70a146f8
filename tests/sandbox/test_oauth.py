"""The token endpoint behaves like RFC 6749 and django-oauth-toolkit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests


def test_token_response_matches_the_platform_documentation(sandbox, fetch_token):
    response = fetch_token(sandbox)
    assert response.status_code == 200
    token = response.json()
    assert token.pop("access_token")
    assert token == {"expires_in": 3600, "token_type": "Bearer", "scope": "read write"}


def test_credentials_in_the_body(sandbox):
    form = {"grant_type": "client_credentials", "client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    response = requests.post(f"{sandbox.base_url}/o/token/", data=form, timeout=10)
    assert response.status_code == 200
    assert sandbox.state()["token_requests"] == {"total": 1, "by_client": {sandbox.client_id: 1}}


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
        ({"scope": "everything"}, 400, "invalid_scope"),
    ],
)
def test_rejected_token_requests(sandbox, fetch_token, changes, status, error):
    response = fetch_token(sandbox, **changes)
    assert (response.status_code, response.json()["error"]) == (status, error)
    state = sandbox.state()
    assert (state["token_requests"]["total"], state["tokens_issued"]) == (1, 0)


def test_counts_by_client(sandbox, fetch_token):
    assert len(sandbox.clients) == 2
    (first, _), (second, secret) = sandbox.clients
    fetch_token(sandbox)
    fetch_token(sandbox)
    fetch_token(sandbox, client_id=second, client_secret=secret)
    state = sandbox.state()
    assert state["token_requests"] == {"total": 3, "by_client": {first: 2, second: 1}}
    assert state["tokens_issued"] == 3


def test_bearer_token_is_required(sandbox, api):
    assert api.get("reports").status_code == 200
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic abc"}):
        response = requests.get(f"{sandbox.base_url}/api/v1/reports", headers=headers, timeout=10)
        assert (response.status_code, response.json()) == (401, {"detail": "Unauthorized"})


def test_tokens_expire_when_the_clock_is_advanced(sandbox, api):
    sandbox.turn_clock(3590)
    assert api.get("reports?limit=1").status_code == 200
    sandbox.turn_clock(20)
    assert api.get("reports?limit=1").status_code == 401


def test_token_lifetime_is_an_option(sandbox, api_of, fetch_token):
    sandbox.options(token_lifetime=60)
    assert fetch_token(sandbox).json()["expires_in"] == 60
    api = api_of(sandbox)
    sandbox.turn_clock(61)
    assert api.get("reports?limit=1").status_code == 401


def test_tokens_are_revoked_by_token_by_client_or_all(sandbox, fetch_token):
    (_, _), (second, secret) = sandbox.clients

    def works(token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{sandbox.base_url}/api/v1/organizations", headers=headers, timeout=10).ok

    one, two = (fetch_token(sandbox).json()["access_token"] for _ in range(2))
    other = fetch_token(sandbox, client_id=second, client_secret=secret).json()["access_token"]
    assert sandbox.revoke_tokens(token=one) == 1
    assert [works(token) for token in (one, two, other)] == [False, True, True]
    assert sandbox.revoke_tokens(client_id=second) == 1
    assert [works(token) for token in (one, two, other)] == [False, True, False]
    assert sandbox.revoke_tokens() == 1
    assert not works(two)


def test_rotated_secret(sandbox, fetch_token):
    new = sandbox.rotate_secret()
    assert fetch_token(sandbox).status_code == 401
    assert fetch_token(sandbox, client_secret=new).status_code == 200
    sandbox.reset()
    assert fetch_token(sandbox).status_code == 200


def test_a_token_without_write_scope_reads_only(sandbox, fetch_token):
    token = fetch_token(sandbox, scope="read").json()
    assert token["scope"] == "read"
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    url = f"{sandbox.base_url}/api/v1/reports/1010"
    assert requests.get(url, headers=headers, timeout=10).status_code == 200
    assert requests.patch(url, headers=headers, json={"field_values": []}, timeout=10).status_code == 403


def test_forty_clients_at_once(sandbox, fetch_token):
    """Tokens are fetched and checked in parallel without a locked database."""

    def call(_: int) -> tuple[int, int]:
        response = fetch_token(sandbox)
        headers = {"Authorization": f"Bearer {response.json()['access_token']}"}
        return response.status_code, requests.get(
            f"{sandbox.base_url}/api/v1/reports/1010", headers=headers, timeout=60
        ).status_code

    # Make the requests overlap.
    sandbox.fault("delay", seconds=0.5)
    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(call, range(40))) == {(200, 200)}
    state = sandbox.state()
    assert (state["tokens_issued"], state["token_requests"]["total"], state["requests"]) == (40, 40, 80)
    assert state["in_flight_max"] > 20
