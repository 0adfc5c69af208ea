"""The folder of audio files: take one in whole or not at all, list, open, delete.

Decides what is taken and translates what a disk can refuse. Blocking calls run in worker threads of their own
number, so that a hanging disk stops nothing else. Knows no HTTP but the status of its errors.
"""

import errno
import logging
import os
import weakref
from collections.abc import AsyncIterable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from ..errors import BodyTooLarge, GatewayError, Unavailable
from .catalogue import AudioFile, Catalogue, find_cover, not_found
from .names import check_name, find_entry
from .sniff import HEAD_BYTES, Verdict, sniff_head
from .staging import Staged, open_staged, sweep_leftovers
from .tags import Cover

_PIECE_BYTES = 1024 * 1024
"""How much is gathered for one trip to a worker thread."""
_MAX_PIECES = 512
_THREADS = 16
_RETRY_AFTER_S = 5

T = TypeVar("T")
Args = TypeVarTuple("Args")
logger = logging.getLogger(__name__)


class NameTaken(GatewayError):
    """A file of this name is in the library."""

    status, code = 409, "name-taken"


class NotAudio(GatewayError):
    """The bytes are not those of an audio file."""

    status, code = 415, "not-audio"


class NoSpace(GatewayError):
    """The disk or the quota of the library is full."""

    status, code = 507, "no-space"


class OpenAudio:
    """A file of the library held open: its bytes stay readable even if it is deleted meanwhile."""

    def __init__(self, audio: AudioFile, file: FileIO, limiter: anyio.CapacityLimiter) -> None:
        self.audio = audio
        self._fd = os.dup(file.fileno())
        # Whoever holds it may be cancelled before the first byte: then it is closed with the last reference.
        self._close = weakref.finalize(self, os.close, self._fd)
        self._limiter = limiter

    async def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer at the end."""
        return await to_thread.run_sync(os.pread, self._fd, count, offset, limiter=self._limiter)

    def close(self) -> None:
        """Let go of the file. May be called again."""
        self._close()


class Library:
    """The audio files of one folder, which other gateways and other programs may use at the same time.

    `nameless=False` does not even try `O_TMPFILE`. `on_change` is called after a file was added or deleted here.
    """

    def __init__(self, folder: Path, *, max_upload_bytes: int, nameless: bool = True) -> None:
        self.max_upload_bytes = max_upload_bytes
        self.on_change: Callable[[], None] = lambda: None
        self._folder = folder
        self._nameless = nameless
        self._prepared = False
        self._catalogue = Catalogue(folder)
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._writers = ThreadPoolExecutor(_THREADS, "audio-writer")
        self._scanning = anyio.Lock()

    async def prepare(self) -> None:
        """Make the folder and sweep it. An unusable folder is logged, and tried again by each call."""
        try:
            await self._run(lambda: None)
        except GatewayError as error:
            logger.warning("the audio folder %s: %s", self._folder, error.detail)

    async def is_writable(self) -> bool:
        """Whether files can be added: False also when the disk does not say so within a second."""
        with anyio.move_on_after(1), suppress(GatewayError):
            access = os.W_OK | os.X_OK
            return await to_thread.run_sync(
                os.access, self._folder, access, limiter=self._limiter, abandon_on_cancel=True
            )
        return False

    async def add(self, name: str, chunks: AsyncIterable[bytes]) -> AudioFile:
        """Take in a file: whole, audio, under a new name, on the disk; or not at all.

        :raises Unprocessable: the name cannot be.
        :raises NameTaken: a file of this name is there, in whatever Unicode form.
        :raises NotAudio: decided as early as the bytes tell.
        :raises BodyTooLarge: more than `max_upload_bytes`.
        :raises NoSpace: the disk is full.
        :raises Unavailable: the folder is away, read-only or broken.
        """
        name = check_name(name)
        staged = await self._run(self._stage, name)
        try:
            await self._receive(staged, chunks)
            audio = await self._run(self._publish, staged, name)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(staged.close)
        self.on_change()
        return audio

    async def list_files(self) -> list[AudioFile]:
        """All files that are audio, by name.

        :raises Unavailable: the folder is away or broken.
        """
        # Who waits here finds everything known: the first scan reads the head of each file.
        async with self._scanning:
            return await self._run(self._catalogue.scan)

    async def open(self, name: str) -> OpenAudio:
        """The file of this name, in whatever Unicode form, held open; the caller closes it.

        :raises NotFound: there is none, or it is no plain readable audio file.
        :raises Unavailable: the folder is away or broken.
        """
        return await self._run(self._open, name)

    async def find(self, name: str) -> AudioFile:
        """What is known of the file of this name; raises as `open` does."""
        opened = await self.open(name)
        opened.close()
        return opened.audio

    async def read_cover(self, name: str) -> Cover:
        """The picture in the file of this name; raises as `open` does, also where there is none in it."""
        return await self._run(self._read_cover, name)

    async def delete(self, name: str) -> None:
        """Remove the file of this name; raises as `open` does."""
        await self._run(self._delete, name)
        self.on_change()

    async def _run(self, call: Callable[[*Args], T], *args: *Args) -> T:
        """A blocking call in a worker thread, on a prepared folder, its failures translated."""

        def run() -> T:
            if not self._prepared:
                self._folder.mkdir(parents=True, exist_ok=True)
                sweep_leftovers(self._folder)
                self._prepared = True
            return call(*args)

        try:
            return await to_thread.run_sync(run, limiter=self._limiter)
        except OSError as error:
            raise _translate(error) from error

    async def _receive(self, staged: Staged, chunks: AsyncIterable[bytes]) -> None:
        head, judged_bytes, size_bytes = bytearray(), 0, 0
        pieces: list[bytes] = []
        waiting_bytes = 0
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > self.max_upload_bytes:
                raise too_large(self.max_upload_bytes)
            if judged_bytes < HEAD_BYTES:
                head += chunk[: HEAD_BYTES - len(head)]
                # Judged when it has doubled, so that a dripping client costs no more than a fast one.
                if len(head) >= min(2 * judged_bytes, HEAD_BYTES):
                    judged_bytes = len(head)
                    if sniff_head(bytes(head)) is Verdict.NO:
                        raise _not_audio()
            pieces.append(chunk)
            waiting_bytes += len(chunk)
            if waiting_bytes >= _PIECE_BYTES or len(pieces) >= _MAX_PIECES:
                await self._run(staged.write, pieces)
                pieces, waiting_bytes = [], 0
        await self._run(staged.write, pieces)

    def _stage(self, name: str) -> Staged:
        if find_entry(self._folder, name):
            raise _name_taken(name)
        return open_staged(self._folder, self._writers, nameless=self._nameless)

    def _publish(self, staged: Staged, name: str) -> AudioFile:
        file = staged.finish()
        os.utime(file.fileno())
        audio = self._catalogue.examine(name, file)
        if audio is None:
            raise _not_audio()
        if find_entry(self._folder, name):
            raise _name_taken(name)
        try:
            staged.publish(name)
        except FileExistsError:
            raise _name_taken(name) from None
        return audio

    def _open(self, name: str) -> OpenAudio:
        audio, file, _ = self._catalogue.open(name)
        with file:
            return OpenAudio(audio, file, self._limiter)

    def _read_cover(self, name: str) -> Cover:
        audio, file, _ = self._catalogue.open(name)
        with file:
            return find_cover(audio, file)

    def _delete(self, name: str) -> None:
        _, file, disk_name = self._catalogue.open(name)
        file.close()
        folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.unlink(disk_name, dir_fd=folder_fd)
            os.fsync(folder_fd)
        except FileNotFoundError:
            raise not_found(name) from None
        finally:
            os.close(folder_fd)


def too_large(limit_bytes: int) -> BodyTooLarge:
    """The refusal of a file over the limit."""
    return BodyTooLarge(f"The file is over the limit of {limit_bytes} bytes.", limit_bytes=limit_bytes)


def _not_audio() -> NotAudio:
    return NotAudio("Non-audio file detected")


def _name_taken(name: str) -> NameTaken:
    return NameTaken("A file of this name already exists.", name=name)


def _translate(error: OSError) -> GatewayError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NoSpace("There is no space left for this file.")
    logger.error("the audio folder failed: %s", error)
    return Unavailable("The audio folder cannot be used for now.", retry_after_s=_RETRY_AFTER_S)
