"""Uploads that go on later, as they lie on the disk: a hidden file of what has arrived, and a note beside it.

Which of the two are there says how far an upload is, so a crash at any moment leaves one of these:

    file and note                   it can go on
    file and note, one inode with   it was published, and its hidden name was not yet removed
      the name of the note
    note alone                      it is published; the note tells a client that missed the answer
    file alone                      it was being made or removed: a leftover

The lock of the file says whose it is now; it dies with its owner, and counts between gateways too. Blocking calls,
made for worker threads. Knows no audio and no HTTP.
"""

import json
import os
import re
import secrets
import time
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unicodedata import normalize

from ..errors import GatewayError, NotFound
from .descriptors import is_file
from .staging import Staged, open_kept

_PREFIX = ".resumable-"
_KEY = re.compile(r"[0-9a-f]{32}")


class UploadLocked(GatewayError):
    """Somebody else is at this upload."""

    status, code = 423, "upload-locked"


@dataclass(frozen=True)
class Note:
    """What an upload is to be.

    `metadata` is kept as the client sent it. `checked_bytes`: while bytes arrive that may yet prove wrong, how many
    stood before them; after a crash the file is cut back to that.
    """

    name: str
    length_bytes: int
    metadata: str = ""
    checked_bytes: int | None = None


class Partial:
    """One upload, held; `staged` is None once it is published. `expires_at` is in seconds since 1970."""

    def __init__(self, folder: Path, key: str, note: Note, staged: Staged | None, expires_at: float) -> None:
        self.key = key
        self.note = note
        self.staged = staged
        self.expires_at = expires_at
        self.size_bytes = note.length_bytes
        self._folder = folder
        if staged:
            self.keep([])

    def mark_checked(self, size_bytes: int | None) -> None:
        """Note that what comes behind so many bytes may yet prove wrong; None: it did not."""
        if size_bytes != self.note.checked_bytes:
            self.note = replace(self.note, checked_bytes=size_bytes)
            _write_note(self._folder, self.key, self.note)

    def keep(self, pieces: list[bytes]) -> None:
        """Have on the disk what has arrived, with these last pieces of it.

        Where a disk fails to confirm, nobody knows what it lost: then the upload is removed.

        :raises OSError: not all could be written, or the disk failed.
        """
        assert self.staged
        with suppress(OSError):  # told by `finish`
            self.staged.write(pieces)
        try:
            self.size_bytes = self.staged.sync()
        except OSError:
            self.remove()
            raise
        self.mark_checked(None)
        self.staged.finish()

    def cut(self, size_bytes: int) -> None:
        """Throw away what stands behind so many bytes."""
        assert self.staged
        self.staged.cut(size_bytes)
        self.mark_checked(None)

    def finish(self) -> None:
        """Remove the hidden name, once the file has another. The note stays for its time."""
        assert self.staged
        os.utime(self._folder / _note_name(self.key))
        self.staged.kept = False

    def remove(self) -> None:
        """Remove the upload when it is closed; a file that was published stays."""
        _remove_note(self._folder, self.key)
        if self.staged:
            self.staged.kept = False

    def close(self) -> None:
        """Let go of it. May be called again."""
        if self.staged:
            self.staged.close()


def create_partial(folder: Path, note: Note, writers: Executor) -> str:
    """The key of a new upload, which nobody can guess.

    :raises OSError: the folder is away, full or not writable.
    """
    while True:
        key = secrets.token_hex(16)
        try:
            staged = open_kept(folder, _PREFIX + key, writers, new=True)
        except (BlockingIOError, FileNotFoundError):  # a sweep took it for a leftover, or there is no folder
            folder.stat()
            continue
        try:
            _write_note(folder, key, note)
        except BaseException:
            staged.kept = False
            raise
        finally:
            staged.close()
        return key


def open_partial(folder: Path, key: str, writers: Executor, *, expires_after_s: float) -> Partial:
    """The upload of this key, held until it is closed, with everything on the disk that is counted.

    What has expired, and what a crash left of it, is removed here.

    :raises NotFound: there is none, or no more.
    :raises UploadLocked: somebody else holds it.
    :raises OSError: the folder is away or broken.
    """
    if not _KEY.fullmatch(key):
        raise _not_found()
    staged: Staged | None = None
    try:
        staged = open_kept(folder, _PREFIX + key, writers)
    except FileNotFoundError:
        folder.stat()
    except BlockingIOError:
        raise UploadLocked("Somebody else is at this upload.", retry_after_s=1) from None
    try:
        return _recover(folder, key, staged, expires_after_s)
    except BaseException as error:
        if isinstance(error, NotFound):
            _remove_note(folder, key)
        if staged:
            staged.kept = staged.kept and not isinstance(error, NotFound)
            staged.close()
        raise


def _recover(folder: Path, key: str, staged: Staged | None, expires_after_s: float) -> Partial:
    """The upload, after what a crash left undone is done; raises NotFound for what is to be removed."""
    path = folder / _note_name(key)
    note = _read_note(path)
    status = os.fstat(staged.finish().fileno()) if staged else path.stat()
    expires_at = status.st_mtime + expires_after_s
    if expires_at <= time.time():
        raise _not_found()
    if staged and _is_published(folder, note.name, status):
        staged.kept = False
        staged.close()
        staged = None
    if staged and note.checked_bytes is not None:
        staged.cut(note.checked_bytes)
    return Partial(folder, key, note, staged, expires_at)


def sweep_partials(folder: Path, writers: Executor, *, expires_after_s: float) -> None:
    """Remove what has expired and what a crash left, as far as the folder lets us.

    What looks as it should is not opened: its client would find it locked.
    """
    for key in {path.name.removeprefix(_PREFIX)[:32] for path in folder.glob(f"{_PREFIX}*")}:
        with suppress(GatewayError, OSError):
            if not _can_go_on(folder, key, expires_after_s):
                open_partial(folder, key, writers, expires_after_s=expires_after_s).close()


def _can_go_on(folder: Path, key: str, expires_after_s: float) -> bool:
    """Whether an upload looks, without its lock, as one that its client goes on with."""
    try:
        note = _read_note(folder / _note_name(key))
        status = (folder / f"{_PREFIX}{key}").lstat()
    except (NotFound, FileNotFoundError):
        return False
    return status.st_mtime + expires_after_s > time.time() and not _is_published(folder, note.name, status)


def _is_published(folder: Path, name: str, status: os.stat_result) -> bool:
    """Whether the file of this status has this name, in whatever Unicode form, and not only its hidden one."""
    if status.st_nlink == 1:
        return False
    with os.scandir(folder) as entries:
        forms = [entry.name for entry in entries if normalize("NFC", entry.name) == name]
    return any(is_file(folder / form, status) for form in forms)


def _note_name(key: str) -> str:
    return f"{_PREFIX}{key}.json"


def _read_note(path: Path) -> Note:
    try:
        return Note(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        raise _not_found() from None


def _remove_note(folder: Path, key: str) -> None:
    for name in (_note_name(key), f"{_PREFIX}{key}.new"):
        (folder / name).unlink(missing_ok=True)


def _write_note(folder: Path, key: str, note: Note) -> None:
    """Put the note there whole, over the one before, and have it on the disk."""
    new = folder / f"{_PREFIX}{key}.new"
    try:
        with new.open("wb") as file:
            file.write(json.dumps(asdict(note)).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / _note_name(key))
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def _not_found() -> NotFound:
    return NotFound("There is no such upload, or no more.")
