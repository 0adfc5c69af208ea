"""What a look at a folder notices, and what it asks the disk for."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.audio import folder_scan
from gateway.audio.folder_scan import FolderScan


@pytest.fixture
def scan(tmp_path: Path) -> FolderScan[int]:
    """A scan whose states are the sizes of the files."""
    return FolderScan(tmp_path, lambda _, status: status.st_size)


def settle(folder: Path) -> None:
    """Let the folder be as it was long ago."""
    os.utime(folder, (1_000_000_000, 1_000_000_000))


def test_changes(scan: FolderScan[int], tmp_path: Path) -> None:
    """Files that come, grow, are renamed or go are noticed; what is hidden or no plain file is not there."""
    assert not scan.look()
    (tmp_path / "a").write_text("1")
    (tmp_path / ".hidden").write_text("1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert scan.look()
    assert scan.entries == {"a": 1}
    assert not scan.look()
    (tmp_path / "a").write_text("22")
    assert scan.look()
    (tmp_path / "a").rename(tmp_path / "b")
    assert scan.look()
    assert scan.entries == {"b": 2}
    (tmp_path / "b").unlink()
    assert scan.look()
    assert scan.entries == {}


def test_quick_changes(scan: FolderScan[int], tmp_path: Path) -> None:
    """Changes that follow one another faster than the times of a folder can tell are all noticed."""
    for number in range(300):
        (tmp_path / str(number)).write_text("1")
        assert scan.look()
    assert len(scan.entries) == 300


@pytest.mark.parametrize(("fraction_ns", "tick_s"), [(0, 2), (1, 0.1)])
def test_unchanged(
    scan: FolderScan[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fraction_ns: int, tick_s: float
) -> None:
    """An unchanged folder is not listed again, once its time would show a change; without fractions that is later."""
    listed = list[float]()
    clock_s = [1000.0]
    list_folder = os.scandir

    def note_listing(folder_fd: int) -> Any:
        listed.append(clock_s[0])
        return list_folder(folder_fd)

    monkeypatch.setattr(os, "scandir", note_listing)
    monkeypatch.setattr(folder_scan, "time", SimpleNamespace(monotonic=lambda: clock_s[0]))  # other threads have theirs
    (tmp_path / "a").write_text("1")
    os.utime(tmp_path, ns=(0, 10**18 + fraction_ns))
    for _ in range(100):
        scan.look()
        clock_s[0] += 0.05
    assert tick_s < listed[-1] - 1000 < tick_s + 0.2
    (tmp_path / "b").write_text("1")
    assert scan.look()
    assert len(scan.entries) == 2


def test_turns(scan: FolderScan[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large folder files are asked for their status by turns, new ones at once."""
    monkeypatch.setattr(folder_scan, "_TURN", 10)
    monkeypatch.setattr(folder_scan, "_TURN_S", 0)
    for number in range(35):
        (tmp_path / str(number)).write_text("1")
    assert scan.look()
    settle(tmp_path)
    scan.look()
    (tmp_path / "7").write_text("22")
    assert True in [scan.look() for _ in range(4)]
    assert scan.entries["7"] == 2
    (tmp_path / "new").write_text("333")
    assert scan.look()
    assert scan.entries["new"] == 3


def test_same_inode(scan: FolderScan[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was removed here is asked for its status, as its next file may have the same inode."""
    monkeypatch.setattr(folder_scan, "_TURN", 0)
    (tmp_path / "a").write_text("1")
    scan.look()
    assert scan.entries == {"a": 1}
    (tmp_path / "a").write_text("22")
    (tmp_path / "b").write_text("1")
    scan.look()
    assert scan.entries == {"a": 1, "b": 1}
    scan.distrust("a")
    scan.look()
    assert scan.entries == {"a": 2, "b": 1}


def test_status_refused(scan: FolderScan[int], tmp_path: Path) -> None:
    """An entry whose status cannot be read is left out and named."""
    name = "x" * 200
    (tmp_path / name).write_text("1")
    scan.look()
    scan.entries["y" * 300] = 1  # a name longer than any the disk takes
    scan.look()
    assert scan.entries == {name: 1}
    assert list(scan.failures) == ["y" * 300]
