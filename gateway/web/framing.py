"""Strict message framing (RFC 9112): h11 gets one message at a time, and only if its end is beyond doubt.

Request smuggling lives on messages whose end two readers see in two places. h11 takes Content-Length beside
Transfer-Encoding, repeated Content-Lengths, bare LF, folded lines, and blanks and bare CR in chunk lines; hypercorn
keeps such a connection and answers what comes behind as the next request. Here such a message is refused, the
connection ends, and what comes behind is not looked at. What no longer belongs to a message never reaches h11: an empty
line before a request is skipped, and what follows the last request of a connection is dropped.

Of hypercorn this module knows nothing. Upgrades are ignored (RFC 9110, 7.8): the gateway speaks neither WebSocket nor
HTTP/2, and hypercorn would follow both.
"""

import re
from contextlib import suppress
from typing import NoReturn

import h11

_LENGTH = re.compile(rb"[0-9]{1,19}")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:([^\r]*)")  # of a head in lower case
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)
_VERSION = re.compile(rb" HTTP/(?!1\.[01])[0-9]\.[0-9]$")
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*+)?\r\n")  # RFC 9112, 7.1.1
_POISON = b"\0\r\n\r\n"
"""No request line, chunk line or trailer: h11 has no other way to be told that its peer is in error."""


class Malformed(Exception):
    """The framing of a message breaks a rule. `status` is that of the answer."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class Framer:
    """The bytes of one connection, cut into messages. Without I/O; a head or a chunk line has `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._unread = b""
        self._ended = False
        self._chunked = False
        self._in_trailer = False
        self._left_bytes = 0  # of the body, or of a chunk and the CRLF behind it

    def feed(self, data: bytes) -> None:
        """Bytes of the client; none: it sends no more."""
        self._unread = self._unread + bytes(data) if self._unread else bytes(data)
        self._ended = self._ended or not data

    @property
    def drained(self) -> bool:
        """Whether the client has sent its last, and all of it was cut."""
        return self._ended and not self._unread

    def drop(self) -> None:
        """Forget what was not cut."""
        self._unread = b""

    def find_next(self) -> bool:
        """Whether another message has begun, empty lines before it left out (RFC 9112, 2.2)."""
        if found := _EMPTY_LINES.match(self._unread):
            self._unread = self._unread[found.end() :]
        return bool(self._unread)

    def cut_head(self) -> bytes:
        """A request line and its fields, once they are there; a part of them where h11 will not take the whole.

        :raises Malformed: the end of the message is ambiguous, or it is not HTTP/1.
        """
        if not self.find_next():
            return b""
        end = self._unread.find(b"\r\n\r\n") + 4
        head = self._unread[:end] if end > 3 else self._unread
        _check_lines(head)
        if end > 3:
            self._left_bytes, self._chunked = _read_framing(head)
            self._take(end)
            return _UPGRADE.sub(b"", head) if b"\r\nupgrade:" in head.lower() else head
        printable = head[0] > 0x20 or head == b"\r"
        return b"" if printable and self._may_grow(len(head)) else self._take(len(head))

    def cut_body(self) -> bytes:
        """As much of the body as is there and well formed, as it was sent.

        :raises Malformed: it goes on with a chunk line or a trailer that is none.
        """
        if not self._chunked:
            size = min(self._left_bytes, len(self._unread))
            self._left_bytes -= size
            return self._take(size)
        at = 0
        while self._chunked and at < len(self._unread):
            if self._left_bytes:
                step = min(self._left_bytes, len(self._unread) - at)
                self._left_bytes -= step
            else:
                try:
                    step = self._read_trailer(at) if self._in_trailer else self._read_chunk_line(at)
                except Malformed:
                    if at:  # h11 gets what is right first, so that it is at the same place
                        break
                    raise
            if not step:
                break
            at += step
        return self._take(at)

    def _read_chunk_line(self, at: int) -> int:
        """The size of the chunk line at that place; 0: it is not whole yet."""
        found = _CHUNK_LINE.match(self._unread, at)
        if not found:
            line, whole, _ = self._unread[at:].partition(b"\r\n")
            _check_lines(line)
            if whole:
                raise Malformed("a chunk does not begin with its size in hexadecimal digits")
            return 0 if self._may_grow(len(line)) else len(line)
        size = int(found[1], 16)
        self._left_bytes = size + 2 if size else 0
        self._in_trailer = not size
        return found.end() - at

    def _read_trailer(self, at: int) -> int:
        """The size of the trailer at that place; 0: it is not whole yet."""
        end = at + 2 if self._unread.startswith(b"\r\n", at) else self._unread.find(b"\r\n\r\n", at) + 4
        trailer = self._unread[at:end] if end > 3 else self._unread[at:]
        _check_lines(trailer)
        if end > 3:
            self._chunked = self._in_trailer = False
            return len(trailer)
        return 0 if self._may_grow(len(trailer)) else len(trailer)

    def _may_grow(self, size_bytes: int) -> bool:
        return size_bytes <= self._limit_bytes and not self._ended

    def _take(self, size_bytes: int) -> bytes:
        taken, self._unread = self._unread[:size_bytes], self._unread[size_bytes:]
        return taken


def _check_lines(data: bytes) -> None:
    """Lines end with CRLF and none is folded (RFC 9112, 2.2 and 5.2); of the last one the end may be missing."""
    lines = data.removesuffix(b"\r")
    if not lines.count(b"\r\n") == lines.count(b"\r") == lines.count(b"\n"):
        raise Malformed("a line does not end with CRLF, or has a bare CR or LF within")
    if b"\n " in lines or b"\n\t" in lines:
        raise Malformed("a field line begins with a blank")


def _read_framing(head: bytes) -> tuple[int, bool]:
    """The length of the body, and whether it comes in chunks (RFC 9112, 6.3)."""
    line = head.partition(b"\r\n")[0]
    if _VERSION.search(line):
        raise Malformed("this server speaks HTTP/1.1", 505)
    method = line.partition(b" ")[0]
    if method != method.upper():  # hypercorn would take it for the one in capitals, and h11 would not
        raise Malformed("methods are written in capitals")
    fields = _FRAMING.findall(head.lower())
    if not fields:
        return 0, False
    if len(fields) > 1:
        raise Malformed("Content-Length and Transfer-Encoding may occur once in a request, and not both")
    [(name, value)] = fields
    if name == b"content-length":
        if not _LENGTH.fullmatch(value.strip(b" \t")):
            raise Malformed("Content-Length is not one number")
        return int(value), False
    if not line.endswith(b"1.1"):
        raise Malformed("there is no Transfer-Encoding in HTTP/1.0")
    return 0, True  # in which coding, h11 looks: it knows chunked alone


class StrictConnection(h11.Connection):
    """The connection of a server to one client."""

    def __init__(self, max_incomplete_event_size: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size)
        self._framer = Framer(max_incomplete_event_size)
        self.complaint = ""
        """What is wrong with what came, where this class has refused it."""

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the client; none: it sends no more."""
        self._framer.feed(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """What the client says next.

        :raises h11.RemoteProtocolError: it breaks a rule; with the status of the answer.
        """
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
        except Malformed as error:
            self._refuse(error)
        self._framer.drop()  # there is no next request: this one was the last (RFC 9112, 9.6)
        return b""

    def _refuse(self, malformed: Malformed) -> NoReturn:
        self._framer.drop()
        self.complaint = malformed.detail
        super().receive_data(_POISON)
        with suppress(h11.RemoteProtocolError):
            super().next_event()
        raise h11.RemoteProtocolError(malformed.detail, malformed.status)
