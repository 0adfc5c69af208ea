"""The flow of bodies between the ASGI server and Quart, as an ASGI middleware and a Request class.

Quart reads a request body ahead without bound, and limits the time of a whole body rather than its idle time. An answer
that is given before the body was read is lost: the server closes, and the client sees a reset instead. Here the server
waits for the reader of a body, bodies have idle timeouts both ways, and after an early answer the rest of the body is
read and thrown away (lingering close). Paths are decoded here too, as servers lose what is not UTF-8 and which slashes
were encoded.
"""

import re
from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import anyio
from quart import Request

from gateway.errors import BodyTooLarge, GatewayError
from gateway.process.deadline import fail_after, move_on_after

AHEAD_BYTES = 256 * 1024
"""How much of a body may wait for its reader."""
SEND_IDLE_S = 300.0
"""How long a client may take nothing of an answer: one that listens at 5 kB/s takes more only every half a minute."""
DRAIN_S = 300.0
"""How long the rest of a body is thrown away at most: some clients look for an answer only when all is sent (Firefox,
http.client, the proxies Apache and h2o)."""
DRAIN_BYTES = 16 * 1024 * 1024
"""The least limit of what is thrown away: these clients send a file that is far over a small MAX_UPLOAD_BYTES."""
REFUSED_DRAIN_BYTES, REFUSED_DRAIN_S = 1024 * 1024, 5.0
"""The same of a client that was not let in."""
LINGER_S = 1.0
"""How long a connection stays open, unread, for a client that sends more than that.

Closed at once, the reset reaches some clients before they have read the answer.
"""
_NOT_LET_IN = frozenset({401, 403, 421, 429})
_FLOW = "gateway.flow"
_ORIGIN = re.compile(rb"^[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
_ENCODED_SLASH = re.compile(b"%2[Ff]")
_SURROGATE = re.compile("[\udc2f\udc80-\udcff]")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class BodyTimeout(GatewayError):
    """The body of a request stood still for too long (RFC 9110, 15.5.9)."""

    status, code = 408, "body-timeout"


class _RequestFlow:
    """The two streams of one request. `receive` and `send` wrap those of the server."""

    def __init__(
        self, receive: Receive, send: Send, *, body_bytes: int, idle_timeout_s: float, drain_bytes: int
    ) -> None:
        self._receive = receive
        self._send = send
        self._missing_bytes = body_bytes
        self.idle_timeout_s = idle_timeout_s
        self._drain_limit_bytes, self._drain_s = drain_bytes, DRAIN_S
        self._ahead_bytes = 0
        self._room = anyio.Event()
        self._drained_bytes: int | None = None
        self._ended = anyio.Event()
        self._overflowed = False
        self._lingered = anyio.Event()
        self._gone = anyio.Event()
        self.send_error: OSError | None = None
        self.over = False

    async def receive(self) -> Message:
        """The next message of the server, once the reader has room for it."""
        while self._ahead_bytes > AHEAD_BYTES and self._drained_bytes is None:
            self._room = anyio.Event()
            await self._room.wait()
        if self._overflowed:
            await self._lingered.wait()
        message = await self._receive()
        if message["type"] != "http.request":
            self._ended.set()
            self._gone.set()
            return message
        size_bytes = len(message.get("body", b""))
        self._missing_bytes -= size_bytes
        if not message.get("more_body", False):
            self._ended.set()
        if self._drained_bytes is None:
            self._ahead_bytes += size_bytes
            return message
        self._drained_bytes += size_bytes
        if self._drained_bytes >= self._drain_limit_bytes and not self._ended.is_set():
            self._overflowed = True
            self._ended.set()
        return {**message, "body": b""}

    def consume(self, size_bytes: int) -> None:
        """Let the server go on: the reader has taken this much."""
        self._ahead_bytes -= size_bytes
        self._room.set()

    async def send(self, message: Message) -> None:
        """Pass a message on, within the idle time; before the last one, drain what is left of the body."""
        if self.over:  # of a request that was cut short Quart 0.22 leaves a task that goes on
            raise CancelledError
        if message.get("status") in _NOT_LET_IN:
            self._drain_limit_bytes, self._drain_s = REFUSED_DRAIN_BYTES, REFUSED_DRAIN_S
        if message["type"] == "http.response.start" and self._missing_bytes > self._drain_limit_bytes:
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if last and not self._ended.is_set():
            await self._pass({**message, "more_body": True})
            message = {"type": "http.response.body", "body": b"", "more_body": False}
            self._drained_bytes = 0
            self._room.set()
            await self._drain()
            if self._overflowed:
                await anyio.sleep(LINGER_S)
                self._lingered.set()
        await self._pass(message)
        if self._overflowed:  # the server waits for ever if its bytes are not received
            with anyio.move_on_after(LINGER_S):
                await self._gone.wait()

    async def _drain(self) -> None:
        """Receive the rest of the body, until its end, its limit, or the idle timeout."""
        seen_bytes = -1
        with move_on_after(self._drain_s):
            while not self._ended.is_set() and self._drained_bytes != seen_bytes:
                seen_bytes = self._drained_bytes or 0
                with move_on_after(self.idle_timeout_s):
                    await self._ended.wait()

    async def _pass(self, message: Message) -> None:
        try:
            with fail_after(SEND_IDLE_S):
                await self._send(message)
        except OSError as error:
            self.send_error = error
            raise


class BodyFlow:
    """ASGI middleware: back-pressure on bodies, idle timeouts both ways, a lingering close after an early answer.

    `idle_timeout_s` is the idle timeout of request bodies. `drain_bytes`: how much of an unwanted one is read, if that
    is more than `DRAIN_BYTES`.
    """

    def __init__(self, app: ASGI, *, idle_timeout_s: float, drain_bytes: int) -> None:
        self._app = app
        self._idle_timeout_s = idle_timeout_s
        self._drain_bytes = max(drain_bytes, DRAIN_BYTES)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection scope (ASGI 3).

        :raises TimeoutError: the client took nothing of the answer for `SEND_IDLE_S`.
        :raises OSError: of the server: the client is gone.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        flow = _RequestFlow(
            receive,
            send,
            body_bytes=_read_length(scope["headers"]),
            idle_timeout_s=self._idle_timeout_s,
            drain_bytes=self._drain_bytes,
        )
        try:
            path = scope.get("root_path", "") + decode_path(scope["raw_path"])
            await self._app({**scope, "path": path, _FLOW: flow}, flow.receive, flow.send)
        except Exception:
            if not flow.send_error:
                raise
        finally:
            flow.over = True
        if flow.send_error:  # Quart 0.23 makes another error of it
            raise flow.send_error


def _read_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The size of the body, in bytes, as far as a header says it; 0 for one in chunks."""
    return int(dict(headers).get(b"content-length", b"0"))


def decode_path(raw_path: bytes) -> str:
    """The path of a request target, percent-decoded so that nothing of it is lost: servers decode it leniently.

    A byte that is no UTF-8 becomes a lone surrogate (PEP 383), and so does a slash that is written as %2F: it is part
    of a name and separates nothing (RFC 3986, 2.2). No name with a surrogate exists or can be made. Of a target in
    absolute form (RFC 9112, 3.2.2) the path is taken before it is decoded, as a name may have a `?` or a `#` in it.
    """
    parts = _ENCODED_SLASH.split(_ORIGIN.sub(b"", raw_path, count=1) or b"/")
    path = "\udc2f".join(unquote_to_bytes(part).decode(errors="surrogateescape") for part in parts)
    # Werkzeug redirects a path with empty segments to one without, and cannot quote a surrogate for that.
    return re.sub("/{2,}", "/", path) if _SURROGATE.search(path) else path


class StreamedRequest(Request):
    """A request whose body is read as it arrives. Views use these two and never `get_data` or `files`."""

    async def stream_body(self) -> AsyncIterator[bytes]:
        """The chunks of the body, undecoded, each as large as what has arrived (at most about 256 KiB).

        :raises BodyTimeout: nothing arrived for the idle time.
        """
        flow: _RequestFlow = cast(dict[str, Any], self.scope)[_FLOW]
        chunks = aiter(self.body)
        while True:
            try:
                with fail_after(flow.idle_timeout_s):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise BodyTimeout(f"Nothing arrived for {flow.idle_timeout_s:g} seconds.") from None
            flow.consume(len(chunk))
            yield chunk

    async def read_body(self, limit_bytes: int) -> bytes:
        """The whole body.

        :raises BodyTooLarge: it is over `limit_bytes`; decided by Content-Length before a byte is read.
        :raises BodyTimeout: nothing arrived for the idle time.
        """
        too_large = BodyTooLarge(f"The body is over the limit of {limit_bytes} bytes.", limit_bytes=limit_bytes)
        if (self.content_length or 0) > limit_bytes:
            raise too_large
        body = bytearray()
        async for chunk in self.stream_body():
            body += chunk
            if len(body) > limit_bytes:
                raise too_large
        return bytes(body)
