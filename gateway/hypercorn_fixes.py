"""Fixes of defects of hypercorn 0.18, while it serves this process: owns hypercorn.

- Request smuggling, and HTTP/2 without TLS, which has no bound on what a client can make the server do: `framing`
  replaces the parser. With TLS hypercorn.toml leaves h2 out of ALPN.
- While a dead body is thrown away, the event loop gets no turn: a yield for each event.
- A message that cannot be read as HTTP gets an empty refusal: a problem with the security headers replaces it.
- A closed connection is kept until its idle timeout and leaves a reference cycle: its parts are cleared at its end.
- A pipelining client that leaves during an answer keeps its task for ever: the wait ends with the connection.
- The body of an answer can only be bytes: without TLS, parts of files are accepted too and sent by sendfile.

Seven methods of one pinned minor version are replaced; tests fail when one of them is no longer the right one. Under
another server nothing happens.
"""

import logging
import sys
from asyncio import CancelledError
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from anyio.lowlevel import checkpoint
from pydantic_core import to_json

from gateway.web import zerocopy
from gateway.web.file_span import FileSpan
from gateway.web.framing import StrictConnection
from gateway.web.zerocopy import FileSender

from .errors import CONTENT_TYPE, BadRequest, problem

logger = logging.getLogger("gateway")

_PROTOCOL, _SERVER = "hypercorn.protocol.h11", "hypercorn.asyncio.tcp_server"


@contextmanager
def fixed_hypercorn(headers: Mapping[str, str], files: FileSender) -> Iterator[None]:
    """Apply the fixes in this block. `headers` are those of a refusal, `files` sends parts of files."""
    protocol, server = sys.modules.get(_PROTOCOL), sys.modules.get(_SERVER)
    with ExitStack() as replaced:
        if protocol is not None and server is not None:
            try:
                for owner, name, new in _list_methods(protocol, server, headers, files):
                    replaced.enter_context(_replacing(owner, name, new))
            except AttributeError:
                replaced.close()
                logger.warning("this hypercorn is not known: it is left as it is, with HTTP/2 and without sendfile")
        yield


def _list_methods(
    protocol: Any, server: Any, headers: Mapping[str, str], files: FileSender
) -> Iterator[tuple[Any, str, Any]]:
    """The methods that are replaced: the class of each, its name, what takes its place."""
    yield protocol.H11Protocol, "initiate", _begin_strictly
    yield protocol.H11Protocol, "_send_error_response", _refuse_with(protocol.h11, headers)
    yield protocol.HTTPStream, "handle", _handle_and_offer(protocol.HTTPStream)
    yield protocol.HTTPStream, "app_send", _send_files_with(protocol, files)
    yield server.TCPServer, "protocol_send", _stop_when_closed(server.TCPServer, protocol)
    yield server.TCPServer, "_read_data", _end_when_closed(server.TCPServer)
    yield server.TCPServer, "run", _forget_at_end(server.TCPServer)


@contextmanager
def _replacing(owner: Any, name: str, new: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, before)


async def _begin_strictly(protocol: Any) -> None:
    """Before the first byte: the messages of this connection are framed strictly, and it stays HTTP/1.1."""
    protocol.connection = StrictConnection(protocol.config.h11_max_incomplete_size)


def _handle_and_offer(stream_class: Any) -> Any:
    handle = stream_class.handle

    async def handle_and_offer(stream: Any, event: Any) -> None:
        """Yield for each event of a dead stream; offer sendfile to requests without TLS."""
        if stream.closed:
            await checkpoint()
        first = not hasattr(stream, "scope")
        await handle(stream, event)
        if first and zerocopy.AVAILABLE and stream.scope["scheme"] == "http" and stream.scope["http_version"] < "2":
            stream.scope["extensions"][zerocopy.EXTENSION] = {}  # the task of the application has not begun yet

    return handle_and_offer


def _send_files_with(module: Any, files: FileSender) -> Any:
    app_send = module.HTTPStream.app_send

    async def send(stream: Any, message: Any) -> None:
        if message is None or message["type"] != zerocopy.EXTENSION:
            await app_send(stream, message)
            return
        if stream.closed:
            raise CancelledError("the client of this answer is gone")
        protocol = stream.send.__self__
        server = protocol.send.__self__
        span = FileSpan(message["file"], message["offset"], message["count"])
        if protocol.connection.our_state is module.h11.ERROR:
            raise ConnectionAbortedError("the request went wrong, and was refused already")
        for part in protocol.connection.send_with_data_passthrough(module.h11.Data(data=span)):
            if part is not span:
                await protocol.send(module.RawData(data=part))
                continue
            async with server.send_lock:
                try:
                    await files.send(server.writer, span)
                except ConnectionError:
                    if stream.closed:  # of an answer that was cut short Quart lets the task go on, unwatched
                        raise CancelledError("the client of this answer is gone") from None
                    raise

    return send


def _stop_when_closed(server_class: Any, module: Any) -> Any:
    protocol_send = server_class.protocol_send

    async def send_or_stop(server: Any, event: Any) -> None:
        await protocol_send(server, event)
        protocol = server.protocol.protocol
        if server.writer.is_closing() and isinstance(protocol, module.H11Protocol):
            protocol.connection.next_event = lambda: module.h11.NEED_DATA  # not PAUSED, which it would say for ever
            await protocol.can_read.set()

    return send_or_stop


def _end_when_closed(server_class: Any) -> Any:
    read_data = server_class._read_data  # noqa: SLF001

    async def read_to_the_end(server: Any) -> None:
        await read_data(server)
        await server.idle_task.stop()

    return read_to_the_end


def _forget_at_end(server_class: Any) -> Any:
    run = server_class.run

    async def run_and_forget(server: Any) -> None:
        try:
            await run(server)
        finally:
            vars(server).clear()

    return run_and_forget


def _refuse_with(h11: Any, given: Mapping[str, str]) -> Any:
    async def refuse(protocol: Any, status: int) -> None:
        """What the parser found against the request: 400, 431 for too many bytes of header, 501 for a coding."""
        complaint = f": {protocol.connection.complaint}." if protocol.connection.complaint else "."
        body = to_json(problem(status, BadRequest.code, f"This server cannot read the request{complaint}"))
        headers = {**given, "Content-Type": CONTENT_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
        ours = [(name.encode(), value.encode()) for name, value in headers.items()]
        ours += protocol.config.response_headers("h11")
        for event in (h11.Response(status_code=status, headers=ours), h11.Data(data=body), h11.EndOfMessage()):
            await protocol._send_h11_event(event)  # noqa: SLF001

    return refuse
