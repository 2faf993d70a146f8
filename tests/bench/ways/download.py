"""The bare download of the reports with eight connections; the bytes are discarded. A lower bound for all ways."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import measured
import requests
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

local = threading.local()


def download(base: str, _target: str, _place: str) -> None:
    token = OAuth2Session(client=BackendApplicationClient(client_id="bench")).fetch_token(
        f"{base}/o/token/", client_secret="bench"
    )

    def page(offset: int) -> int:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.headers["Authorization"] = f"Bearer {token['access_token']}"
        response = local.session.get(f"{base}/api/v1/reports", params={"limit": 100, "offset": offset})
        response.raise_for_status()
        if offset == 0:
            counts.append(response.json()["count"])
        return len(response.content)

    counts: list[int] = []
    page(0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(page, range(100, counts[0], 100)))


measured.run(download)
