"""Names of the folder that other programs have changed: what is opened, and what is locked."""

import os
import socket
from pathlib import Path

import pytest

from gateway.audio.uploads.descriptors import is_file, lock_named, open_regular


def test_open_regular(tmp_path: Path) -> None:
    """A regular file is opened; a link, a pipe, a socket, a folder and nothing are no file, and no call waits."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for flags in (os.O_RDONLY, os.O_RDWR):
        os.close(open_regular(tmp_path / "file", flags))
        for name in ("link", "folder", "pipe", "socket", "nothing"):
            with pytest.raises(FileNotFoundError):
                open_regular(tmp_path / name, flags)


def test_lock_of_a_removed_name(tmp_path: Path) -> None:
    """A file whose name was removed before the lock is not there, though it has another one, as in a snapshot."""
    (tmp_path / "hidden").write_bytes(b"x")
    os.link(tmp_path / "hidden", tmp_path / "published")
    folder_fd = os.open(tmp_path, os.O_RDONLY)
    fd = open_regular("hidden", dir_fd=folder_fd)
    status = os.fstat(fd)
    (tmp_path / "hidden").unlink()
    assert is_file(tmp_path / "published", status)
    with pytest.raises(FileNotFoundError):
        lock_named(fd, "hidden", folder_fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    (tmp_path / "hidden").write_bytes(b"another file")
    with pytest.raises(FileNotFoundError):
        lock_named(open_regular("published", dir_fd=folder_fd), "hidden", folder_fd)
    os.close(folder_fd)
