"""The folder of the library, and the threads that wait for its disk.

Blocking calls run in worker threads of their own number, so that a hanging disk stops nothing else; those that read
and those that write have separate ones, as an fsync may take seconds. What a disk can refuse is translated here. Knows
no names and no audio.
"""

import asyncio
import errno
import logging
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from gateway.errors import GatewayError, Unavailable
from gateway.process.deadline import move_on_after
from gateway.web.rate_limit import RateLimiter

from .atomic_file import sweep_leftovers, try_upload

_THREADS = 16
_RETRY_AFTER_S = 5
_TRIAL_EVERY_S = 10
"""How long a trial that succeeded counts: /readyz may be asked by anybody, as often as he likes."""
_LOG_EVERY_S = 60
"""How often the same failure of the folder is logged."""
_FAILURES = 256

T = TypeVar("T")
Args = TypeVarTuple("Args")
logger = logging.getLogger(__name__)


class NoSpace(GatewayError):
    """The disk or the quota of the library is full."""

    status, code = 507, "no-space"


@dataclass(frozen=True)
class DiskSpace:
    """Whether files can be added to the folder, and how many bytes its disk has left for this user."""

    writable: bool
    free_bytes: int


_NO_ROOM = DiskSpace(writable=False, free_bytes=0)


class Storage:
    """One folder, made and swept when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reads = anyio.CapacityLimiter(_THREADS)
        self.writes = anyio.CapacityLimiter(_THREADS)
        self.writers = ThreadPoolExecutor(_THREADS, "audio-writer")
        self._measurer = ThreadPoolExecutor(1, "audio-measurer")
        self._measuring: Future[DiskSpace] | None = None
        self._tried_s = -math.inf
        self._told = RateLimiter(burst=1, every_s=_LOG_EVERY_S, max_keys=_FAILURES)
        self._prepared = False

    async def prepare(self) -> None:
        """Make the folder and sweep it. An unusable folder is logged, and tried again by each call."""
        try:
            await self.run(lambda: None)
        except GatewayError as error:
            logger.warning("the audio folder %s: %s", self.folder, error.detail)

    async def measure(self) -> DiskSpace:
        """What there is for new files: none and not writable also when the disk does not say so within a second.

        Writable is a folder in which an upload was tried, to the end and without a trace.

        Concurrent calls share one thread, which a hanging disk keeps.
        """
        if self._measuring is None or self._measuring.done():
            self._measuring = self._measurer.submit(self._measure)
        with move_on_after(1):
            return await asyncio.shield(asyncio.wrap_future(self._measuring))
        return _NO_ROOM

    def _measure(self) -> DiskSpace:
        try:
            disk = os.statvfs(self.folder)
        except OSError:
            return _NO_ROOM
        return DiskSpace(not disk.f_flag & os.ST_RDONLY and self._takes_uploads(), disk.f_bavail * disk.f_frsize)

    def _takes_uploads(self) -> bool:
        if time.monotonic() - self._tried_s < _TRIAL_EVERY_S and os.access(self.folder, os.W_OK | os.X_OK):
            return True
        try:
            try_upload(self.folder, self.writers)
        except OSError as error:
            self._tell(error)
            return False
        self._tried_s = time.monotonic()
        return True

    async def read(self, call: Callable[[*Args], T], *args: *Args) -> T:
        """A blocking call that changes nothing, in a thread that waits for no write; raises as `run`."""
        return await self._run(self.reads, call, *args)

    async def run(self, call: Callable[[*Args], T], *args: *Args) -> T:
        """A blocking call in a worker thread, on a prepared folder.

        :raises NoSpace: the disk is full.
        :raises Unavailable: the folder is away, read-only or broken.
        """
        return await self._run(self.writes, call, *args)

    async def _run(self, limiter: anyio.CapacityLimiter, call: Callable[[*Args], T], *args: *Args) -> T:
        def run() -> T:
            if not self._prepared:
                self.folder.mkdir(parents=True, exist_ok=True)
                sweep_leftovers(self.folder)
                self._prepared = True
            return call(*args)

        try:
            return await to_thread.run_sync(run, limiter=limiter)
        except OSError as error:
            raise self._translate(error) from error

    def _translate(self, error: OSError) -> GatewayError:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return NoSpace("There is no space left for this file.")
        self._tell(error)
        return Unavailable("The audio folder cannot be used for now.", retry_after_s=_RETRY_AFTER_S)

    def _tell(self, error: OSError) -> None:
        if not self._told.take(error.strerror or str(error), time.monotonic()):
            logger.error("the audio folder failed: %s", error)
