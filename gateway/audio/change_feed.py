"""The list as a stream of events: listeners hear of changes by this gateway and by other programs.

While there are listeners, the feed polls the folder once for all of them: other gateways and programs write to it too.
The id of an event is the revision of the list (`Listing.revision`): a client that sends it back, to any gateway,
gets an event only if the list has changed since. Knows no HTTP.
"""

import logging
from collections.abc import AsyncGenerator
from time import monotonic

import anyio

from gateway.errors import GatewayError
from gateway.process.shutdown import Shutdown

from .library import Library

INTERVAL_S = 0.5
"""How long a change made elsewhere goes unseen."""
HEARTBEAT_S = 15.0
"""After so long a silence a comment is sent, so that proxies keep the stream, and a lost peer is noticed."""
LIFE_S = 60.0
"""How long a stream lasts before its listener has to come again: no server is held longer by one."""
_PAUSE_S = 0.1
_SHARE = 1
"""A look at the folder is followed by a pause this many times as long, so that a slow disk has some left."""

logger = logging.getLogger(__name__)


class ChangeFeed:
    """The changes of one library. `run` is the coroutine that looks."""

    def __init__(
        self, library: Library, shutdown: Shutdown, *, heartbeat_s: float = HEARTBEAT_S, life_s: float = LIFE_S
    ) -> None:
        self._library = library
        self._shutdown = shutdown
        self._heartbeat_s = heartbeat_s
        self._life_s = life_s
        self.listeners = 0
        """How many listen now."""
        self._revision: str | None = None
        self._turned = anyio.Event()
        self._look = anyio.Event()
        library.on_change = self._look_now

    async def run(self) -> None:
        """Look at the folder while anybody listens; at once when this gateway itself has changed it."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            await self._shutdown.wait()
            self._turn()
            group.cancel_scope.cancel()

    async def follow(self, seen: str | None) -> AsyncGenerator[str | None, None]:
        """The name of the state of the list whenever it is another than `seen`, or than the one told last.

        None after a silence. Ends after its life, and at shutdown.
        """
        ends_at = monotonic() + self._life_s
        self.listeners += 1
        self._look_now()
        try:
            while not self._shutdown.begun and (left_s := ends_at - monotonic()) > 0:
                turned = self._turned
                if self._revision not in (None, seen):
                    seen = self._revision
                    yield seen
                    continue
                with anyio.move_on_after(min(self._heartbeat_s, left_s)) as silence:
                    await turned.wait()
                if silence.cancelled_caught:
                    yield None
        finally:
            self.listeners -= 1

    async def _watch(self) -> None:
        while True:
            while not self.listeners:
                self._revision = None
                self._look = anyio.Event()
                await self._look.wait()
            self._look = anyio.Event()
            started = monotonic()
            try:
                revision = (await self._library.look()).revision
                if revision != self._revision:
                    self._revision = revision
                    self._turn()
            except GatewayError:  # the folder is away: that is no change of it
                pass
            except Exception:
                logger.exception("the audio folder could not be looked at")
            await anyio.sleep(_PAUSE_S + _SHARE * (monotonic() - started))
            with anyio.move_on_after(INTERVAL_S):
                await self._look.wait()

    def _turn(self) -> None:
        """Wake every listener."""
        self._turned.set()
        self._turned = anyio.Event()

    def _look_now(self) -> None:
        self._look.set()
