"""How bodies flow: back-pressure, idle limits, the answer before the end of a body."""

import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import anyio
import pytest
from anyio.abc import SocketStream
from quart import Quart, Response, request

from gateway.errors import GatewayError
from gateway.web.body_flow import AHEAD_BYTES, DRAIN_BYTES, BodyFlow, BodyTimeout, StreamedRequest, decode_path
from tests.fast import first_fast
from tests.serving import serve

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    """The address of an application that reads slowly at /slow, not at all at /refuse, everything at /read."""
    app = Quart(__name__)
    app.request_class = StreamedRequest
    app.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None)
    app.asgi_app = BodyFlow(app.asgi_app, idle_timeout_s=1, drain_bytes=1 * MIB)  # type: ignore[method-assign]

    @app.errorhandler(GatewayError)
    async def answer(error: GatewayError) -> Response:
        return Response(error.detail, error.status)

    @app.post("/slow")
    async def slow() -> str:
        most = 0
        tracemalloc.start()
        try:
            async for chunk in cast(StreamedRequest, request).stream_body():
                await anyio.sleep(0.002)
                most = max(most, len(chunk), tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        return str(most)

    @app.post("/refuse")
    async def refuse() -> tuple[str, int]:
        return "refused", 415

    @app.post("/read")
    async def read() -> str:
        return str(len(await cast(StreamedRequest, request).read_body(100_000)))

    async with serve(app) as url:
        yield ("127.0.0.1", int(url.rpartition(":")[2]))


async def send_head(stream: SocketStream, path: str, length: int) -> None:
    """The head of a POST."""
    await stream.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())


async def read_answer(stream: SocketStream) -> bytes:
    """All that comes until the other end closes, or nothing comes for a while."""
    answer = b""
    with anyio.move_on_after(2):
        while True:
            try:
                answer += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                break
    return answer


@pytest.mark.slow
async def test_back_pressure(address: tuple[str, int]) -> None:
    """A body that comes faster than it is read does not pile up in memory."""
    size_bytes = 64 * 1024 * 1024
    async with await anyio.connect_tcp(*address) as stream:
        await send_head(stream, "/slow", size_bytes)
        for _ in range(size_bytes // 65_536):
            await stream.send(b"x" * 65_536)
        answer = await read_answer(stream)
    assert b" 200 " in answer
    assert int(answer.rpartition(b"\r\n\r\n")[2]) < 16 * AHEAD_BYTES


@pytest.mark.parametrize("size_bytes", first_fast([3 * MIB, 12 * MIB, 100_000_000]))
async def test_early_answer(address: tuple[str, int], size_bytes: int) -> None:
    """An answer that is given before the body is read reaches a client that looks for it only after all is sent."""
    async with await anyio.connect_tcp(*address) as stream:
        await send_head(stream, "/refuse", size_bytes)
        for _ in range(min(size_bytes, DRAIN_BYTES - MIB) // 65_536):
            await stream.send(b"x" * 65_536)
        answer = await read_answer(stream)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert answer.endswith(b"refused")
    assert (b"\r\nconnection: close\r\n" in answer.lower()) == (size_bytes > DRAIN_BYTES)


@pytest.mark.parametrize("raising", ["group", "nothing"])
async def test_error_of_the_server(raising: str) -> None:
    """What the server raises while it sends comes out, also of an application that makes another error of it."""
    error = ConnectionResetError("the client is gone")

    async def send(_: object) -> None:
        raise error

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def app(_: object, __: object, send: Callable[[object], Awaitable[None]]) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        except OSError as raised:
            if raising == "group":
                raise ExceptionGroup("of a task group", [RuntimeError("client disconnected")]) from raised

    with pytest.raises(ConnectionResetError) as raised:
        await BodyFlow(app, idle_timeout_s=1, drain_bytes=0)(
            {"type": "http", "raw_path": b"/", "headers": []}, receive, send
        )
    assert raised.value is error


async def test_early_answer_to_a_short_body(address: tuple[str, int]) -> None:
    """A connection whose short body nobody wanted serves the next request."""
    async with await anyio.connect_tcp(*address) as stream:
        for _ in range(2):
            await send_head(stream, "/refuse", 5)
            await stream.send(b"abcde")
            answer = await stream.receive()
            if not answer.endswith(b"refused"):
                answer += await stream.receive()
            assert answer.startswith(b"HTTP/1.1 415 ")


@pytest.mark.slow
async def test_idle_body(address: tuple[str, int]) -> None:
    """A body that stands still is given up with 408, one that only drips is not."""
    async with await anyio.connect_tcp(*address) as stream:
        await send_head(stream, "/read", 6)
        for _ in range(5):
            await stream.send(b"x")
            await anyio.sleep(0.3)
        await stream.send(b"x")
        assert (await read_answer(stream)).endswith(b"6")
    async with await anyio.connect_tcp(*address) as stream:
        await send_head(stream, "/read", 6)
        await stream.send(b"x")
        assert f" {BodyTimeout.status} ".encode() in await read_answer(stream)


async def test_limit(address: tuple[str, int]) -> None:
    """A body over the limit is refused by its Content-Length, and by its count when it is chunked."""
    async with await anyio.connect_tcp(*address) as stream:
        await send_head(stream, "/read", 100_001)
        assert b" 413 " in await stream.receive()
    async with await anyio.connect_tcp(*address) as stream:
        await stream.send(b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            await stream.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        assert b" 413 " in await stream.receive()


async def test_cut_connection(address: tuple[str, int]) -> None:
    """A client that goes away in the middle of a body leaves the server as it was."""
    for _ in range(5):
        async with await anyio.connect_tcp(*address) as stream:
            await send_head(stream, "/slow", 1_000_000)
            await stream.send(b"x" * 70_000)
            stream.extra_attributes[anyio.abc.SocketAttribute.raw_socket]().setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )
    async with await anyio.connect_tcp(*address) as stream:
        await send_head(stream, "/read", 3)
        await stream.send(b"abc")
        assert (await read_answer(stream)).endswith(b"3")


@pytest.mark.parametrize(
    ("raw", "path"),
    [(b"/a%20b", "/a b"), (b"http://host/a?b", "/a?b"), (b"http://host", "/"), (b"/tasks/x://y", "/tasks/x://y"),
     (b"/a%2Fb", "/a\udc2fb"), (b"/%ff", "/\udcff")],
)  # fmt: skip
async def test_paths(raw: bytes, path: str) -> None:
    """A path loses nothing when it is decoded; of a target in absolute form the origin is left out, and only there."""
    assert decode_path(raw) == path
