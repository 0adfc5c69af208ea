"""A site that does just what a test tells it, byte by byte, in the clear or over TLS; it counts what it could send."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

from tests.hosting import Host, listen

CHUNK_BYTES = 16 * 1024
SEND_BYTES = 4 * 1024
"""What the kernel takes of an answer that the peer has not (it doubles it); the default is megabytes."""


class Line:
    """One connection of a site. Next to nothing that is sent waits in the site: what is counted has left it."""

    def __init__(self, site: "Site", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._site = site
        self._reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)

    async def read_head(self) -> bytes:
        """The next request, without a body."""
        return await self._reader.readuntil(b"\r\n\r\n")

    def stop_reading(self) -> None:
        """Be deaf from now on, to the goodbye of TLS too."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def send(self, data: bytes, pause_s: float | None = None, piece_bytes: int = 1) -> None:
        """Send it at once, or `piece_bytes` at a time with a pause after each."""
        size = len(data) if pause_s is None else piece_bytes
        for start in range(0, len(data), max(1, size)):
            piece = data[start : start + size]
            self._writer.write(piece)
            await self._writer.drain()
            self._site.sent_bytes += len(piece)
            if pause_s is not None:
                await asyncio.sleep(pause_s)

    async def send_forever(self, piece: bytes, pause_s: float | None = None) -> None:
        """Send it again and again until the peer is gone."""
        block = piece if pause_s is not None else piece * max(1, CHUNK_BYTES // len(piece))
        while True:
            await self.send(block)
            await asyncio.sleep(pause_s or 0)


Script = Callable[[Line], Awaitable[None]]


class Site(Host):
    """A server on one port of some addresses of loopback. `script` has each connection; it is cut when that ends."""

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        hosts: tuple[str, ...] = ("127.0.0.1",),
    ) -> None:
        self._script = script
        self._tls = tls
        self._hosts = hosts
        self.port = 0
        self.sent_bytes = 0
        self.connections = 0
        self.peers: list[str] = []
        """The address of this site that each connection was made to."""

    @property
    def url(self) -> str:
        """Its address, without a final slash."""
        return f"http{'s' if self._tls else ''}://{self._hosts[0]}:{self.port}"

    async def __aenter__(self) -> Self:
        listeners = listen(self._hosts)
        self.port = listeners[0].getsockname()[1]
        await self._open(listeners, self._tls)
        return self

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.peers.append(writer.get_extra_info("sockname")[0])
        await self._script(Line(self, reader, writer))


def always(answer: bytes) -> Script:
    """A site that gives one answer to every request."""

    async def script(line: Line) -> None:
        while await line.read_head():
            await line.send(answer)

    return script
