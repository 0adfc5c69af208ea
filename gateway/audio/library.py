"""The folder of audio files: take one in whole or not at all, list, open, rename, delete.

Decides what is taken. Knows no HTTP but the status of its errors.
"""

import os
import weakref
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from gateway.audio.uploads.atomic_file import AtomicFile, open_atomic
from gateway.audio.uploads.descriptors import close_quietly, sync_folder
from gateway.audio.uploads.renaming import sweep_claims
from gateway.audio.uploads.storage import Storage
from gateway.audio.uploads.writer import NotAudio, UploadWriter
from gateway.errors import Unprocessable

from .filenames import IMPOSSIBLE, NameTaken, check_name, find_entry, refuse_taken, to_disk
from .index import AudioFile, Index, find_cover, not_found
from .listing import ListChanged, Listing
from .order import NEWEST
from .rename import rename_entry
from .tags import Cover

_EXPLAINED_BYTES = 16 * 1024
"""How much of a refused file is read for the words of the refusal."""
_READ_AT_ONCE = 100
"""So many new files are read before the list is answered: in a tenth of a second."""
_REST_S = 0.03
"""Between two sorts of all files: while one compares, no other thread runs, for 20 ms, and a page has several turns."""
_KEPT = 8
"""How many states of the list are kept for clients that read it part by part."""

T = TypeVar("T")
Args = TypeVarTuple("Args")


class OpenAudio:
    """A file of the library held open: its bytes stay readable even if it is deleted meanwhile.

    `disk_name` is its name in the folder, which may have another Unicode form than that of `audio`.
    """

    def __init__(self, audio: AudioFile, file: FileIO, disk_name: str, disk: Storage) -> None:
        self.audio = audio
        self.disk_name = disk_name
        self._fd = os.dup(file.fileno())
        # The request may be cancelled before the first byte: then the file is closed with the last reference.
        self._close = weakref.finalize(self, close_quietly, self._fd)
        self._disk = disk

    async def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer at the end."""
        return await to_thread.run_sync(os.pread, self._fd, count, offset, limiter=self._disk.reads)

    async def read_cover(self) -> Cover:
        """The picture in the file.

        :raises NotFound: there is none.
        :raises Unavailable: the disk fails to read it.
        """
        return await self._disk.read(self._read_cover)

    def _read_cover(self) -> Cover:
        with FileIO(self._fd, closefd=False) as file:
            return find_cover(self.audio, file)

    def close(self) -> None:
        """Close the file. May be called again."""
        self._close()


class Library:
    """The audio files of one folder, which other gateways and other programs may use at the same time.

    `nameless=False` does not even try `O_TMPFILE`. `on_change` is called after a file was added, renamed or deleted
    here.
    """

    def __init__(self, folder: Path, *, max_upload_bytes: int, nameless: bool = True) -> None:
        self.max_upload_bytes = max_upload_bytes
        self.on_change: Callable[[], None] = lambda: None
        self.disk = Storage(folder)
        self._nameless = nameless
        self._catalogue = Index(folder)
        self._scanning = anyio.Lock()
        self._scans = 0
        self._looked = 0
        self._listing = Listing([])
        self._earlier: dict[str, Listing] = {}
        self._scanned: Sequence[AudioFile] = ()
        self._found: Listing | None = None
        """What a scan has found that was not taken over yet: its request may be cancelled before."""
        self._processors = anyio.CapacityLimiter(2)
        self._asked = 0
        self._unasked = anyio.Event()
        self.new_files = anyio.Event()
        """Set when a look has left new files to `read_new`."""
        self.reads_later = False
        """Whether something calls `read_new`; otherwise a look reads all new files itself."""

    async def add(self, name: str, chunks: AsyncIterable[bytes]) -> AudioFile:
        """Take in a file: whole, audio, under a new name, on the disk; or not at all.

        :raises Unprocessable: the name cannot be, in general or on this disk.
        :raises NameTaken: a file of this name is there, in whatever Unicode form.
        :raises NotAudio, BodyTooLarge: decided as early as the bytes tell.
        :raises NoSpace, Unavailable: as `Storage.run`.
        """
        name = check_name(name)
        staged = await self.disk.run(self._stage, name)
        try:
            await UploadWriter(self.disk, staged, limit_bytes=self.max_upload_bytes).take(chunks)
            return await self.publish(staged, name)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(staged.close, limiter=self.disk.writes)

    async def look(self) -> Listing:
        """The list as it is now. Those who wait at the same time share one look at the folder.

        :raises Unavailable: the folder is away or broken.
        """
        begun = self._scans
        async with self._scanning:
            if self._looked <= begun:  # what began before this call may have missed what was there by then
                self._scans += 1
                number = self._scans
                with self._asking():
                    await self.disk.read(self._scan)
                self._looked = number
                if self._found is not None:
                    self._take(self._found)
                    self._found = None
            return self._listing

    async def list_files(self) -> Sequence[AudioFile]:
        """All files that are audio, by name; raises as `look` does."""
        return (await self.look()).files

    async def select(self, listing: Listing, query: str, sort: str) -> Sequence[AudioFile]:
        """The files of a list that a query finds, sorted in a thread: 20,000 of them take longer than the loop may.

        :raises Unprocessable: there is no such order.
        """
        found = listing.recall(query, sort)
        return await self.process(listing.select, query, sort) if found is None else found

    async def process(self, call: Callable[[*Args], T], *args: *Args) -> T:
        """A call that computes, in a thread. Two at a time: they share one processor with the event loop."""
        with self._asking():
            return await to_thread.run_sync(call, *args, limiter=self._processors)

    @property
    def is_asked(self) -> bool:
        """Whether a thread is at work for a request."""
        return self._asked > 0

    async def wait_unasked(self) -> None:
        """Return once no thread is at work for a request."""
        if self._asked:
            await self._unasked.wait()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if not self._asked:
            self._unasked = anyio.Event()
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1
            if not self._asked:
                self._unasked.set()

    async def recall(self, revision: str) -> Listing:
        """The list of a revision, for a client that reads it part by part; raises as `look` does, and

        :raises ListChanged: it is neither that of now nor one of the last ones that this gateway has told.
        """
        listing = self._earlier.get(revision) or await self.look()
        if listing.revision != revision:
            raise ListChanged("The list has changed since. Begin again without `revision`.")
        return listing

    async def relist(self) -> None:
        """List what `read_new` has read, unless a look has listed it meanwhile. Requests do not wait for that."""
        before = self._listing
        listing = await self.process(self._list_known)
        for sort in {NEWEST, *before.orders} - {*listing.orders}:  # requests do not wait for these again
            await anyio.sleep(_REST_S)
            await self.process(listing.select, "", sort)
        if self._listing is before:
            self._take(listing)

    async def read_new(self, duration_s: float) -> int:
        """Look into new files for so long, less while the list `is_asked` for; how many are left.

        Raises as `look` does.
        """
        return await self.disk.read(self._catalogue.read_new, duration_s, lambda: self.is_asked)

    def _scan(self) -> None:
        catalogue = self._catalogue
        files = catalogue.scan(_READ_AT_ONCE if self.reads_later else None)
        if files is not self._scanned:
            self._scanned = files
            self._found = Listing(files, entries=catalogue.entries, unread=catalogue.unread)

    def _list_known(self) -> Listing:
        catalogue = self._catalogue
        unread = catalogue.unread  # first: what is read meanwhile may be listed as unread, not the other way
        return Listing(catalogue.list_known(), entries=catalogue.entries, unread=unread)

    def _take(self, listing: Listing) -> None:
        self._listing = listing
        self._earlier.pop(listing.revision, None)
        self._earlier[listing.revision] = listing
        for revision in list(self._earlier)[:-_KEPT]:
            del self._earlier[revision]
        if listing.unread:
            self.new_files.set()

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

    async def delete(self, name: str, check: Callable[[AudioFile], None] = lambda _: None) -> None:
        """Remove the file of this name, unless `check` raises; raises as `open` does too."""
        await self.disk.run(self._delete, name, check)
        self.on_change()

    async def rename(self, name: str, new_name: str, check: Callable[[AudioFile], None] = lambda _: None) -> AudioFile:
        """Give the file of this name another one, and have that on the disk; raises as `open` and `check` do, and

        :raises Unprocessable: the new name cannot be.
        :raises NameTaken: a file has it, in whatever Unicode form; nothing has changed.
        """
        audio = await self.disk.run(self._rename, name, check_name(new_name), check)
        self.on_change()
        return audio

    async def publish(self, staged: AtomicFile, name: str) -> AudioFile:
        """Make a whole staged file one of the library, if it is audio, and have it on the disk; raises as `add`."""
        audio = await self.disk.run(self._publish, staged, name)
        self.on_change()
        return audio

    def _publish(self, staged: AtomicFile, name: str) -> AudioFile:
        file = staged.finish()
        os.utime(file.fileno())
        audio = self._catalogue.examine(name, file)
        if audio is None:
            raise NotAudio(os.pread(file.fileno(), _EXPLAINED_BYTES, 0))
        self._refuse_taken(name)
        try:
            staged.publish(name)
        except FileExistsError:
            raise NameTaken(self.disk.folder, name) from None
        except OSError as error:
            self._refuse_impossible(error, name)
            raise
        return self._catalogue.keep(audio, file)

    def _refuse_taken(self, name: str) -> None:
        """:raises NameTaken: a file has this name. An empty one that a killed gateway left is removed instead."""
        if find_entry(self.disk.folder, name):
            sweep_claims(self.disk.folder)
            refuse_taken(self.disk.folder, name)

    def _refuse_impossible(self, error: OSError, name: str) -> None:
        """:raises Unprocessable: the error says that the file system cannot have this name."""
        if error.errno in IMPOSSIBLE and self.disk.folder.is_dir():
            raise Unprocessable("The disk of the library cannot have a file of this name.", name=name) from error

    def _stage(self, name: str) -> AtomicFile:
        self._refuse_taken(name)
        return open_atomic(self.disk.folder, self.disk.writers, nameless=self._nameless)

    def _open(self, name: str) -> OpenAudio:
        audio, file, disk_name = self._catalogue.open(name)
        with file:
            return OpenAudio(audio, file, disk_name, self.disk)

    def _rename(self, name: str, new_name: str, check: Callable[[AudioFile], None]) -> AudioFile:
        audio, file, disk_name = self._catalogue.open(name)
        with file:
            check(audio)
            if new_name != audio.name:
                try:
                    rename_entry(self.disk.folder, disk_name, new_name, file.fileno())
                except FileExistsError:
                    raise NameTaken(self.disk.folder, new_name) from None
                except FileNotFoundError:  # another has renamed or deleted it meanwhile
                    raise not_found(name) from None
                except OSError as error:
                    self._refuse_impossible(error, new_name)
                    raise
                self._catalogue.forget(disk_name)
                audio = self._catalogue.keep(replace(audio, name=new_name), file)
        return audio

    def _delete(self, name: str, check: Callable[[AudioFile], None]) -> None:
        audio, file, disk_name = self._catalogue.open(name)
        file.close()
        check(audio)
        try:
            (self.disk.folder / to_disk(disk_name)).unlink()
        except FileNotFoundError:
            raise not_found(name) from None
        self._catalogue.forget(disk_name)
        sync_folder(self.disk.folder)
