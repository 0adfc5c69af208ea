"""What a site answers, as far as it can be read: fills a third seam of aiohttp, the protocol of a connection.

The rule is curl's: a status line and the blank line after its head are an answer, whatever else is wrong with either.
aiohttp reads strictly and a packet at a time: a 204 with a body, a bad chunk, a doubled Content-Length gave no code,
or gave one if the site happened to send them in two packets. Here its parser gets each head whole and alone; what it
cannot read is read leniently, and the connection ends there. Nothing is taken from a site that was not asked.

Not only the bytes of an answer are bounded but the work that it causes: heads, lines, chunks and packets are counted.
The code is known after the head; the rest is read for the sake of the connection, for as long as that is cheaper.
"""

import asyncio
import re
import ssl
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, HttpVersion11, RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, CIMultiDictProxy

HEAD_BYTES = 128 * 1024
"""For all heads of one answer, interim ones (1xx) too. curl takes 300 KiB, Chrome 256, Node 16."""
BODY_BYTES = 64 * 1024
"""Of a body, as it came: chunk sizes and their extensions are no end either."""
MAX_INTERIM = 200
"""Interim answers (1xx) before the answer: each is a head to be found and read."""
STRICT_LINES = 128
STRICT_BYTES = 32 * 1024
"""A longer head is read leniently: aiohttp makes objects of each line, and copies a folded field for each line."""
FREE_READS = 64
"""Packets of an answer that are read as they come; of a body there are no more."""
GATHER_S = 0.25
"""How long the rest of a head gathers in the kernel before each further read: a read costs a turn of the loop."""
SLICE_BYTES = 512
FRAMING_BYTES = 400
"""Chunk sizes, chunk extensions and trailers of a body, counted after each slice: chunks of one byte cost the parser
2 µs each. A connection is worth less than the rest of such a body."""
_HEAD_END = re.compile(rb"\n\r\n|\n\n")
_LONGEST_END = 3
_LINE_ENDS = re.compile(rb"[\r\n]{0,4}")
_STATUS = re.compile(rb"HTTP/(?:1\.[01]|2(?:\.0)?) {1,64}([1-9][0-9]{2})(?![0-9])", re.IGNORECASE)
"""Where the code stands, as curl finds it: `HTTP/2` without HTTP/2, two spaces and a missing reason are let pass."""
_FIELDS_READ = ("Location", "Retry-After")
"""What is read of a head that breaks rules."""


class ResponseCut(aiohttp.ClientConnectionError):
    """A connection ended before its first answer was whole. aiohttp would ask again: a URL is one request."""


class ResponseReader(ResponseHandler):
    """The protocol of one connection, for answers one after another."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self._asked = 0
        self._heading = False
        self._head = bytearray()
        self._left_bytes = 0
        self._reads = 0
        self._interim = 0
        self._chunked = False
        self._taking: bytes | None = None

    def set_response_params(self, **params: Any) -> None:
        """Expect an answer (aiohttp calls it before each request)."""
        self._asked += 1
        self._heading = True
        self._left_bytes = HEAD_BYTES
        self._reads = self._interim = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take what the site sent."""
        self._reads += 1
        if self._heading:
            self._read_head(data)
        elif data and self._asked:
            self._read_body(data)
        else:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; a request on a connection that has served before is left to aiohttp to ask again."""
        if self._heading and not self.is_eof() and (self._asked == 1 or self._head):
            what = f"TLS failed ({exc.reason})" if isinstance(exc, ssl.SSLError) else "the connection ended"
            cut = ResponseCut(f"{what} {'in the middle of' if self._head else 'before'} the answer")
            cut.__cause__ = exc
            self.set_exception(cut)
        super().connection_lost(exc)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Have the answer, as far as its head (aiohttp calls it)."""
        self._chunked = data[0].chunked
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Fail, unless a head that aiohttp cannot read can be read all the same."""
        if self._taking is None:
            super().set_exception(exc, *cause)

    def close(self) -> None:
        """Let go at once: TLS would wait 30 s for a peer that says no goodbye."""
        self.abort()

    def _read_head(self, data: bytes) -> None:
        text: bytes | bytearray = data
        seen = 0
        if self._head:
            seen = max(0, len(self._head) - _LONGEST_END)
            self._head += data
            text = self._head
        start = self._skip_newlines(text, 0)
        while end := _HEAD_END.search(text, max(start, seen)):
            head = bytes(text[start : end.end()])
            self._left_bytes -= len(head)
            status = _STATUS.match(head)
            if status is None or self._left_bytes < 0:
                break
            start = end.end()
            code = int(status[1])
            if code >= 200 or code == 101:  # 101 ends HTTP here: no other protocol was asked for
                self._take(head, code, bytes(text[start:]))
                return
            self._interim += 1
            start = self._skip_newlines(text, start)
            if self._interim > MAX_INTERIM:
                break
        if start or text is data:
            self._head = bytearray(text[start:])
        self._check_head()

    def _read_body(self, data: bytes) -> None:
        payload = self._payload
        step = SLICE_BYTES if self._chunked else len(data)
        for start in range(0, len(data), step):
            if payload is None or payload.is_eof():  # it could pass for the answer to the next request
                self._end()
                return
            piece = data[start : start + step]
            self._left_bytes -= len(piece)
            super().data_received(piece)
            framing_bytes = BODY_BYTES - self._left_bytes - payload.total_bytes
            if self._left_bytes < 0 or framing_bytes > FRAMING_BYTES:
                self._end()
                return
        if self._reads > FREE_READS and payload is not None and not payload.is_eof():
            self._end()

    def _skip_newlines(self, text: bytes | bytearray, start: int) -> int:
        """Where the head begins: some sites send a line end too many after a body."""
        few = _LINE_ENDS.match(text, start)
        assert few is not None  # it matches nothing, too
        self._left_bytes -= few.end() - start
        return few.end()

    def _check_head(self) -> None:
        """Refuse a head that has not ended and that no end can mend; let a head in many pieces gather."""
        head = self._head
        if self._interim > MAX_INTERIM:
            self._refuse(f"over {MAX_INTERIM} interim answers (1xx)")
        elif len(head) > self._left_bytes:
            self._refuse(f"its head is over {HEAD_BYTES} bytes")
        elif not b"HTTP/".startswith(bytes(head[:5]).upper()) or (b"\n" in head and _STATUS.match(head) is None):
            line = bytes(head[:60]).partition(b"\n")[0]
            self._refuse(f"no HTTP status: {line!r}")
        elif self._reads > FREE_READS and self.transport is not None:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(GATHER_S, self._read_on)

    def _read_on(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _take(self, head: bytes, code: int, rest: bytes) -> None:
        self._heading = False
        self._head = bytearray()
        self._left_bytes = BODY_BYTES
        if len(head) <= STRICT_BYTES and head.count(b"\n") <= STRICT_LINES:
            self._taking = head
            super().data_received(head)
            self._taking = None
        if not self._buffer:
            self.force_close()
            self.feed_data((_read_leniently(head, code), EMPTY_PAYLOAD), 0)
            return
        if code == 101:
            self.force_close()
        elif rest:
            self.data_received(rest)

    def _refuse(self, message: str) -> None:
        self._heading = False
        self.set_exception(HttpProcessingError(message=message))
        self._end()

    def _end(self) -> None:
        self.force_close()
        if self.transport is not None:
            self.transport.abort()


def _read_leniently(head: bytes, code: int) -> RawResponseMessage:
    """The answer in a head that breaks rules; without its body, for who knows where that would end."""
    fields: CIMultiDict[str] = CIMultiDict()
    lower = head.lower()
    for name in _FIELDS_READ:
        place = lower.find(f"\n{name.lower()}:".encode())
        if place >= 0:
            start = place + len(name) + 2
            fields[name] = _decode(head[start : head.index(b"\n", start)][:STRICT_BYTES])
    return RawResponseMessage(
        version=HttpVersion11,
        code=code,
        reason="",
        headers=CIMultiDictProxy(fields),
        raw_headers=(),
        should_close=True,
        compression=None,
        upgrade=False,
        chunked=False,
    )


def _decode(text: bytes) -> str:
    return text.strip(b" \t\r").decode("utf-8", "surrogateescape")
