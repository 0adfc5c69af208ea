"""One PING, without a client."""

import asyncio
from pathlib import Path


async def ping(socket: Path) -> bytes:
    """What the server at a unix socket answers to one PING; nothing when it closes the connection.

    Not by a stream of anyio 4.16: cancelled as the server closes it, it reports InvalidStateError to the event loop.

    :raises OSError: there is no connection.
    """
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(b"PING\r\n")
        return await reader.read(64)
    finally:
        writer.transport.abort()
