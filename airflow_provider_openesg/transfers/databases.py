"""Return the database of a Connection, with the fastest driver that is installed."""

from __future__ import annotations

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql.identity import (
    DEFAULT_PORTS,
    DatabaseIdentity,
    authority,
    postgres_identity,
    read_conninfo,
    read_uri,
)
from airflow_provider_openesg.utils.sql_connection import sql_connection, sql_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from adbc_driver_manager import dbapi as adbc
    from airflow.providers.apache.arrow.hooks.adbc import AdbcHook
    from airflow.providers.common.compat.sdk import Connection
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    from airflow_provider_openesg.sql.session import Database

_LOGS_IN = {"iam", "redshift", "redshift-serverless", "azure_conn_id"}
"""Extra fields of a ``postgres`` Connection that make its hook fetch the password."""

_NOT_LIBPQ = _LOGS_IN | {
    "aws_conn_id", "cluster-identifier", "cursor", "sqlalchemy_query", "sqlalchemy_scheme", "workgroup-name",
}  # fmt: skip
"""Extra fields of a ``postgres`` Connection that its hook does not pass to libpq."""


def database_of(conn_id: str, schema: str | None) -> Database:
    """Return the database of a Connection.

    :raises OpenESGConfigError: if it is not a SQL database, or if a driver or provider is not installed.
    """
    with sql_connection(conn_id) as connection:
        return _OPENERS.get(str(connection.conn_type), _other)(connection, schema)


def _duckdb(connection: Connection, schema: str | None) -> Database:
    try:
        from airflow.providers.duckdb.hooks.duckdb import IN_MEMORY_DATABASE, DuckDBHook

        from airflow_provider_openesg.sql.duckdb import DuckDBDatabase
    except ModuleNotFoundError as error:
        raise _not_installed("DuckDB", error.name, "duckdb") from None
    hook = DuckDBHook(duckdb_conn_id=connection.conn_id)
    # The query string of a MotherDuck database contains its token.
    database = hook.get_database().partition("?")[0]
    if database == IN_MEMORY_DATABASE or hook.read_only:
        problem = "the database is read-only" if hook.read_only else "an in-memory database ends with the task"
        raise OpenESGConfigError(f"{problem}. Set the Connection's host to the path of a file.")
    identity = DatabaseIdentity.of_file("duckdb", database)
    return DuckDBDatabase(hook.get_conn, identity, schema, has_limit="memory_limit" in (hook.settings or {}))


def _postgres(connection: Connection, schema: str | None) -> Database:
    extra = connection.extra_dejson
    hook_logs_in = any(extra.get(name) for name in _LOGS_IN)
    if hook_logs_in or not _installed("adbc_driver_postgresql"):
        return _other(connection, schema)
    from adbc_driver_postgresql import dbapi

    from airflow_provider_openesg.sql.postgres import PostgresDatabase

    options = {name: value for name, value in extra.items() if name not in _NOT_LIBPQ}
    dsn = _dsn(connection, options)
    # Not by the hook: importing it and OpenLineage's provider takes up to 1.1 s. Tests compare the names.
    identity = _identity_without_hook(connection)
    return PostgresDatabase(lambda: dbapi.connect(dsn), identity, schema, list(_secrets(connection)))


def _sqlite(connection: Connection, schema: str | None) -> Database:
    path, _, options = (connection.host or "").partition("?")
    _check_sqlite(path, schema)
    if not _installed("adbc_driver_sqlite"):
        return _other(connection, None, DatabaseIdentity.of_file("sqlite", path))
    from adbc_driver_sqlite import dbapi

    from airflow_provider_openesg.sql.sqlite import SqliteDatabase

    options = options or "&".join(f"{name}={value}" for name, value in connection.extra_dejson.items())
    uri = f"file:{quote(path)}?{options}"
    return SqliteDatabase(lambda: dbapi.connect(uri), DatabaseIdentity.of_file("sqlite", path), None)


def _adbc(connection: Connection, schema: str | None) -> Database:
    try:
        from airflow.providers.apache.arrow.hooks.adbc import AdbcHook

        import airflow_provider_openesg.sql.adbc  # noqa: F401 - needs the driver manager
    except ModuleNotFoundError as error:
        raise _not_installed("A Connection of type adbc", error.name, "adbc") from None
    hook = AdbcHook(adbc_conn_id=connection.conn_id)
    if hook.driver.startswith("adbc_driver_") and not _installed(hook.driver):
        raise OpenESGConfigError(f"driver {hook.driver} is not installed: pip install {hook.driver.replace('_', '-')}.")
    dialect = hook.driver.removeprefix("adbc_driver_") if hook.dialect_name == "default" else hook.dialect_name
    # The hook's own URI contains all extra fields, which drivers reject.
    hook.uri = connection.host or ""
    if dialect not in _ADBC_OPENERS:
        raise OpenESGConfigError(
            f"extra field dialect: {dialect!r} given; allowed: {', '.join(_ADBC_OPENERS)}. For other databases"
            " use a Connection of the database's own type."
        )
    return _ADBC_OPENERS[dialect](hook, connection, schema)


def _adbc_postgres(hook: AdbcHook, connection: Connection, schema: str | None) -> Database:
    from airflow_provider_openesg.sql.postgres import PostgresDatabase

    if "://" not in hook.uri and "=" not in hook.uri:
        hook.uri = _dsn(connection, {})
    elif given := [name for name in ("port", "schema", "login", "password") if getattr(connection, name)]:
        raise OpenESGConfigError(
            f"{', '.join(given)} given together with a connection string in host; allowed: one of them."
        )
    identity = postgres_identity(str(hook.db_kwargs["uri"]))
    return PostgresDatabase(partial(_adbc_connection, hook), identity, schema, list(_secrets(connection)))


def _adbc_sqlite(hook: AdbcHook, connection: Connection, schema: str | None) -> Database:
    from airflow_provider_openesg.sql.sqlite import SqliteDatabase

    path = str(hook.db_kwargs["uri"]).removeprefix("file:").partition("?")[0]
    _check_sqlite(path, schema)
    identity = DatabaseIdentity.of_file("sqlite", path)
    return SqliteDatabase(partial(_adbc_connection, hook), identity, None, list(_secrets(connection)))


def _adbc_snowflake(hook: AdbcHook, connection: Connection, schema: str | None) -> Database:
    from airflow_provider_openesg.sql.snowflake import SnowflakeDatabase

    account, database = _warehouse_parts(hook, connection, "snowflake", "account", "db")
    identity = DatabaseIdentity.of_server("snowflake", account or "", database)
    return SnowflakeDatabase(partial(_adbc_connection, hook), identity, schema, list(_secrets(connection)))


def _adbc_bigquery(hook: AdbcHook, connection: Connection, schema: str | None) -> Database:
    from airflow_provider_openesg.sql.bigquery import BigQueryDatabase

    host, project = _warehouse_parts(hook, connection, "bigquery", "project_id", "project_id")
    schema = schema or hook.db_kwargs.get("adbc.bigquery.sql.dataset_id")
    identity = DatabaseIdentity.of_bigquery(project or host)
    return BigQueryDatabase(partial(_adbc_connection, hook), identity, schema, list(_secrets(connection)))


def _adbc_connection(hook: AdbcHook) -> adbc.Connection:
    if hook.driver.isidentifier() and _installed(hook.driver):
        return hook.get_conn()
    from adbc_driver_manager import dbapi

    # A path, or a name that the driver manager knows: the hook accepts only Python packages.
    return dbapi.connect(
        hook.driver, entrypoint=hook.entrypoint, db_kwargs=hook.db_kwargs, conn_kwargs=hook.conn_kwargs
    )


def _warehouse_parts(
    hook: AdbcHook, connection: Connection, dialect: str, server: str, database: str
) -> tuple[str | None, str | None]:
    """Add the Connection's user to the driver's options, and return server and database, by URI or by options."""
    options = {"username": connection.login, "password": connection.password, **hook.db_kwargs}
    hook.db_kwargs = {name: value for name, value in options.items() if value}
    if uri := str(hook.db_kwargs.get("uri") or ""):
        fields = read_uri(uri if "://" in uri else f"{dialect}://{uri}")
        # The schema may follow the database.
        return fields.get("host"), fields.get("dbname", "").partition("/")[0] or None
    server, database = (f"adbc.{dialect}.sql.{option}" for option in (server, database))
    return hook.db_kwargs.get(server), hook.db_kwargs.get(database)


def _other(connection: Connection, schema: str | None, identity: DatabaseIdentity | None = None) -> Database:
    hook = sql_hook(connection)
    from airflow_provider_openesg.sql.dbapi import DbApiDatabase

    return DbApiDatabase(hook, identity or _identity(connection, hook), schema, list(_secrets(connection)))


def _check_sqlite(path: str, schema: str | None) -> None:
    if not path or ":memory:" in path:
        raise OpenESGConfigError(
            "an in-memory database ends with the task. Set the Connection's host to the path of a file."
        )
    if not Path(path).absolute().parent.is_dir():
        raise OpenESGConfigError(f"{path}: cannot be opened: its directory does not exist.")
    if schema not in (None, "main"):
        raise OpenESGConfigError(f"schema: {schema!r} given, but SQLite has no schemas. Remove it.")


def _installed(module: str) -> bool:
    return find_spec(module) is not None and find_spec("pyarrow") is not None


def _not_installed(what: str, module: str | None, extra: str) -> OpenESGConfigError:
    return OpenESGConfigError(
        f"{what} needs {module}, which is not installed: pip install 'airflow-provider-openesg[{extra}]'."
    )


def _dsn(connection: Connection, options: Mapping[str, Any]) -> str:
    """Return a connection string for libpq. Fields of the Connection override our defaults."""
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


def _identity(connection: Connection, hook: DbApiHook) -> DatabaseIdentity:
    """Return the identity of a database by its hook's OpenLineage method, or by the same formula."""
    try:
        info = hook.get_openlineage_database_info(connection)
    except Exception:  # OpenLineage's or AWS's provider is not installed, or the Connection is incomplete
        info = None
    if info and info.authority and re.fullmatch(r"[^@=\s]+", connection.host or ""):
        return DatabaseIdentity.of_server(info.scheme, info.authority, info.database)
    return _identity_without_hook(connection)


def _identity_without_hook(connection: Connection) -> DatabaseIdentity:
    scheme = str(connection.conn_type)
    server = authority(connection.host, connection.port, DEFAULT_PORTS.get(scheme))
    # A schema of MySQL is a database.
    return DatabaseIdentity.of_server(scheme, server, None if scheme == "mysql" else connection.schema)


def _secrets(connection: Connection) -> Iterator[str]:
    """Yield texts that messages must not show: passwords and tokens, also percent-encoded and in pieces."""
    kwargs = connection.extra_dejson.get("db_kwargs") or {}
    uris = [str(uri) for uri in (connection.host, kwargs.get("uri")) if uri and re.search("[@=]", str(uri))]
    yield from uris  # a message may quote the password as it is written there
    # If a connection string cannot be read, all of it is secret.
    in_uris = [(read_conninfo(uri) or {"password": uri}).get("password") for uri in uris]
    for secret in filter(None, (connection.password, kwargs.get("password"), *in_uris)):
        yield from (secret, quote(secret, safe=""))
        # A driver that misreads a password quotes pieces of it.
        yield from (piece for piece in re.split(r"\W+", secret) if len(piece) > 3)
    yield from (str(kwargs[name]) for name in kwargs if re.search("token|secret|credentials|private_key", name))


_OPENERS: Mapping[str, Callable[[Connection, str | None], Database]] = {
    "adbc": _adbc,
    "duckdb": _duckdb,
    "postgres": _postgres,
    "sqlite": _sqlite,
}
"""Connection type to the function that opens it. Every other type goes through its ``DbApiHook`` and SQLAlchemy.

To add a database: write a module in ``airflow_provider_openesg/sql/`` with a :class:`~.sql.session.Database` and its
:class:`~.sql.session.Session` (``StatementSession`` or ``AdbcSession`` have most of it), and register a function here,
or in :data:`_ADBC_OPENERS` if it is reached by ADBC. A database with a ``DbApiHook`` needs no code.
"""

_ADBC_OPENERS: Mapping[str, Callable[[AdbcHook, Connection, str | None], Database]] = {
    "postgresql": _adbc_postgres,
    "sqlite": _adbc_sqlite,
    "snowflake": _adbc_snowflake,
    "bigquery": _adbc_bigquery,
}
"""Dialect of an ``adbc`` Connection to the function that opens it."""
