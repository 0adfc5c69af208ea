"""Strict message framing (RFC 9112): protection against request smuggling.

Request smuggling needs a message whose end two parsers find in two places. h11 accepts Content-Length beside
Transfer-Encoding, repeated Content-Lengths, bare LF, folded lines, and blanks and bare CR in chunk lines; hypercorn
then reads what follows as the next request. `Framer` refuses such a message, ends the connection and ignores the rest.
h11 gets one message at a time: empty lines before a request, and all bytes after the last one, never reach it.

Bytes beyond ASCII in a target, which browsers escape and some programs send as they are, are escaped, as nginx and Go
take them. Responses get their reason phrase, which some clients insist on.

Upgrades are ignored (RFC 9110, 7.8): the gateway speaks neither WebSocket nor HTTP/2, and hypercorn would follow both.
This module does not depend on hypercorn.
"""

import re
from contextlib import suppress
from http import HTTPStatus

import h11

_LENGTH = re.compile(rb"[0-9]{1,19}")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:([^\r]*)")  # of a head in lower case
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)
_VERSION = re.compile(rb" HTTP/(?!1\.[01])[0-9]\.[0-9]$")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*+)?\r\n")  # RFC 9112, 7.1.1
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_POISON = b"\0\r\n\r\n"
"""No request line, chunk line or trailer: it puts h11 into its error state, as nothing public does."""


class Framer:
    """Cuts the bytes of one connection into messages. No I/O; a head, chunk line or trailer has `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._unread = bytearray()  # drops bytes at its start without moving the others
        self._ended = False
        self._chunked = False
        self._in_trailer = False
        self._left_bytes = 0  # of the body, or of a chunk and its CRLF

    def feed(self, data: bytes) -> None:
        """Add bytes of the client; none: it has closed its side."""
        self._unread += data
        self._ended = self._ended or not data

    @property
    def drained(self) -> bool:
        """Whether the client has closed its side, and all its bytes were cut."""
        return self._ended and not self._unread

    def drop(self) -> None:
        """Forget the bytes that were not cut."""
        self._unread.clear()

    def find_next(self) -> bool:
        """Whether another message has begun; empty lines before it are skipped (RFC 9112, 2.2)."""
        if found := _EMPTY_LINES.match(self._unread):
            self._take(found.end())
        return bool(self._unread)

    def cut_head(self) -> bytes:
        """A request line and its fields, once they are complete.

        :raises h11.RemoteProtocolError: the end of the message is ambiguous, or it is not HTTP/1.
        """
        if not self.find_next():
            return b""
        if self._unread[0] <= 0x20 and self._unread != b"\r":
            raise h11.RemoteProtocolError("a request does not begin with its method")
        size = self._measure_lines()
        if not size:
            return b""
        head = self._take(size)
        self._left_bytes, self._chunked = _read_framing(head)
        head = _escape_target(head)
        return _UPGRADE.sub(b"", head) if b"\r\nupgrade:" in head.lower() else head

    def cut_body(self) -> bytes:
        """The next part of the body: data, a chunk line with data, or a trailer; nothing if it has not arrived.

        :raises h11.RemoteProtocolError: a chunk line or the trailer is malformed.
        """
        if self._in_trailer:
            return self._cut_trailer()
        line = self._cut_chunk_line() if self._chunked and not self._left_bytes else b""
        data = self._take(min(self._left_bytes, len(self._unread)))
        self._left_bytes -= len(data)
        return line + data

    def _cut_chunk_line(self) -> bytes:
        found = _CHUNK_LINE.match(self._unread)
        if not found:
            line, complete, _ = self._unread.partition(b"\r\n")
            _check_lines(line)
            self._check_size(len(line))
            if complete:
                raise h11.RemoteProtocolError("a chunk does not begin with its size in hexadecimal digits")
            return self._take(self._wait_for_more(line))
        self._check_size(found.end() - 2)
        size = int(found[1], 16)
        self._left_bytes = size + 2 if size else 0
        self._in_trailer = not size
        return self._take(found.end())

    def _cut_trailer(self) -> bytes:
        size = 2 if self._unread.startswith(b"\r\n") else self._measure_lines()
        if size:
            self._chunked = self._in_trailer = False
        return self._take(size)

    def _measure_lines(self) -> int:
        """The size of the next lines with the empty one after them; 0: they are not complete."""
        end = self._unread.find(b"\r\n\r\n") + 4
        lines = self._unread[:end] if end > 3 else self._unread
        _check_lines(lines)
        self._check_size(len(lines))
        return end if end > 3 else self._wait_for_more(lines)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._limit_bytes:
            raise h11.RemoteProtocolError("a head, a chunk line or a trailer is too long", 431)

    def _wait_for_more(self, incomplete: bytearray) -> int:
        if self._ended and incomplete:
            raise h11.RemoteProtocolError("the connection ends within a message")
        return 0

    def _take(self, size_bytes: int) -> bytes:
        taken = bytes(self._unread[:size_bytes])
        del self._unread[:size_bytes]
        return taken


def _check_lines(data: bytearray) -> None:
    """Lines end with CRLF and none is folded (RFC 9112, 2.2 and 5.2); the last one may be incomplete."""
    lines = data.removesuffix(b"\r")
    if not lines.count(b"\r\n") == lines.count(b"\r") == lines.count(b"\n"):
        raise h11.RemoteProtocolError("a line does not end with CRLF, or has a bare CR or LF within")
    if b"\n " in lines or b"\n\t" in lines:
        raise h11.RemoteProtocolError("a field line begins with a blank")


def _escape_target(head: bytes) -> bytes:
    """A head whose target has `%D0%9F` for each byte that is not ASCII."""
    line, end, fields = head.partition(b"\r\n")
    if line.isascii():
        return head
    method, blank, rest = line.partition(b" ")
    return method + blank + _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], rest) + end + fields


def _read_framing(head: bytes) -> tuple[int, bool]:
    """The length of the body, and whether it comes in chunks (RFC 9112, 6.3)."""
    line = head.partition(b"\r\n")[0]
    if _VERSION.search(line):
        raise h11.RemoteProtocolError("this server speaks HTTP/1.1", 505)
    method = line.partition(b" ")[0]
    if method != method.upper():  # hypercorn turns it into capitals
        raise h11.RemoteProtocolError("methods are written in capitals")
    fields = _FRAMING.findall(head.lower())
    if not fields:
        return 0, False
    if len(fields) > 1:
        raise h11.RemoteProtocolError("Content-Length and Transfer-Encoding may occur once in a request, and not both")
    [(name, value)] = fields
    if name == b"content-length":
        if not _LENGTH.fullmatch(value.strip(b" \t")):
            raise h11.RemoteProtocolError("Content-Length is not one number")
        return int(value), False
    if not line.endswith(b"1.1"):
        raise h11.RemoteProtocolError("there is no Transfer-Encoding in HTTP/1.0")
    return 0, True  # h11 refuses any other coding than chunked


class StrictConnection(h11.Connection):
    """An h11 connection of a server that gets its bytes through a `Framer`."""

    def __init__(self, max_incomplete_event_size: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size)
        self._framer = Framer(max_incomplete_event_size)
        self._stopped = False

    def stop(self) -> None:
        """Report no more events: the connection is closed, and pipelined requests are ignored."""
        self._stopped = True

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override]  # h11 has overloads
        """The bytes of an event of the server; those of a response have a reason in their first line."""
        data = super().send(event)
        if data and isinstance(event, h11.Response):
            data = data.replace(b"\r\n", _REASONS.get(event.status_code, b"") + b"\r\n", 1)
        return data

    def receive_data(self, data: bytes) -> None:
        """Add bytes of the client; none: it has closed its side."""
        self._framer.feed(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next event of the client.

        :raises h11.RemoteProtocolError: it breaks a rule; with the status of the response.
        """
        if self._stopped:
            return h11.NEED_DATA
        if self.their_state is h11.DONE and self._framer.find_next():
            return h11.PAUSED
        while (event := super().next_event()) is h11.NEED_DATA:
            if piece := self._cut():
                super().receive_data(piece)
            elif self._framer.drained:
                super().receive_data(b"")
            else:
                break
        return event

    def _cut(self) -> bytes:
        try:
            if self.their_state is h11.IDLE:
                return self._framer.cut_head()
            if self.their_state is h11.SEND_BODY:
                return self._framer.cut_body()
        except h11.RemoteProtocolError:
            self._framer.drop()
            super().receive_data(_POISON)
            with suppress(h11.RemoteProtocolError):
                super().next_event()
            raise
        self._framer.drop()  # the last request was read (RFC 9112, 9.6)
        return b""
