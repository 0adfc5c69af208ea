"""HTTP/1.1 alone, and with turns for everybody, on the hypercorn that serves this process: owns hypercorn.

- hypercorn has no setting that turns HTTP/2 without TLS off, no browser speaks it, and it works through all that has
  come before anybody else has a turn: four connections of a hostile client kept others waiting for 1 s with one-byte
  header references, for 4 s with SETTINGS frames, and grew the process from 73 to 559 MB. With TLS hypercorn.toml
  leaves h2 out of ALPN.
- What still comes of a body nobody wants any more it throws away without a pause: 1.5 s for four bodies of one byte a
  chunk. With one there is none over 0.1 s.

Two methods of one pinned minor version are replaced, while the gateway is served; tests show that they are the right
ones. Under another server nothing happens.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from anyio.lowlevel import checkpoint

logger = logging.getLogger("gateway")

_MODULE = "hypercorn.protocol.h11"


@contextmanager
def mending_hypercorn() -> Iterator[None]:
    """In this block nobody gets to HTTP/2, and each event of a dead stream is a turn of its own."""
    module = sys.modules.get(_MODULE)
    with ExitStack() as replaced:
        if module is not None:
            try:
                replaced.enter_context(_replacing(module.H11Protocol, "_check_protocol", _stay_http1))
                replaced.enter_context(_replacing(module.HTTPStream, "handle", _pause_when_closed(module.HTTPStream)))
            except AttributeError:
                logger.warning("this hypercorn is not known: it is left as it is, with HTTP/2")
        yield


@contextmanager
def _replacing(owner: Any, name: str, new: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, before)


async def _stay_http1(protocol: Any, event: Any) -> None:
    """Whatever a request asks for, it stays HTTP/1.1."""


def _pause_when_closed(stream_class: Any) -> Any:
    handle = stream_class.handle

    async def handle_in_turn(stream: Any, event: Any) -> None:
        if stream.closed:
            await checkpoint()
        await handle(stream, event)

    return handle_in_turn
