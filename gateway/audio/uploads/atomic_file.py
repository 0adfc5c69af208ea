"""One file on its way into the folder: invisible until it is whole and on the disk.

Where the file system has `O_TMPFILE`, the file has no name at all until `link` gives it one, and a killed
process leaves nothing. Elsewhere it is hidden, under a lock that dies with its owner. A file that is to outlive its
owner, so that another may go on with it, is hidden under a name of the caller's. Blocking calls, made for worker
threads.
"""

import os
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Lock

from gateway.audio.filenames import to_disk

from .descriptors import close_quietly, is_file, lock_named, open_regular, sync_folder_fd
from .hidden import MODE, NEW, OWN_FILES, make_hidden_name, open_locked, open_nameless, sweep_hidden
from .renaming import NO_LINKS, rename_new, sweep_claims

_MAX_PIECES = 1024
"""IOV_MAX of Linux and macOS."""
_PUSHED_BYTES = 8 * 1024 * 1024
_COPIED_BYTES = 1 << 30


class AtomicFile:
    """A file without a public name, open for writing and reading.

    A cancelled request leaves its worker thread behind in the middle of a call, so every call holds the lock:
    `close` waits for the write under way, and what comes after `close` fails instead of meeting a reused
    descriptor. A write that failed makes every later one fail: nothing is ever left out between two others.

    `kept`: whether `close` leaves the hidden file in the folder. `before_rename` is called where the hidden file is to
    be renamed for its publication, as there are no hard links: afterwards it is not there under its hidden name.
    """

    def __init__(
        self, file_fd: int, folder_fd: int, hidden_name: str | None, writers: Executor, *, kept: bool = False
    ) -> None:
        self.kept = kept
        self.before_rename: Callable[[], None] = lambda: None
        self._file = FileIO(file_fd, "r+", closefd=False)
        self._folder_fd = folder_fd
        # A request that is cancelled while it is opened never sees it: then it goes with the last reference.
        self._close_file = weakref.finalize(self, close_quietly, file_fd)
        self._close_folder = weakref.finalize(self, close_quietly, folder_fd)
        self._hidden_name = hidden_name
        self._writers = writers
        self._writing: Future[None] | None = None
        self._failure: OSError | None = None
        self._pushed_bytes = os.lseek(file_fd, 0, os.SEEK_END)
        self._lock = Lock()

    def write(self, pieces: list[bytes]) -> None:
        """Take the pieces out of the list and append them, once those of the call before are written.

        Comes back while the disk works, so that the next pieces can be received meanwhile.

        :raises OSError: no space, no disk; for these pieces or for those before.
        :raises ValueError: the file was closed by a cancellation.
        """
        with self._lock:
            self._settle()
            taken = pieces.copy()
            pieces.clear()
            self._writing = self._writers.submit(self._append, taken)

    def finish(self) -> FileIO:
        """The file, for reading, with everything in it; raises as `write`."""
        with self._lock:
            self._settle()
            return self._file

    def sync(self) -> int:
        """Have on the disk what could be written, and tell how many bytes the file has now.

        :raises OSError: the disk failed: the file is gone, also where it was to be kept.
        """
        with self._lock:
            with suppress(OSError):
                self._settle()
            self._sync(self._file.fileno())
            return os.fstat(self._file.fileno()).st_size

    def _settle(self) -> None:
        writing, self._writing = self._writing, None
        try:
            if writing:
                writing.result()
        except OSError as error:
            self._failure = error
        if self._failure:
            raise self._failure

    def _append(self, pieces: list[bytes]) -> None:
        views = [memoryview(piece) for piece in pieces if piece]
        while views:
            written = os.writev(self._file.fileno(), views[:_MAX_PIECES])
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]
        self._push_out()

    def _push_out(self) -> None:
        """Have the disk begin with what is there, so that the last fsync finds little left to do.

        On Linux the advice starts the writing of dirty pages and does not wait for it.
        """
        size_bytes = self._file.tell()
        waiting_bytes = size_bytes - self._pushed_bytes
        if waiting_bytes >= _PUSHED_BYTES and hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # an advice; the bytes are written
                os.posix_fadvise(self._file.fileno(), self._pushed_bytes, waiting_bytes, os.POSIX_FADV_DONTNEED)
            self._pushed_bytes = size_bytes

    def publish(self, name: str) -> None:
        """Give the file its name, after its bytes are on the disk; the name is on the disk too at the end.

        :raises FileExistsError: the name is taken; nothing changed.
        :raises OSError: no space, no disk; the file is not published, and gone where the disk failed to confirm it.
        """
        disk_name = to_disk(name)
        with self._lock:
            self._settle()
            self._sync(self._file.fileno())
            try:
                self.rename(disk_name)
                self._sync(self._folder_fd)
            except FileExistsError:
                raise
            except OSError:
                if self._is_named(disk_name):  # another upload may have it by now
                    os.unlink(disk_name, dir_fd=self._folder_fd)
                raise

    def rename(self, name: str) -> None:
        """Give the file its name, which need not be on the disk yet; a hidden name goes, unless it is kept.

        :raises FileExistsError: the name is taken.
        :raises OSError: no space, no disk.
        """
        try:
            try:
                self._link(name)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                self._rename_hidden(name)
        except FileExistsError:
            # NFS may repeat what it has done, and report the second try: link(2), BUGS.
            if not self._is_named(name):
                raise
        if not self.kept:
            self._remove_hidden()

    def _link(self, name: str) -> None:
        # With a dir_fd this is linkat(2) with AT_SYMLINK_FOLLOW, as open(2) shows it for O_TMPFILE.
        source = self._hidden_name or str(OWN_FILES / str(self._file.fileno()))
        source_fd = self._folder_fd if self._hidden_name else None
        os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=self._folder_fd, follow_symlinks=True)

    def _rename_hidden(self, name: str) -> None:
        hidden_name = self._hidden_name or self._copy_hidden()
        self.before_rename()
        rename_new(hidden_name, name, self._folder_fd)
        self._hidden_name = None

    def _copy_hidden(self) -> str:
        """Copy a nameless file, which only a link could name, into a hidden one, and go on with that.

        No common file system has nameless files but no links; a policy that forbids link(2) makes one.
        """
        new_fd, self._hidden_name = open_locked(self._folder_fd)
        try:
            status, copied_bytes = os.fstat(self._file.fileno()), 0
            while copied_bytes < status.st_size:
                copied_bytes += os.sendfile(new_fd, self._file.fileno(), copied_bytes, _COPIED_BYTES)
            os.utime(new_fd, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(new_fd)
            os.dup2(new_fd, self._file.fileno(), inheritable=False)
        except OSError as error:
            self._failure = error  # half a copy is never published
            raise
        finally:
            close_quietly(new_fd)
        return self._hidden_name

    def _is_named(self, name: str) -> bool:
        return is_file(name, os.fstat(self._file.fileno()), dir_fd=self._folder_fd)

    def _sync(self, fd: int) -> None:
        """Call fsync(2). What it failed to write is lost, and the next call would not tell: the file is removed."""
        try:
            (sync_folder_fd if fd == self._folder_fd else os.fsync)(fd)
        except OSError as error:
            self._failure = error
            self.kept = False
            self._remove_hidden()
            raise

    def _remove_hidden(self) -> None:
        """Remove the hidden name; what cannot be removed now is swept at a later start."""
        if self._hidden_name:
            with suppress(OSError):
                os.unlink(self._hidden_name, dir_fd=self._folder_fd)

    def close(self) -> None:
        """Close the file; one that was not published is removed, unless it is kept. May be called again."""
        with self._lock:
            if self._file.closed:
                return
            with suppress(OSError):
                self._settle()
            if not self.kept:
                self._remove_hidden()
            self._file.close()
            self._close_file()
            self._close_folder()


def open_atomic(folder: Path, writers: Executor, *, nameless: bool = True) -> AtomicFile:
    """A new file in the folder, without a name where `nameless` and the file system allow it.

    `writers` are the threads in which it is written.

    :raises OSError: the folder is away, full or not writable.
    """
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        hidden_name = None
        file_fd = open_nameless(folder_fd) if nameless else None
        if file_fd is None:
            file_fd, hidden_name = open_locked(folder_fd)
    except BaseException:
        close_quietly(folder_fd)
        raise
    return AtomicFile(file_fd, folder_fd, hidden_name, writers)


def open_hidden(folder: Path, hidden_name: str, writers: Executor, *, new: bool = False) -> AtomicFile:
    """The kept file of this name, under its lock, its end the place of the next write; made if it is `new`.

    :raises BlockingIOError: another request or gateway has it open.
    :raises FileNotFoundError: there is none, or it is no regular file.
    :raises OSError: the folder is away, full or not writable.
    """
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if new:
            file_fd = os.open(hidden_name, NEW, MODE, dir_fd=folder_fd)
        else:
            file_fd = open_regular(hidden_name, os.O_RDWR, dir_fd=folder_fd)
        lock_named(file_fd, hidden_name, folder_fd)
    except BaseException:
        close_quietly(folder_fd)
        raise
    return AtomicFile(file_fd, folder_fd, hidden_name, writers, kept=True)


def try_upload(folder: Path, writers: Executor) -> None:
    """Make a file, write to it, name it and remove it, as an upload does; nothing of it is ever seen.

    :raises OSError: an upload would fail with this.
    """
    staged, name = open_atomic(folder, writers), make_hidden_name()
    try:
        staged.finish().write(b"\0")
        staged.rename(name)
    finally:
        (folder / name).unlink(missing_ok=True)
        staged.close()


def sweep_leftovers(folder: Path) -> None:
    """Remove what dead owners left, as far as the folder lets us."""
    sweep_claims(folder)
    sweep_hidden(folder)
