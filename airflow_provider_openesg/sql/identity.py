"""Identity of a database for messages, results, assets and OpenLineage, read from its connection string.

The names are those of Airflow's own hooks and of OpenLineage's naming specification, so that lineage graphs join.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """Names of a database. They never contain a user or a password.

    :param namespace: OpenLineage namespace, such as ``postgres://dwh.example:5432``.
    :param uri: URI of the database, the first part of its tables' asset URIs.
    :param parts: first parts of OpenLineage names, before schema and table.
    :param name: name for messages, logs and results.
    """

    namespace: str
    uri: str
    parts: tuple[str, ...]
    name: str

    @classmethod
    def of_server(cls, scheme: str, authority: str, database: str | None = None) -> DatabaseIdentity:
        """Return the identity of a database on a server.

        :param authority: host and port, or an account.
        """
        namespace = f"{scheme}://{authority}"
        parts = (database,) if database else ()
        uri = "/".join([namespace, *parts])
        return cls(namespace, uri, parts, uri)

    @classmethod
    def of_file(cls, scheme: str, path: str) -> DatabaseIdentity:
        """Return the identity of a database that is a file."""
        uri = f"{scheme}://{path}"
        return cls(uri, uri, (), path)

    @classmethod
    def of_bigquery(cls, project: str | None) -> DatabaseIdentity:
        """Return the identity of a BigQuery project. All projects share one OpenLineage namespace."""
        uri = f"bigquery://{project or ''}"
        return cls("bigquery", uri, (project,) if project else (), uri)


def authority(host: str | None, port: Any, default_port: int | None) -> str:
    """Return host and port as Airflow's hooks name them.

    :return: empty if the host is a connection string by mistake, which may contain a password; ``localhost`` if it is
        not given or the path of a socket.
    """
    if re.search(r"[@=\s]", host or ""):
        return ""
    host = "localhost" if not host or host.startswith("/") else host.lower()
    port = port or default_port
    return f"{host}:{port}" if port else host


def read_conninfo(conninfo: str) -> dict[str, str]:
    """Read a connection string of libpq, or a URI.

    A password that is not percent-encoded can make a parser take parts of it for the host, port or database.

    :return: ``host``, ``port``, ``dbname``, ``user`` and ``password``, if given; empty if it cannot be read safely.
    """
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        return read_uri(conninfo)
    try:
        fields = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    except ProgrammingError:
        return {}
    port = fields.get("port", "1")
    readable = (
        port.isdecimal() and 0 < int(port) < 65536 and not any("@" in fields.get(n, "") for n in ("host", "dbname"))
    )
    return fields if readable else {}


def read_uri(uri: str) -> dict[str, str]:
    """Read a URI by SQLAlchemy.

    :return: the same as :func:`read_conninfo`.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    base, _, query = uri.partition("?")
    if base.count("@") > 1 or "@" in query:
        return {}
    try:
        url = make_url(base)
    except (ArgumentError, ValueError):
        return {}
    fields = {
        "host": url.host, "port": url.port, "dbname": url.database, "user": url.username, "password": url.password
    }  # fmt: skip
    return {name: str(value) for name, value in fields.items() if value}


def postgres_identity(conninfo: str) -> DatabaseIdentity:
    """Return the identity of a PostgreSQL database; only its scheme if the connection string cannot be read."""
    fields = read_conninfo(conninfo)
    if not fields:
        return DatabaseIdentity.of_server("postgres", "")
    host = fields.get("host") or fields.get("hostaddr")
    return DatabaseIdentity.of_server("postgres", authority(host, fields.get("port"), 5432), fields.get("dbname"))
