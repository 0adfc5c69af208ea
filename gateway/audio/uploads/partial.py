"""Uploads that go on later, as they lie on the disk: a hidden file of what has arrived, and a note beside it.

Which of the two are there says how far an upload is, so a crash at any moment leaves one of these:

    file and note                   it can go on
    file and note, and the name of  it was published, and its hidden name was not yet removed
      the note is the same file
    note that says `moving`, and a  it was published where there are no hard links
      file of the name and length
    note that says `finished`       it was published; the note tells a client that missed the answer
    anything else                   it was being made or removed, or was damaged: a leftover

The lock of the file says whose it is now; it dies with its owner, and counts between gateways too. Blocking calls,
made for worker threads. Knows no audio and no HTTP.
"""

import os
import re
import secrets
import stat
import time
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

from gateway.audio.filenames import from_disk
from gateway.errors import GatewayError, NotFound

from .atomic_file import AtomicFile, open_hidden
from .descriptors import is_file
from .note import PREFIX, Note, not_found, read_note, remove_note, write_note

_KEY = re.compile(r"[0-9a-f]{32}")


class UploadLocked(GatewayError):
    """Another request is writing to this upload."""

    status, code = 423, "upload-locked"


class OffsetMismatch(GatewayError):
    """The bytes do not begin where those end that are here."""

    status, code = 409, "offset-mismatch"


class Partial:
    """One upload, held; `staged` is None once it is published. `expires_at` is in seconds since 1970."""

    def __init__(self, folder: Path, key: str, note: Note, staged: AtomicFile | None, expires_at: float) -> None:
        self.key = key
        self.note = note
        self.staged = staged
        self.expires_at = expires_at
        self.size_bytes = note.length_bytes
        self._folder = folder
        if staged:
            staged.before_rename = lambda: write_note(folder, key, replace(note, moving=True))
            self.keep([])

    def keep(self, pieces: list[bytes]) -> None:
        """Have on the disk what has arrived, with these last pieces of it.

        :raises OSError: not all could be written, or the disk failed, and then the upload is gone.
        """
        assert self.staged
        with suppress(OSError):  # told by `finish`
            self.staged.write(pieces)
        self.size_bytes = self.staged.sync()
        self.staged.finish()

    def finish(self) -> None:
        """Put the upload away, once its file is published. The note stays for its time."""
        assert self.staged
        _put_away(self._folder, self.key, self.note, self.staged)

    def remove(self) -> None:
        """Remove the upload when it is closed; a file that was published stays."""
        remove_note(self._folder, self.key)
        if self.staged:
            self.staged.kept = False

    def close(self) -> None:
        """Close it and release the lock. May be called again."""
        if self.staged:
            self.staged.close()


def create_partial(folder: Path, note: Note, writers: Executor) -> str:
    """The key of a new upload, which cannot be guessed.

    :raises OSError: the folder is away, full or not writable.
    """
    while True:
        key = secrets.token_hex(16)
        try:
            staged = open_hidden(folder, PREFIX + key, writers, new=True)
        except (BlockingIOError, FileNotFoundError):  # a sweep took it for a leftover, or there is no folder
            folder.stat()
            continue
        try:
            write_note(folder, key, note)
        except BaseException:
            staged.kept = False
            remove_note(folder, key)
            raise
        finally:
            staged.close()
        return key


def open_partial(folder: Path, key: str, writers: Executor, *, expires_after_s: float) -> Partial:
    """The upload of this key, held until it is closed, with everything on the disk that is counted.

    What has expired, and what a crash left of it, is removed here.

    :raises NotFound: there is none, or no more.
    :raises UploadLocked: another request or gateway holds it.
    :raises OSError: the folder is away or broken.
    """
    if not _KEY.fullmatch(key):
        raise not_found()
    staged: AtomicFile | None = None
    try:
        staged = open_hidden(folder, PREFIX + key, writers)
    except FileNotFoundError:
        folder.stat()
    except BlockingIOError:
        raise UploadLocked("Another request is writing to this upload.", retry_after_s=1) from None
    try:
        return _recover(folder, key, staged, expires_after_s)
    except BaseException as error:
        if isinstance(error, NotFound):
            with suppress(OSError):  # such as a directory in the place of the note
                remove_note(folder, key)
        if staged:
            staged.kept = staged.kept and not isinstance(error, NotFound)
            staged.close()
        raise


def _recover(folder: Path, key: str, staged: AtomicFile | None, expires_after_s: float) -> Partial:
    """The upload, after what a crash left undone is done; raises NotFound for what is to be removed."""
    note, status = read_note(folder, key)
    if staged:
        status = os.fstat(staged.finish().fileno())
    expires_at = _expire(status, expires_after_s)
    if expires_at <= time.time() or not (staged or note.finished or _was_moved(folder, note)):
        raise not_found()
    if staged is None or _is_published(folder, note, status):
        _put_away(folder, key, note, staged)
        staged = None
    if staged and _is_damaged(note, status):
        raise not_found()
    return Partial(folder, key, note, staged, expires_at)


def _put_away(folder: Path, key: str, note: Note, staged: AtomicFile | None) -> None:
    """Note that an upload was published, and close its hidden file without its name; or else the next call does it."""
    with suppress(OSError):
        if not note.finished:
            write_note(folder, key, replace(note, finished=True, moving=False))
        if staged:
            staged.kept = False
    if staged:
        staged.close()


def sweep_partials(folder: Path, writers: Executor, *, expires_after_s: float) -> None:
    """Remove what has expired and what a crash left, as far as the folder lets us.

    What looks as it should is not opened: its client would find it locked.
    """
    for key in {path.name.removeprefix(PREFIX)[:32] for path in folder.glob(f"{PREFIX}*")}:
        with suppress(GatewayError, OSError):
            if not _can_go_on(folder, key, expires_after_s):
                open_partial(folder, key, writers, expires_after_s=expires_after_s).close()


def _can_go_on(folder: Path, key: str, expires_after_s: float) -> bool:
    """Whether an upload looks, without its lock, as one that its client goes on with."""
    try:
        note, _ = read_note(folder, key)
        status = (folder / f"{PREFIX}{key}").lstat()
    except (NotFound, FileNotFoundError):
        return False
    fresh = _expire(status, expires_after_s) > time.time()
    return fresh and not _is_published(folder, note, status) and not _is_damaged(note, status)


def _expire(status: os.stat_result, expires_after_s: float) -> float:
    """When what was last written then expires; a time to come is a wrong one."""
    return min(status.st_mtime, time.time()) + expires_after_s


def _is_published(folder: Path, note: Note, status: os.stat_result) -> bool:
    """Whether the hidden file of this status was published: its note says so, or it has the name of the note too.

    That name may have another Unicode form by now.
    """
    if note.finished and status.st_size == note.length_bytes:
        return True
    if status.st_nlink == 1:
        return False
    return any(is_file(path, status) for path in _list_forms(folder, note.name))


def _was_moved(folder: Path, note: Note) -> bool:
    """Whether the hidden file of this note, which is not there, was renamed: a file of its name and length is there."""
    if not note.moving:
        return False
    statuses = [path.lstat() for path in _list_forms(folder, note.name)]
    return any(stat.S_ISREG(status.st_mode) and status.st_size == note.length_bytes for status in statuses)


def _list_forms(folder: Path, name: str) -> list[Path]:
    """The entries of this name in whatever Unicode form."""
    with os.scandir(folder) as entries:
        return [folder / entry.name for entry in entries if normalize("NFC", from_disk(entry.name)) == name]


def _is_damaged(note: Note, status: os.stat_result) -> bool:
    """Whether a hidden file that was not published is none, or its note is not one that was written for it."""
    return note.finished or not stat.S_ISREG(status.st_mode) or status.st_size > note.length_bytes
