"""What a site answers, as far as it can be read: fills a third seam of aiohttp, the protocol of a connection.

The rule is curl's: a status line and the blank line after its head are an answer, whatever else is wrong with either.
aiohttp reads strictly and a packet at a time: a 204 with a body, a bad chunk, a doubled Content-Length gave no code,
or gave one if the site happened to send them in two packets. Here its parser gets each head whole and alone; what it
cannot read is read leniently, and the connection ends there. Nothing is taken from a site that was not asked.
"""

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
MAX_FIELDS = 1_000
_HEAD_END = re.compile(rb"\n\r?\n")
_LONGEST_END = 3
_LINE_ENDS = re.compile(rb"[\r\n]{0,4}")
_STATUS = re.compile(rb"HTTP/(?:1\.[01]|2(?:\.0)?) +([1-9][0-9]{2})(?![0-9])", re.IGNORECASE)
"""Where the code stands, as curl finds it: `HTTP/2` without HTTP/2, two spaces and a missing reason are let pass."""


class AnswerCut(aiohttp.ClientConnectionError):
    """A connection ended before its first answer was whole. aiohttp would ask again: a URL is one request."""


class AnswerReader(ResponseHandler):
    """The protocol of one connection, for answers one after another."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self._asked = 0
        self._heading = False
        self._head = bytearray()
        self._left_bytes = 0
        self._taking: bytes | None = None

    def set_response_params(self, **params: Any) -> None:
        """Expect an answer (aiohttp calls it before each request)."""
        self._asked += 1
        self._heading = True
        self._left_bytes = HEAD_BYTES
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take what the site sent."""
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
            cut = AnswerCut(f"{what} {'in the middle of' if self._head else 'before'} the answer")
            cut.__cause__ = exc
            self.set_exception(cut)
        super().connection_lost(exc)

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
            if code >= 200 or code == 101:  # 101 ends HTTP here: nobody asked for another protocol
                self._take(head, code, bytes(text[start:]))
                return
            start = self._skip_newlines(text, start)
        self._head = bytearray(text[start:])
        self._check_head()

    def _read_body(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._payload is not None and not self._payload.is_eof():
            super().data_received(data)
            if self._left_bytes < 0:
                self._end()
        else:  # it could pass for the answer to the next request
            self._end()

    def _skip_newlines(self, text: bytes | bytearray, start: int) -> int:
        """Where the head begins: some sites send a line end too many after a body."""
        few = _LINE_ENDS.match(text, start)
        assert few is not None  # it matches nothing, too
        self._left_bytes -= few.end() - start
        return few.end()

    def _check_head(self) -> None:
        """Refuse a head that has not ended and that no end can mend."""
        head = self._head
        if len(head) > self._left_bytes:
            self._refuse(f"its head is over {HEAD_BYTES} bytes")
        elif not b"HTTP/".startswith(bytes(head[:5]).upper()) or (b"\n" in head and _STATUS.match(head) is None):
            line = bytes(head.partition(b"\n")[0])
            self._refuse(f"no HTTP status: {line[:60]!r}")

    def _take(self, head: bytes, code: int, rest: bytes) -> None:
        self._heading = False
        self._head = bytearray()
        self._left_bytes = BODY_BYTES
        self._taking = head
        super().data_received(head)
        self._taking = None
        if not self._buffer:
            self.force_close()
            self.feed_data((_read_leniently(head, code), EMPTY_PAYLOAD), 0)
        elif code == 101:
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
    for line in head.split(b"\n", MAX_FIELDS + 1)[1 : MAX_FIELDS + 1]:
        name, colon, value = line.partition(b":")
        if colon:
            fields.add(_decode(name), _decode(value))
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
