"""Ends a worker whose parent process is gone, or that was not told to stop: it would hold the port for ever.

This concerns servers that run the application in processes of multiprocessing, as `hypercorn gateway:app` does without
`workers = 0`: kill -9 of the parent leaves the worker behind, and SIGTERM to the worker alone reaches only `Shutdown`.
The recovery after so hard an end is that after a crash.
"""

import logging
import signal
from multiprocessing import parent_process

import anyio

from .shutdown import Shutdown

PATIENCE_S = 15.0
"""How long the server has from the signal to the end of the application, before this worker ends by itself."""

logger = logging.getLogger("gateway")


async def end_with_parent(shutdown: Shutdown) -> None:
    """End this process when its master has ended, or leaves it alone after the end began; else never return."""
    master = parent_process()
    if master is None:
        return
    async with anyio.create_task_group() as group:
        group.start_soon(_await_neglect, shutdown)
        await anyio.wait_readable(master.sentinel)
        _end("the process that started this worker is gone")


async def _await_neglect(shutdown: Shutdown) -> None:
    await shutdown.wait()
    await anyio.sleep(PATIENCE_S)
    _end("the server was not told of the end")


def _end(reason: str) -> None:
    logger.error("%s: it ends now", reason)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
