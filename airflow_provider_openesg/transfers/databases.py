"""The database behind a Connection, and the fastest way into it."""

from __future__ import annotations

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adbc_driver_manager import dbapi as adbc
    from airflow.providers.apache.arrow.hooks.adbc import AdbcHook
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_openesg.sql.session import Database

_LOGS_IN = {"iam", "redshift", "redshift-serverless", "azure_conn_id"}
"""Extra fields of a ``postgres`` Connection that its hook logs in with."""

_NOT_LIBPQ = _LOGS_IN | {
    "aws_conn_id", "cluster-identifier", "cursor", "sqlalchemy_query", "sqlalchemy_scheme", "workgroup-name",
}  # fmt: skip
"""Those that its hook does not hand on."""


def database_of(conn_id: str, schema: str | None) -> Database:
    """Return the database of a Connection.

    :raises OpenESGConfigError: where it is no SQL database, or what it needs is not installed.
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise OpenESGConfigError(f"sql_conn_id {conn_id!r}: no such Connection is there ({error}).") from error
    find = {"adbc": _adbc, "duckdb": _duckdb, "postgres": _postgres, "sqlite": _sqlite}
    try:
        return find.get(str(connection.conn_type), _other)(connection, schema)
    except OpenESGConfigError as error:
        raise OpenESGConfigError(f"sql_conn_id {conn_id!r}: {error}") from None


def _duckdb(connection: Connection, schema: str | None) -> Database:
    try:
        from airflow.providers.duckdb.hooks.duckdb import IN_MEMORY_DATABASE, DuckDBHook

        from airflow_provider_openesg.sql.duckdb import DuckDBDatabase
    except ModuleNotFoundError as error:
        raise _not_installed("DuckDB", error.name, "duckdb") from None
    hook = DuckDBHook(duckdb_conn_id=connection.conn_id)
    # What stands behind the question mark of a MotherDuck database is its token.
    database = hook.get_database().partition("?")[0]
    if database == IN_MEMORY_DATABASE or hook.read_only:
        what = "is read-only" if hook.read_only else "is an in-memory database, which would end with the task"
        raise OpenESGConfigError(f"{what}. Give the path of a file in the Connection's host.")
    return DuckDBDatabase(hook.get_conn, database, schema, has_limit="memory_limit" in (hook.settings or {}))


def _postgres(connection: Connection, schema: str | None) -> Database:
    extra = connection.extra_dejson
    hook_logs_in = any(extra.get(name) for name in _LOGS_IN)
    if hook_logs_in or not _installed("adbc_driver_postgresql"):
        return _other(connection, schema)
    from adbc_driver_postgresql import dbapi

    from airflow_provider_openesg.sql.postgres import PostgresDatabase

    options = {name: value for name, value in extra.items() if name not in _NOT_LIBPQ}
    dsn = _dsn(connection, options)
    return PostgresDatabase(lambda: dbapi.connect(dsn), _url(connection), schema, list(_secrets(connection)))


def _sqlite(connection: Connection, schema: str | None) -> Database:
    path, _, options = (connection.host or "").partition("?")
    _check_sqlite(path, schema)
    if not _installed("adbc_driver_sqlite"):
        return _other(connection, None, path)
    from adbc_driver_sqlite import dbapi

    from airflow_provider_openesg.sql.sqlite import SqliteDatabase

    options = options or "&".join(f"{name}={value}" for name, value in connection.extra_dejson.items())
    uri = f"file:{quote(path)}?{options}"
    return SqliteDatabase(lambda: dbapi.connect(uri), path, None)


def _adbc(connection: Connection, schema: str | None) -> Database:
    try:
        from airflow.providers.apache.arrow.hooks.adbc import AdbcHook

        from airflow_provider_openesg.sql.bigquery import BigQueryDatabase
        from airflow_provider_openesg.sql.postgres import PostgresDatabase
        from airflow_provider_openesg.sql.snowflake import SnowflakeDatabase
        from airflow_provider_openesg.sql.sqlite import SqliteDatabase
    except ModuleNotFoundError as error:
        raise _not_installed("A Connection of type adbc", error.name, "adbc") from None
    hook = AdbcHook(adbc_conn_id=connection.conn_id)
    if hook.driver.startswith("adbc_driver_") and not _installed(hook.driver):
        raise OpenESGConfigError(f"driver {hook.driver} is not installed: pip install {hook.driver.replace('_', '-')}.")
    dialect = hook.driver.removeprefix("adbc_driver_") if hook.dialect_name == "default" else hook.dialect_name
    connect, secrets = partial(_adbc_connection, hook), list(_secrets(connection))
    # The hook's own URI carries all of extra, which drivers refuse.
    hook.uri = connection.host or ""
    if dialect == "postgresql":
        if "://" not in hook.uri:
            hook.uri = _dsn(connection, {})
        return PostgresDatabase(connect, _url(connection, hook.db_kwargs["uri"]), schema, secrets)
    if dialect == "sqlite":
        path = str(hook.db_kwargs["uri"]).removeprefix("file:").partition("?")[0]
        _check_sqlite(path, schema)
        return SqliteDatabase(connect, path, None, secrets)
    options = {"username": connection.login, "password": connection.password, **hook.db_kwargs}
    hook.db_kwargs = {name: value for name, value in options.items() if value}
    if dialect == "snowflake":
        return SnowflakeDatabase(connect, _warehouse(hook, "snowflake", "account", "db"), schema, secrets)
    if dialect == "bigquery":
        schema = schema or hook.db_kwargs.get("adbc.bigquery.sql.dataset_id")
        return BigQueryDatabase(connect, _warehouse(hook, "bigquery", "project_id"), schema, secrets)
    raise OpenESGConfigError(
        f"extra field dialect: {dialect!r} given; allowed: postgresql, sqlite, snowflake, bigquery. For other databases"
        " give a Connection of their own type."
    )


def _adbc_connection(hook: AdbcHook) -> adbc.Connection:
    if hook.driver.isidentifier() and _installed(hook.driver):
        return hook.get_conn()
    from adbc_driver_manager import dbapi

    # A path, or a name that the driver manager knows: the hook takes nothing but Python packages.
    return dbapi.connect(
        hook.driver, entrypoint=hook.entrypoint, db_kwargs=hook.db_kwargs, conn_kwargs=hook.conn_kwargs
    )


def _warehouse(hook: AdbcHook, dialect: str, *parts: str) -> str:
    """Name a warehouse by its URI, or by the driver's options."""
    options = [hook.db_kwargs.get(f"adbc.{dialect}.sql.{part}") for part in parts]
    place = hook.db_kwargs.get("uri") or "/".join(filter(None, options))
    return f"{dialect}://{place.rpartition('://')[2].rpartition('@')[2].partition('?')[0]}"


def _other(connection: Connection, schema: str | None, name: str | None = None) -> Database:
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook

        hook = connection.get_hook()  # type: ignore[no-untyped-call]
    except ModuleNotFoundError as error:
        raise _not_installed(f"A Connection of type {connection.conn_type}", error.name, None) from None
    except Exception as error:
        raise OpenESGConfigError(
            f"a Connection of type {connection.conn_type!r}: {error}. Install the provider that brings that type, or"
            " correct it."
        ) from None
    if not isinstance(hook, DbApiHook):
        raise OpenESGConfigError(
            f"a Connection of type {connection.conn_type!r}, which is no SQL database. Give one of type postgres,"
            " mysql, sqlite, duckdb, adbc or of another database."
        )
    from airflow_provider_openesg.sql.dbapi import DbApiDatabase

    return DbApiDatabase(hook, name or _url(connection), schema, list(_secrets(connection)))


def _check_sqlite(path: str, schema: str | None) -> None:
    if not path or ":memory:" in path:
        raise OpenESGConfigError(
            "is an in-memory database, which would end with the task. Give the path of a file in the Connection's host."
        )
    if not Path(path).absolute().parent.is_dir():
        raise OpenESGConfigError(f"{path}: cannot be opened: its directory does not exist.")
    if schema not in (None, "main"):
        raise OpenESGConfigError(f"schema: {schema!r} given, and SQLite has none. Leave it out.")


def _installed(module: str) -> bool:
    return find_spec(module) is not None and find_spec("pyarrow") is not None


def _not_installed(what: str, module: str | None, extra: str | None) -> OpenESGConfigError:
    package = f"'airflow-provider-openesg[{extra}]'" if extra else module
    return OpenESGConfigError(f"{what} needs {module}, which is not installed: pip install {package}.")


def _dsn(connection: Connection, options: Mapping[str, Any]) -> str:
    """Write a connection string as libpq takes it; what the Connection says goes before what we would rather have."""
    given = {
        "fallback_application_name": "airflow-provider-openesg",
        "connect_timeout": 30,
        "host": connection.host,
        "port": connection.port,
        "dbname": connection.schema,
        "user": connection.login,
        "password": connection.password,
        **options,
    }
    texts = {
        name: str(int(value) if isinstance(value, bool) else value)
        for name, value in given.items()
        if value not in (None, "")
    }
    escaped = {name: text.replace("\\", "\\\\").replace("'", "\\'") for name, text in texts.items()}
    return " ".join(f"{name}='{text}'" for name, text in escaped.items())


def _url(connection: Connection, uri: str = "") -> str:
    """Name a database without its user."""
    scheme, there, rest = uri.partition("://")
    if there:
        # Not by urlsplit: what is wrong with a URI is often that its password was not quoted.
        return f"{scheme.replace('postgresql', 'postgres')}://{rest.rpartition('@')[2].partition('?')[0]}"
    port = f":{connection.port}" if connection.port else ""
    # MySQL's databases are its schemas, and have their place there.
    database = f"/{connection.schema or ''}" if connection.conn_type != "mysql" else ""
    return f"{connection.conn_type}://{connection.host or ''}{port}{database}"


def _secrets(connection: Connection) -> Iterator[str]:
    """Name what no message may show, as it is and as it stands in a URL."""
    kwargs = connection.extra_dejson.get("db_kwargs") or {}
    uris = [str(text) for text in (connection.host, kwargs.get("uri")) if text and "@" in str(text)]
    in_uris = [uri.rpartition("://")[2].rpartition("@")[0].partition(":")[2] for uri in uris]
    for secret in (connection.password, kwargs.get("password"), *in_uris):
        if secret:
            # Drivers quote it in pieces where they take it apart by mistake.
            yield from (
                secret,
                quote(secret, safe=""),
                *(piece for piece in re.split(r"\W+", secret) if len(piece) > 3),
            )
    yield from (str(kwargs[name]) for name in kwargs if re.search("token|secret|credentials|private_key", name))
