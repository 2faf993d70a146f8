"""Connections of SQL databases, on Airflow 2 and 3."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.providers.common.compat.sdk import Connection
    from airflow.providers.common.sql.hooks.sql import DbApiHook


@contextmanager
def sql_connection(conn_id: str) -> Iterator[Connection]:
    """Yield a Connection. Errors in the block begin with its id.

    :raises OpenESGConfigError: if it does not exist.
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise OpenESGConfigError(f"sql_conn_id {conn_id!r}: this Connection does not exist ({error}).") from error
    try:
        yield connection
    except OpenESGConfigError as error:
        raise OpenESGConfigError(f"sql_conn_id {conn_id!r}: {error}") from None


def sql_hook(connection: Connection) -> DbApiHook:
    """Return the hook of a SQL database.

    :raises OpenESGConfigError: if its provider is not installed, or if it is not a SQL database.
    """
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook

        hook = connection.get_hook()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise OpenESGConfigError(
            f"a Connection of type {connection.conn_type!r}: {error}. Install the provider of that type, or correct"
            " the Connection."
        ) from None
    if not isinstance(hook, DbApiHook):
        raise OpenESGConfigError(
            f"a Connection of type {connection.conn_type!r}, which is not a SQL database. Use a Connection of type"
            " postgres, mysql, sqlite, duckdb, adbc or of another database."
        )
    return hook
