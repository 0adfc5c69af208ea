"""Raw bytes to a server and back: a server in a thread with limits of one's own, or the program as a process."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from wsgiref.types import WSGIApplication

import credentials
from credentials import Limits

HOST = b"Host: localhost\r\n"
GET = b"GET /?species=Dalek HTTP/1.1\r\n" + HOST + b"\r\n"


@dataclass
class Running:
    """A server that answers on 127.0.0.1."""

    port: int
    server: credentials.Server
    written: IO[bytes]

    @property
    def log(self) -> list[str]:
        """The lines it has logged so far."""
        self.written.seek(0)
        return self.written.read().decode().splitlines()

    def connect(self, *, receive_bytes: int | None = None) -> socket.socket:
        """A new connection, with a small receive buffer if asked."""
        return connect(self.port, receive_bytes=receive_bytes)

    def ask(self, data: bytes, *, shut: bool = False) -> bytes:
        """All that the server answers to the bytes until it closes; `shut` sends the end of ours."""
        return ask(self.port, data, shut=shut)


@contextmanager
def serving(
    application: WSGIApplication = credentials.application, room: int = Limits.connections, **limits: float
) -> Iterator[Running]:
    """A server in a thread of its own, with these limits, stopped in order at the end."""
    [listener] = credentials.bind("127.0.0.1", 0)
    with tempfile.TemporaryFile() as file:
        log = credentials.Log(file.fileno())
        server = credentials.Server(application, replace(Limits(sweep_s=0.02), **limits), room, log)  # type: ignore[arg-type]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield Running(listener.getsockname()[1], server, file)
        finally:
            server.stopping = True
            thread.join()
            log.finish()


@dataclass
class Process:
    """`python credentials.py`, listening."""

    child: subprocess.Popen[bytes]
    port: int

    def finish(self) -> tuple[int, bytes, bytes]:
        """Its exit status, standard output and standard error, once it has ended by itself."""
        out, err = self.child.communicate(timeout=9)
        return self.child.returncode, out, err


@contextmanager
def process(
    *arguments: str, flags: tuple[str, ...] = (), prefix: tuple[str, ...] = (), limits: str = ""
) -> Iterator[Process]:
    """The program on a free port, killed at the end if it still runs; `limits` replaces some of its limits."""
    main = f"import credentials; credentials.main(credentials.Limits({limits}))"
    program = ["-c", main] if limits else [credentials.__file__]
    command = [*prefix, sys.executable, *flags, *program, "--port", "0", *arguments]
    # Unbuffered, a line and its end are two writes: the first might be read without the second.
    environ = {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT", "PYTHONUNBUFFERED")}
    environ["PYTHONPATH"] = str(Path(credentials.__file__).parent)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as child:
        assert child.stderr is not None
        try:
            match = re.search(rb"listening on \S+ port (\d+)", child.stderr.readline())
            assert match is not None
            yield Process(child, int(match[1]))
        finally:
            child.kill()


def connect(port: int, host: str = "127.0.0.1", *, receive_bytes: int | None = None) -> socket.socket:
    """A connection that gives up after a minute."""
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    client.settimeout(60)
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        client.connect((host, port))
    except OSError:
        client.close()
        raise
    return client


def has_ipv6() -> bool:
    """Whether ::1 can be bound here."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def ask(port: int, data: bytes, *, shut: bool = False) -> bytes:
    """All that the server answers to the bytes until it closes."""
    with connect(port) as client:
        client.sendall(data)
        if shut:
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_answer(client: socket.socket) -> bytes:
    """One answer that bears a Content-Length, from a connection that stays open."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += read_some(client)
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", answer)
    end = answer.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(answer) < end:
        answer += read_some(client)
    assert len(answer) == end
    return answer


def read_some(client: socket.socket) -> bytes:
    """What is there, at least a byte."""
    part = client.recv(65536)
    assert part
    return part


def statuses(answers: bytes) -> list[int]:
    """The status of each answer, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [ -~]+\r\n", answers)]


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true within a minute."""
    end = time.monotonic() + 60
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return met
