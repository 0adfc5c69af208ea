"""Renaming: one name after the other, never over another file, whatever happens at the same time."""

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import pytest

from gateway.audio.filenames import NameTaken
from gateway.audio.library import Library
from gateway.audio.rename import link_and_unlink, rename_entry
from gateway.audio.uploads import renaming
from gateway.errors import NotFound, Unprocessable
from tests.audio.formats.corpus import make_wave
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio
API = "/api/v1/audio/"
WAVE = make_wave(10_000)


def list_disk(folder: Path) -> list[str]:
    """All names in the folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["at once", "by a link"])
def library(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library on a file system that can rename without replacing, and as on one that cannot (NFS)."""
    if request.param == "by a link":
        monkeypatch.setattr(renaming, "_RENAME_NOREPLACE", 1 << 10)  # EINVAL
    (folder / "a.wav").write_bytes(WAVE)
    return Library(folder, max_upload_bytes=1_000_000)


async def test_rename(library: Library, folder: Path) -> None:
    """The file has its new name alone, and is the same file; the listeners of the library are told."""
    told: list[bool] = []
    library.on_change = lambda: told.append(True)
    before = await library.find("a.wav")
    renamed = await library.rename("a.wav", "日本 100%.mp3")
    assert list_disk(folder) == ["日本 100%.mp3"]
    assert (folder / "日本 100%.mp3").read_bytes() == WAVE
    assert (renamed.name, renamed.uploaded_at) == ("日本 100%.mp3", before.uploaded_at)
    assert await library.list_files() == [renamed]
    assert told == [True]


@pytest.mark.parametrize("taken", ["b.wav", "notes.txt", "e\u0301.wav"])
async def test_never_over_another(library: Library, folder: Path, taken: str) -> None:
    """A name that an entry has is refused, also one that is no audio or has another Unicode form."""
    (folder / taken).write_bytes(b"another")
    for name in {taken, "é.wav"} if not taken.isascii() else {taken}:
        with pytest.raises(NameTaken):
            await library.rename("a.wav", name)
    assert list_disk(folder) == sorted(["a.wav", taken])
    assert (folder / taken).read_bytes() == b"another"


async def test_never_over_a_link_of_its_own(library: Library, folder: Path) -> None:
    """Two names of one file are two files of the library: none of them disappears."""
    (folder / "b.wav").hardlink_to(folder / "a.wav")
    with pytest.raises(NameTaken):
        await library.rename("a.wav", "b.wav")
    assert list_disk(folder) == ["a.wav", "b.wav"]


async def test_same_name(library: Library, folder: Path) -> None:
    """The name that a file has already, in another Unicode form or the same, changes nothing."""
    (folder / "e\u0301.wav").write_bytes(WAVE)
    assert (await library.rename("a.wav", "a.wav")).name == "a.wav"
    assert (await library.rename("é.wav", "é.wav")).name == "é.wav"
    assert (await library.rename("é.wav", "e\u0301.wav")).name == "é.wav"
    assert list_disk(folder) == ["a.wav", "e\u0301.wav"]


async def test_decomposed_on_disk(library: Library, folder: Path) -> None:
    """A file whose name on the disk is decomposed is found by its composed name."""
    (folder / "a.wav").rename(folder / "e\u0301.wav")
    await library.rename("é.wav", "b.wav")
    assert list_disk(folder) == ["b.wav"]


async def test_case(library: Library, folder: Path) -> None:
    """A change of case alone is a change."""
    await library.rename("a.wav", "A.wav")
    assert list_disk(folder) == ["A.wav"]


@pytest.mark.parametrize("name", ["", " ", ".hidden.wav", "a/b.wav", "a\x00b", "x" * 256, "a\nb.wav"])
async def test_bad_name(library: Library, folder: Path, name: str) -> None:
    """A name that an upload could not have is refused."""
    with pytest.raises(Unprocessable):
        await library.rename("a.wav", name)
    assert list_disk(folder) == ["a.wav"]


async def test_nothing_to_rename(library: Library, folder: Path) -> None:
    """What the library does not show cannot be renamed."""
    (folder / "notes.txt").write_bytes(b"no audio")
    (folder / ".a.wav").write_bytes(WAVE)
    for name in ("no.wav", "notes.txt", ".a.wav"):
        with pytest.raises(NotFound):
            await library.rename(name, "b.wav")
    assert list_disk(folder) == [".a.wav", "a.wav", "notes.txt"]


async def count_outcomes(library: Library, *pairs: tuple[str, str]) -> Counter[str]:
    """Rename all at once, and count what came of it."""
    outcomes: Counter[str] = Counter()

    async def attempt(old: str, new: str) -> None:
        try:
            await library.rename(old, new)
            outcomes["won"] += 1
        except (NameTaken, NotFound) as error:
            outcomes[error.code] += 1

    async with anyio.create_task_group() as group:
        for old, new in pairs:
            group.start_soon(attempt, old, new)
    return outcomes


async def test_rivals_for_a_file(library: Library, folder: Path) -> None:
    """Of ten new names for one file one is had, and the others find nothing any more."""
    for number in range(20):
        (before,) = list_disk(folder)
        outcomes = await count_outcomes(library, *((before, f"{number}-{each}.wav") for each in range(10)))
        assert outcomes == {"won": 1, "not-found": 9}
        assert len(list_disk(folder)) == 1


async def test_rivals_for_a_name(library: Library, folder: Path) -> None:
    """Of ten files for one name one has it, and the others keep theirs."""
    names = [f"{number}.wav" for number in range(10)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(make_wave(2000 + number))
    outcomes = await count_outcomes(library, *((name, "new.wav") for name in names))
    assert outcomes == {"won": 1, "name-taken": 9}
    assert len(list_disk(folder)) == 11
    assert len({path.stat().st_ino for path in folder.iterdir()}) == 11


async def test_rename_and_delete(library: Library, folder: Path) -> None:
    """A file that is renamed and deleted at once is either gone or there under its new name."""
    for number in range(20):
        (folder / "b.wav").write_bytes(WAVE)
        async with anyio.create_task_group() as group:
            group.start_soon(count_outcomes, library, ("b.wav", f"c{number}.wav"))
            group.start_soon(delete_quietly, library, "b.wav")
        assert "b.wav" not in list_disk(folder)


async def delete_quietly(library: Library, name: str) -> None:
    """Delete a file if it is there."""
    with suppress(NotFound):
        await library.delete(name)


RENAMER = """
import os, sys
from pathlib import Path
from gateway.audio import rename
from gateway.audio.uploads import renaming
if sys.argv[2] == "link":
    renaming._RENAME_NOREPLACE = 1 << 10
folder = Path(sys.argv[1])
with open(folder / "a.wav") as file:
    print("ready", flush=True)
    while True:
        rename.rename_entry(folder, "a.wav", "b.wav", file.fileno())
        rename.rename_entry(folder, "b.wav", "a.wav", file.fileno())
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["at once", "link"])
async def test_kill(folder: Path, way: str) -> None:
    """kill -9 at any moment leaves the whole file, under one name where the file system can do so."""
    for _ in range(8):
        (folder / "a.wav").write_bytes(WAVE)
        command = [sys.executable, "-c", RENAMER, str(folder), way]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:  # noqa: ASYNC220
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            await anyio.sleep(int.from_bytes(os.urandom(1)) / 5000)
            process.send_signal(signal.SIGKILL)
        names = list_disk(folder)
        assert names in (["a.wav"], ["b.wav"]) or (way == "link" and names == ["a.wav", "b.wav"])
        for name in names:
            assert (folder / name).read_bytes() == WAVE
            (folder / name).unlink()


def test_link_is_lost(folder: Path) -> None:
    """Where another has renamed the file before the lock was had, nothing is made."""
    (folder / "a.wav").write_bytes(WAVE)
    folder_fd = os.open(folder, os.O_RDONLY)
    with (folder / "a.wav").open("rb") as file:
        rename_entry(folder, "a.wav", "b.wav", file.fileno())
        with pytest.raises(FileNotFoundError):
            link_and_unlink(folder_fd, "a.wav", "c.wav", file.fileno())
    os.close(folder_fd)
    assert list_disk(folder) == ["b.wav"]


# --- Over HTTP --------------------------------------------------------------------------------------------------


@pytest.fixture
async def song(client: httpx.AsyncClient, folder: Path) -> str:
    """The path of a file in the API."""
    (folder / "a.wav").write_bytes(WAVE)
    return API + "a.wav"


async def test_patch(client: httpx.AsyncClient, song: str) -> None:
    """The answer is the file under its new name, where its bytes are too; the old name is free."""
    answer = await client.patch(song, json={"name": "new.wav"})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["url"]) == ("new.wav", "/audio/new.wav")
    assert (await client.get("/audio/new.wav")).content == WAVE
    assert (await client.get(song)).status_code == 404
    assert answer.json() == (await client.get(API + "new.wav")).json()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "b.wav"}', 409),
        (b'{"name": "../b.wav"}', 422),
        (b'{"name": ""}', 422),
        (b'{"name": null}', 422),
        (b'{"name": "c.wav", "title": "C"}', 422),
        (b"{}", 422),
        (b"[]", 422),
        (b"", 400),
        (b"{", 400),
        (b'{"name": "\xff"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": "' + b"x" * 20_000 + b'"}', 413),
    ],
)
async def test_refused(client: httpx.AsyncClient, folder: Path, song: str, body: bytes, status: int) -> None:
    """A refusal is a problem, and nothing has changed."""
    (folder / "b.wav").write_bytes(b"another")
    answer = await client.patch(song, content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert list_disk(folder) == ["a.wav", "b.wav"]


async def test_wrong_type(client: httpx.AsyncClient, folder: Path, song: str) -> None:
    """A body that is not said to be JSON is 415, and tells the type that is."""
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json-patch+json"}, {}):
        answer = await client.patch(song, content=b'{"name": "b.wav"}', headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (415, "urn:gateway:problem:unsupported-body")
    assert list_disk(folder) == ["a.wav"]


async def test_unknown(client: httpx.AsyncClient, folder: Path) -> None:
    """A file that is not there is 404."""
    assert (await client.patch(API + "no.wav", json={"name": "b.wav"})).status_code == 404


async def test_conditions(client: httpx.AsyncClient, folder: Path, song: str) -> None:
    """A rename for another state of the file is 412; the answer of one has the new state."""
    etag = (await client.get("/audio/a.wav")).headers["ETag"]
    for headers in (
        {"If-Match": '"another"'},
        {"If-None-Match": etag},
        {"If-None-Match": "*"},
        {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
    ):
        assert (await client.patch(song, json={"name": "b.wav"}, headers=headers)).status_code == 412
    assert list_disk(folder) == ["a.wav"]
    assert (await client.patch(song, json={"name": "b.wav"}, headers={"If-Match": etag})).status_code == 200
    etag = (await client.get("/audio/b.wav")).headers["ETag"]
    back = await client.patch(API + "b.wav", json={"name": "a.wav"}, headers={"If-Match": f'"x", {etag}'})
    assert back.status_code == 200


async def test_rename_while_playing(client: httpx.AsyncClient, folder: Path) -> None:
    """A file that is renamed while somebody listens is heard to its end."""
    data = make_wave(30_000_000)
    (folder / "a.wav").write_bytes(data)
    received = bytearray()
    async with client.stream("GET", "/audio/a.wav") as answer:
        async for chunk in answer.aiter_raw():
            if not received:
                assert (await client.patch(API + "a.wav", json={"name": "b.wav"})).status_code == 200
            received += chunk
    assert received == data


async def test_events(client: httpx.AsyncClient, song: str) -> None:
    """Pages that follow the list hear of it at once."""
    seen = bytearray()

    async def follow() -> None:
        async with client.stream("GET", API + "events") as answer:
            async for chunk in answer.aiter_raw():
                seen.extend(chunk)

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await wait_until(lambda: seen.count(b"event: changed") == 1)
        await client.patch(song, json={"name": "b.wav"})
        await wait_until(lambda: seen.count(b"event: changed") == 2)
        group.cancel_scope.cancel()


async def test_name_of_the_events(client: httpx.AsyncClient, folder: Path, song: str) -> None:
    """A file may be called as the stream of events, and be renamed back."""
    assert (await client.patch(song, json={"name": "events"})).status_code == 200
    assert (await client.patch(API + "events", json={"name": "a.wav"})).status_code == 200
    assert list_disk(folder) == ["a.wav"]
