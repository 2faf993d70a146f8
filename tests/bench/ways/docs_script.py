"""A careful script by the platform's documentation: its example, ``.json()`` and row inserts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import measured
import psycopg
import pyarrow as pa
from oauthlib.oauth2 import BackendApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("id", "report_id", "section", "field_type", "value", "measurement", "comment", "rest")


def values(base: str) -> Iterator[list[dict[str, Any]]]:
    session = OAuth2Session(client=BackendApplicationClient(client_id="bench"))
    session.fetch_token(token_url=f"{base}/o/token/", auth=HTTPBasicAuth("bench", "bench"))
    offset = count = 0
    while offset <= count:
        page = session.get(f"{base}/api/v1/reports", params={"limit": 100, "offset": offset}).json()
        yield [{"report_id": report["id"], **value} for report in page["items"] for value in report["field_values"]]
        offset, count = offset + 100, page["count"] - 1


def rows(page: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (*(value[name] for name in COLUMNS[:-1]), json.dumps({k: v for k, v in value.items() if k not in COLUMNS}))
        for value in page
    ]


def pull(base: str, target: str, place: str) -> None:
    if target == "jsonl":
        with Path(place).open("w", encoding="utf-8") as file:
            for page in values(base):
                file.writelines(json.dumps(value) + "\n" for value in page)
        return
    columns = """id BIGINT PRIMARY KEY, report_id BIGINT, section INT, field_type INT, value TEXT, measurement INT,
        comment TEXT, rest TEXT"""
    if target == "duckdb":
        connection = duckdb.connect(place)
        connection.execute(f"CREATE TABLE field_values ({columns})")
        for page in values(base):  # row by row it would take DuckDB half an hour
            table = pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows(page)])
            connection.register("page", table).execute("INSERT INTO field_values SELECT * FROM page")
        connection.close()
        return
    user, host, port, database, schema = place.split()
    with psycopg.connect(f"host={host} port={port} user={user} dbname={database}") as connection:
        connection.execute(f"CREATE TABLE {schema}.field_values ({columns})")
        insert = f"INSERT INTO {schema}.field_values VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        for page in values(base):
            connection.cursor().executemany(insert, rows(page))


measured.run(pull)
