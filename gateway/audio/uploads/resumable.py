"""Uploads that come in pieces, over broken connections and restarts: begun, gone on with, finished by the library.

Every offset told is on the disk. One request at a time is at an upload: a later one in this gateway ends the earlier
one first (its client is back, over another connection), and finds `UploadLocked` where another gateway is at it.
"""

import logging
import os
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio import to_thread

from gateway.audio.filenames import NameTaken, check_name, refuse_taken
from gateway.audio.formats.detect import HEAD_BYTES
from gateway.audio.library import Library
from gateway.errors import Unavailable
from gateway.process.deadline import move_on_after

from .atomic_file import sweep_leftovers
from .note import Note
from .partial import OffsetMismatch, Partial, UploadLocked, create_partial, open_partial, sweep_partials
from .writer import NotAudio, UploadWriter, too_large

_TURN_S = 10
"""How long a later request waits for an earlier one to leave what it has in order."""
_LOCK_S = 1
_LOCK_POLL_S = 0.05
_MAX_SWEEP_PAUSE_S = 600

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """How far one upload is. `expires_at` is in seconds since 1970; `metadata` is as the client sent it."""

    key: str
    offset_bytes: int
    length_bytes: int
    metadata: str
    expires_at: float


class _Turn:
    """The time of one request at an upload: to be ended early by `scope`, and over when `ended` says so."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()


class ResumableUploads:
    """The unfinished uploads of a library.

    `expires_after_s` is how long one is kept after its last byte, and how long it is known after it was finished.
    """

    def __init__(self, library: Library, *, expires_after_s: float) -> None:
        self.max_upload_bytes = library.max_upload_bytes
        self._library = library
        self._disk = library.disk
        self._expires_after_s = expires_after_s
        self._turns: dict[str, _Turn] = {}

    async def run(self) -> None:
        """Sweep for ever: what has expired goes within ten minutes."""
        while True:
            try:
                await self._disk.run(self._sweep)
            except Unavailable:
                pass  # the disk says so in the log
            except Exception:
                logger.exception("sweeping unfinished uploads failed; it goes on")
            await anyio.sleep(min(self._expires_after_s / 10, _MAX_SWEEP_PAUSE_S))

    async def create(self, name: str, length_bytes: int, metadata: str) -> Upload:
        """A new upload, on the disk, that will be a file of this name and length.

        Raises as `Library.add` for what is known so far: the name, the length (NotAudio where it is 0), the disk.
        """
        name = check_name(name)
        if length_bytes > self.max_upload_bytes:
            raise too_large(self.max_upload_bytes)
        if not length_bytes:
            raise NotAudio(b"")

        def create() -> str:
            refuse_taken(self._disk.folder, name)
            return create_partial(self._disk.folder, Note(name, length_bytes, metadata), self._disk.writers)

        key = await self._disk.run(create)
        return Upload(key, 0, length_bytes, metadata, time.time() + self._expires_after_s)

    async def find(self, key: str) -> Upload:
        """How far an upload is; one that is whole is finished by this, if a crash came between. Raises as `append`."""
        async with self._hold(key) as (partial, _):
            self._refuse_long(partial)
            return await self._settle(partial)

    async def append(
        self, key: str, offset_bytes: int, chunks: AsyncIterable[bytes], *, expected_bytes: int = 0
    ) -> Upload:
        """Take bytes that begin at `offset_bytes`; the last ones make it a file of the library.

        `expected_bytes` is how many the client says they are. What arrived is kept when the chunks break off.

        :raises NotFound: there is no such upload, or no more.
        :raises UploadLocked: another gateway is at it, or another request went on with it.
        :raises OffsetMismatch: the upload ends elsewhere.
        :raises BodyTooLarge: more bytes than it is to have, or a file may have by now.
        :raises NotAudio, NameTaken: it can never become a file, and is removed.
        :raises NoSpace, Unavailable: the disk.
        """
        async with self._hold(key) as (partial, scope):
            self._refuse_long(partial)
            if offset_bytes != partial.size_bytes:
                raise OffsetMismatch(f"The upload is at {partial.size_bytes}.", offset=partial.size_bytes)
            if offset_bytes + expected_bytes > partial.note.length_bytes:
                raise too_large(partial.note.length_bytes)
            if partial.staged:
                await self._take(partial, scope, chunks)
            return await self._settle(partial)

    async def remove(self, key: str) -> None:
        """Forget an upload; a file that it made stays. Raises as `find`."""
        async with self._hold(key) as (partial, _):
            await self._disk.run(partial.remove)

    def _refuse_long(self, partial: Partial) -> None:
        """The limit is held at each call: it may have been another one at the creation, and a note may be anybody's."""
        if partial.staged and partial.note.length_bytes > self.max_upload_bytes:
            raise too_large(self.max_upload_bytes)

    async def _take(self, partial: Partial, scope: anyio.CancelScope, chunks: AsyncIterable[bytes]) -> None:
        assert partial.staged
        staged = partial.staged
        head = await self._disk.run(os.pread, staged.finish().fileno(), HEAD_BYTES, 0)
        limit_bytes = partial.note.length_bytes
        intake = UploadWriter(self._disk, staged, limit_bytes=limit_bytes, head=head, size_bytes=partial.size_bytes)
        try:
            with scope:
                await intake.take(chunks)
        finally:
            with anyio.CancelScope(shield=True):
                await self._disk.run(partial.keep, intake.pieces)
        if scope.cancelled_caught:
            raise UploadLocked("Another request went on with this upload.", retry_after_s=1)

    async def _settle(self, partial: Partial) -> Upload:
        """Finish what is whole, and tell how far it is."""
        note = partial.note
        if partial.staged and partial.size_bytes == note.length_bytes:
            await self._library.publish(partial.staged, note.name)
            await self._disk.run(partial.finish)
        return Upload(partial.key, partial.size_bytes, note.length_bytes, note.metadata, partial.expires_at)

    @asynccontextmanager
    async def _hold(self, key: str) -> AsyncIterator[tuple[Partial, anyio.CancelScope]]:
        """The upload, for this request alone; what may be broken off by a later one runs in the scope.

        An upload that can never become a file is removed.
        """
        with move_on_after(_TURN_S):
            while turn := self._turns.get(key):
                turn.scope.cancel()
                await turn.ended.wait()
        if key in self._turns:
            raise UploadLocked("Another request is at this upload.", retry_after_s=1)
        turn = self._turns[key] = _Turn()
        try:
            partial = await self._wait_open(key)
            try:
                yield partial, turn.scope
            except (NotAudio, NameTaken):
                await self._disk.run(partial.remove)
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(partial.close, limiter=self._disk.writes)
        finally:
            del self._turns[key]
            turn.ended.set()

    async def _wait_open(self, key: str) -> Partial:
        """The upload, once the lock is free: a client may be back before another gateway has noticed that it went."""
        deadline_s = anyio.current_time() + _LOCK_S
        while True:
            try:
                return await self._disk.run(self._open, key)
            except UploadLocked:
                if anyio.current_time() > deadline_s:
                    raise
                await anyio.sleep(_LOCK_POLL_S)

    def _open(self, key: str) -> Partial:
        return open_partial(self._disk.folder, key, self._disk.writers, expires_after_s=self._expires_after_s)

    def _sweep(self) -> None:
        sweep_leftovers(self._disk.folder)  # those of other gateways that have died
        sweep_partials(self._disk.folder, self._disk.writers, expires_after_s=self._expires_after_s)
