"""Deadlines: they expire, but not for bytes that came while the process was paused or its event loop was held."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from gateway.process.deadline import Deadlines, fail_after, move_on_after
from tests.audio.formats.corpus import make_wave
from tests.processes import running

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops: each has its own order of timers and sockets."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def pipe() -> AsyncIterator[tuple[asyncio.StreamReader, socket.socket]]:
    """The reader of one end of a connection, and the socket of the other."""
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near)
    with far:
        yield reader, far
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def limited(deadlines: Deadlines, ends_in_s: float) -> AsyncIterator[None]:
    """A block that has one of many deadlines."""
    block = asyncio.timeout(None)
    deadlines.start(block, deadlines.time() + ends_in_s)
    try:
        async with block:
            yield
    finally:
        deadlines.stop(block)


def hold_loop(far: socket.socket, held_s: float) -> None:
    """Let bytes come while the loop does nothing."""
    far.sendall(b"x")
    time.sleep(held_s)


async def read_in_steps(reader: asyncio.StreamReader) -> bytes:
    """A byte on its way through tasks of their own, as a body goes through those of a server."""
    queues = [asyncio.Queue[bytes]() for _ in range(10)]

    async def pass_on(first: asyncio.Queue[bytes], second: asyncio.Queue[bytes]) -> None:
        await second.put(await first.get())

    async with asyncio.TaskGroup() as group:
        for first, second in pairwise(queues):
            group.create_task(pass_on(first, second))
        await queues[0].put(await reader.read(1))
        return await queues[-1].get()


async def test_fail_after(pipe: tuple[asyncio.StreamReader, socket.socket]) -> None:
    """Where nothing comes, the deadline expires."""
    with pytest.raises(TimeoutError), fail_after(0.05):
        await pipe[0].read(1)
    with pytest.raises(TimeoutError):
        async with limited(Deadlines(), 0.05):
            await pipe[0].read(1)
    with move_on_after(0.05) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_in_time(pipe: tuple[asyncio.StreamReader, socket.socket]) -> None:
    """A block that ends in time is left alone, and so is what comes behind it."""
    pipe[1].sendall(b"abc")
    with fail_after(0.05):
        assert await pipe[0].read(1) == b"a"
    async with limited(Deadlines(), 0.05):
        assert await pipe[0].read(1) == b"b"
    with move_on_after(0.05) as scope:
        assert await pipe[0].read(1) == b"c"
    await anyio.sleep(0.7)
    assert not scope.cancel_called


@pytest.mark.slow
async def test_many_deadlines() -> None:
    """Each block ends by its own deadline, in whatever order they began; one that ends in time is left alone."""
    deadlines, ended = Deadlines(), list[float]()

    async def wait(ends_in_s: float) -> None:
        with pytest.raises(TimeoutError):
            async with limited(deadlines, ends_in_s):
                await anyio.sleep_forever()
        ended.append(ends_in_s)

    async with anyio.create_task_group() as group:
        for ends_in_s in (1.2, 0.0, 0.6, -1.0):
            group.start_soon(wait, ends_in_s)
        async with limited(deadlines, 0.3):
            await anyio.sleep(0.1)
    assert (sorted(ended[:2]), ended[2:]) == ([-1.0, 0.0], [0.6, 1.2])
    await anyio.sleep(0.3)  # no deadline is left, and the timer has stopped
    await wait(0.0)


async def test_outer_scope() -> None:
    """A cancellation from outside is no deadline that has expired."""
    with anyio.move_on_after(0.05) as outer:
        with fail_after(5):
            await anyio.sleep_forever()
    assert outer.cancelled_caught
    with anyio.move_on_after(0.05) as outer:
        async with limited(Deadlines(), 5):
            await anyio.sleep_forever()
    assert outer.cancelled_caught


@pytest.mark.parametrize("kind", ["fail_after", "Deadlines"])
async def test_held_loop(pipe: tuple[asyncio.StreamReader, socket.socket], kind: str) -> None:
    """Bytes that came while the loop was held past the deadline are read, however many steps that takes."""
    reader, far = pipe
    loop = asyncio.get_running_loop()
    loop.call_later(0.05, time.sleep, 0.3)
    loop.call_later(0.4, hold_loop, far, 0.7)  # once more, in the grace period
    if kind == "fail_after":
        with fail_after(0.1):
            assert await read_in_steps(reader) == b"x"
    else:
        async with limited(Deadlines(), 0.1):
            assert await read_in_steps(reader) == b"x"


class LateSite(BaseHTTPRequestHandler):
    """Answers once it may."""

    may_answer = threading.Event()
    asked = threading.Semaphore(0)

    def do_GET(self) -> None:
        """Any path."""
        self.asked.release()
        self.may_answer.wait(5)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def late_site() -> Iterator[str]:
    """The URL of such a site."""
    with HTTPServer(("127.0.0.1", 0), LateSite) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_paused_process(tmp_path: Path) -> None:
    """A gateway that was stopped for longer than its timeouts refuses no body, cuts no answer, calls no site dead."""
    wave = make_wave(3_000_000)
    with late_site() as site, running(tmp_path, UPLOAD_IDLE_TIMEOUT="1", PROBE_TIMEOUT="1") as gateway:
        (tmp_path / "data/audio/big.wav").write_bytes(make_wave(20_000_000))
        with socket.create_connection(("127.0.0.1", gateway.port)) as upload, httpx.Client(trust_env=False) as client:
            upload.settimeout(10)
            head = b"PUT /api/v1/audio/a.wav HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            upload.sendall(head + b"Content-Length: %d\r\n\r\n" % len(wave) + wave[:1000])
            with client.stream("GET", gateway.url + "/audio/big.wav", timeout=10) as download:
                task = client.post(gateway.url + "/api/v1/tasks/", json=[site]).headers["Location"]
                assert LateSite.asked.acquire(timeout=5)
                gateway.freeze()
                LateSite.may_answer.set()
                sending = threading.Thread(target=upload.sendall, args=(wave[1000:],))
                sending.start()
                time.sleep(2.5)
                gateway.thaw()
                assert sum(map(len, download.iter_raw())) == 20_000_000
            sending.join()
            assert upload.recv(64).startswith(b"HTTP/1.1 201 ")
            asked = client.get(gateway.url + task, headers={"Prefer": "wait=5"}, timeout=10).json()
            assert asked["result"] == [204]
