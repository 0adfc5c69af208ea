"""A site with every behaviour that sites have, over raw sockets; it counts what it was asked for."""

import asyncio
import time
from collections import Counter, defaultdict
from typing import Self
from urllib.parse import unquote_to_bytes

from tests.hosting import Host, listen


class Target(Host):
    """An HTTP server on so many addresses of loopback, all on one port.

    The first part of the path says what to do, the second how much of it:

    /code/404   answers so             /delay/0.5   answers 200 after so many seconds
    /held/200   answers so once `release` is called for it
    /hop/3      redirects so often     /to/URL      redirects there (/to: to nowhere)
    /reset      cuts the connection    /silent      never answers
    /drip       a header byte at a time /endless    a body without an end
    /garbage    no HTTP                /headers     headers without an end
    /short      less than it says      /continue    100 without an end
    /raw/BYTES  just that
    /clock      answers 200 and as much more as tenths of a second have passed since the start (modulo 800)
    /later/1/3  answers 429 with Retry-After: 1, but only the first 3 of all calls of this kind
    """

    def __init__(self, hosts: int = 1) -> None:
        self.hosts = [f"127.0.0.{i + 1}" for i in range(hosts)]
        self.requests: Counter[str] = Counter()
        self.asked_at: defaultdict[str, list[float]] = defaultdict(list)
        self.started_at = time.monotonic()
        self.later = 0
        self._released: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.open = 0
        self.most_open = 0

    @property
    def url(self) -> str:
        """Its address, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    def release(self, code: int) -> None:
        """Answer the calls of /held with this code, those to come too."""
        self._released[str(code)].set()

    async def __aenter__(self) -> Self:
        listeners = listen(self.hosts)
        self.port: int = listeners[0].getsockname()[1]
        await self._open(listeners)
        return self

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode("latin-1")
            self.requests[path] += 1
            self.asked_at[path].append(time.monotonic())
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                await self._answer(path, writer)
            finally:
                self.open -= 1

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        what, _, argument = path.partition("?")[0].lstrip("/").partition("/")
        if what in _POURED:
            await _pour(writer, *_POURED[what])
        elif what in _CUT:
            writer.write(_CUT[what])
            await writer.drain()
            raise ConnectionResetError
        elif what in ("delay", "silent"):
            await asyncio.sleep(float(argument.partition("/")[0] or 3600))
            _reply(writer, 200)
        elif what == "held":
            await self._released[argument].wait()
            _reply(writer, int(argument))
        elif what == "raw":
            writer.write(unquote_to_bytes(argument))
        elif what == "hop":
            left = int(argument)
            _reply(writer, 302 if left else 200, f"Location: /hop/{left - 1}\r\n" if left else "")
        elif what == "clock":
            _reply(writer, 200 + int((time.monotonic() - self.started_at) * 10) % 800)
        elif what == "later":
            wait, times = argument.split("/")
            self.later += 1
            busy = self.later <= int(times)
            _reply(writer, 429 if busy else 200, f"Retry-After: {wait}\r\n" if busy else "")
        elif what == "to":
            _reply(writer, 302, f"Location: {argument}\r\n" if argument else "")
        else:
            _reply(writer, int(argument) if what == "code" else 404)
        await writer.drain()


_POURED = {
    "drip": (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x", 0.1),
    "endless": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n", 0.0),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"x" * 1000 + b"\r\n", 0.0),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
}
_CUT = {
    "garbage": b"\x00\x01 no http at all\r\n\r\n",
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    "reset": b"",
}


def _reply(writer: asyncio.StreamWriter, code: int, headers: str = "") -> None:
    rest = "\r\n" if code in (204, 304) else "Content-Length: 2\r\n\r\nok"
    writer.write(f"HTTP/1.1 {code} Status\r\n{headers}{rest}".encode("latin-1"))


async def _pour(writer: asyncio.StreamWriter, head: bytes, piece: bytes, pause_s: float) -> None:
    writer.write(head)
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause_s)
