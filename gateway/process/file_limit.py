"""The limit of open files and sockets of this process, and what happens at it."""

import asyncio
import errno
import logging
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any

RESERVED_SHARE = 4
"""One descriptor in so many is for files, probes and Redis, and not for the connections of clients."""
SETTLE_S = 0.2
LOG_EVERY_S = 60.0
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
        """Within the block, one line a minute says that no connection can be accepted.

        The accept loop of asyncio reports each connection in its backlog, with a traceback, once a second; that of
        uvloop closes them and reports none.
        """
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, OSError) and error.errno in _EXHAUSTED and "socket" in context:
                self._log()
            elif before is not None:
                before(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handle)
        try:
            yield
        finally:
            if loop.get_exception_handler() is handle:
                loop.set_exception_handler(before)

    def _log(self) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            logger.error("too many connections for the limit of %g open files: new ones are closed", self._limit)
