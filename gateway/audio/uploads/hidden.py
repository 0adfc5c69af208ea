"""New files without a public name: without any where the file system has `O_TMPFILE`, else hidden under a lock.

The lock dies with its owner, so that a later start can tell a leftover from the upload of another gateway. Blocking
calls, made for worker threads.
"""

import errno
import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from .descriptors import close_quietly, lock_named, open_regular

OWN_FILES = Path("/proc/self/fd")
MODE = 0o644
NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR
_PREFIX = ".upload-"
_NOT_NAMELESS = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


def make_hidden_name() -> str:
    """A name that no list shows, and that a sweep removes once its file is not locked."""
    return _PREFIX + secrets.token_hex(16)


def open_nameless(folder_fd: int) -> int | None:
    """A new file without a name, which `link` may give it; None where the file system or the machine has none.

    :raises OSError: the folder is full or not writable.
    """
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not OWN_FILES.is_dir():
        return None
    try:
        return os.open(".", flag | os.O_RDWR, MODE, dir_fd=folder_fd)
    except OSError as error:
        if error.errno in _NOT_NAMELESS:
            return None
        raise


def open_locked(folder_fd: int) -> tuple[int, str]:
    """A new hidden file under its lock, and its name; raises as `open_nameless`."""
    while True:
        hidden_name = make_hidden_name()
        fd = os.open(hidden_name, NEW, MODE, dir_fd=folder_fd)
        with suppress(BlockingIOError, FileNotFoundError):  # a starting gateway takes it for a leftover
            lock_named(fd, hidden_name, folder_fd)
            return fd, hidden_name


def sweep_hidden(folder: Path) -> None:
    """Remove the hidden files whose owner is dead, as far as the folder lets us."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            file_fd = open_regular(path)
            try:
                fcntl.flock(file_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                close_quietly(file_fd)
