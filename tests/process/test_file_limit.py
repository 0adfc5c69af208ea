"""More connections than the process may open files: one line, no busy loop, and room as soon as they are gone."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.process.test_shutdown import list_processes
from tests.processes import ROOT, BareGateway, Gateway

pytestmark = pytest.mark.slow

COUNT = """
import asyncio, resource, sys
from gateway.process.file_limit import FileLimit

async def main():
    loop, seen = asyncio.get_running_loop(), []
    limit = FileLimit(40)

    async def serve(reader, writer):
        if not await limit.admit(writer.get_extra_info("socket").fileno()):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    with limit.watched():
        handle = loop.get_exception_handler()
        loop.set_exception_handler(lambda loop, context: (seen.append(context), handle(loop, context)))
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        loop.set_exception_handler(handle)
    print(len(seen), flush=True)
    server.close()

asyncio.run(main())
"""
"""A server of asyncio with 40 descriptors, which counts the reports of its accept loop until a line comes."""
TICKS_S = os.sysconf("SC_CLK_TCK")


def measure_cpu(folder: Path) -> float:
    """The CPU time of all processes that work in a folder, in seconds."""
    total = 0
    for pid in list_processes(folder):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
    return total / TICKS_S


@pytest.mark.parametrize("kind", [Gateway, BareGateway], ids=["hypercorn.toml", "bare"])
def test_too_many_connections(tmp_path: Path, kind: type[Gateway]) -> None:
    """200 connections with 64 open files are one line of the log and no work; afterwards a request is answered."""
    gateway = kind(tmp_path)
    gateway.prefix = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    gateway.start()
    before, cpu_s = gateway.log.read_text(), measure_cpu(tmp_path)
    with ExitStack() as stack, suppress(TimeoutError):
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=1))
        time.sleep(3)
        assert measure_cpu(tmp_path) - cpu_s < 1.5
    with httpx.Client(trust_env=False, timeout=10) as client:
        assert client.get(f"{gateway.url}/api/v1/audio/").status_code == 200
    lines = gateway.log.read_text().removeprefix(before).splitlines()
    assert [line.partition("ERROR ")[2] for line in lines if "gateway.access" not in line] == [
        "gateway: too many connections for the limit of 64 open files: new ones are closed"
    ]
    assert gateway.stop() == 0


def test_first_requests_without_descriptors(tmp_path: Path) -> None:
    """The very first requests are a crowd: each that is not closed is answered, and there is no traceback."""
    gateway = BareGateway(tmp_path)
    gateway.prefix = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    gateway.launch()
    deadline = time.monotonic() + 60
    while "Running on" not in gateway.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    answers = set()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=20)) for _ in range(200)
        ]
        for client in clients:
            with suppress(OSError):
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        for client in clients:
            with suppress(OSError):
                answers.add(client.recv(12))
    assert gateway.stop() == 0
    assert answers - {b""} == {b"HTTP/1.1 200"}
    assert "Traceback" not in gateway.log.read_text()


def test_attempts_do_not_multiply() -> None:
    """A crowd that waits is one report of the accept loop of asyncio; whom it cannot accept is closed.

    The process is stopped while they connect: a client that comes while others are closed is a report of its own.
    """
    pipe = subprocess.PIPE
    with (
        subprocess.Popen([sys.executable, "-c", COUNT], stdin=pipe, stdout=pipe, cwd=ROOT) as process,
        ExitStack() as stack,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        for _ in range(2):
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(60)
            ]
            process.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + 20
            while len(select.select(clients, [], [], 0.1)[0]) < 30 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert len(select.select(clients, [], [], 0)[0]) >= 30  # their end can be read
        out, _ = process.communicate(b"\n", timeout=60)
    assert 1 <= int(out) < 10
