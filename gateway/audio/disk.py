"""The folder of the library, and the threads that wait for its disk.

Blocking calls run in worker threads of their own number, so that a hanging disk stops nothing else. What a disk can
refuse is translated here. Knows no names and no audio.
"""

import errno
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from ..errors import GatewayError, Unavailable
from .staging import sweep_leftovers

_THREADS = 16
_RETRY_AFTER_S = 5

T = TypeVar("T")
Args = TypeVarTuple("Args")
logger = logging.getLogger(__name__)


class NoSpace(GatewayError):
    """The disk or the quota of the library is full."""

    status, code = 507, "no-space"


@dataclass(frozen=True)
class Room:
    """Whether files can be added to the folder, and how many bytes its disk has left for this user."""

    writable: bool
    free_bytes: int


class Disk:
    """One folder, made and swept when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.limiter = anyio.CapacityLimiter(_THREADS)
        self.writers = ThreadPoolExecutor(_THREADS, "audio-writer")
        self._prepared = False

    async def prepare(self) -> None:
        """Make the folder and sweep it. An unusable folder is logged, and tried again by each call."""
        try:
            await self.run(lambda: None)
        except GatewayError as error:
            logger.warning("the audio folder %s: %s", self.folder, error.detail)

    async def measure(self) -> Room:
        """What there is for new files: none and not writable also when the disk does not say so within a second."""
        with anyio.move_on_after(1), suppress(OSError):
            return await to_thread.run_sync(_measure, self.folder, limiter=self.limiter, abandon_on_cancel=True)
        return Room(writable=False, free_bytes=0)

    async def run(self, call: Callable[[*Args], T], *args: *Args) -> T:
        """A blocking call in a worker thread, on a prepared folder.

        :raises NoSpace: the disk is full.
        :raises Unavailable: the folder is away, read-only or broken.
        """

        def run() -> T:
            if not self._prepared:
                self.folder.mkdir(parents=True, exist_ok=True)
                sweep_leftovers(self.folder)
                self._prepared = True
            return call(*args)

        try:
            return await to_thread.run_sync(run, limiter=self.limiter)
        except OSError as error:
            raise _translate(error) from error


def _translate(error: OSError) -> GatewayError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NoSpace("There is no space left for this file.")
    logger.error("the audio folder failed: %s", error)
    return Unavailable("The audio folder cannot be used for now.", retry_after_s=_RETRY_AFTER_S)


def _measure(folder: Path) -> Room:
    disk = os.statvfs(folder)
    read_only = bool(disk.f_flag & os.ST_RDONLY)  # access(2) says otherwise of it to root
    return Room(not read_only and os.access(folder, os.W_OK | os.X_OK), disk.f_bavail * disk.f_frsize)
