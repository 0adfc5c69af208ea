"""The folder of audio files: take one in whole or not at all, list, open, delete.

Decides what is taken. Knows no HTTP but the status of its errors.
"""

import os
import weakref
from collections.abc import AsyncIterable, Callable, Sequence
from io import FileIO
from pathlib import Path

import anyio
from anyio import to_thread

from gateway.audio.uploads.atomic_file import AtomicFile, open_atomic
from gateway.audio.uploads.descriptors import close_quietly
from gateway.audio.uploads.storage import Storage
from gateway.audio.uploads.writer import NotAudio, UploadWriter
from gateway.errors import GatewayError

from .filenames import check_name, find_entry
from .index import AudioFile, Index, find_cover, not_found
from .tags import Cover


class NameTaken(GatewayError):
    """A file of this name is in the library."""

    status, code = 409, "name-taken"

    def __init__(self, name: str) -> None:
        super().__init__("A file of this name already exists.", name=name)


class OpenAudio:
    """A file of the library held open: its bytes stay readable even if it is deleted meanwhile."""

    def __init__(self, audio: AudioFile, file: FileIO, limiter: anyio.CapacityLimiter) -> None:
        self.audio = audio
        self._fd = os.dup(file.fileno())
        # The request may be cancelled before the first byte: then the file is closed with the last reference.
        self._close = weakref.finalize(self, close_quietly, self._fd)
        self._limiter = limiter

    def fileno(self) -> int:
        """Its descriptor, until `close`."""
        return self._fd

    async def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer at the end."""
        return await to_thread.run_sync(os.pread, self._fd, count, offset, limiter=self._limiter)

    def close(self) -> None:
        """Close the file. May be called again."""
        self._close()


class Library:
    """The audio files of one folder, which other gateways and other programs may use at the same time.

    `nameless=False` does not even try `O_TMPFILE`. `on_change` is called after a file was added or deleted here.
    """

    def __init__(self, folder: Path, *, max_upload_bytes: int, nameless: bool = True) -> None:
        self.max_upload_bytes = max_upload_bytes
        self.on_change: Callable[[], None] = lambda: None
        self.disk = Storage(folder)
        self._nameless = nameless
        self._catalogue = Index(folder)
        self._scanning = anyio.Lock()
        self._scans = 0
        self._listed: tuple[int, Sequence[AudioFile]] = (0, ())

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
        staged = await self.disk.run(self._stage, name)
        try:
            await UploadWriter(self.disk, staged, limit_bytes=self.max_upload_bytes).take(chunks)
            return await self.publish(staged, name)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(staged.close, limiter=self.disk.writes)

    async def list_files(self) -> Sequence[AudioFile]:
        """All files that are audio, by name. Those who wait at the same time share one look at the folder.

        :raises Unavailable: the folder is away or broken.
        """
        begun = self._scans
        async with self._scanning:
            number, files = self._listed
            if number <= begun:  # what began before this call may have missed what was there by then
                self._scans += 1
                number, files = self._scans, await self.disk.read(self._catalogue.scan)
                self._listed = number, files
            return files

    async def open(self, name: str) -> OpenAudio:
        """The file of this name, in whatever Unicode form, held open; the caller closes it.

        :raises NotFound: there is none, or it is no plain readable audio file.
        :raises Unavailable: the folder is away or broken.
        """
        return await self.disk.read(self._open, name)

    async def find(self, name: str) -> AudioFile:
        """What is known of the file of this name; raises as `open` does."""
        opened = await self.open(name)
        opened.close()
        return opened.audio

    async def read_cover(self, name: str) -> Cover:
        """The picture in the file of this name; raises as `open` does, also where there is none in it."""
        return await self.disk.read(self._read_cover, name)

    async def delete(self, name: str) -> None:
        """Remove the file of this name; raises as `open` does."""
        await self.disk.run(self._delete, name)
        self.on_change()

    def refuse_taken(self, name: str) -> None:
        """Blocking. :raises NameTaken: a file of this name is there, in whatever Unicode form."""
        if find_entry(self.disk.folder, name):
            raise NameTaken(name)

    async def publish(self, staged: AtomicFile, name: str) -> AudioFile:
        """Make a whole staged file one of the library, if it is audio, and have it on the disk.

        :raises NotAudio: it is none.
        :raises NameTaken: as `refuse_taken`.
        :raises NoSpace: the disk is full.
        :raises Unavailable: the folder is away, read-only or broken.
        """
        audio = await self.disk.run(self._publish, staged, name)
        self.on_change()
        return audio

    def _publish(self, staged: AtomicFile, name: str) -> AudioFile:
        file = staged.finish()
        os.utime(file.fileno())
        audio = self._catalogue.examine(name, file)
        if audio is None:
            raise NotAudio
        self.refuse_taken(name)
        try:
            staged.publish(name)
        except FileExistsError:
            raise NameTaken(name) from None
        return audio

    def _stage(self, name: str) -> AtomicFile:
        self.refuse_taken(name)
        return open_atomic(self.disk.folder, self.disk.writers, nameless=self._nameless)

    def _open(self, name: str) -> OpenAudio:
        audio, file, _ = self._catalogue.open(name)
        with file:
            return OpenAudio(audio, file, self.disk.reads)

    def _read_cover(self, name: str) -> Cover:
        audio, file, _ = self._catalogue.open(name)
        with file:
            return find_cover(audio, file)

    def _delete(self, name: str) -> None:
        _, file, disk_name = self._catalogue.open(name)
        file.close()
        folder_fd = os.open(self.disk.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.unlink(disk_name, dir_fd=folder_fd)
            os.fsync(folder_fd)
        except FileNotFoundError:
            raise not_found(name) from None
        finally:
            close_quietly(folder_fd)
