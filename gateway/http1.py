"""HTTP/1.1 and nothing else, on the hypercorn that serves this process: owns hypercorn.

hypercorn has no setting that turns HTTP/2 without TLS off, no browser speaks it, and it works through what has come
before anybody else has a turn: four connections of a hostile client kept others waiting for 1 s with one-byte header
references, for 4 s with SETTINGS frames, and grew the process from 73 to 559 MB; over HTTP/1.1 none found a way over
0.2 s. With TLS hypercorn.toml leaves h2 out of ALPN. Here one private method of one pinned minor version is replaced,
while the gateway is served; a test shows that it is the right one. Under another server nothing happens.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("gateway")

_MODULE = "hypercorn.protocol.h11"


@contextmanager
def speaking_http1_only() -> Iterator[None]:
    """Take `Upgrade: h2c` for an offer that is not taken up, and the preface of HTTP/2 for a request, in this block."""
    module = sys.modules.get(_MODULE)
    protocol = getattr(module, "H11Protocol", None)
    before = getattr(protocol, "_check_protocol", None)
    if protocol is None or before is None:
        if module is not None:
            logger.warning("this hypercorn is not known: HTTP/2 stays on")
        yield
        return

    async def check_protocol(self: Any, event: Any) -> None:
        """Whatever it asks for, it stays HTTP/1.1."""

    protocol._check_protocol = check_protocol  # noqa: SLF001
    try:
        yield
    finally:
        protocol._check_protocol = before  # noqa: SLF001
