"""A hidden file gets its public name without hard links, which exFAT, FAT, SMB and many FUSE mounts lack.

renameat2(2) with RENAME_NOREPLACE does it in one step. Where that is missing too, an empty file takes the name, and the
hidden file is renamed over it. A kill between the two would leave the empty file, so a claim is on the disk before: a
hidden file with the name in it, under a lock that dies with its owner. There is one claim for a name, so two rivals are
never at it together. Blocking calls, made for worker threads.
"""

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from .descriptors import close_quietly, lock_named, open_regular, sync_folder_fd
from .hidden import MODE

NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""How link(2) fails where there are no hard links."""
_NO_FLAGS = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_RENAME_NOREPLACE = 1
"""linux/fs.h"""
_LIBC = ctypes.CDLL(None, use_errno=True)
_PREFIX = ".claim-"
_MAX_NAME_BYTES = 4096


def rename_new(source: str, name: str, folder_fd: int) -> None:
    """Rename an entry of a folder, and replace nothing.

    :raises FileExistsError: the name is taken.
    :raises OSError: no space, no disk; or the file system cannot have such a name.
    """
    if not rename_at_once(source, name, folder_fd):
        rename_over_placeholder(source, name, folder_fd)


def rename_at_once(source: str, name: str, folder_fd: int) -> bool:
    """Rename as `rename_new`, in one step; False where this system or file system cannot."""
    call = getattr(_LIBC, "renameat2", None)
    if call is None:
        return False
    names = (os.fsencode(source), os.fsencode(name))
    if call(folder_fd, names[0], folder_fd, names[1], ctypes.c_uint(_RENAME_NOREPLACE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_FLAGS:
        return False
    raise OSError(number, os.strerror(number), name)


def rename_over_placeholder(source: str, name: str, folder_fd: int) -> None:
    """Rename as `rename_new`, by an empty file that takes the name first."""
    with _claiming(name, folder_fd):
        close_quietly(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE, dir_fd=folder_fd))
        try:
            os.rename(source, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
            sync_folder_fd(folder_fd)  # before the claim goes
        except OSError:
            os.unlink(name, dir_fd=folder_fd)
            raise


@contextmanager
def _claiming(name: str, folder_fd: int) -> Iterator[None]:
    """Hold the claim of a name, after what a dead owner of it left is removed; raises as `rename_new`."""
    claim = _PREFIX + sha256(os.fsencode(name)).hexdigest()[:32]
    fd = _open_claim(claim, name, folder_fd)
    try:
        _remove_placeholder(fd, folder_fd)
        os.ftruncate(fd, 0)
        os.pwrite(fd, os.fsencode(name), 0)
        os.fsync(fd)
        sync_folder_fd(folder_fd)
        yield
    finally:
        with suppress(OSError):
            os.unlink(claim, dir_fd=folder_fd)
        close_quietly(fd)


def _open_claim(claim: str, name: str, folder_fd: int) -> int:
    while True:
        fd = os.open(claim, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, MODE, dir_fd=folder_fd)
        try:
            lock_named(fd, claim, folder_fd)
        except FileNotFoundError:  # its owner has just removed it
            continue
        except BlockingIOError:
            raise FileExistsError(errno.EEXIST, "the name is being taken", name) from None
        return fd


def _remove_placeholder(claim_fd: int, folder_fd: int) -> None:
    """Remove the empty file that a dead owner of this claim left under its name."""
    name = os.fsdecode(os.pread(claim_fd, _MAX_NAME_BYTES, 0))
    if not name or "/" in name or "\0" in name:  # other programs write to the folder too
        return
    with suppress(OSError):
        status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) and not status.st_size:
            os.unlink(name, dir_fd=folder_fd)


def sweep_claims(folder: Path) -> None:
    """Remove the claims whose owner is dead, and what they left, as far as the folder lets us."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError), ExitStack() as opened:
            folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            opened.callback(close_quietly, folder_fd)
            claim_fd = open_regular(path)
            opened.callback(close_quietly, claim_fd)
            fcntl.flock(claim_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_placeholder(claim_fd, folder_fd)
            path.unlink()
