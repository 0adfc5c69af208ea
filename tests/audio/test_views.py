"""The API and the bytes of files, as clients see them."""

import os
import re
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx
import pytest

from gateway.settings import Settings
from tests.audio.formats.corpus import AUDIO, NOT_AUDIO, Corpus, make_wave
from tests.audio.formats.handmade import make_mod
from tests.conftest import OpenGateway
from tests.disks import mounting
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio
API = "/api/v1/audio/"
WAVE = make_wave(10_000, seed=bytes(range(251)))


@pytest.fixture
def song(folder: Path) -> str:
    """The URL of a file in the library."""
    (folder / "a.wav").write_bytes(WAVE)
    return "/audio/a.wav"


async def test_file_fields(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """A file is described by these fields, in the list and alone."""
    (folder / "日本.mp3").write_bytes(corpus["cbr.mp3"])
    (file,) = (await client.get(API)).json()["files"]
    uploaded_at = datetime.fromisoformat(file.pop("uploaded_at"))
    assert uploaded_at.timestamp() == pytest.approx((folder / "日本.mp3").stat().st_mtime, abs=0.01)
    assert file.pop("duration_s") == pytest.approx(1, abs=0.1)
    assert file.pop("bit_rate_bps") == pytest.approx(128_000, rel=0.1)
    assert file == {
        "name": "日本.mp3",
        "size_bytes": len(corpus["cbr.mp3"]),
        "content_type": "audio/mpeg",
        "title": "Prelude",
        "artist": "Anna",
        "album": "One",
        "track_number": None,
        "disc_number": None,
        "sample_rate_hz": 44_100,
        "channels": 1,
        "playable": True,
        "cover": None,
        "url": "/audio/" + quote("日本.mp3"),
    }
    assert (await client.get(API + quote("日本.mp3"))).json()["name"] == "日本.mp3"


async def test_slashes(client: httpx.AsyncClient, song: str) -> None:
    """Every path is served with and without its final slash."""
    for path in (API, API[:-1], API + "a.wav", API + "a.wav/", song, song + "/"):
        assert (await client.get(path)).status_code == 200
    assert (await client.post(API[:-1], files={"file": ("b.wav", WAVE)})).status_code == 201
    assert (await client.delete(API + "b.wav/")).status_code == 204


async def test_unknown(client: httpx.AsyncClient) -> None:
    """What is not there is 404 as a problem, for every method."""
    for method, path in (
        ("GET", "/audio/x.mp3"),
        ("GET", API + "x.mp3"),
        ("DELETE", API + "x.mp3"),
        ("GET", "/audio/"),
    ):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


ODD_TIMES_S = [-719_163 * 86_400, -(2**62), -1, 253_402_300_800, 971_859_340_800, 2**62]


async def test_odd_times(open_gateway: OpenGateway, settings: Settings) -> None:
    """Files of times that no calendar has are listed, shown, told of, served and deleted as every other one."""
    names = [f"{number}.wav" for number in range(len(ODD_TIMES_S))]
    with mounting(settings.data_dir, "64m") as disk:
        (disk / "audio").mkdir()
        for name, time_s in zip(names, ODD_TIMES_S, strict=True):
            (disk / "audio" / name).write_bytes(WAVE)
            os.utime(disk / "audio" / name, (time_s, time_s))
        async with open_gateway() as client:
            assert await read_names(client) == names
            assert set((await read_names(client, sort="uploaded_at"))[:2]) == {"0.wav", "1.wav"}
            page = await client.get("/")
            assert (page.status_code, [name for name in names if name in page.text]) == (200, names)
            async with client.stream("GET", API + "events") as events:
                lines = events.aiter_lines()
                while await anext(lines) != "event: changed":
                    pass
            for name in names:
                await check_odd_time(client, name)
            assert await read_names(client) == []


async def check_odd_time(client: httpx.AsyncClient, name: str) -> None:
    """One of these files is described, served under validators that can be sent, and deleted."""
    url = "/audio/" + name
    assert 1 <= datetime.fromisoformat((await client.get(API + name)).json()["uploaded_at"]).year <= 9999
    head = await client.head(url)
    last_modified = head.headers["Last-Modified"]
    assert parsedate_to_datetime(last_modified) <= datetime.now(UTC)
    for field, statuses in (
        ("If-Modified-Since", {200, 206, 304}),
        ("If-Unmodified-Since", {200, 206, 412}),
        ("If-Range", {200, 206}),
    ):
        answer = await client.get(url, headers={field: last_modified, "Range": "bytes=0-3"})
        assert answer.status_code in statuses
    assert (await client.get(url, headers={"If-None-Match": head.headers["ETag"]})).status_code == 304
    assert (await client.get(url)).content == WAVE
    assert (await client.delete(API + name)).status_code == 204


async def test_not_audio_is_not_served(client: httpx.AsyncClient, folder: Path) -> None:
    """A file in the folder that is no audio is not served, whatever its name."""
    (folder / "page.mp3").write_bytes(NOT_AUDIO["page.html"])
    assert (await client.get("/audio/page.mp3")).status_code == 404
    assert (await client.get(API)).json()["files"] == []


@pytest.fixture
def shelf(folder: Path, corpus: Corpus) -> list[str]:
    """Four files that differ in everything that can be sorted; one of unknown length."""
    for at, (name, data) in enumerate(
        [
            ("b.wav", make_wave(40_000)),
            ("A.mp3", corpus["cbr.mp3"]),
            ("é.wav", make_wave(3000)),
            ("c.latm", make_mod()),
        ]
    ):
        (folder / name).write_bytes(data)
        time_ns = 1_700_000_000_000_000_000 + at * 10**9
        os.utime(folder / name, ns=(time_ns, time_ns))
    return ["b.wav", "A.mp3", "é.wav", "c.latm"]


SORTED = {
    "name": ["A.mp3", "b.wav", "c.latm", "é.wav"],
    "-name": ["é.wav", "c.latm", "b.wav", "A.mp3"],
    "uploaded_at": ["b.wav", "A.mp3", "é.wav", "c.latm"],
    "-uploaded_at": ["c.latm", "é.wav", "A.mp3", "b.wav"],
    "duration_s": ["é.wav", "A.mp3", "b.wav", "c.latm"],
    "-duration_s": ["b.wav", "A.mp3", "é.wav", "c.latm"],
    "-length": ["b.wav", "A.mp3", "é.wav", "c.latm"],
    "artist": ["A.mp3", "b.wav", "c.latm", "é.wav"],
    "newest": ["b.wav", "c.latm", "é.wav", "A.mp3"],
}


async def read_names(client: httpx.AsyncClient, **query: str) -> list[str]:
    """The names in the list."""
    return [file["name"] for file in (await client.get(API, params=query)).json()["files"]]


@pytest.mark.parametrize("sort", SORTED)
async def test_sort(client: httpx.AsyncClient, shelf: list[str], sort: str) -> None:
    """The list is sorted both ways; a file of unknown length comes last."""
    assert await read_names(client, sort=sort) == SORTED[sort]


async def test_sort_default(client: httpx.AsyncClient, shelf: list[str]) -> None:
    """Without an order the list is by name; sizes sort too; an unknown order is 422."""
    assert await read_names(client) == SORTED["name"]
    sizes = [file["size_bytes"] for file in (await client.get(API, params={"sort": "-size_bytes"})).json()["files"]]
    assert sizes == sorted(sizes, reverse=True)
    for sort in ("colour", "", "--name", "name,size_bytes"):
        answer = await client.get(API, params={"sort": sort})
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")


async def test_query(client: httpx.AsyncClient, shelf: list[str]) -> None:
    """The query finds names and tags, in any case and Unicode form."""
    assert await read_names(client, q="WAV") == ["b.wav", "é.wav"]
    assert await read_names(client, q="anna") == ["A.mp3"]
    assert await read_names(client, q="prel") == ["A.mp3"]
    assert await read_names(client, q="E\u0301.W") == ["é.wav"]
    assert await read_names(client, q="wav b") == ["b.wav"]
    assert await read_names(client, q="nothing") == []
    assert await read_names(client, q=" ") == SORTED["name"]


async def test_bytes(client: httpx.AsyncClient, song: str) -> None:
    """The whole file with its type, validators and length; HEAD says the same without the bytes."""
    answer = await client.get(song)
    assert (answer.status_code, answer.content) == (200, WAVE)
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["Content-Length"] == "10000"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch(r'"[0-9a-f-]+"', answer.headers["ETag"])
    assert "Content-Disposition" not in answer.headers
    head = await client.head(song, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Accept-Ranges", "ETag", "Last-Modified"):
        assert head.headers[name] == answer.headers[name]


@pytest.mark.parametrize("name", ["cbr.mp3", "opus.opus", "aac.m4a", "flac.flac", "opus.webm", "pcm.aiff"])
async def test_types(client: httpx.AsyncClient, folder: Path, corpus: Corpus, name: str) -> None:
    """The type comes from the bytes, not from the name."""
    (folder / "song.txt").write_bytes(corpus[name])
    assert (await client.get("/audio/song.txt")).headers["Content-Type"] == AUDIO[name][0]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("0-0", 0, 1), ("0-", 0, 10_000), ("100-199", 100, 200), ("-1", 9999, 10_000), ("9999-", 9999, 10_000),
     ("-20000", 0, 10_000), ("5000-99999", 5000, 10_000)],
)  # fmt: skip
async def test_range(client: httpx.AsyncClient, song: str, asked: str, start: int, end: int) -> None:
    """A range is 206 with its bytes, their place and their length."""
    answer = await client.get(song, headers={"Range": f"bytes={asked}"})
    assert (answer.status_code, answer.content) == (206, WAVE[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/10000"
    assert answer.headers["Content-Length"] == str(end - start)
    assert answer.headers["Content-Type"] == "audio/wav"


async def test_several_ranges(client: httpx.AsyncClient, song: str) -> None:
    """Several ranges come as parts, each with its place, and the length of all is right."""
    answer = await client.get(song, headers={"Range": "bytes=0-9,5000-5009,-10"})
    assert answer.status_code == 206
    assert "Content-Range" not in answer.headers
    boundary = answer.headers["Content-Type"].partition("multipart/byteranges; boundary=")[2]
    parts = answer.content.split(b"\r\n--" + boundary.encode())
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    for part, start in zip(parts[1:-1], (0, 5000, 9990), strict=True):
        head, _, body = part.partition(b"\r\n\r\n")
        assert f"Content-Range: bytes {start}-{start + 9}/10000".encode() in head
        assert body == WAVE[start : start + 10]
    assert int(answer.headers["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize("asked", ["bytes=10000-", "bytes=-0", "bytes=99999-100000"])
async def test_range_outside(client: httpx.AsyncClient, song: str, asked: str) -> None:
    """A range outside the file is 416 and tells its size; the file is still served."""
    answer = await client.get(song, headers={"Range": asked})
    assert (answer.status_code, answer.headers["Content-Type"]) == (416, "application/problem+json")
    assert answer.headers["Content-Range"] == "bytes */10000"


@pytest.mark.parametrize("asked", ["bytes=x", "bytes=5-4", "lines=0-1", "bytes=0-0," * 50 + "1-1", "bytes=0-,0-"])
async def test_range_ignored(client: httpx.AsyncClient, song: str, asked: str) -> None:
    """What is no range, or asks too much, gets the whole file."""
    answer = await client.get(song, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, WAVE)


async def test_conditions(client: httpx.AsyncClient, song: str, folder: Path) -> None:
    """304 while nothing changed, 412 once it did; If-Range gives the part or the whole."""
    first = await client.get(song)
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    for headers in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
        answer = await client.get(song, headers=headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
    assert (await client.head(song, headers={"If-None-Match": etag})).status_code == 304
    assert (await client.get(song, headers={"Range": "bytes=0-1", "If-Range": etag})).status_code == 206
    (folder / "a.wav").write_bytes(make_wave(20_000))
    assert (await client.get(song, headers={"Range": "bytes=0-1", "If-Range": etag})).status_code == 200
    assert (await client.get(song, headers={"If-None-Match": etag})).status_code == 200
    assert (await client.get(song, headers={"If-Match": etag})).status_code == 412


async def test_conditions_in_lines(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """Several lines of If-None-Match are one list, for the bytes, the description and the cover of a file."""
    (folder / "a.mp3").write_bytes(corpus["cover.mp3"])
    for path in ("/audio/a.mp3", f"{API}a.mp3", f"{API}a.mp3/cover"):
        etag = (await client.get(path)).headers["ETag"]
        headers = [("If-None-Match", '"x"'), ("If-None-Match", etag), ("If-None-Match", '"y"')]
        assert (await client.get(path, headers=headers)).status_code == 304
        headers = [("If-Match", '"x"'), ("If-Match", etag)]
        assert (await client.get(path, headers=headers)).status_code == 200
        assert (await client.get(path, headers=headers[:1])).status_code == 412


async def test_delete_on_conditions(client: httpx.AsyncClient, song: str, folder: Path) -> None:
    """DELETE with a false condition is 412 and leaves the file; with true ones it goes; 404 where there is none."""
    api = API + "a.wav"
    etag, modified = (await client.head(song)).headers["ETag"], (await client.head(song)).headers["Last-Modified"]
    assert (await client.get(api)).headers["ETag"] == etag
    for headers in (
        {"If-Match": '"other"'},
        {"If-Match": f"W/{etag}"},
        {"If-None-Match": etag},
        {"If-None-Match": "*"},
        {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
    ):
        answer = await client.delete(api, headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (412, "application/problem+json")
    assert (folder / "a.wav").read_bytes() == WAVE
    good = [("If-Match", '"other"'), ("If-Match", etag), ("If-Unmodified-Since", modified)]
    assert (await client.delete(api, headers=good)).status_code == 204
    assert (await client.delete(api, headers={"If-Match": "*"})).status_code == 404


async def test_put_on_conditions(client: httpx.AsyncClient, folder: Path) -> None:
    """PUT with `If-None-Match: *` is for a new name, with If-Match for one that is there, which is never replaced."""
    new = {"If-None-Match": "*"}
    assert (await client.put(API + "a.wav", content=WAVE, headers={"If-Match": "*"})).status_code == 412
    assert (await client.put(API + "a.wav", content=WAVE, headers=new)).status_code == 201
    assert (await client.put(API + "a.wav", content=WAVE, headers=new)).status_code == 412
    assert (await client.put(API + "a.wav", content=WAVE, headers={"If-Match": "*"})).status_code == 409
    assert (await client.put(API + "a%00.wav", content=WAVE, headers=new)).status_code == 422
    assert [path.name for path in folder.iterdir()] == ["a.wav"]


async def test_download(client: httpx.AsyncClient, folder: Path) -> None:
    """?download makes it an attachment under its own name."""
    name = '日本 "x";%.wav'
    (folder / name).write_bytes(WAVE)
    answer = await client.get("/audio/" + quote(name), params={"download": ""})
    assert answer.content == WAVE
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"__ _x_;_.wav\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%20%22x%22%3B%25.wav"
    )


async def test_cover(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """The picture in a file has the type of its bytes, a validator, and may do nothing; without one it is 404."""
    (folder / "日本.mp3").write_bytes(corpus["cover.mp3"])
    (folder / "bare.wav").write_bytes(WAVE)
    bare, file = (await client.get(API)).json()["files"]
    assert bare["cover"] is None
    answer = await client.get(file["cover"])
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.content == corpus["cover.png"]
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    again = await client.get(file["cover"], headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head(file["cover"])
    assert (head.status_code, head.headers["Content-Length"]) == (200, answer.headers["Content-Length"])
    for name in ("bare.wav", "nothing.wav"):
        answer = await client.get(f"{API}{name}/cover")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


_opened: list[str] = []
"""The paths of all files that this process opens, as the interpreter reports it."""


def _note_open(event: str, args: tuple[object, ...]) -> None:
    if event == "open":
        _opened.append(str(args[0]))


sys.addaudithook(_note_open)


async def test_cover_opens_once(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """A cover, or that it has not changed, costs one opening of its file."""
    (folder / "a.mp3").write_bytes(corpus["cover.mp3"])
    cover = f"{API}a.mp3/cover"
    etag = (await client.get(cover)).headers["ETag"]
    for headers, status in (({}, 200), ({"If-None-Match": etag}, 304)):
        _opened.clear()
        assert (await client.get(cover, headers=headers)).status_code == status
        assert _opened.count(str(folder / "a.mp3")) == 1


async def test_delete_while_playing(client: httpx.AsyncClient, folder: Path) -> None:
    """A file that is deleted while somebody listens is heard to its end, and then gone."""
    data = make_wave(30_000_000)
    (folder / "a.wav").write_bytes(data)
    received = bytearray()
    async with client.stream("GET", "/audio/a.wav") as answer:
        async for chunk in answer.aiter_raw():
            if not received:
                assert (await client.delete(API + "a.wav")).status_code == 204
                assert (await client.get("/audio/a.wav")).status_code == 404
            received += chunk
    assert received == data


async def test_cut_short_while_playing(
    client: httpx.AsyncClient, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that another program cuts short does not end as if it were whole."""
    (folder / "a.wav").write_bytes(make_wave(30_000_000))
    with pytest.raises(httpx.RemoteProtocolError):
        async with client.stream("GET", "/audio/a.wav") as answer:
            async for _ in answer.aiter_raw():
                with (folder / "a.wav").open("r+b") as file:
                    file.truncate(100)
    assert (await client.get(API)).status_code == 200


async def test_listeners_that_leave(client: httpx.AsyncClient, folder: Path) -> None:
    """Listeners that leave in the middle, or never read, leave no descriptor behind."""
    (folder / "a.wav").write_bytes(make_wave(30_000_000))
    await client.get(API)

    def count() -> int:
        return len([path for path in Path("/proc/self/fd").iterdir() if str(folder) in str(path.resolve())])

    for _ in range(10):
        stream = await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0)
        await stream.send(b"GET /audio/a.wav HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await stream.receive(1000)
        await stream.aclose()
    await wait_until(lambda: not count())


async def test_options_and_methods(client: httpx.AsyncClient, song: str) -> None:
    """Other methods are 405 and say which there are."""
    for path in (song, API + "a.wav", API, "/"):
        answer = await client.request("PROPFIND", path)
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]
