"""The list in parts, and while the files of a folder are still being read."""

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx
import pytest

from gateway.audio import index as index_module
from gateway.audio.background_reader import BackgroundReader
from gateway.audio.index import Index
from gateway.audio.library import Library
from gateway.audio.models import Files
from gateway.audio.representation import write_files
from tests.audio.formats.corpus import Corpus, make_wave

pytestmark = pytest.mark.anyio
API = "/api/v1/audio/"


@pytest.fixture
def waves(folder: Path) -> Callable[[int], list[str]]:
    """`waves(250)`: so many short files; their names."""

    def make(count: int) -> list[str]:
        names = [f"{number}.wav" for number in range(count)]
        for name in names:
            (folder / name).write_bytes(make_wave(1000))
        return names

    return make


def read_names(answer: httpx.Response) -> list[str]:
    """The names of the files in an answer."""
    assert answer.status_code == 200
    return [file["name"] for file in answer.json()["files"]]


async def wait_read(client: httpx.AsyncClient) -> None:
    """Return once every file was looked into."""
    with anyio.fail_after(60):
        while (await client.get(API, params={"limit": 0})).json()["reading"]:
            await anyio.sleep(0.02)


async def test_parts(client: httpx.AsyncClient, waves: Callable[[int], list[str]]) -> None:
    """Parts that follow one another by Link have each file once, though files come and go meanwhile."""
    names = waves(250)
    answer = await client.get(API, params={"limit": 100, "q": "wav"})
    found, changes = read_names(answer), 0
    while "next" in answer.links:
        await client.put(f"{API}0{changes}.wav", content=make_wave(2000))
        await client.delete(f"{API}{changes}.wav")
        changes += 1
        answer = await client.get(answer.links["next"]["url"])
        assert (answer.json()["total"], answer.json()["offset"]) == (250, len(found))
        found += read_names(answer)
    assert found == names
    assert changes == 2
    assert read_names(await client.get(API, params={"offset": 248})) == ["248.wav", "249.wav"]
    assert read_names(await client.get(API, params={"offset": 999, "limit": 5})) == []


async def test_whole(client: httpx.AsyncClient, waves: Callable[[int], list[str]]) -> None:
    """Without parameters all files come in one answer, however many."""
    names = waves(1100)
    answer = await client.get(API)
    assert read_names(answer) == names
    assert (answer.json()["total"], answer.json()["offset"]) == (1100, 0)
    assert answer.links == {}


async def test_unknown_parts(client: httpx.AsyncClient) -> None:
    """A state of the list that is not known any more is 409; what is no number or no state is 422."""
    answer = await client.get(API, params={"revision": "0123"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:gateway:problem:list-changed")
    for name, value in (("limit", "x"), ("offset", "-1"), ("revision", "a/b")):
        assert (await client.get(API, params={name: value})).status_code == 422


async def test_reading(
    client: httpx.AsyncClient, folder: Path, corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    """Many new files are listed at once by their endings; what is in them follows, and the log tells."""
    caplog.set_level(logging.INFO)
    for number in range(200):
        (folder / f"{number}.mp3").write_bytes(corpus["cbr.mp3"])
    (folder / "fake.flac").write_text("words")
    (folder / "notes.txt").write_text("words")
    (folder / "wave without ending").write_bytes(make_wave(3000))
    first = (await client.get(API)).json()
    assert first["reading"]["total"] == 203
    assert first["total"] == 201
    assert first["files"][0]["content_type"] == "audio/mpeg"
    await wait_read(client)
    last = (await client.get(API)).json()
    assert last["total"] == 201
    assert last["files"][-1]["name"] == "wave without ending"
    assert {file["title"] for file in last["files"][:200]} == {"Prelude"}
    assert last["revision"] != first["revision"]
    assert "reading 203 new files of the audio folder" in caplog.messages
    page = (await client.get("/")).text
    assert 'id="reading" role="status"></p>' in page


async def test_requests_go_first(folder: Path, corpus: Corpus) -> None:
    """Reading stops for a request that waits for a thread, and goes on although such requests never end."""
    for number in range(300):
        (folder / f"{number}.mp3").write_bytes(corpus["cbr.mp3"])
    library = Library(folder, max_upload_bytes=1_000_000)
    reader = BackgroundReader(library)
    over = threading.Event()

    def wait_over() -> None:
        over.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(library.process, wait_over)
        try:
            with anyio.fail_after(60):
                await anyio.sleep(0.1)
                assert library.is_asked
                total = (await library.look()).unread
                assert total == 300
                assert 0 < await library.read_new(60) < total
                tasks.start_soon(reader.run)
                while (await library.look()).unread:
                    await anyio.sleep(0.02)
        finally:
            over.set()
            tasks.cancel_scope.cancel()
    assert await library.read_new(60) == 0


async def test_replaced_while_read(
    folder: Path, waves: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are replaced while the earlier ones are read are not lost: they are listed, and read in their turn."""
    monkeypatch.setattr(index_module, "_LEAST_S", 0)
    names = waves(200)
    index = Index(folder)
    assert len(index.scan(100)) == 200

    def replace_files() -> bool:
        if not done:
            done.append(True)
            for name in names:
                (folder / name).unlink()
                (folder / name).write_bytes(make_wave(2000))
            assert len(index.scan(100)) == 200
        return False

    done = list[bool]()
    index.read_new(60, replace_files)
    assert done
    assert len(index.list_known()) == 200
    while index.read_new(60):
        pass
    assert {audio.size_bytes for audio in index.list_known() if audio.is_read} == {len(make_wave(2000))}
    assert len(index.list_known()) == 200


async def test_delete_if_match(client: httpx.AsyncClient, waves: Callable[[int], list[str]]) -> None:
    """A file that is another one than the client saw is not deleted."""
    waves(1)
    etag = (await client.head("/audio/0.wav")).headers["ETag"]
    assert (await client.delete(API + "0.wav", headers={"If-Match": '"other"'})).status_code == 412
    assert (await client.delete(API + "0.wav", headers={"If-Match": etag})).status_code == 204


async def test_listed_again(client: httpx.AsyncClient, waves: Callable[[int], list[str]], folder: Path) -> None:
    """A file that was listed before is as it is now: renamed, changed in place, or with its time put back too."""
    waves(3)
    before = (await client.get(API)).json()
    await client.patch(f"{API}0.wav", json={"name": "renamed.wav"})
    (folder / "1.wav").write_bytes(make_wave(2000))
    status = (folder / "2.wav").stat()
    faster = make_wave(1000).replace((8000).to_bytes(4, "little"), (16_000).to_bytes(4, "little"))
    (folder / "2.wav").write_bytes(faster)
    os.utime(folder / "2.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = (await client.get(API)).json()
    assert after["revision"] != before["revision"]
    assert [file["name"] for file in after["files"]] == ["1.wav", "2.wav", "renamed.wav"]
    for file in after["files"]:
        assert file == (await client.get(API + file["name"])).json()
        assert file not in before["files"]
    assert (await client.get(API)).json() == after


@pytest.mark.parametrize("root", ["", "/app"])
async def test_listed_below_a_path(folder: Path, root: str) -> None:
    """The addresses in a list are below the path of its gateway, also where it was listed below another one before."""
    (folder / "a.wav").write_bytes(make_wave(1000))
    library = Library(folder, max_upload_bytes=10_000)
    files = await library.list_files()
    for path in ("/other", root, root):
        answer = Files([], len(files), 0, "", None)
        parts = [part async for part in write_files(library, files, answer, path)]
    assert json.loads(b"".join(parts))["files"][0]["url"] == f"{root}/audio/a.wav"
