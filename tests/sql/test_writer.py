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
@pytest.mark.parametrize(
    ("conn_type", "host"),
    [(kind, host) for kind in ("postgres", "mysql") for host in ("DWH.example", "/var/run/db", "a.example,b.example")]
    + [("postgres", "::1")],  # MySQL's hook makes no valid URL of it
)
def test_servers_are_named_as_by_airflow(identify, conn_type, host, port, missing, monkeypatch):
    fields = {"host": host, "login": "u", "password": "Top@100%secret", "schema": "dwh", "port": port}
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
        ("postgresql://u:secret@[::1]/dwh", "postgres://%3A%3A1:5432/dwh"),
        ("host=h port=6000 dbname=dwh password=secret", ("postgres://h:6000/dwh", "postgres://")),
        ("postgresql://u:secret@h:5433,i:5434/dwh", ("postgres://h%3A5433%2Ci%3A5434:5432/dwh", "postgres://")),
        ("postgresql:///dwh?host=h&port=6001", ("postgres://h:6001/dwh", "postgres://")),
    ],
)
def test_no_password_is_in_a_name(identify, uri, name, missing, monkeypatch):
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    for fields in ({"host": uri}, {"extra": {"db_kwargs": {"uri": uri}}}):
        extra = {"dialect": "postgresql", **fields.get("extra", {})}
        identity = identify(conn_type="adbc", **{**fields, "extra": extra})
        assert "secret" not in repr(identity)
        expected = name if isinstance(name, str | None) else name[bool(missing)]
        assert expected is None or identity.name == expected
