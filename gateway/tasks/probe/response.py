"""What a site answers, as far as it can be read. Pure: bytes in, a code and fields out, however they are cut.

The rule is curl's: a status line and the blank line after its head are an answer, whatever else is wrong with either.
The code is known after the head; the body is read for the sake of the connection alone, for as long as that is
cheaper than a new one, and only if its end is beyond doubt. Not only the bytes of an answer are bounded but the work
that it causes: interim heads, lines, chunks.
"""

import re
from collections.abc import Mapping

HEAD_BYTES = 128 * 1024
"""For all heads of one answer, interim ones (1xx) too. curl takes 300 KiB, Chrome 256, Node 16."""
BODY_BYTES = 64 * 1024
"""Of a body, as it came."""
MAX_INTERIM = 200
"""Interim answers (1xx) before the answer: each is a head to be found and read."""
KEPT_LINES, KEPT_HEAD_BYTES = 128, 32 * 1024
"""The connection of a longer head is not kept: its lines are not checked."""
FRAMING_BYTES = 400
"""Chunk sizes, chunk extensions and trailers of a body: of one in chunks of one byte the connection is not kept."""
VALUE_BYTES = 32 * 1024
"""What is read of the value of a field."""
_HEAD_END = re.compile(rb"\n\r\n|\n\n")
_LONGEST_END = 3
_LINE_ENDS = re.compile(rb"[\r\n]*+")
_MAX_LINE_ENDS = 4
"""How many bytes of line ends are skipped: some sites send one too many after a body."""
_STATUS = re.compile(rb"HTTP/(?:1\.[01]|2(?:\.0)?) {1,64}([1-9][0-9]{2})(?![0-9])", re.IGNORECASE)
"""Where the code is, as curl finds it: `HTTP/2` without HTTP/2, two spaces and a missing reason are accepted."""
_FIELDS_READ = ("Location", "Retry-After")
_FRAMING_FIELDS = re.compile(rb"\n(content-length|transfer-encoding|connection):([^\n]*)", re.IGNORECASE)
_WELL_FORMED = re.compile(
    rb"HTTP/1\.1 [0-9]{3}(?: [^\r\n\0]*+)?\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\r\n\0]*+\r\n)*+\r\n"
)
_CHUNK_LINE = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})[ \t]*+(?:;[^\r\n]*+)?\r\n")
"""With the line end of the chunk before it; the first has one put before it."""
_TRAILERS = re.compile(rb"(?:[^\r\n]++\r\n)*+\r\n")
_NO_BODY = frozenset({204, 304})


class ResponseUnreadable(Exception):
    """What came is not an HTTP answer."""


class ResponseParser:
    """The answer to one request: `feed` it until it has `ended`, or is `hopeless`."""

    def __init__(self) -> None:
        self.code = 0
        """0 until the head is whole."""
        self.fields: Mapping[str, str] = {}
        """Location and Retry-After, as far as the head has them."""
        self.head = b""
        self.begun = False
        self.ended = False
        """The whole body has come, and the connection can serve again."""
        self.hopeless = False
        """The code is known, and the connection cannot serve again, or is not worth it."""
        self._unread = bytearray()
        self._left_bytes = HEAD_BYTES
        self._left_line_ends = _MAX_LINE_ENDS
        self._interim = 0
        self._length = 0  # of the body, or of the chunk, that is still to come
        self._chunked = False
        self._framing_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        :raises ResponseUnreadable: they are not HTTP, or the head is too long.
        """
        self.begun = True
        if self.code:
            self._read_body(data)
        else:
            self._read_head(data)

    def _read_head(self, data: bytes) -> None:
        text = self._unread
        seen = max(0, len(text) - _LONGEST_END)
        text += data
        start = self._skip_line_ends(0)
        while end := _HEAD_END.search(text, max(start, seen)):
            head = bytes(text[start : end.end()])
            self._left_bytes -= len(head)
            status = _STATUS.match(head)
            if status is None or self._left_bytes < 0:
                break
            start = end.end()
            code = int(status[1])
            if code >= 200 or code == 101:  # 101 ends HTTP here: no other protocol was asked for
                self._unread = bytearray()
                self._take_head(code, head, bytes(text[start:]))
                return
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise ResponseUnreadable(f"over {MAX_INTERIM} interim answers (1xx)")
            self._left_line_ends = _MAX_LINE_ENDS
            start = self._skip_line_ends(start)
        del text[:start]
        self._check_beginning()

    def _skip_line_ends(self, start: int) -> int:
        """Where the head begins."""
        few = _LINE_ENDS.match(self._unread, start, start + self._left_line_ends)
        assert few is not None  # it matches nothing, too
        self._left_line_ends -= few.end() - start
        self._left_bytes -= few.end() - start
        return few.end()

    def _check_beginning(self) -> None:
        """Refuse a head that has not ended and that no end can mend."""
        head = self._unread
        if len(head) > self._left_bytes:
            raise ResponseUnreadable(f"its head is over {HEAD_BYTES} bytes")
        if not b"HTTP/".startswith(bytes(head[:5]).upper()) or (b"\n" in head and _STATUS.match(head) is None):
            line = bytes(head[:60]).partition(b"\n")[0]
            raise ResponseUnreadable(f"no HTTP status: {line!r}")

    def _take_head(self, code: int, head: bytes, rest: bytes) -> None:
        self.head = head
        self.fields = _read_fields(head)
        self.code = code
        self._left_bytes = BODY_BYTES
        length = _find_length(code, head)
        if length is None:
            self.hopeless = True
            return
        self._length, self._chunked = max(0, length), length < 0
        self._read_body(b"\r\n" + rest if self._chunked else rest)

    def _read_body(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._left_bytes < 0 or self.ended or self.hopeless:
            self.hopeless = True
        elif self._chunked:
            self._read_chunks(bytes(self._unread) + data)
        else:
            at = min(self._length, len(data))
            self._length -= at
            if not self._length:
                self._end(data[at:])

    def _read_chunks(self, data: bytes) -> None:
        at = 0
        while True:
            step = min(self._length, len(data) - at)
            self._length -= step
            at += step
            self._unread = bytearray(data[at:])
            line = None if self._length else _CHUNK_LINE.match(data, at)
            if line is None:
                self.hopeless = _is_no_chunk(self._unread)
                return
            end = line.end()
            size = int(line[1], 16)
            if not size:
                trailers = _TRAILERS.match(data, end)
                if trailers is None:
                    self.hopeless = len(self._unread) > FRAMING_BYTES
                    return
                end = trailers.end()
            self._framing_bytes += end - at
            if self._framing_bytes > FRAMING_BYTES:
                self.hopeless = True
                return
            if not size:
                self._end(data[end:])
                return
            self._length = size
            at = end

    def _end(self, rest: bytes) -> None:
        """Of what comes behind, a line end is harmless; anything else could pass for the next answer."""
        self.ended = len(rest) <= _MAX_LINE_ENDS and _LINE_ENDS.fullmatch(rest) is not None
        self.hopeless = not self.ended


def _read_fields(head: bytes) -> dict[str, str]:
    """The first value of each field that is read, also in a head that breaks rules."""
    fields = {}
    lower = head.lower()
    for name in _FIELDS_READ:
        place = lower.find(f"\n{name.lower()}:".encode())
        if place >= 0:
            start = place + len(name) + 2
            value = head[start : head.index(b"\n", start)][:VALUE_BYTES]
            fields[name] = value.strip(b" \t\r").decode("utf-8", "surrogateescape")
    return fields


def _find_length(code: int, head: bytes) -> int | None:
    """The size of the body; -1: it comes in chunks; None: the connection is not kept (RFC 9112, 6.3)."""
    if len(head) > KEPT_HEAD_BYTES or head.count(b"\n") > KEPT_LINES or not _WELL_FORMED.fullmatch(head):
        return None
    found: dict[bytes, list[bytes]] = {}
    for name, value in _FRAMING_FIELDS.findall(head):
        found.setdefault(name.lower(), []).append(value.strip(b" \t\r").lower())
    if code == 101 or any(b"close" in value for value in found.get(b"connection", ())):
        return None
    if code in _NO_BODY:
        return 0
    lengths, codings = found.get(b"content-length", []), found.get(b"transfer-encoding", [])
    if codings:
        return -1 if not lengths and codings == [b"chunked"] else None
    if len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        return None
    length = int(lengths[0])
    return length if length <= BODY_BYTES else None


def _is_no_chunk(text: bytes | bytearray) -> bool:
    """Whether what should be the line of a chunk can no longer become one."""
    return len(text) > FRAMING_BYTES or not b"\r\n".startswith(bytes(text[:2])) or b"\n" in text[2:]
