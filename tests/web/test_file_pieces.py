"""Files as the bodies of answers: whole, in pieces that grow, to slow listeners, and to such as stop or leave."""

import asyncio
import gc
import logging
import os
import socket
import ssl
import time
import tracemalloc
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from gateway import hypercorn_fixes
from gateway.factory import create_app
from gateway.settings import Settings
from gateway.web import body_flow
from gateway.web.file_pieces import read_pieces
from gateway.web.request_context import RequestContexts
from tests.audio.formats.corpus import make_wave
from tests.certificates import Authority
from tests.conftest import OpenGateway
from tests.fast import first_fast
from tests.serving import serve

pytestmark = pytest.mark.anyio
DATA = bytes(range(251)) * 20_000
MIB = 1024 * 1024


@pytest.fixture(params=first_fast([True, False]), ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, since each writes in its own way."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of a test is in the library."""
    folder = tmp_path / "data/audio"
    folder.mkdir(parents=True)
    return folder / "a.wav"


class Memory:
    """A file in memory."""

    async def read(self, offset: int, count: int) -> bytes:
        """A part of `DATA`."""
        return DATA[offset : offset + count]


async def test_pieces() -> None:
    """A span comes whole, in pieces that grow while the client keeps up; a shorter file is an error."""
    pieces = [piece async for piece in read_pieces(Memory(), 1000, 4_001_000)]
    assert b"".join(pieces) == DATA[1000:4_001_000]
    assert [len(piece) for piece in pieces][:17] == [65_536] * 16 + [262_144]
    with pytest.raises(EOFError, match=f"ends at {len(DATA)}"):
        assert [piece async for piece in read_pieces(Memory(), len(DATA) - 7, len(DATA) + 1)]


async def test_pieces_for_a_slow_client() -> None:
    """A client that lets a piece wait gets small ones again."""
    sizes = []
    async for piece in read_pieces(Memory(), 0, len(DATA)):
        sizes.append(len(piece))
        if len(sizes) == 18:
            await anyio.sleep(0.1)
    assert sizes[16:19] == [262_144, 262_144, 65_536]


async def send_request(client: httpx.AsyncClient, stack: AsyncExitStack, times: int = 1) -> SocketStream:
    """A connection on which the file was asked for so many times at once, with a small window."""
    stream = await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0)
    stack.push_async_callback(stream.aclose)
    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    await stream.send(b"GET /audio/a.wav HTTP/1.1\r\nHost: a\r\n\r\n" * times)
    return stream


def count_served() -> int:
    """How many connections this process serves."""
    return sum("_server_callback" in repr(task) for task in asyncio.all_tasks())


async def wait_until_none_is_served() -> None:
    """Until every connection has ended."""
    with anyio.fail_after(60):
        while count_served():
            await anyio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("rate_bps", [550_000, 1_600_000])
async def test_slow_listener(
    open_gateway: OpenGateway, path: Path, monkeypatch: pytest.MonkeyPatch, rate_bps: int
) -> None:
    """Clients of 5.5 and 16 kB/s are served whole, here with a hundredth of every time."""
    monkeypatch.setattr(body_flow, "SEND_IDLE_S", 3)
    data = make_wave(4 * MIB, seed=bytes(range(251)))
    path.write_bytes(data)
    received = bytearray()
    async with open_gateway() as client, AsyncExitStack() as stack:
        stream = await send_request(client, stack)
        begun = time.monotonic()
        while len(received.partition(b"\r\n\r\n")[2]) < len(data):
            received += await stream.receive(16_384)
            await anyio.sleep(max(0, len(received) / rate_bps - (time.monotonic() - begun)))
    assert received.endswith(data)


@pytest.mark.slow
async def test_stopped_readers(
    open_gateway: OpenGateway, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients that stop reading hold less than 512 KiB each, and end quietly."""
    monkeypatch.setattr(body_flow, "SEND_IDLE_S", 30)  # the first must not end before the last one has begun
    monkeypatch.setattr(hypercorn_fixes, "FLUSH_S", 0.5)
    path.write_bytes(make_wave(40 * MIB))
    readers = 200
    async with open_gateway() as client, AsyncExitStack() as stack:
        await client.get("/healthz")
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        for _ in range(readers):
            await send_request(client, stack)
        with anyio.fail_after(60):
            while count_served() < readers:
                await anyio.sleep(0.1)
        await anyio.sleep(1)
        assert tracemalloc.get_traced_memory()[0] / readers < 512 * 1024
        await client.aclose()
        await wait_until_none_is_served()
    assert "Traceback" not in caplog.text


async def test_download(open_gateway: OpenGateway, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log knows how many bytes were sent, the connection is kept, several ranges come in one answer."""
    caplog.set_level("INFO", "gateway.access")
    data = make_wave(3 * MIB + 12_345, seed=bytes(range(251)))
    path.write_bytes(data)
    async with open_gateway() as client:
        connections = set()
        for _ in range(2):
            answer = await client.get("/audio/a.wav")
            assert answer.content == data
            connections.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
        assert len(connections) == 1
        parts = await client.get("/audio/a.wav", headers={"Range": "bytes=0-9,100-199"})
    assert parts.content.count(data[100:200]) == 1
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split('"')[2].split()[:2] for line in lines[:2]] == [["200", str(len(data))]] * 2
    assert not any("cut short" in line for line in lines)


async def test_cut_while_sent(open_gateway: OpenGateway, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that another program cuts short while it is sent does not look whole to its listener."""
    path.write_bytes(make_wave(40_000_000))
    async with open_gateway() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", "/audio/a.wav") as answer:
                async for _ in answer.aiter_raw(1_000_000):
                    os.truncate(path, 2_000_000)
    assert "the file of an answer ends at " in caplog.text


async def test_impatient_leaver(open_gateway: OpenGateway, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A client that sends the next request at once, and leaves during the answer, is not served for ever."""
    path.write_bytes(make_wave(40_000_000))
    async with open_gateway() as client:
        for _ in range(3):
            async with AsyncExitStack() as stack:
                stream = await send_request(client, stack, times=2)
                await stream.receive()
                assert count_served()
        await wait_until_none_is_served()
    assert "request failed" not in caplog.text


async def test_cut_short(settings: Settings, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An answer that the end of the process cuts short ends without a complaint in the log."""
    app = create_app(settings)
    contexts = app.asgi_app
    assert isinstance(contexts, RequestContexts)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        path.write_bytes(make_wave(40_000_000))
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", "/audio/a.wav") as answer:
                async for _ in answer.aiter_raw(1_000_000):
                    for scope in list(contexts._open):
                        scope.cancel()
                    await anyio.sleep(0.1)
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_refused_meanwhile(open_gateway: OpenGateway, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A request that turns out to be none while its file is opened is refused, and is no fault of ours."""
    async with open_gateway() as client:
        path.write_bytes(make_wave(100_000))
        answers: list[bytes] = []
        for turn in range(100):
            async with await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0) as connection:
                await connection.send(b"GET /audio/a.wav HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                await anyio.sleep(turn % 10 / 2000)
                with suppress(anyio.BrokenResourceError):
                    await connection.send(b"no chunk\r\n")
                    answers.append(b"".join([part async for part in connection]))
    assert any(answer.startswith(b"HTTP/1.1 400 ") for answer in answers)
    assert "request failed" not in caplog.text


async def test_tls(settings: Settings, tmp_path: Path, path: Path) -> None:
    """With TLS of its own the gateway sends the same bytes."""
    authority = Authority(tmp_path)
    data = make_wave(5 * MIB, seed=bytes(range(251)))
    path.write_bytes(data)
    verify = ssl.create_default_context(cafile=str(authority.file))
    async with (
        serve(create_app(settings), tls=authority.make("127.0.0.1")) as url,
        httpx.AsyncClient(base_url=url, verify=verify, trust_env=False) as client,
    ):
        assert (await client.get("/audio/a.wav")).content == data
