"""Fixtures that access a sandbox with `requests` only, without the provider's client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.sandbox.process import SandboxProcess


@pytest.fixture
def fetch_token() -> Callable[..., requests.Response]:
    def fetch(sandbox: SandboxProcess, **changes: Any) -> requests.Response:
        given = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret} | changes
        credentials = (given.pop("client_id"), given.pop("client_secret"))
        form = {"grant_type": "client_credentials"} | given
        return requests.post(f"{sandbox.base_url}/o/token/", data=form, auth=credentials, timeout=60)

    return fetch


class Api(requests.Session):
    """A session with a token; paths are relative to the API."""

    def __init__(self, base: str, token: str) -> None:
        super().__init__()
        self.base = f"{base}/api/v1/"
        self.headers["Authorization"] = f"Bearer {token}"

    def request(self, method: str, url: str, **arguments: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, self.base + url, timeout=arguments.pop("timeout", 10), **arguments)

    def rows(self, path: str, limit: int = 50) -> list[dict[str, Any]]:
        """Read all pages."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, params={"limit": limit, "offset": len(rows)}).json()
            rows += page["items"]
            if not page["items"] or len(rows) >= page["count"]:
                return rows


@pytest.fixture
def api(sandbox: SandboxProcess, fetch_token: Callable[..., requests.Response]) -> Api:
    return Api(sandbox.base_url, fetch_token(sandbox).json()["access_token"])


@pytest.fixture
def api_of(fetch_token: Callable[..., requests.Response]) -> Callable[[SandboxProcess], Api]:
    return lambda sandbox: Api(sandbox.base_url, fetch_token(sandbox).json()["access_token"])
