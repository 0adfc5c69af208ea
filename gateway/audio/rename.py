"""Another name for an entry of the folder: in one step, and never over another entry.

Blocking calls, made for worker threads. Knows no audio.
"""

import errno
import fcntl
import os
from pathlib import Path

from gateway.audio.uploads.descriptors import close_quietly, is_file, sync_folder_fd
from gateway.audio.uploads.renaming import NO_LINKS, rename_at_once, rename_over_placeholder

from .filenames import find_entry, from_disk, to_disk


def rename_entry(folder: Path, old: str, new: str, file_fd: int) -> None:
    """Rename the file that is open as `file_fd`; the new name is on the disk at the end.

    Of rivals for a file or for a name one wins. A kill leaves the file under its old name or its new one; where the
    file system cannot rename without replacing, perhaps under both. A change of case alone is made also where the
    file system takes both names for one.

    :raises FileExistsError: `new` is taken, in whatever Unicode form; nothing has changed.
    :raises FileNotFoundError: `old` is not, or no longer, the name of this file.
    :raises OSError: the folder is away or broken.
    """
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = find_entry(folder, new)
        entry, new_entry = to_disk(old), to_disk(new)
        if found is None:
            _check_named(folder_fd, entry, file_fd)
            if not rename_at_once(entry, new_entry, folder_fd):
                link_and_unlink(folder_fd, entry, new_entry, file_fd)
        elif is_file(to_disk(found), os.fstat(file_fd), dir_fd=folder_fd) and not _is_listed(folder, found):
            os.rename(entry, new_entry, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        sync_folder_fd(folder_fd)
    finally:
        close_quietly(folder_fd)


def _is_listed(folder: Path, name: str) -> bool:
    """Whether an entry is written so; a file system that ignores case also finds others by this name."""
    with os.scandir(folder) as entries:
        return any(from_disk(entry.name) == name for entry in entries)


def _check_named(folder_fd: int, name: str, file_fd: int) -> None:
    if not is_file(name, os.fstat(file_fd), dir_fd=folder_fd):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def link_and_unlink(folder_fd: int, old: str, new: str, file_fd: int) -> None:
    """Rename by a second link, or over an empty file where there are no links; raises as `rename_entry`.

    Rivals wait for the lock of the file, which dies with its owner.
    """
    fcntl.flock(file_fd, fcntl.LOCK_EX)
    try:
        _check_named(folder_fd, old, file_fd)
        try:
            os.link(old, new, src_dir_fd=folder_fd, dst_dir_fd=folder_fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            rename_over_placeholder(old, new, folder_fd)
        else:
            os.unlink(old, dir_fd=folder_fd)
    finally:
        fcntl.flock(file_fd, fcntl.LOCK_UN)
