"""Airflow's own HttpOperator with a pagination function; its filter writes the values as JSON Lines."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import measured

home = tempfile.TemporaryDirectory()
os.environ.update(
    AIRFLOW_HOME=home.name,
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    AIRFLOW_CONN_API=json.dumps({"conn_type": "http", "host": sys.argv[1]}),
)

from airflow.providers.http.operators.http import HttpOperator  # noqa: E402
from oauthlib.oauth2 import BackendApplicationClient  # noqa: E402
from requests_oauthlib import OAuth2Session  # noqa: E402


def pull(base: str, _target: str, place: str) -> None:
    session = OAuth2Session(client=BackendApplicationClient(client_id="bench"))
    token = session.fetch_token(f"{base}/o/token/", client_secret="bench")["access_token"]

    def next_page(response: Any) -> dict[str, Any] | None:
        offset = 100 + int((response.url.partition("offset=")[2] or "0").partition("&")[0])
        return {"data": {"limit": 100, "offset": offset}} if offset < response.json()["count"] else None

    def write(responses: list[Any]) -> int:
        with Path(place).open("w", encoding="utf-8") as file:
            for response in responses:
                for report in response.json()["items"]:
                    file.writelines(json.dumps({"report_id": report["id"], **v}) + "\n" for v in report["field_values"])
        return len(responses)

    HttpOperator(
        task_id="pull",
        http_conn_id="api",
        method="GET",
        endpoint="api/v1/reports",
        data={"limit": 100, "offset": 0},
        headers={"Authorization": f"Bearer {token}"},
        pagination_function=next_page,
        response_filter=write,
    ).execute({})


measured.run(pull)
