"""Ends a worker process whose parent is gone or does not stop it: it would keep the port for ever.

`hypercorn gateway:app` without `workers = 0` runs the application in a process of multiprocessing. It survives a
kill -9 of its parent, and a SIGTERM to it alone reaches only `Shutdown`. It is ended without cleaning up.
"""

import logging
import signal
from multiprocessing import parent_process

import anyio

from .log_stream import drain_standard_streams
from .shutdown import Shutdown

STOP_TIMEOUT_S = 15.0
"""How long the parent has to stop this worker once the shutdown has begun."""

logger = logging.getLogger("gateway")


async def end_with_parent(shutdown: Shutdown) -> None:
    """End this worker when its parent has ended, or `STOP_TIMEOUT_S` after the shutdown began.

    Return at once if it has no parent.
    """
    parent = parent_process()
    if parent is None:
        return
    async with anyio.create_task_group() as group:
        group.start_soon(_end_after_shutdown, shutdown)
        await anyio.wait_readable(parent.sentinel)
        _end("its parent process is gone")


async def _end_after_shutdown(shutdown: Shutdown) -> None:
    await shutdown.wait()
    await anyio.sleep(STOP_TIMEOUT_S)
    _end(f"its parent process has not stopped it for {STOP_TIMEOUT_S:g} s")


def _end(reason: str) -> None:
    logger.error("ending this worker: %s", reason)
    drain_standard_streams()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
