"""The folder of the embedded server: its lock, its log, its socket (elsewhere where the path is too long) and the
options of a server in it."""

import fcntl
import hashlib
import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.process.logs import show_path

SOCKET_PATH_BYTES = 100
"""sockaddr_un holds 104 bytes on macOS and 108 on Linux."""


def find_socket(folder: Path) -> Path:
    """The unix socket; the same for every gateway on the folder."""
    near = folder / "redis.sock"
    if len(os.fsencode(near)) <= SOCKET_PATH_BYTES:
        return near
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"gateway-{os.geteuid()}-{digest}", "redis.sock")


@contextmanager
def socket_folder(folder: Path) -> Iterator[None]:
    """The folder of the socket, while it is needed.

    :raises PermissionError: it is not private.
    """
    elsewhere = find_socket(folder).parent
    if elsewhere != folder:
        _prepare_private(elsewhere)
    try:
        yield
    finally:
        if elsewhere != folder:
            with suppress(OSError):
                elsewhere.rmdir()


def prepare_folder(folder: Path) -> None:
    """Make the folder, for this user alone.

    :raises OSError: it cannot be made, or is another user's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)


def open_lock(folder: Path) -> int:
    """A descriptor of the file that the owner of the server locks.

    :raises OSError: the file is another user's.
    """
    path = folder / "lock"
    with suppress(OSError):  # a mode that keeps its own user out
        path.chmod(0o600)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(lock: int) -> bool:
    """Take the lock; whether nothing else has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def find_log(folder: Path) -> Path:
    """The log of the server that runs now, or ran last."""
    return folder / "server.log"


def list_options(folder: Path, maxmemory_bytes: int) -> list[str]:
    """What is said to a server on its command line."""
    options = {
        "port": "0",
        "unixsocket": str(find_socket(folder)),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "no",  # the server would cut a bad end off without keeping it
        "save": "",
        "maxmemory": str(maxmemory_bytes),
        "maxmemory-policy": "volatile-ttl",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(find_log(folder)),
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def describe_end(folder: Path, code: int | None, *reasons: str) -> str:
    """One line: the reasons known, how the server ended, the last words of its log."""
    words = list(reasons)
    if code is not None:
        words.append(f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}")
    with suppress(OSError):
        lines = find_log(folder).read_text("utf-8", errors="replace").splitlines()
        said = [line.rpartition(" # ")[2].strip() for line in lines]
        words += [line for line in said if line and not line.startswith("WARNING")][-2:]
    return "; ".join(words)


def _prepare_private(folder: Path) -> None:
    """Make a folder under a public one, or accept it if it is this user's and closed to all others.

    :raises PermissionError: it is not.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{show_path(folder)} is not a private folder of this user")
