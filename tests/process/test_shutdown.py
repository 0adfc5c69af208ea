"""How a gateway ends: in order at a signal, whoever is connected, and without leaving anything at kill -9."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from gateway.web.request_context import GRACE_S
from tests.audio.formats.corpus import make_wave
from tests.processes import BareGateway, Gateway
from tests.target import Target

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SOON_S = 8.0
"""Well under the time for what is still going on: nobody waited for it."""
KINDS = pytest.mark.parametrize("kind", [Gateway, BareGateway], ids=["hypercorn.toml", "bare"])


def list_processes(folder: Path) -> list[int]:
    """The processes that work in a folder or under it: the gateway, its workers, its Redis."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if (entry / "cwd").readlink().is_relative_to(folder):
                found.append(int(entry.name))
    return found


def await_nobody(folder: Path) -> list[int]:
    """The processes that still work in a folder after some seconds."""
    deadline = time.monotonic() + SOON_S
    while list_processes(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    return list_processes(folder)


@contextmanager
def connected(gateway: Gateway, sent: bytes = b"") -> Iterator[socket.socket]:
    """A connection on which so much was sent."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(sent)
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """All that still comes; nothing more after a reset."""
    answer = b""
    with suppress(ConnectionError):
        while data := connection.recv(65_536):
            answer += data
    return answer


def put_head(name: str, length: int) -> bytes:
    """The head of an upload."""
    return b"PUT /api/v1/audio/%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (name.encode(), length)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "group"])
async def test_signal(tmp_path: Path, number: signal.Signals, *, whole_group: bool) -> None:
    """Event streams end, waiting clients are answered, silent ones are let go, and the exit code is 0, soon."""
    gateway = Gateway(tmp_path)
    await anyio.to_thread.run_sync(gateway.start)
    waited: list[httpx.Response] = []

    async def wait_for_task() -> None:
        waited.append(await client.get(location, headers={"Prefer": "wait=30"}))

    async with Target() as target, httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        location = (await client.post("/api/v1/tasks/", json=[f"{target.url}/silent"])).headers["Location"]
        with connected(gateway), connected(gateway, b"GET / HTTP/1.1\r\nHost: loc"):
            async with (
                client.stream("GET", "/api/v1/audio/events") as changes,
                client.stream("GET", f"{location}/events") as progress,
                anyio.create_task_group() as group,
            ):
                group.start_soon(wait_for_task)
                streams = [changes.aiter_raw(), progress.aiter_raw()]
                for stream in streams:
                    await anext(stream)
                await anyio.sleep(0.3)
                began = time.monotonic()
                (os.killpg if whole_group else os.kill)(gateway.process.pid, number)
                for stream in streams:
                    async for _ in stream:
                        pass
            code = await anyio.to_thread.run_sync(gateway.process.wait, 20)
    assert time.monotonic() - began < SOON_S
    assert (code, waited[0].status_code, waited[0].json()["status"]) == (0, 200, "running")
    assert not list_processes(tmp_path)
    assert "Traceback" not in gateway.log.read_text()


async def test_upload_in_progress(tmp_path: Path) -> None:
    """An upload that is on its way when SIGTERM comes is taken whole, if it ends in its time."""
    audio = make_wave(100_000)
    gateway = Gateway(tmp_path)
    await anyio.to_thread.run_sync(gateway.start)
    with connected(gateway, put_head("late.wav", len(audio)) + audio[:-100]) as connection:
        await anyio.sleep(0.3)
        os.killpg(gateway.process.pid, signal.SIGTERM)
        await anyio.sleep(GRACE_S / 3)
        connection.sendall(audio[-100:])
        assert read_all(connection).startswith(b"HTTP/1.1 201 ")
    assert await anyio.to_thread.run_sync(gateway.process.wait, 20) == 0
    assert (tmp_path / "data/audio/late.wav").read_bytes() == audio


async def test_upload_without_an_end(tmp_path: Path) -> None:
    """An upload that goes on for ever is told to come again when its time is over; nothing of it stays."""
    gateway = Gateway(tmp_path)
    await anyio.to_thread.run_sync(gateway.start)
    with connected(gateway, put_head("endless.wav", 1 << 30) + make_wave(10_000)) as connection:
        await anyio.sleep(0.3)
        began = time.monotonic()
        os.killpg(gateway.process.pid, signal.SIGTERM)
        with suppress(ConnectionError):
            while time.monotonic() - began < GRACE_S - 1:
                connection.sendall(bytes(100))
                await anyio.sleep(0.1)
        assert gateway.process.poll() is None
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After" in answer or b"retry-after" in answer
    assert await anyio.to_thread.run_sync(gateway.process.wait, 20) == 0
    assert GRACE_S - 1 < time.monotonic() - began < GRACE_S + SOON_S
    assert list((tmp_path / "data/audio").iterdir()) == []


@KINDS
@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "group"])
def test_bare_signal(tmp_path: Path, kind: type[Gateway], *, whole_group: bool) -> None:
    """SIGTERM ends the bare command in order too: exit code 0, tasks handed over, nothing left behind."""
    gateway = kind(tmp_path)
    gateway.start()
    (os.killpg if whole_group else os.kill)(gateway.process.pid, signal.SIGTERM)
    assert gateway.process.wait(20) == 0
    assert gateway.log.read_text().rstrip().rpartition("\n")[2].endswith("gateway: stopped")
    assert not await_nobody(tmp_path)  # the master leaves Python's resource tracker behind for a moment


@KINDS
def test_kill(tmp_path: Path, kind: type[Gateway]) -> None:
    """kill -9 of the process that was started leaves no worker, no Redis, and a free port, within seconds."""
    gateway = kind(tmp_path)
    gateway.start()
    assert len(list_processes(tmp_path)) >= 2
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait(5)
    assert not await_nobody(tmp_path)
    with socket.create_server(("127.0.0.1", gateway.port)):
        pass


def test_neglected_worker(tmp_path: Path) -> None:
    """SIGTERM to the worker of the bare command alone, which its server does not hear, ends both all the same."""
    gateway = BareGateway(tmp_path)
    gateway.start()
    workers = [
        pid for pid in list_processes(tmp_path) if "multiprocessing.spawn" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    assert len(workers) == 1
    os.kill(workers[0], signal.SIGTERM)
    gateway.process.wait(30)
    assert not await_nobody(tmp_path)
