"""Who holds the credentials of a species: a WSGI application, and a strict HTTP/1.1 server under it.

From top to bottom: answer (`application`, for this or any other WSGI server), parse (bytes in, requests out, no
I/O), respond (PEP 3333), serve (connections and their deadlines), main. The RFC stands beside each rule.
The application is called on the event loop itself, the fastest way to run one that only looks into a table. One that
waits, for a disk or a network, would hold up every client, and one that yields without end would fill the memory: they
belong under a server with threads.
"""

import argparse
import asyncio
import errno
import io
import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import is_hop_by_hop

# ---- answer ----------------------------------------------------------------------------------------------------------

CREDENTIALS = {
    "Cyberman": "John Lumic",
    "Dalek": "Davros",
    "Judoon": "Shadow Proclamation Convention 15 Enforcer",
    "Human": "Leonardo da Vinci",
    "Ood": "Klineman Halpen",
    "Silence": "Tasha Lem",
    "Slitheen": "Coca-Cola salesman",
    "Sontaran": "General Staal",
    "Time Lord": "Rassilon",
    "Weeping Angel": "The Division Representative",
    "Zygon": "Broton",
}


@lru_cache(maxsize=64)
def find_species(query: str) -> str:
    """The first species of a query. `+` is a space; bytes that are not UTF-8 become U+FFFD, which is in no name."""
    return parse_qs(query, keep_blank_values=True, errors="replace").get("species", [""])[0]


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """`GET /?species=Time%20Lord` answers `{"credentials": "Rassilon"}`; anything but an exact name, `"Unknown"`."""
    method, species, headers = environ["REQUEST_METHOD"], "", [("Content-Type", "application/json")]
    status, allow = "404 Not Found", ("Allow", "GET, HEAD, OPTIONS")
    if environ.get("PATH_INFO", "") in ("", "/"):
        if method == "OPTIONS":
            start_response("204 No Content", [allow])
            return []
        if method in ("GET", "HEAD"):
            species = find_species(environ.get("QUERY_STRING", ""))
        else:
            status, headers = "405 Method Not Allowed", [*headers, allow]
    body = b'{"credentials": "%b"}' % CREDENTIALS.get(species, "Unknown").encode()
    headers.append(("Content-Length", str(len(body))))
    start_response("200 OK" if species in CREDENTIALS else status, headers)
    return [] if method == "HEAD" else [body]


app = application

# ---- parse -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Limits:
    """What one client may send, how long it may take, and how many of them there may be."""

    request_line_bytes: int = 8 * 1024
    fields_bytes: int = 16 * 1024
    fields: int = 100
    body_bytes: int = 1024 * 1024
    bodies: int = 64  # on their way at once: they are held in memory
    connections: int = 4096
    head_s: float = 10  # a whole head, from its first byte
    body_idle_s: float = 10  # between two pieces of a body
    body_s: float = 120  # a whole request, or its body could drip for a week
    keep_alive_s: float = 15
    send_s: float = 10  # without reading, once behind with the answers
    linger_s: float = 2  # to take note of the last answer
    shutdown_s: float = 10
    sweep_s: float = 0.25  # how often deadlines are looked at


class HTTPError(Exception):
    """A status and a reason: what a client sent breaks a rule, or (500) what an application gave."""


def require(met: object, status: int, reason: str) -> None:
    """States a rule, and the status of what breaks it."""
    if not met:
        raise HTTPError(status, reason)


FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2: a token
FIELD_TEXT = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])  # 5.5: HTAB, SP, VCHAR, obs-text
# RFC 3986, 3.2; for http never empty and without user information (RFC 9110, 4.2).
AUTHORITY = r"(?:\[[0-9A-Fa-f:.]+\]|(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
# RFC 9112, 3. Methods are case-sensitive, and every registered one is in upper case. The target, "*" or a path or
# a URL, is of any visible ASCII but "#", as browsers send {|} and a lone % unencoded.
TARGET = rf"(\*|(?:(?i:http)://({AUTHORITY}))?(/[!\"$->@-~]*)?(?:\?([!\"$-~]*))?)"
REQUEST_LINE = re.compile(rf"([A-Z][A-Z-]*) {TARGET} (HTTP/([0-9])\.[0-9])")
HOST, LENGTH = re.compile(AUTHORITY), re.compile(r"[0-9]{1,19}")
CHUNK_LINE = re.compile(r"([0-9A-Fa-f]{1,16})([ \t]*;.*)?")  # 7.1


def check_text(raw: bytes) -> None:
    """Field text and whole CRLFs: no NUL, no control, no bare CR (RFC 9112, 2.2), and no bare LF either."""
    require(len(raw.translate(None, FIELD_TEXT)) == 2 * raw.count(b"\r\n"), 400, "a control character, CR or LF")


def check_head(head: bytes, limits: Limits) -> None:
    """What can be said of a head before it is complete: who speaks something else is told at once."""
    line, _, fields = head.partition(b"\r\n")
    require(len(line) <= limits.request_line_bytes, 414, "the request line is too long")
    require(len(fields) <= limits.fields_bytes, 431, "the fields are too large")
    require(fields.count(b"\r\n") <= limits.fields, 431, "too many fields")
    check_text(head)


@lru_cache(maxsize=256)
def field_key(name: str) -> str:
    """The environ's key for a field name; "" where it has an underscore, which would pass for a hyphen there."""
    require(FIELD_NAME.fullmatch(name), 400, "a malformed field name")  # obs-fold, a space before the colon
    key = name.upper().replace("-", "_")
    return "" if "_" in name else key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"


def parse_fields(lines: Iterable[str]) -> WSGIEnvironment:
    """Field lines by environ key; repeated ones are joined (RFC 9110, 5.3), so a second Host or length is malformed."""
    fields: WSGIEnvironment = {}
    for line in lines:
        name, colon, value = line.partition(":")
        require(colon, 400, "a field without a colon")
        key, value = field_key(name), value.strip(" \t")
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    fields.pop("", None)
    return fields


@lru_cache(maxsize=64)
def parse_head(head: bytes, limits: Limits) -> WSGIEnvironment:
    """What of the environ a request line and its fields say. Cached: most clients send the same head again."""
    check_head(head, limits)
    line, *field_lines = head[:-2].decode("latin-1").split("\r\n")
    if (match := REQUEST_LINE.fullmatch(line)) is None:
        raise HTTPError(400, "a malformed request line")
    method, target, authority, path, query, protocol, major = match.groups()
    require(major == "1", 505, "only HTTP/1 is spoken here")
    require(path or authority or (method, target) == ("OPTIONS", "*"), 400, "a malformed request target")
    environ, old = parse_fields(field_lines), protocol == "HTTP/1.0"
    host, expect = environ.get("HTTP_HOST"), environ.get("HTTP_EXPECT", "100-continue")
    require(old if host is None else HOST.fullmatch(host), 400, "Host is missing or malformed")
    require(old or expect.lower() == "100-continue", 417, "the only expectation known is 100-continue")
    if authority:
        environ["HTTP_HOST"] = authority  # RFC 9112, 3.2.2: it overrides the field
    path = unquote_to_bytes(path or (authority and "/") or "").decode("latin-1")
    environ |= {"REQUEST_METHOD": method, "SERVER_PROTOCOL": protocol, "PATH_INFO": path, "QUERY_STRING": query or ""}
    return environ


class Parser:
    """Bytes into `buffer`, requests out of `requests`; what has been consumed has left the buffer.

    A request is what it says of the environ. None means that more bytes are needed; memory stays bounded if none
    are added before that. `HTTPError` is the last word.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.buffer, self.requests = limits, bytearray(), self._parse()
        self.line = b""  # the last request line, complete or not
        self.pending: WSGIEnvironment | None = None  # a request without its body

    @property
    def idle(self) -> bool:
        """Whether no request has begun."""
        return not self.buffer and self.pending is None

    def _parse(self) -> Generator[WSGIEnvironment | None, None, None]:
        while True:
            while not self.buffer or (environ := self._take_head()) is None:
                yield None
            self.pending = environ
            body = yield from self._take_body(environ)
            self.pending, environ["wsgi.input"] = None, io.BytesIO(body)
            yield environ

    def _take_head(self) -> WSGIEnvironment | None:
        start = 2 if self.buffer.startswith(b"\r\n") else 0  # RFC 9112, 2.2: an empty line before it is skipped
        end = self.buffer.find(b"\r\n\r\n", start)
        head = bytes(self.buffer[start : end + 2 if end >= 0 else None])
        self.line = head.partition(b"\r\n")[0]
        if end < 0 and not head.startswith(b"\r\n"):
            check_head(head.removesuffix(b"\r"), self.limits)
            return None
        environ = parse_head(head, self.limits).copy()
        del self.buffer[: end + 4]
        return environ

    def _take_body(self, environ: WSGIEnvironment) -> Generator[None, None, bytes]:
        """RFC 9112, 6.3."""
        length, coding = environ.get("CONTENT_LENGTH", "0"), environ.pop("HTTP_TRANSFER_ENCODING", None)
        if coding is not None:
            alone = "CONTENT_LENGTH" not in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0"
            require(alone, 400, "Transfer-Encoding with Content-Length, or in 1.0")
            require(coding.lower() == "chunked", 501, "the only transfer coding known is chunked")
            body = yield from self._take_chunks()
            environ["CONTENT_LENGTH"] = str(len(body))
            return body
        require(LENGTH.fullmatch(length), 400, "a malformed Content-Length")
        require(int(length) <= self.limits.body_bytes, 413, "the body is too large")
        while len(self.buffer) < int(length):
            yield
        body = bytes(self.buffer[: int(length)])
        del self.buffer[: len(body)]
        return body

    def _take_chunks(self) -> Generator[None, None, bytes]:
        """RFC 9112, 7.1. Extensions and trailer fields are checked, bounded and thrown away."""
        body, room = bytearray(), self.limits.fields_bytes
        while True:
            line = yield from self._take_line(room + 16)
            if (match := CHUNK_LINE.fullmatch(line)) is None:
                raise HTTPError(400, "a malformed chunk")
            size, room = int(match[1], 16), room - len(match[2] or "")
            require(len(body) + size <= self.limits.body_bytes, 413, "the body is too large")
            if size == 0:
                break
            while len(self.buffer) < size + 2:
                yield
            require(self.buffer[size : size + 2] == b"\r\n", 400, "a chunk is not of its size")
            body += self.buffer[:size]
            del self.buffer[: size + 2]
        while line := (yield from self._take_line(room)):
            parse_fields([line])
            room -= len(line) + 2
        return bytes(body)

    def _take_line(self, limit: int) -> Generator[None, None, str]:
        while (end := self.buffer.find(b"\n")) < 0 and len(self.buffer) <= limit + 1:
            yield
        require(0 <= end <= limit + 1, 431, "chunk extensions or trailer fields are too large")
        line = bytes(self.buffer[: end + 1])
        check_text(line)
        del self.buffer[: end + 1]
        return line[:-2].decode("latin-1")


# ---- respond ---------------------------------------------------------------------------------------------------------

STATUS, FIELD_VALUE = re.compile(r"[1-9][0-9]{2} [\t -~]*"), re.compile(r"[\t -~\x80-\xff]*")


@lru_cache(maxsize=64)
def field_line(name: str, value: str) -> bytes:
    """A response field as it is sent. No CR or LF passes, and nothing that is the server's to say."""
    well_formed = FIELD_NAME.fullmatch(name) and FIELD_VALUE.fullmatch(value)
    require(well_formed and not is_hop_by_hop(name), 500, "a field no application may send")
    return f"{name}: {value}\r\n".encode("latin-1")


@lru_cache(maxsize=1)
def date_line(second: int) -> bytes:
    """The Date field (RFC 9110, 6.6.1), made once a second."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()


class Response:
    """The answer to one request, framed as its version allows (PEP 3333; RFC 9112, 6.3); `send` takes the bytes."""

    def __init__(self, environ: WSGIEnvironment, send: Callable[[bytes], object], *, keep_alive: bool) -> None:
        self.environ, self.send, self.keep_alive = environ, send, keep_alive
        self.status, self.lines, self.length = "", list[bytes](), -1  # unknown
        self.head_sent = self.chunked = self.bodyless = False
        self.body_bytes = 0  # sent so far

    def run(self, wsgi_application: WSGIApplication) -> None:
        """Sends block by block. What the application raises is logged, and answered while it can be."""
        try:
            result = wsgi_application(self.environ, self.start_response)
            try:
                whole = sum(map(len, result)) if isinstance(result, list) else -1
                for block in result:
                    self.write(block, whole)
                self.end()
            finally:
                if hasattr(result, "close"):
                    result.close()
        except Exception:
            traceback.print_exc(file=self.environ["wsgi.errors"])
            self.keep_alive = False  # once the head is out, only this tells the client that something is missing
            if not self.head_sent:
                self.start_response("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
                self.write(b"Internal Server Error\n", 22)

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        """As PEP 3333 has it; the head is checked now and sent with the first block."""
        if exc_info and self.head_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        require(exc_info or not self.status, 500, "start_response again, without exc_info")
        require(STATUS.fullmatch(status), 500, "a malformed status")
        self.status, self.lines, self.length = status, [], -1
        for name, value in headers:
            line = field_line(name, value)
            if name.lower() == "content-length":
                self.length = int(value)
            elif name.lower() != "date":
                self.lines.append(line)
        return self.write

    def write(self, block: bytes, whole: int = -1) -> None:
        """Sends a block, with the head if it is the first; an empty one waits, as PEP 3333 asks."""
        require(isinstance(block, bytes), 500, "a block is bytes")
        if block:
            head = b"" if self.head_sent else self.frame(whole)
            block = b"" if self.bodyless else block
            sent = self.body_bytes + len(block)
            require(self.bodyless or self.length < 0 or sent <= self.length, 500, "the body is over its length")
            self.head_sent, self.body_bytes = True, sent
            self.send(head + (b"%x\r\n%b\r\n" % (len(block), block) if self.chunked else block))

    def end(self) -> None:
        """Sends what is due after the last block."""
        require(self.status, 500, "start_response was never called")
        last = b"" if self.head_sent else self.frame(0)
        require(self.bodyless or self.length in (-1, self.body_bytes), 500, "the body is short of its length")
        self.head_sent = True
        self.send(last + (b"0\r\n\r\n" if self.chunked else b""))

    def frame(self, whole: int) -> bytes:
        """The head, and with it how the body ends."""
        code, old = int(self.status[:3]), self.environ["SERVER_PROTOCOL"] == "HTTP/1.0"
        lines = [f"HTTP/1.1 {self.status}\r\n".encode("latin-1"), date_line(int(time.time())), *self.lines]
        self.bodyless = code < 200 or code in (204, 304) or self.environ["REQUEST_METHOD"] == "HEAD"
        if self.length < 0 and not self.bodyless:
            self.length = whole
        self.chunked = self.length < 0 and not (self.bodyless or old)
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        elif self.length >= 0 and code >= 200 and code != 204:  # RFC 9110, 8.6
            lines.append(b"Content-Length: %d\r\n" % self.length)
        self.keep_alive &= code >= 200 and (self.chunked or self.bodyless or self.length >= 0)
        if old or not self.keep_alive:
            lines.append(b"Connection: %b\r\n" % (b"keep-alive" if self.keep_alive else b"close"))
        return b"".join(lines) + b"\r\n"


# ---- serve -----------------------------------------------------------------------------------------------------------

TURN = 8  # requests of one client before the others have their turn: a pipeline of thousands delays nobody
FORGEABLE = re.compile(r"[^ !#-\[\]-~]")  # in a log: all but visible ASCII, the quote and the backslash


class Connection(asyncio.BufferedProtocol):
    """One client. Its deadline is a number that the server looks at: a timer for each request would cost more."""

    transport: asyncio.Transport

    def __init__(self, server: "Server") -> None:
        self.server, self.limits, self.now = server, server.limits, server.loop.time
        self.parser, self.closing, self.unsent = Parser(self.limits), False, 0
        self.begun = self.now()
        self.deadline = self.begun + self.limits.head_s

    def connection_made(self, transport: Any) -> None:
        """Says who is at both ends, and to one too many that it is. Nothing of our own environment is in an environ."""
        ends = [transport.get_extra_info(end) or ("-", 0) for end in ("sockname", "peername")]  # none: gone again
        (host, port, *_), (peer, peer_port, *_) = ends
        self.environ: WSGIEnvironment = {"SERVER_NAME": host, "SERVER_PORT": str(port), "SCRIPT_NAME": ""}
        self.environ |= {"REMOTE_ADDR": peer, "REMOTE_PORT": str(peer_port), "wsgi.errors": sys.stderr}
        self.environ |= {"wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.run_once": False}
        self.environ |= {"wsgi.multithread": False, "wsgi.multiprocess": False}
        self.transport = transport
        self.server.connections.add(self)
        if len(self.server.connections) > self.limits.connections:
            self.refuse(503, "too many connections")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Makes room for another."""
        self.server.connections.discard(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """One buffer serves all clients, as it is emptied at once."""
        return self.server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Serves what has come. After the last answer it is only read, so that it does not reset the connection."""
        if self.closing:
            return
        if self.parser.idle:
            self.begun = self.now()
            self.deadline = self.begun + self.limits.head_s
        self.parser.buffer += self.server.buffer[:nbytes]
        self.advance()

    def eof_received(self) -> None:
        """What has begun cannot become whole. The transport sends what it still has, and closes."""
        if not self.closing and not self.parser.idle:
            self.refuse(400, "the request breaks off")
        elif not self.closing:
            self.linger()

    def pause_writing(self) -> None:
        """Waits for a client that does not read: it gets no more answers, and is not read from."""
        self.unsent, self.deadline = self.transport.get_write_buffer_size(), self.now() + self.limits.send_s
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Goes on with it, if there is more to say."""
        if not self.closing:
            self.unsent, self.deadline = 0, self.now() + self.limits.head_s
            self.server.loop.call_soon(self.advance)

    def advance(self) -> None:
        """Answers the requests that have come, a turn of them at a time."""
        for _ in range(TURN):
            if self.closing or self.unsent or self.transport.is_closing():
                return
            try:
                environ = next(self.parser.requests)
            except HTTPError as error:
                self.refuse(*error.args)
                return
            if environ is None:
                self.wait()
                return
            self.answer(environ)
        self.transport.pause_reading()
        if not self.unsent:
            self.server.loop.call_soon(self.advance)

    def wait(self) -> None:
        """Waits for more bytes; for a body as long as they keep coming, but not for ever."""
        self.transport.resume_reading()
        if (pending := self.parser.pending) is not None:
            self.deadline = min(self.now() + self.limits.body_idle_s, self.begun + self.limits.body_s)
            if sum(other.parser.pending is not None for other in self.server.connections) > self.limits.bodies:
                self.refuse(503, "too many bodies at once")
            elif pending.pop("HTTP_EXPECT", None) and pending["SERVER_PROTOCOL"] != "HTTP/1.0":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer(self, environ: WSGIEnvironment) -> None:
        """Puts a request before the application."""
        self.begun = self.now()
        environ |= self.environ
        options = [option.strip(" \t") for option in environ.get("HTTP_CONNECTION", "").lower().split(",")]
        lasting = "keep-alive" in options or environ["SERVER_PROTOCOL"] != "HTTP/1.0"  # RFC 9112, 9.3
        last = "close" in options or (self.server.stopping and self.parser.idle)
        response = Response(environ, self.transport.write, keep_alive=lasting and not last)
        response.run(self.server.application)
        self.finish(response)

    def refuse(self, status: int, reason: str) -> None:
        """Says why not, and ends the connection: where the next request would begin is not known."""
        method = self.parser.line.partition(b" ")[0].decode("latin-1")
        environ = {"REQUEST_METHOD": method, "SERVER_PROTOCOL": "HTTP/1.1"}
        response = Response(environ, self.transport.write, keep_alive=False)
        headers = [("Content-Type", "text/plain"), *([("Retry-After", "1")] if status == 503 else [])]
        response.start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        response.write(f"{reason}\n".encode(), len(reason) + 1)
        self.finish(response)

    def finish(self, response: Response) -> None:
        """Logs an answer that is on its way; then comes the next request, or the end."""
        now, parser = self.now(), self.parser
        if self.server.log:
            line = FORGEABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", parser.line.decode("latin-1"))
            answer, taken_ms = f"{response.status[:3]} {response.body_bytes}", (now - self.begun) * 1000
            self.server.note(f'{self.environ["REMOTE_ADDR"]} "{line}" {answer} {taken_ms:.1f}ms\n')
        self.begun, self.deadline = now, now + (self.limits.keep_alive_s if parser.idle else self.limits.head_s)
        if not response.keep_alive:
            self.linger()

    def linger(self) -> None:
        """Says no more. Closing on unread bytes could destroy the last answer on its way (RFC 9112, 9.6)."""
        self.closing, self.unsent = True, self.transport.get_write_buffer_size()
        self.deadline = self.now() + (self.limits.send_s if self.unsent else self.limits.linger_s)
        self.parser = Parser(self.limits)  # forgets what it holds
        self.transport.resume_reading()
        with suppress(OSError):  # the client has gone
            self.transport.write_eof()


class Server:
    """Lets connections in, ends those that are overdue, and stops."""

    def __init__(self, application: WSGIApplication, limits: Limits, log: Callable[[str], object] | None) -> None:
        self.application, self.limits, self.log, self.stopping = application, limits, log, False
        self.connections: set[Connection] = set()
        self.arriving: set[asyncio.Task[Any]] = set()
        self.lines: list[str] = []
        self.buffer = memoryview(bytearray(16 * 1024))

    async def serve(self, listeners: list[socket.socket], stop: asyncio.Event) -> None:
        """Serves until `stop`, then finishes what is in flight."""
        self.loop = asyncio.get_running_loop()
        for listener in listeners:
            listener.settimeout(0)
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # or the kernel keeps megabytes for who never reads
                listener.setsockopt(socket.SOL_SOCKET, option, 64 * 1024)
        while not stop.is_set():
            for listener in listeners:
                self.loop.add_reader(listener, self.accept, listener)
            self.sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.limits.sweep_s)
        self.stopping, end = True, self.loop.time() + self.limits.shutdown_s
        for listener in listeners:
            self.accept(listener)  # whom the kernel has already let in
            self.loop.remove_reader(listener)
            listener.close()
        while (self.connections or self.arriving) and self.loop.time() < end:
            await asyncio.sleep(0.02)
            self.sweep()
        for connection in self.connections:
            connection.transport.abort()
        await asyncio.sleep(0)

    def accept(self, listener: socket.socket) -> None:
        """Lets in who waits. asyncio's own way, out of descriptors, reports and re-arms itself a hundred times."""
        for _ in range(self.limits.connections if self.stopping else TURN):
            try:
                client, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor, no memory: the next sweep tries again, no busy loop does
                self.loop.remove_reader(listener)
                return
            client.settimeout(0)
            task = self.loop.create_task(self.loop.connect_accepted_socket(lambda: Connection(self), client))
            self.arriving.add(task)
            task.add_done_callback(self.arriving.discard)

    def note(self, line: str) -> None:
        """Logs a line, with the others of this turn of the loop: a write for each takes a sixth of the speed."""
        if not self.lines:
            self.loop.call_soon(self.flush)
        self.lines.append(line)

    def flush(self) -> None:
        """Writes the noted lines."""
        if self.log:
            self.log("".join(self.lines))
        self.lines.clear()

    def sweep(self) -> None:
        """Ends what is overdue, and when stopping what has been idle since the last sweep."""
        now = self.loop.time()
        for connection in list(self.connections):
            unsent, idle_s = connection.transport.get_write_buffer_size(), now - connection.begun
            if connection.deadline >= now:
                if self.stopping and connection.parser.idle and idle_s > self.limits.sweep_s and not connection.closing:
                    connection.transport.close()
            elif unsent < connection.unsent:  # slow, but it reads
                connection.unsent, connection.deadline = unsent, now + self.limits.send_s
            elif connection.unsent or connection.parser.idle:
                connection.transport.abort()
            else:
                connection.refuse(408, "the request took too long")


# ---- main ------------------------------------------------------------------------------------------------------------


def bind(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address of the host; localhost is both loopbacks, whatever a hosts file says."""
    listeners: list[socket.socket] = []
    for name in ("127.0.0.1", "::1") if host == "localhost" else (host or None,):
        for family, _, _, _, address in socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE):
            try:
                listeners.append(socket.create_server((str(address[0]), port), family=family, backlog=1024))
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # a machine without IPv6
                    raise
            else:
                port = listeners[-1].getsockname()[1]  # port 0 is one port for all
    if not listeners:
        raise OSError(errno.EADDRNOTAVAIL, "no such address here")
    return listeners


def count_connections(wanted: int) -> int:
    """How many connections there can be, up to those wanted: the system is asked for their descriptors."""
    with suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = 48  # for those that are told 503, and for what is not a connection
        files = wanted + spare if hard < 0 else min(hard, wanted + spare)
        if 0 <= soft < files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        return max(files - spare, 1)
    return wanted


def write_log(lines: str) -> None:
    """Lines to standard output; a reader that has gone stops nothing."""
    with suppress(OSError):
        os.write(1, lines.encode())


async def run(server: Server, listeners: list[socket.socket]) -> None:
    """Serves until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    for listener in listeners:
        print("credentials.py: listening on {} port {}".format(*listener.getsockname()), file=sys.stderr)
    await server.serve(listeners, stop)


def main() -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(prog="credentials.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--host",
        default=os.environ.get("HOST") or "localhost",
        help="where to listen (HOST, or localhost: both loopbacks)",
    )
    parser.add_argument("--port", default=os.environ.get("PORT") or "8888", type=int, help="(PORT, or 8888)")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    options = parser.parse_args()
    if not 0 <= options.port < 65536:
        parser.error(f"there is no port {options.port}")
    try:
        listeners = bind(options.host, options.port)
    except (OSError, UnicodeError) as error:
        parser.exit(1, f"credentials.py: cannot listen on {options.host} port {options.port}: {error}\n")
    log = None if options.quiet or sys.stdout is None else write_log
    server = Server(application, Limits(connections=count_connections(Limits.connections)), log)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(run(server, listeners))
    return 0


if __name__ == "__main__":
    sys.exit(main())
