"""What the system may hold of an answer that its peer does not take."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import pytest

from gateway.process.sockets import UNSENT_BYTES

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the descriptors are read from /proc"),
]


def list_bounds(port: int) -> Iterator[int]:
    """The bound of each TCP socket of this process that stands at that port."""
    for path in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            if path.is_socket():
                with socket.socket(fileno=os.dup(int(path.name))) as own:
                    if own.family == socket.AF_INET and own.getsockname()[1] == port:
                        yield own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)


async def test_connections_inherit_the_bound(client: httpx.AsyncClient) -> None:
    """The socket that listens has the bound, and so has every connection that it accepts."""
    port = client.base_url.port
    assert port
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.receive()
        assert list(list_bounds(port)) == [UNSENT_BYTES] * 2
