"""The gateway under hypercorn's own TLS: no traceback whatever a client does, and the idle limits of plain HTTP."""

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.processes import BareGateway, Gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

KINDS = pytest.mark.parametrize("kind", [Gateway, BareGateway], ids=["hypercorn.toml", "bare"])
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
IDLE_S = 2
CLOSED = b""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and its certificate."""
    return Authority(tmp_path_factory.mktemp("tls")).make("localhost")


@contextmanager
def serving(kind: type[Gateway], folder: Path, pair: tuple[Path, Path], *options: str) -> Iterator[Gateway]:
    """A gateway behind TLS, which ends in order and without a traceback."""
    gateway = kind(folder)
    gateway.config = (*gateway.config, "--keyfile", str(pair[0]), "--certfile", str(pair[1]), *options)
    gateway.launch()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and gateway.process.poll() is None:
        with suppress(OSError), connected(gateway) as connection:
            wrap(connection).close()
            break
        time.sleep(0.05)
    yield gateway
    assert gateway.stop() == 0
    assert "Traceback" not in gateway.log.read_text()


@contextmanager
def connected(gateway: Gateway) -> Iterator[socket.socket]:
    """A TCP connection."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=40) as connection:
        yield connection


def wrap(connection: socket.socket) -> ssl.SSLSocket:
    """A client that trusts any certificate and would rather speak HTTP/2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(connection)


def reset(connection: socket.socket) -> None:
    """Close a connection by RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_plain(connection: socket.socket) -> None:
    """Plain HTTP to the port of TLS."""
    connection.sendall(REQUEST)
    with suppress(ConnectionError):
        assert not connection.recv(1000).startswith(b"HTTP/1.1 2")


def break_hello(connection: socket.socket) -> None:
    """Half of a ClientHello, then a reset."""
    connection.sendall(b"\x16\x03\x01\x02\x00\x01")
    reset(connection)


def distrust(connection: socket.socket) -> None:
    """A client that does not trust the certificate."""
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")


def reset_request(connection: socket.socket) -> None:
    """A request, and a reset in place of reading its answer."""
    wrapped = wrap(connection)
    wrapped.sendall(REQUEST * 50)
    reset(wrapped)


def reset_upload(connection: socket.socket) -> None:
    """A reset in the middle of a body."""
    wrapped = wrap(connection)
    wrapped.sendall(b"PUT /api/v1/audio/a.wav HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nRIFF")
    reset(wrapped)


def send_garbage(connection: socket.socket) -> None:
    """Plain text within an established session, in which no record can be read."""
    wrapped = wrap(connection)
    wrapped.sendall(REQUEST)
    assert wrapped.recv(1000).startswith(b"HTTP/1.1 200")
    with socket.socket(fileno=wrapped.detach()) as raw:
        raw.sendall(b"plain text\r\n\r\n")


BROKEN: list[Callable[[socket.socket], None]] = [
    socket.socket.close, reset, send_plain, break_hello, distrust, reset_request, reset_upload, send_garbage,
]  # fmt: skip


@KINDS
def test_broken_clients(tmp_path: Path, kind: type[Gateway], pair: tuple[Path, Path]) -> None:
    """Plain HTTP, handshakes broken off and sessions cut are no traceback, and the next client is served HTTP/1.1."""
    with serving(kind, tmp_path, pair) as gateway:
        for break_off in BROKEN:
            with connected(gateway) as connection:
                break_off(connection)
        with connected(gateway) as connection:
            wrapped = wrap(connection)
            wrapped.sendall(REQUEST)
            assert wrapped.recv(1000).startswith(b"HTTP/1.1 200")
            assert wrapped.selected_alpn_protocol() == "http/1.1"
            wrapped.close()


@KINDS
def test_idle_clients(tmp_path: Path, kind: type[Gateway], pair: tuple[Path, Path]) -> None:
    """A silent handshake, a session without a request and half a head end in 15 s, also if the end is not answered."""
    with (
        serving(kind, tmp_path, pair, "--keep-alive", str(IDLE_S)) as gateway,
        connected(gateway) as silent, connected(gateway) as idle, connected(gateway) as slow,
        wrap(slow) as wrapped, socket.socket(fileno=wrap(idle).detach()) as deaf,
    ):  # fmt: skip
        wrapped.sendall(REQUEST[:20])
        assert wrapped.recv(1) == CLOSED
        assert silent.recv(1) == CLOSED
        while deaf.recv(1000) != CLOSED:  # the records that end TLS, and then TCP
            pass


@KINDS
def test_wrong_key(tmp_path: Path, kind: type[Gateway], pair: tuple[Path, Path]) -> None:
    """A key of another certificate, or none, ends the start with one line that names both files."""
    other = Authority(tmp_path).make("localhost")[0]
    for key in (other, tmp_path / "nowhere.key"):
        gateway = kind(tmp_path)
        gateway.config = (*gateway.config, "--keyfile", str(key), "--certfile", str(pair[1]))
        gateway.launch()
        code = gateway.process.wait(60)
        assert code == (1 if kind is Gateway else 0)  # the master of the bare command reports no failure of its worker
        last = gateway.log.read_text().splitlines()[-1]
        assert last.startswith(f"TLS: keyfile {key}, certfile {pair[1]}: ")
        assert "Traceback" not in gateway.log.read_text()
