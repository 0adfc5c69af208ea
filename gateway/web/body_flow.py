"""The flow of request and response bodies between the ASGI server and Quart.

Quart reads a request body ahead without bound (a 300 MB upload: 342-375 MB of memory; with a `receive` that
waits for its reader: 41-44 MB) and limits the time of a whole body rather than its idle time; and an answer
given before the body was read is lost: the server closes, the peer sees a reset. This module mends the
three in one ASGI middleware and one Request class, without a private name of Quart. Where the body of an answer
is a part of a file, a server that can send it is given that part, and for another one it is read. Paths are decoded
here too, as servers lose what is not UTF-8 and which slashes were encoded.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import anyio
from quart import Request

from gateway.errors import BodyTooLarge, GatewayError
from gateway.process.deadline import fail_after, move_on_after

from .file_span import FileSpan
from .zerocopy import EXTENSION

AHEAD_BYTES = 256 * 1024
"""How much of a body may wait for its reader."""
DRAIN_BYTES = 1024 * 1024
"""How much of an unread body is still taken after the answer, so that the peer sees the answer."""
DRAIN_S = 5.0
"""How long that may take."""
LINGER_S = 1.0
"""How long the connection stays, unread, for a peer that sends more: it cannot go on, and looks for an answer.

Closed at once, the reset reaches some before they have looked: curl on loopback, once in a hundred times.
"""
LATE_S = 300.0
"""How long the whole body of a late reader is drained.

Firefox (153) looks for an answer over HTTP/1.1 only when its request is sent whole: closed before that, it sends all
of it again and then shows a network error (RFC 9110, 10.1.5: tailor answers to the limitations of a user agent).
"""
_LATE_READERS = b"Firefox/"
_STRANGERS = frozenset({401, 403, 421, 429})
"""Refusals of unauthorized clients: their bodies are never drained for long."""
_FLOW = "gateway.flow"
_ORIGIN = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
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
        self, receive: Receive, send: Send, idle_timeout_s: float, *, reads_late: bool, sends_files: bool
    ) -> None:
        self._receive = receive
        self._send = send
        self.idle_timeout_s = idle_timeout_s
        self._reads_late = reads_late
        self._sends_files = sends_files
        self._ahead_bytes = 0
        self._room = anyio.Event()
        self._drained_bytes: int | None = None
        self._ended = anyio.Event()
        self._overflowed = False
        self._lingered = anyio.Event()
        self._gone = anyio.Event()

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
        if not message.get("more_body", False):
            self._ended.set()
        if self._drained_bytes is None:
            self._ahead_bytes += size_bytes
            return message
        self._drained_bytes += size_bytes
        if self._drained_bytes >= DRAIN_BYTES and not self._reads_late and not self._ended.is_set():
            self._overflowed = True
            self._ended.set()
        return {**message, "body": b""}

    def consume(self, size_bytes: int) -> None:
        """Let the server go on: the reader has taken this much."""
        self._ahead_bytes -= size_bytes
        self._room.set()

    async def send(self, message: Message) -> None:
        """Pass a message on, within the idle time; before the last one, drain what is left of the body."""
        if isinstance(message.get("body"), FileSpan):
            await self._send_span(message["body"])
            message = {**message, "body": b""}
        if message.get("status") in _STRANGERS:
            self._reads_late = False
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
        with move_on_after(LATE_S if self._reads_late else DRAIN_S):
            while not self._ended.is_set() and self._drained_bytes != seen_bytes:
                seen_bytes = self._drained_bytes or 0
                with move_on_after(self.idle_timeout_s):
                    await self._ended.wait()

    async def _send_span(self, span: FileSpan) -> None:
        """A part of a file: by the server, which keeps the idle time itself then, or read and passed on."""
        if self._sends_files:
            for piece in span.cut():
                what = {"file": piece.file, "offset": piece.offset, "count": piece.count}
                await self._send({"type": EXTENSION, **what, "more_body": True})
        else:
            async for data in span.read():
                await self._pass({"type": "http.response.body", "body": data, "more_body": True})

    async def _pass(self, message: Message) -> None:
        with fail_after(self.idle_timeout_s):
            await self._send(message)


class BodyFlow:
    """ASGI middleware: back-pressure on bodies, idle limits both ways, a drain after an early answer.

    `idle_timeout_s` is the idle timeout of request and response bodies.
    """

    def __init__(self, app: ASGI, *, idle_timeout_s: float) -> None:
        self._app = app
        self._idle_timeout_s = idle_timeout_s

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection scope (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reads_late = any(name == b"user-agent" and _LATE_READERS in value for name, value in scope["headers"])
        sends_files = EXTENSION in scope.get("extensions", {})
        flow = _RequestFlow(receive, send, self._idle_timeout_s, reads_late=reads_late, sends_files=sends_files)
        await self._app({**scope, "path": decode_path(scope["raw_path"]), _FLOW: flow}, flow.receive, flow.send)


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
