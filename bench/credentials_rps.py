"""Requests a second of credentials.py beside gunicorn (gthread, 4 threads, 1 worker) and waitress (4 threads).

All serve the same application, one process each, to 16 connections with keep-alive, in turns of a few seconds within
one run; the best turn of each counts. The load comes from wrk, or from a small asyncio client where there is none.

What each logs: gunicorn and waitress log no request by default. credentials.py is measured twice, with --quiet like
them, and as it comes, with a line for each request into a file. Target: both at least 3 times the better peer.
"""

import argparse
import asyncio
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from stand import ROOT, find_port, tell

PATH = "/?species=Time%20Lord"
CONNECTIONS = 16
OURS, OURS_LOGGED, GUNICORN, WAITRESS = "credentials.py --quiet", "credentials.py", "gunicorn gthread", "waitress"


def commands(port: int) -> dict[str, list[str]]:
    """How each server is started on that port."""
    ours = ["credentials.py", "--host", "127.0.0.1", "--port", str(port)]
    gunicorn = ["-m", "gunicorn", "--worker-class", "gthread", "--threads", "4", "--workers", "1"]
    return {
        OURS: [*ours, "--quiet"],
        OURS_LOGGED: ours,
        GUNICORN: [*gunicorn, "--keep-alive", "15", "--bind", f"127.0.0.1:{port}", "credentials:app"],
        WAITRESS: ["-m", "waitress", "--threads", "4", "--listen", f"127.0.0.1:{port}", "credentials:app"],
    }


@contextmanager
def serve(name: str, log: IO[bytes]) -> Iterator[int]:
    """The port on which that server answers; it is ended afterwards."""
    port = find_port()
    command = [sys.executable, *commands(port)[name]]
    with subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.1)
            yield port
        finally:
            server.terminate()


def measure(port: int, seconds: float) -> float:
    """Requests a second over that time, by a process of its own."""
    if shutil.which("wrk"):
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", f"http://127.0.0.1:{port}{PATH}"]
    else:
        command = [sys.executable, __file__, "--client", str(port), "--seconds", str(seconds)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    match = re.search(r"Requests/sec: +([\d.]+)", output)
    if match is None or "Non-2xx" in output:
        raise SystemExit(f"no measurement: {output}")
    return float(match[1])


class Client(asyncio.Protocol):
    """Asks anew as soon as it has its answer."""

    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Counts an answer when it is whole."""
        self.received += data
        if self.received.endswith(b"}"):
            assert self.received.startswith(b"HTTP/1.1 200 ")
            Client.answered += 1
            self.received = b""
            self.transport.write(self.request)


async def load(port: int, seconds: float) -> None:
    """Prints the rate in the words of wrk."""
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(Client, "127.0.0.1", port)
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    print(f"Requests/sec: {Client.answered / (time.perf_counter() - started):.2f}")


def main() -> None:
    """All servers in turns, then a line for each and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3, help="length of a turn (3)")
    parser.add_argument("--turns", type=int, default=3, help="turns of each server (3)")
    parser.add_argument("--client", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client is not None:
        asyncio.run(load(options.client, options.seconds))
        return
    best: dict[str, float] = {}
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        ports = {name: stack.enter_context(serve(name, log)) for name in commands(0)}
        for _ in range(options.turns):
            for name, port in ports.items():
                best[name] = max(best.get(name, 0), measure(port, options.seconds))
    for name, rate in best.items():
        print(f"{name:24}{rate:10,.0f} requests/s")
    peer = max(best[GUNICORN], best[WAITRESS])
    for name in (OURS, OURS_LOGGED):
        tell(f"{name}, requests a second", "the better of gunicorn gthread and waitress", best[name] / peer, at_least=3)


if __name__ == "__main__":
    main()
