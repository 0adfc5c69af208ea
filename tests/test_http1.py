"""HTTP/1.1 and nothing else, on the wire."""

import socket
import subprocess
from pathlib import Path

import pytest
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

from gateway.http1 import mending_hypercorn
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


def test_put_back() -> None:
    """What is replaced is there, and is put back."""
    check, handle = H11Protocol._check_protocol, HTTPStream.handle
    with mending_hypercorn():
        assert H11Protocol._check_protocol is not check
        assert HTTPStream.handle is not handle
    assert H11Protocol._check_protocol is check
    assert HTTPStream.handle is handle
