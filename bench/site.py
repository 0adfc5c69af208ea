"""A site to be crawled: answers of two bytes after a latency, on many addresses of loopback; a process of its own.

Usage: python bench/site.py PORT LATENCY_S HOST…
"""

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Site(asyncio.Protocol):
    """Answers every request head on a connection, each after the latency."""

    latency_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)
        self.head = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        *whole, self.head = (self.head + data).split(b"\r\n\r\n")
        for _ in whole:
            if self.latency_s:
                asyncio.get_running_loop().call_later(self.latency_s, self.transport.write, ANSWER)
            else:
                self.transport.write(ANSWER)


async def serve(port: int, latency_s: float, hosts: list[str]) -> None:
    """Serve for ever; says `ready` once it does."""
    Site.latency_s = latency_s
    loop = asyncio.get_running_loop()
    for host in hosts:
        await loop.create_server(Site, host, port, backlog=4096)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
