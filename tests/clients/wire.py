"""A real HTTP server on a raw socket whose answers, good or hostile, the test writes itself."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """One request as a server saw it, its body still in `reader`."""

    method: str
    path: str
    headers: Mapping[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    at_s: float = field(default_factory=time.monotonic)

    async def read_body(self) -> bytes:
        """The whole body, of a known length or chunked."""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
            return body
        return await self.reader.readexactly(int(self.headers.get("content-length", 0)))

    async def send(self, raw: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, status: int, value: Any, *headers: str) -> None:
        """A JSON answer with its length."""
        body = json.dumps(value).encode()
        head = [f"HTTP/1.1 {status} Words", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        await self.send("\r\n".join([*head, *headers, "", ""]).encode() + body)

    def reset(self) -> None:
        """End the connection with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


Handler = Callable[[Call], Awaitable[None]]


def sends(body: bytes, status: bytes = b"200 OK") -> Handler:
    """A server that answers just this, whatever it is asked."""

    async def handler(call: Call) -> None:
        await call.read_body()
        await call.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    return handler


async def be_gateway(call: Call) -> None:
    """What both command lines take for a gateway: one file, and one task that is ready."""
    await call.read_body()
    task = {"id": "1", "status": "ready", "result": [200], "done": 1}
    await call.answer(200, {"files": [{"name": "a.mp3"}]} if "audio" in call.path else task)


async def reset(call: Call) -> None:
    """A connection cut."""
    call.reset()


async def stay_silent(call: Call) -> None:
    """No answer at all."""
    await asyncio.sleep(3600)


async def never_end(call: Call) -> None:
    """An answer without an end."""
    await call.read_body()
    await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await call.send(b"100000\r\n" + b"[" * 0x100000 + b"\r\n")


@asynccontextmanager
async def serve_calls(handler: Handler) -> AsyncIterator[str]:
    """The URL of a real server whose answers the test writes."""

    tasks: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while not writer.is_closing() and (head := await reader.readuntil(b"\r\n\r\n")):
                first, *rest = head.decode().rstrip().splitlines()
                method, path, _ = first.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
                await handler(Call(method, path, headers, reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
