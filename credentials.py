"""Who holds the credentials of a species: a WSGI application, and a strict HTTP/1.1 server under it.

From top to bottom: answer, parse (bytes in, requests out, no I/O), respond (PEP 3333), serve, main. The application is
called on the event loop: one that waits, or yields without end, belongs under a server with threads.
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
from contextlib import closing, nullcontext, suppress
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes
from wsgiref.handlers import format_date_time
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


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """`GET /?species=Time%20Lord` answers `{"credentials": "Rassilon"}`; anything but an exact name, `"Unknown"`."""
    method, status, holder, headers = environ["REQUEST_METHOD"], "404 Not Found", "Unknown", list[tuple[str, str]]()
    if environ.get("PATH_INFO", "") in ("", "/"):
        if method in ("GET", "HEAD"):
            # The first species counts. Bytes that are not UTF-8 become U+FFFD, which is in no name.
            query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True, errors="replace")
            if (species := query.get("species", [""])[0]) in CREDENTIALS:
                status, holder = "200 OK", CREDENTIALS[species]
        else:
            status, headers = "405 Method Not Allowed", [("Allow", "GET, HEAD, OPTIONS")]
            if method == "OPTIONS":
                start_response("204 No Content", headers)
                return []
    body = b'{"credentials": "%b"}' % holder.encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers])
    return [] if method == "HEAD" else [body]


app = application

# ---- parse -----------------------------------------------------------------------------------------------------------

REQUEST_LINE_BYTES, FIELDS_BYTES, FIELDS, BODY_BYTES = 8 * 1024, 16 * 1024, 100, 1024 * 1024
TEXT = re.compile(rb"(?:[\t -~\x80-\xff]++|\r\n)*+")  # RFC 9112, 2.2: whole lines; no NUL, control, bare CR or LF
FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2: a token, so there is no obs-fold
STATUS, FIELD_VALUE = re.compile(r"[1-9][0-9]{2} [\t -~]*"), re.compile(r"[\t -~\x80-\xff]*")  # RFC 9110, 5.5
# RFC 3986, 3.2; for http never empty and without user information (RFC 9110, 4.2).
AUTHORITY = r"(?:\[[0-9A-Fa-f:.]+\]|(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
# RFC 9112, 3: methods are in upper case; targets are of any visible ASCII but "#", as browsers send {|} and a lone %.
TARGET = rf"(\*|(?:(?i:http)://({AUTHORITY}))?(/[!\"$->@-~]*)?(?:\?([!\"$-~]*))?)"
REQUEST_LINE = re.compile(rf"([A-Z][A-Z-]*) {TARGET} (HTTP/([0-9])\.[0-9])")
HOST, LENGTH = re.compile(AUTHORITY), re.compile(r"[0-9]{1,19}")
CHUNK_LINE = re.compile(r"([0-9A-Fa-f]{1,16})([ \t]*;[\t -~\x80-\xff]*)?\r\n")  # RFC 9112, 7.1


class HTTPError(Exception):
    """A status and a reason: what a client sent breaks a rule, or (500) what an application gave."""


def require(met: Any, status: int, reason: str) -> Any:
    """States a rule, and the status of what breaks it; what meets it is given back."""
    if not met:
        raise HTTPError(status, reason)
    return met


def parse_fields(lines: Iterable[str]) -> WSGIEnvironment:
    """Field lines by environ key; repeated ones are joined (RFC 9110, 5.3), so a second Host or length is malformed."""
    fields: WSGIEnvironment = {}
    for line in lines:
        name, colon, value = line.partition(":")
        require(colon and FIELD_NAME.fullmatch(name) and FIELD_VALUE.fullmatch(value), 400, "a malformed field")
        key, value = name.upper().replace("-", "_"), value.strip(" \t")
        key = key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"
        if "_" not in name:  # it would pass for a hyphen
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields


@lru_cache(maxsize=64)
def parse_head(head: bytes) -> WSGIEnvironment:
    """What of the environ a request line and its fields say. Cached: most clients send the same head again."""
    line, *field_lines = head[:-2].decode("latin-1").split("\r\n")
    match = require(REQUEST_LINE.fullmatch(line), 400, "a malformed request line")
    method, target, authority, path, query, protocol, major = match.groups()
    require(major == "1", 505, "only HTTP/1 is spoken here")
    require(path or authority or (method, target) == ("OPTIONS", "*"), 400, "a malformed request target")
    environ, old = parse_fields(field_lines), protocol == "HTTP/1.0"
    host, expect = environ.get("HTTP_HOST"), environ.get("HTTP_EXPECT", "100-continue")
    require(old if host is None else HOST.fullmatch(host), 400, "Host is missing or malformed")
    require(old or expect.lower() == "100-continue", 417, "the only expectation known is 100-continue")
    length, coding = environ.get("CONTENT_LENGTH", "0"), environ.get("HTTP_TRANSFER_ENCODING")
    require(coding is None or not (old or "CONTENT_LENGTH" in environ), 400, "a coding with a length, or in 1.0")
    require(coding is None or coding.lower() == "chunked", 501, "the only transfer coding known is chunked")
    require(LENGTH.fullmatch(length), 400, "a malformed Content-Length")
    require(int(length) <= BODY_BYTES, 413, "the body is too large")
    environ |= {"HTTP_HOST": authority} if authority else {}  # RFC 9112, 3.2.2: it overrides the field
    path = unquote_to_bytes(path or (authority and "/") or "").decode("latin-1")
    environ |= {"REQUEST_METHOD": method, "SERVER_PROTOCOL": protocol, "PATH_INFO": path, "QUERY_STRING": query or ""}
    return environ


class Parser:
    """Bytes into `buffer`, requests out of `requests`: None while it needs more bytes, `HTTPError` as the last word."""

    def __init__(self) -> None:
        self.buffer, self.requests = bytearray(), self._parse()
        self.line, self.pending = b"", dict[str, Any]()  # the last request line; a request without its body

    def _parse(self) -> Generator[WSGIEnvironment | None, None, None]:
        while True:
            self.pending = environ = yield from self._take_head()
            if environ.pop("HTTP_TRANSFER_ENCODING", None):
                body = yield from self._take_chunks()
                environ["CONTENT_LENGTH"] = str(len(body))
            else:
                body = yield from self._take(int(environ.get("CONTENT_LENGTH", 0)))
            self.pending, environ["wsgi.input"] = {}, io.BytesIO(body)
            yield environ

    def _take_head(self) -> Generator[None, None, WSGIEnvironment]:
        while True:
            start = 2 if self.buffer.startswith(b"\r\n") else 0  # RFC 9112, 2.2: one empty line before it is skipped
            end = self.buffer.find(b"\r\n\r\n", start)
            head = bytes(self.buffer[start : end + 2 if end >= 0 else None])
            self.line, crlf, fields = head.partition(b"\r\n")
            require(self.line or not crlf, 400, "an empty request line")
            require(len(self.line) <= REQUEST_LINE_BYTES, 414, "the request line is too long")
            require(len(fields) <= FIELDS_BYTES, 431, "the fields are too large")
            require(fields.count(b"\r\n") <= FIELDS, 431, "too many fields")
            require(TEXT.fullmatch(head.removesuffix(b"\r")), 400, "a control character, CR or LF")
            if end >= 0:
                del self.buffer[: end + 4]
                return parse_head(head).copy()
            yield  # who speaks something else has been told at once

    def _take_chunks(self) -> Generator[None, None, bytes]:
        """RFC 9112, 7.1. Extensions and trailer fields are checked, bounded and thrown away."""
        body, room, size = bytearray(), FIELDS_BYTES, -1
        while size:
            line = yield from self._take_line(room + 16)
            match = require(CHUNK_LINE.fullmatch(line), 400, "a malformed chunk")
            size, room = int(match[1], 16), room - len(match[2] or "")
            require(len(body) + size <= BODY_BYTES, 413, "the body is too large")
            if size:
                body += yield from self._take(size)
                require((yield from self._take(2)) == b"\r\n", 400, "a chunk is not of its size")
        while (line := (yield from self._take_line(room))) != "\r\n":
            parse_fields([line.removesuffix("\r\n")])
            room -= len(line)
        return bytes(body)

    def _take_line(self, limit: int) -> Generator[None, None, str]:
        while (end := self.buffer.find(b"\n")) < 0 and len(self.buffer) <= limit + 1:
            yield
        require(0 <= end <= limit + 1, 431, "chunk extensions or trailer fields are too large")
        return (yield from self._take(end + 1)).decode("latin-1")

    def _take(self, size: int) -> Generator[None, None, bytes]:
        while len(self.buffer) < size:
            yield
        taken, self.buffer = bytes(self.buffer[:size]), self.buffer[size:]
        return taken


# ---- respond ---------------------------------------------------------------------------------------------------------

format_date = lru_cache(maxsize=1)(format_date_time)  # made once a second


class Response:
    """The answer to one request, framed as its version allows (PEP 3333; RFC 9112, 6.3); `send` takes the bytes."""

    def __init__(self, environ: WSGIEnvironment, send: Callable[[bytes], object], *, keep_alive: bool) -> None:
        self.environ, self.send, self.keep_alive = environ, send, keep_alive
        self.status, self.fields, self.length, self.body_bytes = "", "", -1, 0  # a length of -1 is unknown
        self.begun = self.chunked = self.bodyless = False

    def run(self, wsgi_application: WSGIApplication) -> None:
        """Sends block by block. What the application raises is logged, and answered while it can be."""
        try:
            result: Any = wsgi_application(self.environ, self.start_response)
            with closing(result) if hasattr(result, "close") else nullcontext():
                whole = sum(map(len, result)) if isinstance(result, list) else -1
                for block in result:
                    self.write(block, whole)
                require(self.bodyless or self.length in (-1, self.body_bytes), 500, "the body is short of its length")
                self.send((b"" if self.begun else self._begin(0)) + (b"0\r\n\r\n" if self.chunked else b""))
        except Exception:
            traceback.print_exc(file=self.environ["wsgi.errors"])
            self.fail(500, "Internal Server Error")

    def fail(self, status: int, reason: str) -> None:
        """Says what is wrong. Once the head is out, only the end of the connection tells that something is missing."""
        self.keep_alive = False
        if not self.begun:
            self.status, later = "", [("Retry-After", "1")] if status == 503 else []
            self.start_response(f"{status} {HTTPStatus(status).phrase}", [("Content-Type", "text/plain"), *later])
            self.write(f"{reason}\n".encode(), len(reason) + 1)

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        """As PEP 3333 has it; no CR or LF passes, and nothing that is the server's to say."""
        if exc_info and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        require(exc_info or not self.status, 500, "start_response again, without exc_info")
        require(STATUS.fullmatch(status), 500, "a malformed status")
        self.status, self.fields, self.length, self.body_bytes = status, "", -1, 0
        self.bodyless = status[0] == "1" or status[:3] in ("204", "304") or self.environ["REQUEST_METHOD"] == "HEAD"
        for name, value in headers:
            require(FIELD_NAME.fullmatch(name) and FIELD_VALUE.fullmatch(value) and not is_hop_by_hop(name), 500, name)
            if name.lower() == "content-length":
                self.length = int(value)
            elif name.lower() != "date":
                self.fields += f"{name}: {value}\r\n"
        return self.write

    def write(self, block: bytes, whole: int = -1) -> None:
        """Sends a block, with the head if it is the first; an empty one waits, as PEP 3333 asks."""
        require(isinstance(block, bytes), 500, "a block is bytes")
        if block:
            self.body_bytes += 0 if self.bodyless else len(block)
            require(self.length < 0 or self.body_bytes <= self.length, 500, "the body is over its length")
            head, last = b"" if self.begun else self._begin(whole), b"" if self.bodyless else block
            self.send(head + (b"%x\r\n%b\r\n" % (len(block), block) if self.chunked else last))

    def _begin(self, whole: int) -> bytes:
        """The head, and with it how the body ends."""
        require(self.status, 500, "start_response was never called")
        code, old, fields = int(self.status[:3]), self.environ["SERVER_PROTOCOL"] == "HTTP/1.0", self.fields
        if self.length < 0 and not self.bodyless:
            self.length = whole
        self.begun, self.chunked = True, self.length < 0 and not (self.bodyless or old)
        if self.chunked:
            fields += "Transfer-Encoding: chunked\r\n"
        elif self.length >= 0 and code >= 200 and code != 204:  # RFC 9110, 8.6
            fields += f"Content-Length: {self.length}\r\n"
        self.keep_alive &= code >= 200 and (self.chunked or self.bodyless or self.length >= 0)
        if old or not self.keep_alive:
            fields += f"Connection: {'keep-alive' if self.keep_alive else 'close'}\r\n"
        return f"HTTP/1.1 {self.status}\r\nDate: {format_date(int(time.time()))}\r\n{fields}\r\n".encode("latin-1")


# ---- serve -----------------------------------------------------------------------------------------------------------

CONNECTIONS, BODIES = 4096, 64  # at once; bodies on their way are held in memory
SPARE_FILES, PIECE_BYTES = 48, 2 * 1024  # descriptors for who is told 503, and the rest; what is read at a time
HEAD_S, KEEP_ALIVE_S = 10.0, 15.0  # for a whole head; until it begins
BODY_IDLE_S, BODY_S = 10.0, 120.0  # between two pieces of a body; for the whole, or it could drip for a week
SEND_S, SEND_BYTES, LINGER_S = 10.0, 64 * 1024, 2.0  # for so much of an answer to be read; for the last one
SHUTDOWN_S, SWEEP_S = 10.0, 0.05  # for what is in flight; how often deadlines are looked at
LOOK_S = 0.5  # a longer pause of the process is nobody's delay; for what has come in meanwhile
FORGEABLE = re.compile(r"[^ !#-\[\]-~]")  # in a log: all but visible ASCII, the quote and the backslash


class Connection(asyncio.Protocol):
    """One client. Its deadline is a number that the server looks at: a timer for each request would cost more."""

    def __init__(self, server: "Server") -> None:
        self.server, self.parser, self.idle, self.closing, self.unsent = server, Parser(), True, False, 0
        self.begun, self.deadline = time.monotonic(), time.monotonic() + HEAD_S

    def connection_made(self, transport: Any) -> None:
        """Says who is at both ends, and to one too many that it is."""
        (host, port, *_), (peer, peer_port, *_) = map(transport.get_extra_info, ("sockname", "peername"))
        self.environ: WSGIEnvironment = {"SERVER_NAME": host, "SERVER_PORT": str(port), "SCRIPT_NAME": ""}
        self.environ |= {"REMOTE_ADDR": peer, "REMOTE_PORT": str(peer_port), "wsgi.errors": sys.stderr}
        self.environ |= {"wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.run_once": False}
        self.environ |= {"wsgi.multithread": False, "wsgi.multiprocess": False}
        self.transport, transport.max_size = transport, PIECE_BYTES
        transport.set_write_buffer_limits(0)
        self.server.connections.add(self)
        if len(self.server.connections) > self.server.room:
            self.advance(HTTPError(503, "too many connections"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Makes room for another."""
        self.server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Serves what has come. After the last answer it is only read, so that it does not reset the connection."""
        self.begun = time.monotonic() if self.idle else self.begun
        if not self.closing:
            self.parser.buffer += data
            self.advance()

    def eof_received(self) -> None:
        """What has begun cannot become whole. The transport sends what it still has, and closes."""
        if not (self.idle or self.closing):
            self.advance(HTTPError(400, "the request breaks off"))

    def resume_writing(self) -> None:
        """Goes on with a client that has read all it was sent."""
        self.unsent, self.begun = 0, time.monotonic()
        self.transport.resume_reading()
        self.advance()

    def advance(self, error: HTTPError | None = None) -> None:
        """Answers the requests that have come, or says why not, and sets the deadline of what comes next."""
        requests = self.parser.requests
        try:
            while not (self.closing or self.unsent) and (environ := requests.throw(error) if error else next(requests)):
                self.answer(environ)
            if pending := self.parser.pending:
                require(sum(bool(c.parser.pending) for c in self.server.connections) <= BODIES, 503, "too many bodies")
                if pending.pop("HTTP_EXPECT", None) and pending["SERVER_PROTOCOL"] != "HTTP/1.0":
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except HTTPError as refusal:  # where the next request would begin is not known
            method = self.parser.line.partition(b" ")[0].decode("latin-1")
            self.answer({"REQUEST_METHOD": method, "SERVER_PROTOCOL": "HTTP/1.1"}, refusal)
        self.idle = not (self.parser.buffer or self.parser.pending or self.unsent or self.closing)
        wait_s = LINGER_S if self.closing else KEEP_ALIVE_S if self.idle else HEAD_S
        self.deadline = self.begun + max(wait_s, SEND_S * self.unsent / SEND_BYTES)
        if self.parser.pending:
            self.deadline = min(time.monotonic() + BODY_IDLE_S, self.begun + BODY_S)

    def answer(self, environ: WSGIEnvironment, error: HTTPError | None = None) -> None:
        """Puts a request before the application; then comes the next one, or the end."""
        environ |= self.environ
        options = [option.strip(" \t") for option in environ.get("HTTP_CONNECTION", "").lower().split(",")]
        lasting = "keep-alive" in options or environ["SERVER_PROTOCOL"] != "HTTP/1.0"  # RFC 9112, 9.3
        last = "close" in options or (self.server.stopping and not self.parser.buffer)
        response = Response(environ, self.transport.write, keep_alive=lasting and not last)
        response.fail(*error.args) if error else response.run(self.server.application)
        if self.server.log is not None:
            line = FORGEABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", self.parser.line.decode("latin-1"))
            answer, taken_ms = f"{response.status[:3]} {response.body_bytes}", (time.monotonic() - self.begun) * 1000
            self.server.lines += f'{environ["REMOTE_ADDR"]} "{line}" {answer} {taken_ms:.1f}ms\n'.encode()
        self.begun, self.unsent = time.monotonic(), self.transport.get_write_buffer_size()
        self.closing = not response.keep_alive or self.transport.is_closing()
        if self.closing:  # RFC 9112, 9.6: to close on unread bytes could destroy the answer on its way
            self.parser = Parser()  # forgets what it holds
            with suppress(OSError):  # the client has gone
                self.transport.write_eof()
        elif self.unsent:
            self.transport.pause_reading()


class Server:
    """Lets connections in, ends those that are overdue, and stops in order; `log` is a file descriptor."""

    def __init__(self, application: WSGIApplication, room: int = CONNECTIONS, log: int | None = None) -> None:
        self.application, self.room, self.log, self.stopping = application, room, log, False
        self.lines, self.connections = bytearray(), set[Connection]()

    async def serve(self, listeners: list[socket.socket]) -> None:
        """Serves until `stopping`, then finishes what is in flight."""
        loop, servers = asyncio.get_running_loop(), []
        # Out of descriptors, asyncio reports its "socket" a hundred times, and does so again when that has been closed.
        loop.set_exception_handler(lambda _, e: self.stopping or "socket" in e or loop.default_exception_handler(e))
        for listener in listeners:
            servers.append(await loop.create_server(lambda: Connection(self), sock=listener))
            listener.listen(1024)  # again, as asyncio has made it 100
        while not self.stopping:
            await self._sweep()
        await asyncio.sleep(2 * SWEEP_S)  # lets in whom the kernel already has
        for server in servers:
            server.close()
        for _ in range(round(SHUTDOWN_S / SWEEP_S)):
            if self.connections:
                await self._sweep()

    async def _sweep(self) -> None:
        now = time.monotonic()
        for connection in list(self.connections):
            late = connection.deadline < now
            if late and not (connection.idle or connection.unsent or connection.closing):
                connection.advance(HTTPError(408, "the request took too long"))
            elif late or (self.stopping and connection.idle and now - connection.begun > SWEEP_S):
                connection.transport.abort()
        await asyncio.sleep(SWEEP_S)
        if (held_s := time.monotonic() - now - SWEEP_S) > LOOK_S:  # stopped, or held by the application
            for connection in self.connections:
                connection.begun += held_s
                connection.deadline = max(connection.deadline + held_s, time.monotonic() + LOOK_S)
        with suppress(OSError):  # a reader that has gone stops nothing
            while self.log is not None and self.lines:
                del self.lines[: os.write(self.log, self.lines)]
        self.lines.clear()


# ---- main ------------------------------------------------------------------------------------------------------------


def bind(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address of the host; localhost is both loopbacks, whatever a hosts file says."""
    listeners: list[socket.socket] = []
    for name in ("127.0.0.1", "::1") if host == "localhost" else (host or None,):
        for family, _, _, _, address in socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE):
            try:
                listeners.append(socket.create_server((str(address[0]), port), family=family, backlog=1024))
            except OSError as error:  # there may be no IPv6 here
                if not listeners or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
            port = listeners[0].getsockname()[1]  # port 0 is one port for all
            listeners[-1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)  # or megabytes wait for the deaf
    return listeners


def main() -> None:
    """The command line. SIGTERM and SIGINT end it."""
    parser = argparse.ArgumentParser(prog="credentials.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default=os.environ.get("HOST") or "localhost", help="default: HOST, localhost")
    parser.add_argument("--port", default=os.environ.get("PORT") or "8888", type=int, help="default: PORT, 8888")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    options = parser.parse_args()
    if not 0 <= options.port < 65536:
        parser.error(f"there is no port {options.port}")
    try:
        listeners = bind(options.host, options.port)
    except (OSError, UnicodeError) as error:
        parser.exit(1, f"credentials.py: cannot listen on {options.host} port {options.port}: {error}\n")
    import resource  # not on Windows, where only the application is of use

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files := min(hard, CONNECTIONS + SPARE_FILES), hard))
    server = Server(application, max(1, files - SPARE_FILES), None if options.quiet or sys.stdout is None else 1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "stopping", True))
    for listener in listeners:
        print("credentials.py: listening on {} port {}".format(*listener.getsockname()), file=sys.stderr)
    asyncio.run(server.serve(listeners))


if __name__ == "__main__":
    main()
