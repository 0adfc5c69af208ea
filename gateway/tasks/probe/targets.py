"""Reads the URLs of a task one after another, and yields to the event loop between some."""

import logging
import time
from collections.abc import AsyncIterator, Iterable

from anyio.lowlevel import checkpoint

from .urls import Target, UrlRefused, parse_target

YIELD_EVERY_S = 0.005
"""For how long URLs are read before the coroutine yields."""

logger = logging.getLogger("gateway.tasks")


async def read_targets(urls: Iterable[str]) -> AsyncIterator[Target | UrlRefused]:
    """What each text asks for, or why it is no URL."""
    yielded_at = time.monotonic()
    for url in urls:
        try:
            yield parse_target(url)
        except UrlRefused as refused:
            yield refused
        except Exception:
            logger.exception("cannot read the URL %r", url[:200])
            yield UrlRefused("the gateway could not make sense of it")
        if time.monotonic() - yielded_at > YIELD_EVERY_S:
            await checkpoint()
            yielded_at = time.monotonic()
