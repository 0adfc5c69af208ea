"""What a crash leaves of an upload that goes on later, and what is made of it."""

import json
import os
import resource
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

import pytest

from gateway.audio.uploads.note import Note, write_note
from gateway.audio.uploads.partial import Partial, UploadLocked, create_partial, open_partial, sweep_partials
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


@pytest.mark.parametrize("data", [b"1234567890", b"", b"other", None])
def test_crash_after_a_rename(tmp_path: Path, data: bytes | None) -> None:
    """Without hard links an upload was published if its hidden file has become one of its name and length."""
    key = make(tmp_path, b"1234567890")
    write_note(tmp_path, key, replace(NOTE, moving=True))
    partial = open_again(tmp_path, key)
    assert (partial.staged is not None, partial.size_bytes) == (True, 10)  # not yet: it is done again
    partial.close()
    find_file(tmp_path, key).unlink()
    if data is not None:
        (tmp_path / "a.wav").write_bytes(data)
    if data == b"1234567890":
        sweep_partials(tmp_path, WRITERS, expires_after_s=100)
        for _ in range(2):
            assert open_again(tmp_path, key).staged is None
    else:
        with pytest.raises(NotFound):
            open_again(tmp_path, key)
    assert data is None or (tmp_path / "a.wav").read_bytes() == data


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


def test_sweep_of_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep does not open what can go on, though a snapshot has it too: its client would find it locked."""
    (tmp_path / "audio").mkdir()
    key = make(tmp_path / "audio")
    shutil.copytree(tmp_path / "audio", tmp_path / "snapshot", copy_function=os.link)
    opened: list[str] = []
    real_open = os.open

    def note_open(path: Path | str, *args: Any, **options: Any) -> int:
        opened.append(Path(path).name)
        return real_open(path, *args, **options)

    monkeypatch.setattr(os, "open", note_open)
    sweep_partials(tmp_path / "audio", WRITERS, expires_after_s=100)
    assert opened == [f".resumable-{key}.json"]


def note_with(**fields: Any) -> bytes:
    """The bytes of a note, with these fields in place of good ones."""
    return json.dumps({"name": "a.wav", "length_bytes": 10, "metadata": ""} | fields).encode()


SPOILT_NOTES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"name": "a.wav"}',
    b"\xff",
    b"[" * 100_000,
    b'{"name": ' * 100_000,
    bytes(1_000_000),
    note_with(length_bytes="10"),
    note_with(length_bytes=10.0),
    note_with(length_bytes=True),
    note_with(length_bytes=0),
    note_with(length_bytes=-1),
    note_with(length_bytes=4),
    note_with(length_bytes=10**18),
    note_with(length_bytes=10**400),
    note_with(length_bytes=None),
    note_with(name=1),
    note_with(name=""),
    note_with(name="../evil.wav"),
    note_with(name="/evil.wav"),
    note_with(name=".hidden"),
    note_with(name="a\0.wav"),
    note_with(name="x" * 256),
    note_with(name="e\u0301.wav"),
    note_with(name="\ud800.wav"),
    note_with(metadata=1),
    note_with(metadata="a\r\nX: 1"),
    note_with(metadata="é"),
    note_with(metadata="a" * 1_000_000),
    note_with(finished=1),
    note_with(finished=True),
    note_with(other=1),
]


@pytest.mark.parametrize("data", SPOILT_NOTES, ids=lambda data: repr(data[:90]))
def test_spoilt_note(tmp_path: Path, data: bytes) -> None:
    """What no request leads to is no note, and its file, of 5 bytes, a leftover: for its client, and for a sweep."""
    for call in (open_again, lambda folder, _: sweep_partials(folder, WRITERS, expires_after_s=100)):
        key = make(tmp_path)
        find_note(tmp_path, key).write_bytes(data)
        with suppress(NotFound):
            call(tmp_path, key)
            assert call is not open_again
        assert list_disk(tmp_path) == []


def put_link(path: Path) -> None:
    """A link to what the path had."""
    (path.parent.parent / "kept").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(path.parent.parent / "kept")


def put_folder(path: Path) -> None:
    """A folder with something in it."""
    path.unlink()
    (path / "a").mkdir(parents=True)


def put_pipe(path: Path) -> None:
    """A pipe at whose other end there is no process."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("put", [Path.unlink, put_link, put_folder, put_pipe])
@pytest.mark.parametrize("find", [find_file, find_note])
def test_other_entries(tmp_path: Path, put: Callable[[Path], None], find: Callable[[Path, str], Path]) -> None:
    """Where the file or the note is missing, a link, a folder or a pipe, there is no such upload, and no call waits."""
    folder = tmp_path / "audio"
    folder.mkdir()
    key = make(folder)
    before = find(folder, key).read_bytes()
    put(find(folder, key))
    sweep_partials(folder, WRITERS, expires_after_s=100)
    for _ in range(2):
        with pytest.raises(NotFound):
            open_again(folder, key)
    assert [name for name in list_disk(folder) if (folder / name).is_file() and not (folder / name).is_symlink()] == []
    assert put is not put_link or (tmp_path / "kept").read_bytes() == before


@pytest.mark.parametrize("put", [put_link, put_pipe])
def test_other_entries_for_a_new_note(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """A note is written past what stands in its way, not through it."""
    folder = tmp_path / "audio"
    folder.mkdir()
    key = make(folder)
    (folder / f".resumable-{key}.new").write_bytes(b"kept")
    put(folder / f".resumable-{key}.new")
    write_note(folder, key, NOTE)
    assert open_again(folder, key).size_bytes == 5
    assert put is not put_link or (tmp_path / "kept").read_bytes() == b"kept"


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
