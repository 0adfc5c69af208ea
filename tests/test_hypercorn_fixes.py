"""HTTP/1.1 and nothing else, on the wire, and what is not even that."""

import re
import socket
import subprocess
from pathlib import Path

import anyio
import httpx
import pytest

from tests.processes import running
from tests.programs import need

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b'["a.invalid"]'
POST = (
    b"POST /api/v1/tasks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n" % len(BODY)
)
LAST = b"Connection: close\r\n\r\n"
WEBSOCKET = (
    b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Connection: upgrade\r\n"
)


async def exchange(client: httpx.AsyncClient, sent: bytes) -> bytes:
    """All that a gateway answers to these bytes, up to the end of the connection."""
    async with await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0) as connection:
        await connection.send(sent)
        with anyio.fail_after(6):
            return b"".join([part async for part in connection])


def ask(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    """What curl says."""
    command = [need("curl"), "-s", "-w", "%{http_version} %{http_code}", "-o", "/dev/null", *options]
    return subprocess.run(
        [*command, f"http://127.0.0.1:{port}/healthz"], check=False, capture_output=True, text=True, timeout=9
    )


@pytest.mark.timeout(40)
@pytest.mark.slow
def test_no_http2(tmp_path: Path) -> None:
    """Who offers HTTP/2 gets HTTP/1.1, who insists gets 505 and the end of the connection."""
    with running(tmp_path) as gateway:
        assert ask(gateway.port).stdout == "1.1 200"
        assert ask(gateway.port, "--http2").stdout == "1.1 200"
        assert ask(gateway.port, "--http2-prior-knowledge").returncode != 0
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 505 ")
    assert answer.count(b"HTTP/1.1") == 1 + answer.count(b"speaks HTTP/1.1")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"HEAD / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000, 431),
        (b"head / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xc2", 400),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ],
)
async def test_unreadable_request(client: httpx.AsyncClient, request_: bytes, status: int) -> None:
    """What is not HTTP is refused, and the connection ends."""
    head, _, body = (await exchange(client, request_)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close" in head.lower()
    assert body == b""


@pytest.mark.anyio
async def test_end_of_a_client(client: httpx.AsyncClient) -> None:
    """A connection ends with its client, not with its idle timeout."""
    for _ in range(3):
        async with await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0) as connection:
            await connection.send(GET)
            await connection.receive()
            await connection.send_eof()
            with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
                await connection.receive()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (POST + LAST + BODY + b"\r\n", [201]),
        (POST + LAST + BODY + GET, [201]),
        (POST + LAST + BODY + b"\0", [201]),
        (POST + b"\r\n" + BODY + b"\r\n" + GET[:-2] + LAST, [201, 200]),
        (b"\r\n" + GET[:-2] + LAST, [200]),
        (GET + b"\r\n\r\n" + GET[:-2] + LAST, [200, 200]),
        (b"\n" + GET, [400]),
        (GET.replace(b"1.1", b"1.0") + b"\r\n" + GET, [200]),
        (GET[:-2] + WEBSOCKET + b"\r\n" + GET[:-2] + LAST, [200, 200]),
        (GET[:-2] + WEBSOCKET.replace(b"Key", b"Lock") + b"\r\n" + GET[:-2] + LAST, [200, 200]),
        (GET[:-2] + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + GET[:-2] + LAST, [200, 200]),
    ],
)
async def test_between_requests(client: httpx.AsyncClient, sent: bytes, statuses: list[int]) -> None:
    """Empty lines between requests are skipped, what follows the last one is dropped, no upgrade is followed."""
    assert [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) [A-Z]", await exchange(client, sent))] == statuses
