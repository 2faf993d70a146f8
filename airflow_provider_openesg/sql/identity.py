"""Identity of a database for messages, results, assets and OpenLineage, read from its connection string.

The names are those of Airflow's own hooks and of OpenLineage's naming specification, so that lineage graphs join.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

DEFAULT_PORTS = {"mysql": 3306, "postgres": 5432}
"""Ports that Airflow's hooks name in lineage if a Connection has none."""


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

    :param host: also several, separated by commas, an address of IPv6, or the directory of a socket.
    :return: empty if the host is a connection string by mistake, which may contain a password; ``localhost`` if it is
        not given.
    """
    if re.search(r"[@=\s]", host or ""):
        return ""
    name = urlsplit(f"//{quote(host or 'localhost', safe='')}").hostname or ""  # as DbApiHook of common.sql
    port = port or default_port
    return f"{name}:{port}" if port else name


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
    except (ProgrammingError, ValueError):  # the latter if it is not UTF-8
        return {}
    ports = [port for port in fields.get("port", "").split(",") if port]
    readable = all(port.isdecimal() and 0 < int(port) < 65536 for port in ports)
    return fields if readable and not any("@" in fields.get(name, "") for name in ("host", "dbname")) else {}


def read_uri(uri: str) -> dict[str, str]:
    """Read a URI by SQLAlchemy.

    :return: the same as :func:`read_conninfo`.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    base, _, query = uri.partition("?")
    if base.count("@") > 1 or "@" in query or {*parse_qs(query)} & {"host", "hostaddr", "port", "dbname", "service"}:
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
    default_port = DEFAULT_PORTS["postgres"]
    host, port = fields.get("host") or fields.get("hostaddr"), fields.get("port")
    if host and port and "," in port:  # several servers: the first that responds is used
        pairs = zip(host.split(","), port.split(","), strict=False)
        host, port = ",".join(f"{one}:{its_port or default_port}" for one, its_port in pairs), None
    return DatabaseIdentity.of_server("postgres", authority(host, port, default_port), fields.get("dbname"))
