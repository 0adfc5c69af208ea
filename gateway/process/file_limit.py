"""The limit of open files and sockets of this process, and what happens at it."""

import asyncio
import encodings.idna  # noqa: F401 - of the first request; it cannot be read once no descriptor is free
import errno
import logging
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any

RESERVED_SHARE = 4
"""One descriptor in so many is for files, probes and Redis, and not for the connections of clients."""
SETTLE_S = 0.2
LOG_EVERY_S = 60.0
ACCEPT_PAUSE_S, PAUSE_TURNS = 1.0, 10
"""How long the accept loop of asyncio makes a pause when it has no descriptor, and how often to look meanwhile."""
SPARES = 8
"""Descriptors that are kept to close connections with; a client that comes in between can take one."""
REFUSED_AT_ONCE = 1000
"""How many waiting connections are closed in a row, before others have their turn."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

logger = logging.getLogger("gateway")


def raise_file_limit() -> float:
    """Raise the soft limit, often 1,024, to the hard one, as Go and nginx do; the limit that now applies, or `inf`."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # macOS refuses the "unlimited" that it reports
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return inf if soft == resource.RLIM_INFINITY else soft


class FileLimit:
    """The limit as the server of the clients keeps it. `limit`: as `raise_file_limit` returns it."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._logged_at = -inf
        self._spares: list[int] = []
        self._paused: set[int] = set()

    async def admit(self, descriptor: int) -> bool:
        """Whether a connection may stay, at once if there is room, else after what has ended is closed."""
        if self._has_room(descriptor):
            return True
        await asyncio.sleep(SETTLE_S)
        with suppress(OSError):
            newest = os.dup(descriptor)
            os.close(newest)
            if self._has_room(newest):
                return True
        self._log()
        return False

    def _has_room(self, newest: int) -> bool:
        """A new descriptor is the lowest free number, so a high one says that there are many."""
        return newest < self._limit - self._limit // RESERVED_SHARE

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block, connections that no descriptor is left for are closed, and one line a minute says so.

        uvloop does close them. The accept loop of asyncio reports an error with a traceback and tries on, as often as
        its backlog is long, and each of these attempts begins such a loop of its own a second later.
        """
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, OSError) and error.errno in _EXHAUSTED and "socket" in context:
                self._log()
                self._refuse_in_pause(context["socket"])
            elif before is not None:
                before(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handle)
        self._open_spares()
        try:
            yield
        finally:
            self._close_spares()
            if loop.get_exception_handler() is handle:
                loop.set_exception_handler(before)

    def _refuse_in_pause(self, listener: Any) -> None:
        """Close what waits at a listening socket, at once and in the pause that the accept loop now makes.

        That loop tries again first. A client that connects in between takes the descriptor that must be free then, so
        what closes them is the last step here, and what the loop would do before its next attempt is done already.
        """
        loop, number = asyncio.get_running_loop(), listener.fileno()
        loop.remove_reader(number)
        loop.call_soon(self._open_spares)  # without a free descriptor accept fails also where nothing waits
        if number not in self._paused:
            self._paused.add(number)
            for turn in range(1, PAUSE_TURNS):
                loop.call_later(ACCEPT_PAUSE_S * turn / PAUSE_TURNS, self._refuse_if_full, listener)
            loop.call_later(ACCEPT_PAUSE_S, self._paused.discard, number)
        self._refuse_waiting(listener)

    def _refuse_if_full(self, listener: Any) -> None:
        self._open_spares()
        with suppress(OSError):
            newest = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            os.close(newest)
            if self._has_room(newest):
                return
        self._refuse_waiting(listener)
        self._open_spares()

    def _refuse_waiting(self, listener: Any) -> None:
        if not self._spares or listener.fileno() < 0:
            return
        os.close(self._spares.pop())
        listening = socket.socket(fileno=listener.fileno())
        with suppress(OSError):  # BlockingIOError: none waits any more
            for _ in range(REFUSED_AT_ONCE):
                listening.accept()[0].close()
        listening.detach()

    def _open_spares(self) -> None:
        with suppress(OSError):
            while len(self._spares) < SPARES:
                self._spares.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _close_spares(self) -> None:
        while self._spares:
            os.close(self._spares.pop())

    def _log(self) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            logger.error("too many connections for the limit of %g open files: new ones are closed", self._limit)
