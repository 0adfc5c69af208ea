"""Many hosts that answer fast, for large tasks; the code of each answer stands in its URL. Counts every request."""

import asyncio
from collections import Counter
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

from tests.hosting import listen

CODES = (200, 201, 302, 404, 410, 500)


class Crowd:
    """So many addresses of loopback on one port, each answer after `latency_s`, which may change at any time."""

    def __init__(self, hosts: int = 20, *, latency_s: float = 0.0) -> None:
        self.hosts = [f"127.0.{3 + i // 250}.{1 + i % 250}" for i in range(hosts)]
        self.latency_s = latency_s
        self.requests: Counter[str] = Counter()
        self.peers: Counter[int] = Counter()
        """Requests by the port that they came from."""

    async def __aenter__(self) -> Self:
        listeners = listen(self.hosts)
        self.port: int = listeners[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self._transports: set[asyncio.Transport] = set()
        self._servers = [await loop.create_server(lambda: _Guest(self), sock=listener) for listener in listeners]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for transport in list(self._transports):
            transport.abort()
        await asyncio.sleep(0)

    def name_urls(self, total: int, tag: object) -> list[str]:
        """So many URLs that nobody has asked under another `tag`, spread over hosts and codes."""
        return [
            f"http://{self.hosts[i % len(self.hosts)]}:{self.port}/{CODES[i // len(self.hosts) % len(CODES)]}/{tag}/{i}"
            for i in range(total)
        ]

    def count(self, urls: list[str]) -> int:
        """How often these URLs were asked, all together."""
        return sum(self.requests[urlsplit(url).path] for url in urls)


def read_codes(urls: list[str]) -> list[int]:
    """The codes that these URLs have."""
    return [int(urlsplit(url).path.split("/")[1]) for url in urls]


class _Guest(asyncio.Protocol):
    """One connection."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = int(transport.get_extra_info("peername")[1])
        self._crowd._transports.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._crowd._transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._head = (self._head + data).split(b"\r\n\r\n")
        for head in heads:
            path = head.split(b" ", 2)[1].decode("ascii")
            self._crowd.requests[path] += 1
            self._crowd.peers[self._peer] += 1
            answer = f"HTTP/1.1 {path.split('/', 2)[1]} Status\r\nContent-Length: 2\r\n\r\nok".encode("ascii")
            if self._crowd.latency_s:
                asyncio.get_running_loop().call_later(self._crowd.latency_s, self._transport.write, answer)
            else:
                self._transport.write(answer)
