"""Descriptors of the folder: which file a name is, opened without surprise, locked, closed without an error.

Other programs write to the folder too, so a name may be a link, a pipe or a directory by now. Knows no names and no
audio.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

_NOT_REGULAR = {errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR}


def open_regular(path: Path | str, flags: int = os.O_RDONLY, *, dir_fd: int | None = None) -> int:
    """The descriptor of a regular file, opened without following a link or waiting for the other end of a pipe.

    :raises FileNotFoundError: it is something else, or there is nothing of this name.
    :raises OSError: it cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode):
        raise FileNotFoundError(path)  # unopened: to open a device may already do something
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise FileNotFoundError(path) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # it was replaced meanwhile
        close_quietly(fd)
        raise FileNotFoundError(path)
    return fd


def close_quietly(fd: int) -> None:
    """Close a descriptor whose bytes were confirmed by fsync, or are not needed.

    An error of close(2) says nothing new then, and the descriptor is free all the same (close(2), NOTES).
    """
    with suppress(OSError):
        os.close(fd)


def is_file(path: Path | str, status: os.stat_result, *, dir_fd: int | None = None) -> bool:
    """Whether a name is that of the file with this status.

    The number of links does not tell: a snapshot of hard links (`cp -al`) adds one to every file.

    :raises OSError: the folder is broken.
    """
    try:
        return os.path.samestat(os.stat(path, dir_fd=dir_fd, follow_symlinks=False), status)
    except FileNotFoundError:
        return False


def lock_named(fd: int, name: str, folder_fd: int) -> None:
    """Take the lock of a file that still has its name, until it is closed; it is closed at once where that fails.

    :raises BlockingIOError: another process, or another descriptor of this one, has the lock.
    :raises FileNotFoundError: the name is gone, or that of another file.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not is_file(name, os.fstat(fd), dir_fd=folder_fd):
            raise FileNotFoundError(name)  # noqa: TRY301 - closed below
    except BaseException:
        close_quietly(fd)
        raise


def sync_folder(folder: Path) -> None:
    """Have the names of a folder on the disk.

    :raises OSError: the disk failed, or there is no folder.
    """
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_folder_fd(folder_fd)
    finally:
        close_quietly(folder_fd)


def sync_folder_fd(folder_fd: int) -> None:
    """Have the names of an open folder on the disk; raises as `sync_folder`."""
    try:
        os.fsync(folder_fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system syncs no folders (fsync(2)): there is nothing more to do
            raise
