"""Tells the credentials of a species: a WSGI application, and a strict HTTP/1.1 server (RFC 9112) under it."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - before the imports, which an older Python does not have
    sys.exit("credentials.py needs Python 3.11 or later; this is Python {}.{}".format(*sys.version_info))

import argparse
import asyncio
import errno
import io
import os
import re
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes
from wsgiref.handlers import format_date_time
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import is_hop_by_hop

__version__ = "0.2.0"

# ---- table -----------------------------------------------------------------------------------------------------------
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
ALLOW = ("Allow", "GET, HEAD, OPTIONS")


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """`GET /?species=Time%20Lord` answers `{"credentials": "Rassilon"}`; anything but an exact name, `"Unknown"`."""
    method = environ["REQUEST_METHOD"]
    holder = "Unknown"
    headers = [("Content-Type", "application/json")]
    if environ.get("PATH_INFO", "") not in ("", "/"):
        status = "404 Not Found"
    elif method == "OPTIONS":
        start_response("204 No Content", [ALLOW])
        return [b""]  # not []: hypercorn sends the head of an answer with its first block
    elif method not in ("GET", "HEAD"):
        status = "405 Method Not Allowed"
        headers.append(ALLOW)
    else:
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        holder = CREDENTIALS.get(query.get("species", [""])[0], holder)  # the first species counts
        status = "404 Not Found" if holder == "Unknown" else "200 OK"
    body = b'{"credentials": "%b"}' % holder.encode()
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [b"" if method == "HEAD" else body]


app = application


# ---- limits ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Limits:
    """What one client may take of the server: sizes in bytes, times in seconds."""

    request_line_bytes: int = 8 * 1024
    fields_bytes: int = 16 * 1024
    fields: int = 100
    body_bytes: int = 1024 * 1024
    bodies: int = 64  # being received at once: they are held in memory
    connections: int = 4096
    spare_files: int = 48  # file descriptors beside those of connections: 503s over the limit, listeners, event loop
    read_bytes: int = 2 * 1024  # read from one connection before the next one is looked at
    unsent_bytes: int = 64 * 1024  # held by the kernel for a client that does not read
    log_bytes: int = 1024 * 1024  # held for a reader of the log that is slow; more is dropped
    head_s: float = 10.0  # from the first byte of a request to the end of its head
    keep_alive_s: float = 15.0  # between an answer and the next request
    body_idle_s: float = 10.0  # between two pieces of a body
    body_s: float = 120.0  # for a whole body
    send_s: float = 10.0  # for the client to read `unsent_bytes` of an answer
    linger_s: float = 2.0  # RFC 9112, 9.6: closed on unread bytes, the connection is reset and the last answer lost
    shutdown_s: float = 10.0  # for the requests in progress when the server stops
    sweep_s: float = 0.05  # between two looks at all deadlines
    pause_s: float = 0.5  # a longer pause of the process does not count as a delay of its clients


# ---- grammar and constants -------------------------------------------------------------------------------------------
WHOLE_LINES = re.compile(rb"(?:[\t -~\x80-\xff]++|\r\n)*+")  # RFC 9112, 2.2: no NUL, control, bare CR or bare LF
FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2: a token, so obs-fold is refused
FIELD_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # RFC 9110, 5.5
# RFC 3986, 3.2; in http it is never empty and has no user information (RFC 9110, 4.2).
AUTHORITY = r"(?:\[[0-9A-Fa-f:.]+\]|(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
# RFC 9112, 3: methods are in upper case; targets are of any visible ASCII but "#", as browsers send {|} and a lone %.
TARGET = rf"(\*|(?:(?i:http)://({AUTHORITY}))?(/[!\"$->@-~]*)?(?:\?([!\"$-~]*))?)"
REQUEST_LINE = re.compile(rf"([A-Z][A-Z-]*) {TARGET} (HTTP/([0-9])\.[0-9])")
HOST = re.compile(AUTHORITY)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*;[\t -~\x80-\xff]*)?\r\n")  # RFC 9112, 7.1
STATUS = re.compile(r"[1-9][0-9]{2} [\t -~]*")
SERVER_ENVIRON: WSGIEnvironment = {"SCRIPT_NAME": "", "wsgi.version": (1, 0), "wsgi.url_scheme": "http"}
SERVER_ENVIRON |= {"wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False}
FORGEABLE = re.compile(r"[^ !#-\[\]-~]")  # in a line of the log: all but visible ASCII, the quote and the backslash
format_date = lru_cache(maxsize=1)(format_date_time)  # the same for all answers of one second


# ---- parser ----------------------------------------------------------------------------------------------------------
class HTTPError(Exception):
    """(status, reason): a request breaks a rule, or (500) the application does."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # noqa: ARG002
        """Answers with the refusal, as a WSGI application."""
        status, reason = self.args
        retry = [("Retry-After", "1")] if status == HTTPStatus.SERVICE_UNAVAILABLE else []
        headers = [("Content-Type", "text/plain"), *retry]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers, sys.exc_info())
        return [f"{reason}\n".encode()]


def require(met: Any, status: int, reason: str) -> Any:
    """Gives `met` back. :raises HTTPError: it is false."""
    if not met:
        raise HTTPError(status, reason)
    return met


@lru_cache(maxsize=64)
def parse_head(head: bytes) -> WSGIEnvironment:
    """The part of the environ that a request line and its fields say. Cached: most clients repeat their head."""
    line, *field_lines = head[:-2].decode("latin-1").split("\r\n")
    match = require(REQUEST_LINE.fullmatch(line), 400, "a malformed request line")
    method, target, authority, path, query, protocol, major = match.groups()
    require(major == "1", 505, "this server speaks HTTP/1 only")
    require(path or authority or (method, target) == ("OPTIONS", "*"), 400, "a malformed request target")
    environ = parse_fields(field_lines)
    is_old = protocol == "HTTP/1.0"
    host = environ.get("HTTP_HOST")
    expectation = environ.get("HTTP_EXPECT", "100-continue")
    require(is_old if host is None else HOST.fullmatch(host), 400, "Host is missing or malformed")
    require(is_old or expectation.lower() == "100-continue", 417, "the only expectation known is 100-continue")
    require(re.fullmatch("[0-9]{1,19}", environ.get("CONTENT_LENGTH", "0")), 400, "a malformed Content-Length")
    if (coding := environ.get("HTTP_TRANSFER_ENCODING")) is not None:  # RFC 9112, 6.1: against request smuggling
        require(not is_old and "CONTENT_LENGTH" not in environ, 400, "a transfer coding with a length, or in HTTP/1.0")
        require(coding.lower() == "chunked", 501, "the only transfer coding known is chunked")
    if authority:
        environ["HTTP_HOST"] = authority  # RFC 9112, 3.2.2: it overrides the field
        path = path or "/"
    environ |= {"REQUEST_METHOD": method, "SERVER_PROTOCOL": protocol, "QUERY_STRING": query or ""}
    environ["PATH_INFO"] = unquote_to_bytes(path or "").decode("latin-1")
    return environ


def parse_fields(lines: Iterable[str]) -> WSGIEnvironment:
    """Field lines as keys of an environ; repeated fields are joined (RFC 9110, 5.3)."""
    fields: WSGIEnvironment = {}
    for line in lines:
        name, colon, value = line.partition(":")
        require(colon and FIELD_NAME.fullmatch(name) and FIELD_VALUE.fullmatch(value), 400, "a malformed field")
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"
        value = value.strip(" \t")
        if "_" not in name:  # as a key it would pass for a name with a hyphen
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields


class Parser:
    """Bytes go into `buffer`, requests come out of `requests`: None while it needs more, an `HTTPError` as the last."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self.buffer = bytearray()
        self.requests = self.parse()
        self.line = b""  # the last request line
        self.pending: WSGIEnvironment = {}  # a request whose body is not whole yet

    def parse(self) -> Generator[WSGIEnvironment | None, None, None]:
        """Gives the environ of each request once its body is whole, and None until then."""
        while True:
            self.pending = environ = yield from self.take_head()
            if environ.pop("HTTP_TRANSFER_ENCODING", None):
                body = yield from self.take_chunks()
                environ["CONTENT_LENGTH"] = str(len(body))
            else:
                size = int(environ.get("CONTENT_LENGTH", 0))
                require(size <= self.limits.body_bytes, 413, "the body is too large")
                body = yield from self.take(size)
            environ["wsgi.input"] = io.BytesIO(body)
            self.pending = {}
            yield environ

    def take_head(self) -> Generator[None, None, WSGIEnvironment]:
        """Takes a head; refuses a wrong one before it is whole."""
        while True:
            start = 2 if self.buffer.startswith(b"\r\n") else 0  # RFC 9112, 2.2: one empty line before it is skipped
            end = self.buffer.find(b"\r\n\r\n", start)
            head = bytes(self.buffer[start : end + 2 if end >= 0 else None])
            self.line, crlf, fields = head.partition(b"\r\n")
            require(self.line or not crlf, 400, "an empty request line")
            require(len(self.line) <= self.limits.request_line_bytes, 414, "the request line is too long")
            require(len(fields) <= self.limits.fields_bytes, 431, "the fields are too large")
            require(fields.count(b"\r\n") <= self.limits.fields, 431, "too many fields")
            require(WHOLE_LINES.fullmatch(head.removesuffix(b"\r")), 400, "a control character, CR or LF")
            if end >= 0:
                del self.buffer[: end + 4]
                return parse_head(head).copy()
            yield

    def take_chunks(self) -> Generator[None, None, bytes]:
        """Takes a chunked body (RFC 9112, 7.1). Extensions and trailers are checked, bounded and thrown away."""
        body = bytearray()
        room = self.limits.fields_bytes
        size = -1
        while size != 0:
            line = yield from self.take_line(room + 16)
            match = require(CHUNK_LINE.fullmatch(line), 400, "a malformed chunk")
            size = int(match[1], 16)
            room -= len(match[2] or b"")
            require(len(body) + size <= self.limits.body_bytes, 413, "the body is too large")
            if size > 0:
                chunk = yield from self.take(size + 2)
                require(chunk.endswith(b"\r\n"), 400, "a chunk is not of its size")
                body += chunk[:-2]
        line = yield from self.take_line(room)
        while line != b"\r\n":
            parse_fields([line.removesuffix(b"\r\n").decode("latin-1")])
            room -= len(line)
            line = yield from self.take_line(room)
        return bytes(body)

    def take_line(self, limit: int) -> Generator[None, None, bytes]:
        """Takes a line with its CRLF, before which there are at most `limit` bytes."""
        while self.buffer.find(b"\n", 0, limit + 2) < 0:
            require(len(self.buffer) < limit + 2, 431, "chunk extensions or trailer fields are too large")
            yield
        return (yield from self.take(self.buffer.index(b"\n") + 1))

    def take(self, size: int) -> Generator[None, None, bytes]:
        """Takes `size` bytes."""
        while len(self.buffer) < size:
            yield
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken


# ---- response --------------------------------------------------------------------------------------------------------
@dataclass
class Response:
    """The answer to one request, framed as its version allows (PEP 3333; RFC 9112, 6.3). `send` takes the bytes."""

    environ: WSGIEnvironment
    send: Callable[[bytes], object]
    keep_alive: bool  # whether the connection can serve another request after it
    status: str = ""
    fields: str = ""
    length: int | None = None  # of the body; None while it is not known
    body_bytes: int = 0
    begun: bool = False
    chunked: bool = False
    bodyless: bool = False

    def run(self, wsgi_application: WSGIApplication) -> None:
        """Sends the answer of the application block by block. An exception is logged, and 500 if nothing is sent."""
        try:
            result: Any = wsgi_application(self.environ, self.start_response)
            with closing(result) if hasattr(result, "close") else nullcontext():
                whole = sum(map(len, result)) if isinstance(result, list) else None
                for block in result:
                    self.write(block, whole)
                require(self.bodyless or self.length in (None, self.body_bytes), 500, "the body is short of its length")
                if self.chunked or not self.begun:
                    self.write(b"", 0, last=True)
        except Exception:
            traceback.print_exc(file=self.environ["wsgi.errors"])
            self.keep_alive = False  # if the head is sent already, only the end of the connection tells that it failed
            if not self.begun:
                self.run(HTTPError(500, "Internal Server Error"))

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        """As PEP 3333 has it. No CR or LF passes, and no header that only the server may send."""
        if exc_info and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        require(exc_info or not self.status, 500, "start_response again, without exc_info")
        require(STATUS.fullmatch(status), 500, "a malformed status")
        self.status = status
        self.fields = f"Date: {format_date(int(time.time()))}\r\n"
        self.length, self.body_bytes = None, 0
        self.bodyless = status[0] == "1" or status[:3] in ("204", "304") or self.environ["REQUEST_METHOD"] == "HEAD"
        for name, value in headers:
            require(FIELD_NAME.fullmatch(name) and FIELD_VALUE.fullmatch(value) and not is_hop_by_hop(name), 500, name)
            if name.lower() == "content-length":
                self.length = int(value)
            elif name.lower() != "date":
                self.fields += f"{name}: {value}\r\n"
        return self.write

    def write(self, block: bytes, whole: int | None = None, *, last: bool = False) -> None:
        """Sends a block, and the head before the first. `whole`: length of all blocks, if known; `last`: the end."""
        require(isinstance(block, bytes), 500, "a block is bytes")
        if not block and not last:  # PEP 3333: not even the head is sent
            return
        body = b"" if self.bodyless else block
        self.body_bytes += len(body)
        require(self.length is None or self.body_bytes <= self.length, 500, "the body is over its length")
        head = b"" if self.begun else self.begin(whole)
        self.send(head + (b"%x\r\n%b\r\n" % (len(body), body) if self.chunked else body))  # the last chunk is empty

    def begin(self, whole: int | None) -> bytes:
        """The head, which says how the body ends."""
        require(self.status, 500, "start_response was never called")
        self.begun = True
        is_old = self.environ["SERVER_PROTOCOL"] == "HTTP/1.0"
        if self.length is None and not self.bodyless:
            self.length = whole
        has_end = self.bodyless or self.length is not None
        self.chunked = not has_end and not is_old
        self.keep_alive = self.keep_alive and (has_end or self.chunked) and self.status[0] != "1"
        if self.chunked:
            self.fields += "Transfer-Encoding: chunked\r\n"
        elif self.length is not None and self.status[0] != "1" and self.status[:3] != "204":  # RFC 9110, 8.6
            self.fields += f"Content-Length: {self.length}\r\n"
        if is_old or not self.keep_alive:
            self.fields += f"Connection: {'keep-alive' if self.keep_alive else 'close'}\r\n"
        return f"HTTP/1.1 {self.status}\r\n{self.fields}\r\n".encode("latin-1")


# ---- connection ------------------------------------------------------------------------------------------------------
class State(Enum):
    """What a connection waits for. The value names the limit of that time."""

    IDLE = "keep_alive_s"  # the first byte of a request
    HEAD = "head_s"  # the rest of a head
    BODY = "body_s"  # the rest of a body
    SENDING = "send_s"  # the client to read its answer
    CLOSING = "linger_s"  # the client to close, after the last answer


class Connection(asyncio.Protocol):
    """One client. The server looks at `deadline`: a timer for each request would cost more."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.parser = Parser(server.limits)
        self.state = State.IDLE
        self.unsent = 0
        self.begun = time.monotonic()  # the first byte of this request, or the end of the answer before it
        self.deadline = self.begun + server.limits.head_s

    def connection_made(self, transport: Any) -> None:
        """Notes both addresses; refuses a connection over the limit."""
        host, port, *_ = transport.get_extra_info("sockname")
        client, client_port, *_ = transport.get_extra_info("peername")
        self.environ = SERVER_ENVIRON | {"SERVER_NAME": host, "SERVER_PORT": str(port), "wsgi.errors": sys.stderr}
        self.environ |= {"REMOTE_ADDR": client, "REMOTE_PORT": str(client_port)}
        self.transport = transport
        transport.max_size = self.server.limits.read_bytes
        transport.set_write_buffer_limits(0)
        self.server.connections.add(self)
        if len(self.server.connections) > self.server.room:
            self.advance(HTTPError(503, "too many connections"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Makes room for another connection."""
        self.server.connections.discard(self)
        self.server.bodies.discard(self)

    def data_received(self, data: bytes) -> None:
        """Serves the bytes that have come; after the last answer they are thrown away."""
        if self.state is State.IDLE:
            self.begun = time.monotonic()
        if self.state is not State.CLOSING:
            self.parser.buffer += data
            self.advance()

    def eof_received(self) -> None:
        """Refuses a request that breaks off. The transport sends what it still has, and closes."""
        if self.state not in (State.IDLE, State.CLOSING):
            self.advance(HTTPError(400, "the request breaks off"))

    def resume_writing(self) -> None:
        """Goes on with a client that has read its answer."""
        self.unsent = 0
        self.begun = time.monotonic()
        if self.state is State.SENDING:
            self.state = State.IDLE
        self.transport.resume_reading()
        self.advance()

    def advance(self, refusal: HTTPError | None = None) -> None:
        """Answers the requests that are whole, or refuses the one that is not; then waits for what comes next."""
        limits = self.server.limits
        try:
            if refusal:
                raise refusal
            while self.state not in (State.SENDING, State.CLOSING):
                if (environ := next(self.parser.requests)) is None:
                    self.state = State.HEAD if self.parser.buffer else State.IDLE
                    break
                self.answer(environ, self.server.application)
            if (pending := self.parser.pending) and self not in self.server.bodies:
                require(len(self.server.bodies) < limits.bodies, 503, "too many bodies")
                self.server.bodies.add(self)
                if pending.pop("HTTP_EXPECT", None) and pending["SERVER_PROTOCOL"] != "HTTP/1.0":
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except HTTPError as refusal:  # it is not known where the next request begins
            method = self.parser.line.partition(b" ")[0].decode("latin-1")
            self.answer({"REQUEST_METHOD": method, "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_CONNECTION": "close"}, refusal)
        if self.parser.pending:
            self.state = State.BODY
        wait_s = max(getattr(limits, self.state.value), limits.send_s * self.unsent / limits.unsent_bytes)
        self.deadline = self.begun + wait_s
        if self.state is State.BODY:
            self.deadline = min(self.deadline, time.monotonic() + limits.body_idle_s)

    def answer(self, environ: WSGIEnvironment, wsgi_application: WSGIApplication) -> None:
        """Answers and logs one request."""
        environ |= self.environ
        options = [option.strip(" \t") for option in environ.get("HTTP_CONNECTION", "").lower().split(",")]
        persistent = environ["SERVER_PROTOCOL"] != "HTTP/1.0" or "keep-alive" in options  # RFC 9112, 9.3
        last = "close" in options or (self.server.stopping and not self.parser.buffer)
        response = Response(environ, self.transport.write, keep_alive=persistent and not last)
        response.run(wsgi_application)
        if self.server.log is not None:
            line = FORGEABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", self.parser.line.decode("latin-1"))
            answer = f"{response.status[:3]} {response.body_bytes} {(time.monotonic() - self.begun) * 1000:.1f}ms"
            self.server.log.write(f'{self.environ["REMOTE_ADDR"]} "{line}" {answer}\n')
        self.begun = time.monotonic()
        self.server.bodies.discard(self)
        self.unsent = self.transport.get_write_buffer_size()
        if not response.keep_alive or self.transport.is_closing():
            self.state = State.CLOSING
            self.parser = Parser(self.server.limits)  # frees what it holds
            with suppress(OSError):  # the client is gone
                self.transport.write_eof()
        elif self.unsent:
            self.state = State.SENDING
            self.transport.pause_reading()


# ---- server ----------------------------------------------------------------------------------------------------------
@dataclass(eq=False)
class Server:
    """Accepts connections, ends those past their deadline, and stops in order. `room` is how many it holds at once."""

    application: WSGIApplication  # called on the event loop: one that waits belongs under a server with threads
    limits: Limits = Limits()
    room: int = Limits.connections
    log: "Log | None" = None
    stopping: bool = False
    connections: set[Connection] = field(default_factory=set)
    bodies: set[Connection] = field(default_factory=set)  # the connections that are receiving one

    async def serve(self, listeners: list[socket.socket]) -> None:
        """Serves until `stopping`, then finishes the requests in progress."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.report)
        for listener in listeners:
            await loop.create_server(lambda: Connection(self), sock=listener)
            listener.listen(1024)  # again: asyncio has made it 100, which is also how many it accepts at once
        while not self.stopping:
            await self.sweep()
        for _ in range(20):  # turns of the loop, each of which accepts 100 of the 1024 that the kernel may hold
            await asyncio.sleep(0)
        for listener in listeners:
            loop.remove_reader(listener)
            listener.close()
        await self.sweep()  # in which the last ones accepted become connections
        for _ in range(round(self.limits.shutdown_s / self.limits.sweep_s)):
            if self.connections:
                await self.sweep()

    def report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Logs errors of the event loop, but not of accept: without descriptors, asyncio repeats them a hundredfold."""
        if not self.stopping and "socket" not in context:
            loop.default_exception_handler(context)

    async def sweep(self) -> None:
        """Ends the connections past their deadline, and sleeps until the next sweep is due."""
        begun = time.monotonic()
        for connection in list(self.connections):
            late = connection.deadline < begun
            idle = connection.state is State.IDLE
            if late and connection.state in (State.HEAD, State.BODY):
                connection.advance(HTTPError(408, "the request took too long"))
            elif late or (self.stopping and idle and begun - connection.begun > self.limits.sweep_s):
                connection.transport.abort()
        await asyncio.sleep(self.limits.sweep_s)
        held_s = time.monotonic() - begun - self.limits.sweep_s
        if held_s > self.limits.pause_s:  # the process was stopped, or the application held it: bytes wait to be read
            for connection in self.connections:
                connection.begun += held_s
                connection.deadline = max(connection.deadline + held_s, time.monotonic() + self.limits.pause_s)


class Log(io.TextIOBase):
    """A file descriptor that never blocks: a thread writes to it; lines that it has no room for are dropped."""

    def __init__(self, descriptor: int, limit_bytes: int = Limits.log_bytes) -> None:
        self.descriptor = descriptor
        self.limit_bytes = limit_bytes
        self.lines = bytearray()
        self.thread = threading.Thread(target=self.run, name="log", daemon=True)
        self.thread.start()

    def write(self, text: str) -> int:
        """Takes lines for the thread."""
        if len(self.lines) < self.limit_bytes:
            self.lines += text.encode("utf-8", "backslashreplace")
        return len(text)

    def run(self) -> None:
        """Writes what has come, every 50 ms: a write for each line would take a third of the speed."""
        while self.lines or not self.closed:
            time.sleep(0.05)
            batch = bytes(self.lines)
            with suppress(OSError):  # the reader is gone
                batch = batch[: os.write(self.descriptor, batch)] if batch else batch
            del self.lines[: len(batch)]

    def finish(self, wait_s: float = 1.0) -> None:
        """Ends the thread once all is written, and waits for it no longer than this."""
        self.close()
        self.thread.join(wait_s)


# ---- command line ----------------------------------------------------------------------------------------------------
def bind(host: str, port: int, unsent_bytes: int = Limits.unsent_bytes) -> list[socket.socket]:
    """Listens on each address of the host; for localhost on both loopbacks. :raises OSError: one cannot be used."""
    listeners: list[socket.socket] = []
    for name in ("127.0.0.1", "::1") if host == "localhost" else (host or None,):
        for family, _, _, _, address in socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE):
            try:
                listeners.append(socket.create_server((str(address[0]), port), family=family, backlog=1024))
            except OSError as error:
                if not listeners or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # no IPv6 here
                    raise
            port = listeners[0].getsockname()[1]  # port 0 is one port for all
            listeners[-1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, unsent_bytes)
    return listeners


def raise_file_limit(limits: Limits) -> int:
    """Raises the limit of file descriptors as far as needed and allowed; tells for how many connections they last."""
    import resource  # not on Windows, where only the application can be used

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(hard, limits.connections + limits.spare_files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(1, files - limits.spare_files)


def main(limits: Limits = Limits()) -> None:
    """Serves the application; SIGTERM and SIGINT end it."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None:  # closed: the connection of a client would take its number
            os.open(os.devnull, os.O_RDWR)
    parser = argparse.ArgumentParser(prog="credentials.py", description=(__doc__ or "").partition("\n")[0])
    host, port = os.environ.get("HOST") or "localhost", os.environ.get("PORT") or "8888"
    parser.add_argument("--host", default=host, help="name or address to listen on (default: HOST, localhost)")
    parser.add_argument("--port", default=port, type=int, help="port to listen on (default: PORT, 8888)")
    parser.add_argument("--quiet", action="store_true", help="do not log requests")
    parser.add_argument("--version", action="version", version=f"credentials.py {__version__}")
    options = parser.parse_args()
    if not 0 <= options.port < 65536:
        parser.error(f"there is no port {options.port}")
    try:
        listeners = bind(options.host or host, options.port, limits.unsent_bytes)
    except (OSError, UnicodeError) as error:
        parser.exit(1, f"credentials.py: cannot listen on {options.host} port {options.port}: {error}\n")
    log = None if options.quiet else Log(1, limits.log_bytes)
    sys.stderr = errors = Log(2, limits.log_bytes)
    server = Server(application, limits, raise_file_limit(limits), log)

    def stop(*_: object) -> None:
        server.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for listener in listeners:
        errors.write("credentials.py: listening on {} port {}\n".format(*listener.getsockname()))
    asyncio.run(server.serve(listeners))
    for stream in filter(None, (log, errors)):
        stream.finish()


if __name__ == "__main__":
    main()
