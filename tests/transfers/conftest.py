"""A database as Connection ``warehouse``, for each kind of connection that a test uses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from databases import NO_MYSQL, DatabaseUnderTest, database_under_test, mysql_is_available
from duckdb_warehouse import DuckDBWarehouse

from airflow_provider_openesg.sql import snowflake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def warehouse(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[DatabaseUnderTest]:
    """DuckDB, unless a test is parametrized with other ``WAYS``."""
    way = getattr(request, "param", "duckdb")
    if way == "mysql" and not mysql_is_available():
        pytest.skip(NO_MYSQL)
    with database_under_test(way, tmp_path, postgres) as database:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", database.connection_json)
        if database.missing:
            monkeypatch.setitem(sys.modules, database.missing, None)
        monkeypatch.setattr(snowflake, "SnowflakeDatabase", DuckDBWarehouse)
        yield database
