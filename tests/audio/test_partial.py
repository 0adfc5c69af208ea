"""What a crash leaves of an upload that goes on later, and what is made of it."""

import os
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest

from gateway.audio.partial import Note, Partial, UploadLocked, create_partial, open_partial, sweep_partials
from gateway.errors import NotFound

WRITERS = ThreadPoolExecutor(2)
NOTE = Note("a.wav", 10, "filename YQ==")


def open_again(folder: Path, key: str, expires_after_s: float = 100) -> Partial:
    """The upload as the next request finds it."""
    return open_partial(folder, key, WRITERS, expires_after_s=expires_after_s)


def make(folder: Path, data: bytes = b"12345") -> str:
    """The key of an upload that has these bytes."""
    key = create_partial(folder, NOTE, WRITERS)
    partial = open_again(folder, key)
    partial.keep([data])
    partial.close()
    return key


def find_file(folder: Path, key: str) -> Path:
    """The hidden file of an upload."""
    return next(path for path in folder.iterdir() if path.name.endswith(key))


def find_note(folder: Path, key: str) -> Path:
    """The note of an upload."""
    return next(path for path in folder.iterdir() if path.name.endswith(f"{key}.json"))


def list_disk(folder: Path) -> list[str]:
    """All names in the folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def crash_unchecked(folder: Path, key: str) -> None:
    """Go on with an upload of 5 bytes by some whose checksum is still to come, and leave it as a crash does."""
    partial = open_again(folder, key)
    partial.mark_checked(5)
    assert partial.staged
    partial.staged.write([b"wrong"])
    partial.staged.sync()
    partial.staged.close()


def test_go_on(tmp_path: Path) -> None:
    """What was kept is there, its end the place of the next write."""
    key = make(tmp_path)
    partial = open_again(tmp_path, key)
    assert (partial.size_bytes, partial.note) == (5, NOTE)
    partial.keep([b"6", b"", b"7"])
    partial.close()
    assert find_file(tmp_path, key).read_bytes() == b"1234567"


def test_one_at_a_time(tmp_path: Path) -> None:
    """An upload is held by one, until it lets go or is forgotten."""
    key = make(tmp_path)
    partial = open_again(tmp_path, key)
    with pytest.raises(UploadLocked):
        open_again(tmp_path, key)
    del partial
    open_again(tmp_path, key).close()


def test_crash_before_the_checksum(tmp_path: Path) -> None:
    """Bytes whose checksum was still to come are cut off after a crash."""
    key = make(tmp_path)
    crash_unchecked(tmp_path, key)
    partial = open_again(tmp_path, key)
    assert (partial.size_bytes, partial.note) == (5, NOTE)
    partial.close()
    assert find_file(tmp_path, key).read_bytes() == b"12345"
    assert open_again(tmp_path, key).note == NOTE


def test_crash_after_the_publication(tmp_path: Path) -> None:
    """An upload that was published, but not put away, is found finished, and its hidden name goes."""
    key = make(tmp_path)
    os.link(find_file(tmp_path, key), tmp_path / "a.wav")
    for _ in range(2):
        partial = open_again(tmp_path, key)
        assert (partial.staged, partial.size_bytes) == (None, 10)
        partial.close()
        assert list_disk(tmp_path) == [find_note(tmp_path, key).name, "a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"12345"


def test_snapshot(tmp_path: Path) -> None:
    """A snapshot of hard links changes nothing: an upload is not published by it, and goes on."""
    (tmp_path / "audio").mkdir()
    key = make(tmp_path / "audio")
    shutil.copytree(tmp_path / "audio", tmp_path / "snapshot", copy_function=os.link)
    sweep_partials(tmp_path / "audio", WRITERS, expires_after_s=100)
    partial = open_again(tmp_path / "audio", key)
    assert (partial.staged is not None, partial.size_bytes) == (True, 5)
    partial.keep([b"67890"])
    assert partial.staged
    partial.staged.publish("a.wav")
    partial.finish()
    partial.close()
    assert open_again(tmp_path / "audio", key).staged is None
    assert (tmp_path / "audio" / "a.wav").read_bytes() == b"1234567890"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_published_in_another_form(tmp_path: Path, form: Literal["NFC", "NFD"]) -> None:
    """An upload was published too where another program has brought its name to another Unicode form."""
    key = create_partial(tmp_path, Note("é.wav", 10), WRITERS)
    (tmp_path / normalize("NFC" if form == "NFD" else "NFD", "é.wav")).write_bytes(b"another file")
    os.link(find_file(tmp_path, key), tmp_path / normalize(form, "é.wav"))
    sweep_partials(tmp_path, WRITERS, expires_after_s=100)
    assert f".resumable-{key}" not in list_disk(tmp_path)
    assert open_again(tmp_path, key).staged is None


def test_sweep_of_a_snapshot(tmp_path: Path) -> None:
    """A sweep does not open what can go on, though a snapshot has it too: its client would find it locked."""
    (tmp_path / "audio").mkdir()
    key = make(tmp_path / "audio")
    crash_unchecked(tmp_path / "audio", key)
    shutil.copytree(tmp_path / "audio", tmp_path / "snapshot", copy_function=os.link)
    sweep_partials(tmp_path / "audio", WRITERS, expires_after_s=100)
    assert find_file(tmp_path / "audio", key).read_bytes() == b"12345wrong"  # else it had been cut


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"name": 1}', b'{"x": 1}', b"\xff"])
def test_no_note(tmp_path: Path, text: bytes | None) -> None:
    """A file whose note is not there, or is none, is a leftover."""
    key = make(tmp_path)
    note = find_note(tmp_path, key)
    note.unlink() if text is None else note.write_bytes(text)
    with pytest.raises(NotFound):
        open_again(tmp_path, key)
    assert list_disk(tmp_path) == []


def test_sweep(tmp_path: Path) -> None:
    """A sweep removes leftovers, puts away what was published, and leaves what can go on, held or not."""
    held, free, published, alone, unfinished_note = (make(tmp_path) for _ in range(5))
    partial = open_again(tmp_path, held)
    os.link(find_file(tmp_path, published), tmp_path / "a.wav")
    find_note(tmp_path, alone).unlink()
    find_note(tmp_path, unfinished_note).rename(tmp_path / f".resumable-{unfinished_note}.new")
    sweep_partials(tmp_path, WRITERS, expires_after_s=100)
    partial.close()
    left = {name.removeprefix(".resumable-") for name in list_disk(tmp_path)}
    assert left == {held, f"{held}.json", free, f"{free}.json", f"{published}.json", "a.wav"}
    sweep_partials(tmp_path, WRITERS, expires_after_s=0)
    assert list_disk(tmp_path) == ["a.wav"]


def test_expired(tmp_path: Path) -> None:
    """What has expired is not gone on with, and removed when somebody asks."""
    key = make(tmp_path)
    with pytest.raises(NotFound):
        open_again(tmp_path, key, expires_after_s=0)
    assert list_disk(tmp_path) == []


def test_full_disk(tmp_path: Path) -> None:
    """What could not be written is told, what could be is kept, and the next bytes do not leave it out."""
    key = make(tmp_path)
    partial = open_again(tmp_path, key)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        with pytest.raises(OSError, match="large"):
            partial.keep([b"6789a"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(OSError, match="large"):
        partial.keep([b"b"])
    assert partial.size_bytes == 8
    partial.close()
    partial = open_again(tmp_path, key)
    partial.keep([b"9a"])
    partial.close()
    assert find_file(tmp_path, key).read_bytes() == b"123456789a"
