"""Fixes of defects of hypercorn 0.18 by its public names: subclasses take the place of its classes. Owns hypercorn.

- HTTP/2 without TLS is unbounded, and h11 takes messages whose end is in doubt: `framing` replaces the parser.
- A client that pipelines and leaves keeps its task for ever; one that only leaves keeps its connection until the idle
  timeout; one that stops reading keeps it for ever, since closing waits until all is sent.
- While a body is thrown away after its answer, the event loop gets no turn.
"""

from anyio.lowlevel import checkpoint
from hypercorn import protocol
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol import events, h11
from hypercorn.protocol.http_stream import HTTPStream

from gateway.web.framing import StrictConnection

FLUSH_S = 10.0
"""How long a connection that is closed has for its last bytes."""


class FixedTCPServer(TCPServer):
    """One connection."""

    async def protocol_send(self, event: Event) -> None:
        """Send bytes, or close: then wake the reader of a pipeline, which waits for the end of an answer."""
        if isinstance(event, Closed) and self.writer.transport.get_write_buffer_size():
            self.loop.call_later(FLUSH_S, self.writer.transport.abort)
        await super().protocol_send(event)
        http = self.protocol.protocol
        if self.writer.is_closing() and isinstance(http, FixedH11Protocol):
            http.connection.stop()
            await http.can_read.set()


class Ended(Updated):
    """The connection is over: no request is or will be read."""


class FixedH11Protocol(h11.H11Protocol):
    """The requests of one connection."""

    connection: StrictConnection

    async def initiate(self) -> None:
        """Before the first byte: take the strict parser."""
        self.connection = StrictConnection(self.config.h11_max_incomplete_size)

    async def handle(self, event: Event) -> None:
        """Take bytes of the client, or its end, after which no idle timeout is waited for."""
        await super().handle(event)
        if isinstance(event, Closed):
            await self.send(Ended(idle=False))


class FixedHTTPStream(HTTPStream):
    """One request and its answer."""

    async def handle(self, event: events.Event) -> None:
        """Take a part of the request; of one that is answered, with a turn for others."""
        if self.closed:
            await checkpoint()
        await super().handle(event)


def fix_hypercorn() -> None:
    """Serve requests by the classes above from now on; `hypercorn_accept` takes the connections."""
    protocol.H11Protocol = FixedH11Protocol  # type: ignore[attr-defined]
    h11.HTTPStream = FixedHTTPStream  # type: ignore[attr-defined]
