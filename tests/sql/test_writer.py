"""The identity of a database equals the one of Airflow's own hooks and never contains a password."""

from __future__ import annotations

import json
import sys

import pytest
from airflow.providers.common.compat.sdk import Asset, BaseHook
from airflow.providers.mysql.hooks.mysql import MySqlHook
from airflow.providers.postgres.hooks.postgres import PostgresHook

from airflow_provider_openesg.transfers.databases import database_of
from airflow_provider_openesg.utils.openlineage import Place


@pytest.fixture
def identify(monkeypatch):
    def identify(**connection):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
        return database_of("warehouse", None if "sqlite" in json.dumps(connection) else "esg").identity

    return identify


@pytest.mark.parametrize("missing", ["", "adbc_driver_postgresql", "airflow.providers.openlineage.sqlparser"])
@pytest.mark.parametrize("port", [None, 5555])
@pytest.mark.parametrize("conn_type", ["postgres", "mysql"])
def test_servers_are_named_as_by_airflow(identify, conn_type, port, missing, monkeypatch):
    fields = {"host": "DWH.example", "login": "u", "password": "Top@100%secret", "schema": "dwh", "port": port}
    extra = {"client": "mysql-connector-python"} if conn_type == "mysql" else {}
    hook = {"postgres": PostgresHook, "mysql": MySqlHook}[conn_type]
    identity = identify(conn_type=conn_type, extra=extra, **fields)
    info = hook("warehouse").get_openlineage_database_info(BaseHook.get_connection("warehouse"))
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
        identity = identify(conn_type=conn_type, extra=extra, **fields)
    assert identity.namespace == f"{info.scheme}://{info.authority}"
    assert identity.parts == ((info.database,) if info.database else ())
    uri = Place.in_database(identity, "esg", "reports").uri
    assert Asset(uri=uri).uri == uri  # Airflow's provider has nothing to normalize


def test_files_are_named_by_their_path(identify, tmp_path):
    for conn_type in ("duckdb", "sqlite"):
        identity = identify(conn_type=conn_type, host=str(tmp_path / "esg.db"))
        assert identity.namespace == identity.uri == f"{conn_type}://{tmp_path}/esg.db"
        assert identity.name == f"{tmp_path}/esg.db"


@pytest.mark.parametrize("missing", ["", "psycopg"])
@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("postgresql://u:secret@h/dwh", "postgres://h:5432/dwh"),
        ("postgresql://u:top%40secret@h:1/dwh?sslmode=require", "postgres://h:1/dwh"),
        ("postgresql://u:top@secret@h/dwh", "postgres://"),
        ("postgresql://u:100%secret@h/dwh", None),
        ("postgresql://u:1/secret@h/dwh", None),
        ("postgresql://u:1?secret@h/dwh", None),
        ("postgresql://h/dwh?user=u&password=top@secret", None),
        ("postgresql://h/dwh?user=u&password=100%secret", None),
        ("host=h dbname=dwh password=top@secret", None),
        ("host=h dbname=dwh password=a secret", "postgres://"),
    ],
)
def test_no_password_is_in_a_name(identify, uri, name, missing, monkeypatch):
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    for fields in ({"host": uri}, {"extra": {"db_kwargs": {"uri": uri}}}):
        extra = {"dialect": "postgresql", **fields.get("extra", {})}
        identity = identify(conn_type="adbc", **{**fields, "extra": extra})
        assert "secret" not in repr(identity)
        if name and ("host" not in fields or "://" in uri):
            assert identity.name == name
