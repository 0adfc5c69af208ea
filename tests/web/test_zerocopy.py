"""Bytes of files that go from the system to a socket by themselves: in order, whole, to the right peer."""

import asyncio
import ctypes
import gc
import logging
import os
import resource
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread

from gateway.factory import create_app
from gateway.settings import Settings
from gateway.web.file_span import PIECE_BYTES, FileSpan
from gateway.web.request_context import RequestContexts
from gateway.web.zerocopy import FileSender
from tests.audio.formats.corpus import make_wave
from tests.certificates import Authority
from tests.conftest import OpenGateway
from tests.serving import serve

pytestmark = pytest.mark.anyio
DATA = bytes(range(251)) * 20_000
OPEN_FILES = Path("/proc/self/fd")


def count_open() -> int:
    """How many descriptors this process has."""
    return len(list(OPEN_FILES.iterdir()))


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, since each writes in its own way."""
    return "asyncio", {"use_uvloop": request.param}


class OneFile:
    """A file as a view has it."""

    def __init__(self, file: FileIO) -> None:
        self.fileno = file.fileno

    async def read(self, offset: int, count: int) -> bytes:
        """What a server reads that cannot send files."""
        return os.pread(self.fileno(), count, offset)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OneFile]:
    """A file of 5 MB."""
    (tmp_path / "data").write_bytes(DATA)
    with (tmp_path / "data").open("rb", buffering=0) as file:
        yield OneFile(file)


Pair = tuple[asyncio.StreamWriter, socket.socket]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """The writer of a server, and the socket of its client: with little room between them."""
    writers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writers.put(writer)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    address = listener.getsockname()
    server = await asyncio.start_server(accept, sock=listener)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(5)
        await to_thread.run_sync(client.connect, address)
        writer = await writers.get()
        yield writer, client
        writer.close()
    server.close()


def read_all(client: socket.socket) -> bytes:
    """All that comes until the end."""
    return b"".join(iter(lambda: client.recv(65_536), b""))


async def test_order(pair: Pair, file: OneFile) -> None:
    """A span comes after what was written before it, however much waits there, and before what is written after it."""
    writer, client = pair
    before = bytes(2_000_000)
    reading = asyncio.create_task(to_thread.run_sync(read_all, client))
    writer.write(before)
    await FileSender(idle_timeout_s=5).send(writer, FileSpan(file, 1000, 4_000_000))
    writer.write(b"after")
    await FileSender(idle_timeout_s=5).send(writer, FileSpan(file, 0, 3))
    writer.close()
    assert await reading == before + DATA[1000:4_001_000] + b"after" + DATA[:3]


async def test_slow_peer(pair: Pair, file: OneFile) -> None:
    """Who takes a little at a time is not given up, in more than twice the idle time; who then takes nothing is."""
    writer, client = pair
    size_bytes = 3_000_000
    received = bytearray()

    async def read_slowly() -> None:
        while len(received) < size_bytes // 2:
            received.extend(await to_thread.run_sync(client.recv, 100_000))
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as group:
        group.start_soon(read_slowly)
        with pytest.raises(TimeoutError):
            await FileSender(idle_timeout_s=0.6).send(writer, FileSpan(file, 0, size_bytes))
    writer.close()
    received += await to_thread.run_sync(read_all, client)
    assert size_bytes // 2 <= len(received) < size_bytes
    assert received == DATA[: len(received)]


async def test_no_room(pair: Pair, file: OneFile) -> None:
    """Who has not even taken what was written before is given up too."""
    writer, _ = pair
    writer.write(bytes(10_000_000))
    with pytest.raises(TimeoutError):
        await FileSender(idle_timeout_s=0.2).send(writer, FileSpan(file, 0, 1))


async def test_gone_peer(pair: Pair, file: OneFile) -> None:
    """A peer that leaves meanwhile, and a connection that is closed already, are a ConnectionError."""
    writer, client = pair
    files = FileSender(idle_timeout_s=5)
    async with anyio.create_task_group() as group:

        async def leave() -> None:
            await to_thread.run_sync(client.recv, 10)
            client.close()

        group.start_soon(leave)
        with pytest.raises(ConnectionError):
            await files.send(writer, FileSpan(file, 0, len(DATA)))
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    with pytest.raises(ConnectionError):
        await files.send(writer, FileSpan(file, 0, len(DATA)))


async def test_cut_file(pair: Pair, file: OneFile) -> None:
    """A file that is shorter than its span ends in an error, after all that it had."""
    writer, client = pair
    with pytest.raises(EOFError, match=f"ends at {len(DATA)}"):
        await FileSender(idle_timeout_s=5).send(writer, FileSpan(file, len(DATA) - 7, 8))
    writer.close()
    assert await to_thread.run_sync(read_all, client) == DATA[-7:]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file at hand that the system does not send")
async def test_no_sendfile(pair: Pair) -> None:
    """A file that the system does not send by itself, as it says, is read and written."""
    writer, client = pair
    memory = ctypes.create_string_buffer(DATA, len(DATA))
    address = ctypes.addressof(memory)
    with FileIO("/proc/self/mem") as file:
        with pytest.raises(OSError, match=r"Invalid argument|Value too large"):
            os.sendfile(client.fileno(), file.fileno(), address, 1)
        reading = asyncio.create_task(to_thread.run_sync(read_all, client))
        writer.write(b"before")
        await FileSender(idle_timeout_s=5).send(writer, FileSpan(OneFile(file), address, 1_000_000))
        writer.close()
    assert await reading == b"before" + DATA[:1_000_000]


async def test_no_descriptor(pair: Pair, file: OneFile) -> None:
    """Where the process may open nothing more, a file is read and written as well."""
    writer, client = pair
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        reading = asyncio.create_task(to_thread.run_sync(read_all, client))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 50, limits[1]))
        with suppress(OSError):
            while True:
                opened.callback(os.close, os.dup(client.fileno()))
        await FileSender(idle_timeout_s=5).send(writer, FileSpan(file, 1000, 4_000_000))
    writer.close()
    assert await reading == DATA[1000:4_001_000]


async def test_read_pieces(file: OneFile) -> None:
    """Read and not sent, a span comes whole, in pieces that grow while nobody waits; a shorter file is an error."""
    pieces = [piece async for piece in FileSpan(file, 1000, 4_000_000).read()]
    assert b"".join(pieces) == DATA[1000:4_001_000]
    assert len(pieces[0]) < len(pieces[-2])
    with pytest.raises(EOFError, match=f"ends at {len(DATA)}"):
        assert [piece async for piece in FileSpan(file, len(DATA) - 7, 8).read()]


async def test_no_circles(pair: Pair, file: OneFile) -> None:
    """A transfer that failed is gone at once, before any collection of garbage."""
    writer, _ = pair
    files = FileSender(idle_timeout_s=5)
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with suppress(EOFError):
                await files.send(writer, FileSpan(file, len(DATA), 1))
        await anyio.sleep(0.1)
        assert not any(type(left).__name__ == "_Transfer" for left in gc.get_objects())
    finally:
        gc.enable()


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="the descriptors are counted in /proc")
async def test_cancelled(pair: Pair, file: OneFile) -> None:
    """A cancelled answer, as by a client that leaves, keeps no descriptor."""
    writer, client = pair
    files = FileSender(idle_timeout_s=5)
    before = count_open()
    sending = asyncio.create_task(files.send(writer, FileSpan(file, 0, len(DATA))))
    await to_thread.run_sync(client.recv, 10)
    assert count_open() >= before + 2
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    del sending
    with anyio.fail_after(5):
        while count_open() > before:
            await anyio.sleep(0.01)


async def test_thread_outlives_its_caller(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that answers late sends what it was asked for, to the peer it was for, though its caller is gone and the
    numbers of both are those of others."""
    (tmp_path / "data").write_bytes(DATA)
    file = FileIO(tmp_path / "data")
    writer, client = pair
    begun, late = threading.Event(), threading.Event()
    sendfile = os.sendfile

    def hang(*args: int) -> int:
        begun.set()
        late.wait(5)
        return sendfile(*args)

    monkeypatch.setattr(os, "sendfile", hang)
    sending = asyncio.create_task(FileSender(idle_timeout_s=5).send(writer, FileSpan(OneFile(file), 0, 1000)))
    assert await to_thread.run_sync(begun.wait, 5)
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    del sending
    file.close()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    others = [os.open(os.devnull, os.O_RDWR) for _ in range(20)]
    late.set()
    assert await to_thread.run_sync(client.recv, 1000) == DATA[:1000]
    for number in others:
        os.close(number)


Sent = list[int]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """How many bytes each sendfile of this process has sent."""
    counts: Sent = []
    sendfile = os.sendfile

    def count(out: int, file: int, offset: int, size: int) -> int:
        counts.append(sendfile(out, file, offset, size))
        return counts[-1]

    monkeypatch.setattr(os, "sendfile", count)
    return counts


async def test_download(
    open_gateway: OpenGateway, tmp_path: Path, sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    """All the bytes of a download are sent by the system; the log knows how many; the connection is kept."""
    caplog.set_level("INFO", "gateway.access")
    data = make_wave(3 * PIECE_BYTES + 12_345, seed=bytes(range(251)))
    async with open_gateway() as client:
        (tmp_path / "data/audio").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/audio/a.wav").write_bytes(data)
        connections = set()
        for _ in range(2):
            answer = await client.get("/audio/a.wav")
            assert answer.content == data
            assert sum(sent) == len(data)
            sent.clear()
            connections.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
        assert len(connections) == 1
        parts = await client.get("/audio/a.wav", headers={"Range": "bytes=0-9,100-199"})
        assert sum(sent) == 110
    assert parts.content.count(data[100:200]) == 1
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split('"')[2].split()[:2] for line in lines[:2]] == [["200", str(len(data))]] * 2
    assert not any("cut short" in line for line in lines)


async def test_cut_while_sent(open_gateway: OpenGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that another program cuts short while it is sent does not look whole to its listener."""
    path = tmp_path / "data/audio/a.wav"
    async with open_gateway() as client:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_wave(40_000_000))
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", "/audio/a.wav") as answer:
                async for _ in answer.aiter_raw(1_000_000):
                    os.truncate(path, 2_000_000)
    assert "the file of an answer ends at " in caplog.text


async def test_impatient_leaver(open_gateway: OpenGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who sends the next request at once, and leaves during the answer, is not served for ever."""
    path = tmp_path / "data/audio/a.wav"

    def count_served() -> int:
        return sum("_server_callback" in repr(task) for task in asyncio.all_tasks())

    async with open_gateway() as client:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_wave(40_000_000))
        for _ in range(3):
            connection = await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0)
            await connection.send(b"GET /audio/a.wav HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
            await connection.receive()
            assert count_served()
            await connection.aclose()
        with anyio.fail_after(5):
            while count_served():
                await anyio.sleep(0.01)
    assert "an answer failed" not in caplog.text


async def test_cut_short(settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An answer that the end of the process cuts short ends without a complaint in the log."""
    path = tmp_path / "data/audio/a.wav"
    app = create_app(settings)
    exchanges = app.asgi_app
    assert isinstance(exchanges, RequestContexts)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_wave(40_000_000))
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", "/audio/a.wav") as answer:
                async for _ in answer.aiter_raw(1_000_000):
                    for scope in exchanges._open.values():
                        scope.cancel()
                    await anyio.sleep(0.1)
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_refused_meanwhile(open_gateway: OpenGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A request that turns out to be none while its file is opened is refused, and is no fault of ours."""
    path = tmp_path / "data/audio/a.wav"
    async with open_gateway() as client:
        path.parent.mkdir(parents=True, exist_ok=True)
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
    assert "an answer failed" not in caplog.text


async def test_tls(settings: Settings, tmp_path: Path, sent: Sent) -> None:
    """With TLS of its own the gateway reads its files, and the same bytes arrive."""
    authority = Authority(tmp_path)
    data = make_wave(5 * PIECE_BYTES, seed=bytes(range(251)))
    (tmp_path / "data/audio").mkdir(parents=True)
    (tmp_path / "data/audio/a.wav").write_bytes(data)
    verify = ssl.create_default_context(cafile=str(authority.file))
    async with (
        serve(create_app(settings), tls=authority.make("127.0.0.1")) as url,
        httpx.AsyncClient(base_url=url, verify=verify, trust_env=False) as client,
    ):
        assert (await client.get("/audio/a.wav")).content == data
    assert sent == []
