"""TLS proxy for the sandbox, because waitress does not support TLS."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socket import socket


def serve_tls(listener: socket, plain_port: int, certificate: str, key: str) -> None:
    """Accept TLS connections on ``listener`` in a background thread and forward them to ``plain_port``.

    :raises SystemExit: if the certificate or key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SystemExit(f"--tls-cert {certificate}, --tls-key {key}: cannot be used: {error}") from None

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", plain_port)
        await asyncio.gather(_copy(reader, plain_writer), _copy(plain_reader, writer))

    async def serve() -> None:
        server = await asyncio.start_server(forward, sock=listener, ssl=context, backlog=1024)
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()
    except OSError:
        # Abort, so that the other side detects a broken connection instead of a normal end.
        writer.transport.abort()
