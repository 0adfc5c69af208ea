"""HTTP/1.1 and nothing else, on the wire, and what is not even that."""

import socket
import subprocess
from pathlib import Path

import anyio
import httpx
import pytest
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

from gateway.errors import Problem
from gateway.guard import HEADERS
from gateway.http1 import mending_hypercorn
from gateway.zerocopy import FileSender
from tests.processes import running
from tests.programs import need


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
    ],
)
async def test_unreadable_request(client: httpx.AsyncClient, request_: bytes, status: int) -> None:
    """What is no HTTP is refused like everything else: as a problem, with the headers that every answer has."""
    async with await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0) as connection:
        await connection.send(request_)
        answer = b"".join([part async for part in connection])
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert line.split(" ")[1] == str(status)
    assert headers.items() >= HEADERS.items()
    assert headers["Content-Type"] == "application/problem+json"
    assert Problem.model_validate_json(body).status == status


def read_methods() -> list[object]:
    """What is replaced."""
    return [
        H11Protocol._check_protocol,
        H11Protocol._send_error_response,
        HTTPStream.handle,
        HTTPStream.app_send,
        TCPServer.protocol_send,
        TCPServer._read_data,
        TCPServer.run,
    ]


def test_put_back() -> None:
    """What is replaced is there, and is put back."""
    before = read_methods()
    with mending_hypercorn(HEADERS, FileSender(idle_timeout_s=1)):
        assert not set(read_methods()) & set(before)
    assert read_methods() == before


def test_unknown_hypercorn(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A hypercorn that lacks one of the methods is left as it is, all of it."""
    run = TCPServer.run
    before = read_methods()
    monkeypatch.delattr(TCPServer, "run")
    with mending_hypercorn(HEADERS, FileSender(idle_timeout_s=1)):
        monkeypatch.setattr(TCPServer, "run", run, raising=False)
        assert read_methods() == before
    assert "this hypercorn is not known" in caplog.text
