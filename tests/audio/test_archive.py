"""Archives: what unzip and Python read out of them is what the library has, and a broken one never looks whole."""

import io
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from zlib import crc32

import httpx
import pytest

from gateway.audio.zip_stream import ZipEntry, ZipWriter, measure_archive
from tests.audio.formats.corpus import make_wave
from tests.fast import first_fast
from tests.programs import need

pytestmark = pytest.mark.anyio
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NAMES = ["a.wav", "日本 100%.wav", "שלום.wav", "back\\slash&=+.wav"]
MOMENT = datetime(2024, 5, 17, 12, 30, 44, tzinfo=UTC)


@pytest.fixture
def shelf(folder: Path) -> dict[str, bytes]:
    """Files with names that are hard to write."""
    files = {name: make_wave(3000 + number) for number, name in enumerate(NAMES)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


async def test_archive(client: httpx.AsyncClient, shelf: dict[str, bytes], tmp_path: Path) -> None:
    """Files come whole, stored, with their names and times, in the order asked for; the length is told before."""
    answer = await client.post("/audio.zip", content=urlencode({"name": NAMES[::-1]}, doseq=True), headers=FORM)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audio.zip"')
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    (archive := tmp_path / "audio.zip").write_bytes(answer.content)
    subprocess.run([need("unzip"), "-tq", str(archive)], check=True, stdout=subprocess.DEVNULL)  # noqa: ASYNC221
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert {name.replace("\\", "_"): data for name, data in shelf.items()} == {
            name: opened.read(name) for name in opened.namelist()
        }
        assert opened.namelist() == [name.replace("\\", "_") for name in NAMES[::-1]]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in opened.infolist())


async def test_names_in_the_query(client: httpx.AsyncClient, shelf: dict[str, bytes]) -> None:
    """A few names may stand in the URL, each counts once; without one all files come, or those that are searched."""
    for query, names in (
        ({"name": ["a.wav", "日本 100%.wav", "a.wav"]}, ["a.wav", "日本 100%.wav"]),
        ({"q": "日本"}, ["日本 100%.wav"]),
        ({"sort": "-size_bytes"}, ["back_slash&=+.wav", "שלום.wav", "日本 100%.wav", "a.wav"]),
    ):
        answer = await client.get("/audio.zip", params=query)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
            assert opened.namelist() == names
    head = await client.head("/audio.zip", params={"name": "a.wav"})
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) > len(shelf["a.wav"])


async def test_refusals(client: httpx.AsyncClient, shelf: dict[str, bytes]) -> None:
    """A name that is not there refuses the whole; so does a form without names, or of another kind."""
    for content, status in (
        (b"name=a.wav&name=no.wav", 404),
        (b"name=..%2Fsecret", 404),
        (b"name=&name=a.wav", 404),
        (b"", 422),
        (b"other=a.wav", 422),
        (b"name=%FF", 400),
        (b"name=\xff", 400),
    ):
        assert (await client.post("/audio.zip", content=content, headers=FORM)).status_code == status
    assert (await client.post("/audio.zip", json={"name": "a.wav"})).status_code == 415
    assert (await client.post("/audio.zip", content=b"x" * (9 << 20), headers=FORM)).status_code == 413
    for name in ("no.wav", "", "a.wav\0", ".", "a" * 300):
        assert (await client.get("/audio.zip", params={"name": name})).status_code == 404
    assert (await client.get("/audio.zip", params={"sort": "colour"})).status_code == 422
    assert (await client.get("/audio.zip", params={"q": "nothing has this"})).status_code == 404
    cross = {**FORM, "Origin": "http://elsewhere.example"}
    assert (await client.post("/audio.zip", content=b"name=a.wav", headers=cross)).status_code == 403


@pytest.mark.parametrize("harm", ["delete", "change", "cut"])
async def test_file_that_vanishes(client: httpx.AsyncClient, folder: Path, harm: str) -> None:
    """An archive whose file vanishes, changes or is cut short in the middle breaks off before its length."""
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(make_wave(30_000_000))
    harmed = False
    with pytest.raises(httpx.RemoteProtocolError):
        async with client.stream("GET", "/audio.zip?name=a.wav&name=b.wav") as answer:
            assert answer.status_code == 200
            async for _ in answer.aiter_raw():
                if not harmed:
                    if harm == "delete":
                        assert (await client.delete("/api/v1/audio/b.wav")).status_code == 204
                    elif harm == "change":
                        (folder / "b.wav").write_bytes(make_wave(1000))
                    else:
                        with (folder / "a.wav").open("r+b") as file:
                            file.truncate(100)
                harmed = True
    assert (await client.get("/api/v1/audio/")).status_code == 200


async def test_unicode_forms(client: httpx.AsyncClient, folder: Path) -> None:
    """A name that is decomposed on the disk is found by its composed form, and the other way round."""
    (folder / "e\u0301.wav").write_bytes(make_wave(2000))
    for name in ("é.wav", "e\u0301.wav"):
        answer = await client.get("/audio.zip", params={"name": name})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
            assert opened.namelist() == ["é.wav"]


# --- The form alone ---------------------------------------------------------------------------------------------


def write_archive(entries: list[ZipEntry], path: Path) -> Iterator[ZipEntry]:
    """Write an archive of sparse files of zeros, and give what a reader finds in it."""
    writer = ZipWriter()
    with path.open("wb") as out:
        for entry in entries:
            out.write(writer.begin(entry))
            out.seek(entry.size_bytes, io.SEEK_CUR)
            out.write(writer.end(crc32(bytes(entry.size_bytes)) if entry.size_bytes < 1000 else 0))
        out.write(writer.finish())
        assert out.tell() == writer.offset == measure_archive(entries)
    with zipfile.ZipFile(path) as opened:
        for found in opened.infolist():
            yield ZipEntry(found.filename, found.file_size, datetime(*found.date_time, tzinfo=UTC))


@pytest.mark.parametrize(
    "sizes",
    first_fast(
        [
            [0],
            [1, 999],
            [(1 << 32) - 2, 1],
            [(1 << 32) - 1],
            [1 << 32, 5],
            [1 << 31, 1 << 31, 7],
            [5 << 30, 3, 6 << 30, 0],
            [0] * 65_534,
            [0] * 65_535,
            [0] * 65_537,
        ],
        7,
    ),
)
def test_limits(tmp_path: Path, sizes: list[int]) -> None:
    """Sizes, offsets and numbers on both sides of what the first form of zip can hold are read as they were written."""
    entries = [ZipEntry(f"{number}.wav", size, MOMENT) for number, size in enumerate(sizes)]
    assert list(write_archive(entries, tmp_path / "audio.zip")) == entries
    report = subprocess.run([need("zipinfo"), "-t", str(tmp_path / "audio.zip")], check=True, capture_output=True)
    assert report.stdout.startswith(f"{len(sizes)} file".encode())


@pytest.mark.parametrize("year", [1, 1969, 1979, 1980, 2037, 2038, 2107, 2108, 9999])
def test_years(tmp_path: Path, year: int) -> None:
    """A time that zip cannot hold is no reason to have no archive."""
    entry = ZipEntry("a.wav", 10, datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC))
    (found,) = write_archive([entry], tmp_path / "audio.zip")
    assert found.modified == (entry.modified if 1980 <= year <= 2107 else datetime(1980, 1, 1, tzinfo=UTC))
