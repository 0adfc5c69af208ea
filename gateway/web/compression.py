"""Compresses answers of text by gzip for clients that accept it (RFC 9110, 8.4.1.3), as an ASGI middleware.

Events, audio, ranges and what is encoded already are left as they are. The plain and the compressed representation
share a weak entity tag, so a client that has either gets 304. The BREACH attack needs a secret and text of the attacker
in one compressed body: no body of the gateway holds a token, a password or a cookie.
"""

import zlib
from typing import Any

from anyio.lowlevel import checkpoint
from werkzeug.datastructures import Accept, Headers
from werkzeug.http import parse_accept_header, parse_options_header

from .body_flow import ASGI, Message, Send

TYPES = frozenset(
    {
        "application/json",
        "application/problem+json",
        "application/rss+xml",
        "image/svg+xml",
        "text/css",
        "text/csv",
        "text/html",
        "text/javascript",
        "text/markdown",
        "text/plain",
    }
)
LEAST_BYTES = 1024
"""A smaller answer is not compressed: it fits a packet or two."""
PIECE_BYTES = 64 * 1024
"""How much is compressed before the coroutine yields to the event loop: half a millisecond."""
LEVEL = 6
_GZIP_BITS = zlib.MAX_WBITS + 16


class Compression:
    """ASGI middleware: compresses the answers of `app`, piece by piece as they are sent."""

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope (ASGI 3)."""
        await self._app(scope, receive, _Answer(scope, send).send if scope["type"] == "http" else send)


class _Answer:
    """The answer to one request."""

    def __init__(self, scope: Any, send: Send) -> None:
        self._send = send
        self._is_head = scope["method"] == "HEAD"
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-encoding"]
        self._accepts_gzip = accepts_gzip(", ".join(values))
        self._compressor: Any = None

    async def send(self, message: Message) -> None:
        """Pass a message on, compressed if its answer is to be."""
        if message["type"] == "http.response.start":
            headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]])
            self._start(headers, message["status"])
            encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            message = {**message, "headers": encoded}
        if message["type"] == "http.response.body" and self._compressor is not None:
            await self._send_compressed(message.get("body", b""), more=message.get("more_body", False))
        else:
            await self._send(message)

    def _start(self, headers: Headers, status: int) -> None:
        """Choose the representation, and name it in the headers."""
        if not _is_compressible(headers):
            return
        headers.add("vary", "Accept-Encoding")
        is_small = headers.get("Content-Length", LEAST_BYTES, int) < LEAST_BYTES
        if not self._accepts_gzip or (is_small and status != 304):
            return
        etag = headers.get("ETag", "")
        if etag and not etag.startswith("W/"):
            headers.set("etag", f"W/{etag}")
        if status != 304:
            headers.remove("Content-Length")
            headers.set("content-encoding", "gzip")
            if not self._is_head:
                self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_BITS)

    async def _send_compressed(self, body: bytes, *, more: bool) -> None:
        view = memoryview(body)
        for start in range(0, len(view), PIECE_BYTES):
            if compressed := self._compressor.compress(view[start : start + PIECE_BYTES]):
                await self._send({"type": "http.response.body", "body": compressed, "more_body": True})
            await checkpoint()
        if not more:
            await self._send({"type": "http.response.body", "body": self._compressor.flush()})


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a value of Accept-Encoding allows gzip, and does not prefer the identity (RFC 9110, 12.5.3)."""
    accepted = parse_accept_header(accept_encoding, Accept)
    quality = accepted.quality("gzip")
    return quality > 0 and quality >= accepted.quality("identity")


def _is_compressible(headers: Headers) -> bool:
    """Whether these headers are of a whole text that may be transformed and is not yet encoded."""
    mimetype = parse_options_header(headers.get("Content-Type", ""))[0]
    is_whole = "Content-Encoding" not in headers and "Content-Range" not in headers
    return mimetype.lower() in TYPES and is_whole and "no-transform" not in headers.get("Cache-Control", "").lower()
