"""A public name without hard links: in one step, or by a placeholder whose leftovers are found again."""

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.audio.uploads.atomic_file import sweep_leftovers, try_upload
from gateway.audio.uploads.renaming import rename_at_once, rename_new, rename_over_placeholder, sweep_claims

WRITERS = ThreadPoolExecutor(2)
Rename = Callable[[str, str, int], bool | None]
each_way = pytest.mark.parametrize("rename", [rename_at_once, rename_over_placeholder, rename_new])


@pytest.fixture
def folder_fd(tmp_path: Path) -> Iterator[int]:
    """The folder of a test, open."""
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def list_disk(folder: Path) -> list[str]:
    """All names in the folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@each_way
@pytest.mark.parametrize("name", ["a.wav", "й" * 127, "a\nb"])
def test_rename(tmp_path: Path, folder_fd: int, rename: Rename, name: str) -> None:
    """A file gets its new name, and nothing else is left."""
    (tmp_path / ".upload-1").write_bytes(b"bytes")
    rename(".upload-1", name, folder_fd)
    assert list_disk(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"bytes"


@each_way
def test_taken(tmp_path: Path, folder_fd: int, rename: Rename) -> None:
    """What has the name already stays as it is, also a file without bytes, a folder and a link to nowhere."""
    (tmp_path / ".upload-1").write_bytes(b"bytes")
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").mkdir()
    (tmp_path / "c").symlink_to("nowhere")
    for name in "abc":
        with pytest.raises(FileExistsError):
            rename(".upload-1", name, folder_fd)
    assert list_disk(tmp_path) == [".upload-1", "a", "b", "c"]


@each_way
def test_without_a_source(tmp_path: Path, folder_fd: int, rename: Rename) -> None:
    """What cannot be renamed takes no name."""
    with pytest.raises(FileNotFoundError):
        rename(".upload-1", "a.wav", folder_fd)
    assert list_disk(tmp_path) == []


@each_way
def test_rivals(tmp_path: Path, folder_fd: int, rename: Rename) -> None:
    """Of many that want one name, one gets it, whole."""
    sources = [f".upload-{number}" for number in range(20)]
    for source in sources:
        (tmp_path / source).write_text(source)

    def take(source: str) -> bool:
        try:
            rename(source, "a.wav", folder_fd)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        winners = [source for source, won in zip(sources, threads.map(take, sources), strict=True) if won]
    assert [(tmp_path / "a.wav").read_text()] == winners
    assert len(list_disk(tmp_path)) == 20


def leave_claim(folder: Path, name: bytes, data: bytes = b"") -> Path:
    """What a kill leaves of a placeholder: the claim, and the file of the name with this in it."""
    (folder / os.fsdecode(name)).write_bytes(data)
    claim = folder / ".claim-0"
    claim.write_bytes(name)
    return claim


def test_leftover(tmp_path: Path) -> None:
    """The empty file of a dead owner goes with its claim; one that has bytes stays, and so does every other one."""
    (tmp_path / "other.wav").write_bytes(b"")
    leave_claim(tmp_path, "й.wav".encode())
    sweep_leftovers(tmp_path)
    assert list_disk(tmp_path) == ["other.wav"]
    leave_claim(tmp_path, b"a.wav", b"bytes")
    sweep_leftovers(tmp_path)
    assert list_disk(tmp_path) == ["a.wav", "other.wav"]


@pytest.mark.parametrize("name", [b"", b"../kept", b"/", b"folder", b"\xff", b"a\0b", b"x" * 5000, b"nothing"])
def test_odd_claim(tmp_path: Path, name: bytes) -> None:
    """A claim that another program wrote removes nothing elsewhere, and goes."""
    folder = tmp_path / "audio"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "kept").write_bytes(b"")
    (folder / ".claim-0").write_bytes(name)
    sweep_leftovers(folder)
    assert (tmp_path / "kept").exists()
    assert list_disk(folder) == ["folder"]


def test_claim_of_the_living(tmp_path: Path, folder_fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep in the middle of a publication removes nothing of it, and a rival is told that the name is taken."""
    (tmp_path / ".upload-1").write_bytes(b"bytes")
    (tmp_path / ".upload-2").write_bytes(b"rival")
    real_rename = os.rename

    def rename_later(*args: Any, **options: Any) -> None:
        with pytest.raises(FileExistsError):
            rename_over_placeholder(".upload-2", "a.wav", folder_fd)
        sweep_claims(tmp_path)
        names = list_disk(tmp_path)
        assert names[0].startswith(".claim-")
        assert names[1:] == [".upload-1", ".upload-2", "a.wav"]
        real_rename(*args, **options)

    monkeypatch.setattr(os, "rename", rename_later)
    rename_over_placeholder(".upload-1", "a.wav", folder_fd)
    assert list_disk(tmp_path) == [".upload-2", "a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"bytes"


def test_trial(tmp_path: Path) -> None:
    """A trial of an upload leaves nothing in the folder, and says what an upload would hear."""
    try_upload(tmp_path, WRITERS)
    assert list_disk(tmp_path) == []
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        try_upload(tmp_path / "none", WRITERS)
