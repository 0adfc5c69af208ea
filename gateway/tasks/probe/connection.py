"""One connection to a site: sends a request, and feeds what comes to a parser.

Bytes that nothing was asked for end it, but for those before the first request. A head in many packets is read in few
turns of the event loop.
"""

import asyncio
from typing import cast

from .response import ResponseParser, ResponseUnreadable

FREE_READS = 64
"""How many packets of an answer are read as they come. Then a head is read more slowly, and a body is given up."""
GATHER_S = 0.25
"""How long the rest of a head gathers in the kernel before each further read: a read costs a turn of the loop."""

EARLY_BYTES = 64 * 1024
"""How much is kept of an answer that comes before the first request, as a busy site or a firewall sends it."""


class ConnectionCut(ConnectionError):
    """A connection ended before the answer was there; `begun`: a part of it was."""

    def __init__(self, cause: BaseException | None, *, begun: bool) -> None:
        super().__init__(f"the connection ended {'in the middle of' if begun else 'before'} the answer")
        self.begun = begun
        self.__cause__ = cause


class SiteConnection(asyncio.Protocol):
    """A connection to a site, for one request after another."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: ResponseParser | None = None
        self._answered: asyncio.Future[ResponseParser] | None = None
        self._finished: asyncio.Event | None = None
        self._reads = 0
        self._early = b""

    @property
    def open(self) -> bool:
        """Whether it can take a request, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> ResponseParser:
        """The answer, once its head is there.

        :raises ConnectionCut: the site has ended the connection.
        :raises ResponseUnreadable: what came is not HTTP.
        :raises ssl.SSLError: what came is not TLS.
        """
        early, self._early = self._early, b""
        if self._transport is None and not early:
            raise ConnectionCut(None, begun=False)
        self._parser = ResponseParser()
        self._reads = 0
        self._answered = self._loop.create_future()
        self._finished = None
        if self._transport is not None:
            self._transport.write(request)
        if early:
            self.data_received(early)
            if self._transport is None and not self._answered.done():
                raise ConnectionCut(None, begun=True)
        return await self._answered

    async def finish(self) -> None:
        """Wait until the whole body has come, or never will."""
        if self.open and self._parser and not self._parser.ended:
            self._finished = asyncio.Event()
            await self._finished.wait()

    def abort(self) -> None:
        """End it at once: TLS would wait 30 s for a site that says no goodbye."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (asyncio calls it)."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take what the site sent."""
        parser = self._parser
        if parser is None and len(self._early) < EARLY_BYTES:
            self._early += data
            return
        if parser is None or self._answered is None or (parser.ended and data.strip(b"\r\n")):
            self.abort()
            return
        if parser.ended:
            return
        self._reads += 1
        try:
            parser.feed(data)
        except ResponseUnreadable as error:
            if not self._answered.done():
                self._answered.set_exception(error)
            self.abort()
            return
        if parser.code and not self._answered.done():
            self._answered.set_result(parser)
        if parser.hopeless or (parser.code and not parser.ended and self._reads > FREE_READS):
            self.abort()
        elif not parser.code and self._reads > FREE_READS and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(GATHER_S, self._read_on)
        if self._finished is not None and (parser.ended or not self.open):
            self._finished.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._transport = None
        if self._answered is not None and not self._answered.done():
            begun = self._parser is not None and self._parser.begun
            self._answered.set_exception(ConnectionCut(exc, begun=begun))
        if self._finished is not None:
            self._finished.set()

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
