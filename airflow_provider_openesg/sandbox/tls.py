"""TLS in front of the sandbox's plain port: waitress has none."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socket import socket


def serve_tls(listener: socket, plain_port: int, certificate: str, key: str) -> None:
    """Take TLS connections on ``listener`` in a thread of their own and pass them on to ``plain_port``.

    :raises SystemExit: when certificate or key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SystemExit(f"--tls-cert {certificate}, --tls-key {key}: cannot be used: {error}") from None

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", plain_port)
        await asyncio.gather(_copy(reader, plain_writer), _copy(plain_reader, writer))

    async def serve() -> None:
        server = await asyncio.start_server(pass_on, sock=listener, ssl=context, backlog=1024)
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()
    except OSError:
        # The other side is to see a connection that broke, not one that ended.
        writer.transport.abort()
