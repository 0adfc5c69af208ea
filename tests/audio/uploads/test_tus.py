"""tus 1.0 on the wire: what the protocol demands, and what hostile and unlucky clients do with it."""

import base64
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketStream
from pydantic import SecretStr

from tests.audio.formats.corpus import NOT_AUDIO, make_wave
from tests.conftest import OpenGateway
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio
API = "/api/v1/uploads/"
WAVE = make_wave(300_000)
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}


def list_disk(folder: Path) -> list[str]:
    """All names in the folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def encode(text: str | bytes) -> str:
    """A value of Upload-Metadata."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def describe(name: str | bytes, length: int | str = len(WAVE), **headers: str) -> dict[str, str]:
    """The headers of a creation."""
    return TUS | {"Upload-Length": str(length), "Upload-Metadata": f"filename {encode(name)}"} | headers


async def create(client: httpx.AsyncClient, name: str = "a.wav", length: int = len(WAVE)) -> str:
    """The URL of a new upload."""
    answer = await client.post(API, headers=describe(name, length))
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


async def patch(client: httpx.AsyncClient, url: str, offset: int, data: Any, **headers: str) -> httpx.Response:
    """Bytes sent from an offset on."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.patch(url, content=data, headers=BYTES | {"Upload-Offset": str(offset)} | named)


async def tell_offset(client: httpx.AsyncClient, url: str) -> int:
    """How far an upload is."""
    answer = await client.head(url, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


async def test_whole(client: httpx.AsyncClient, folder: Path) -> None:
    """An upload in three pieces is no file until its last byte, and then the same bytes under its name."""
    url = await create(client, "日本 1.wav")
    for start, end in ((0, 1), (1, 100_000), (100_000, len(WAVE))):
        assert (await client.get("/api/v1/audio/")).json()["files"] == []
        assert await tell_offset(client, url) == start
        answer = await patch(client, url, start, WAVE[start:end])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end))
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert (folder / "日本 1.wav").read_bytes() == WAVE
    assert [file["name"] for file in (await client.get("/api/v1/audio/")).json()["files"]] == ["日本 1.wav"]
    assert await tell_offset(client, url) == len(WAVE)  # a client that missed the last answer
    assert (await patch(client, url, len(WAVE), b"")).status_code == 204
    assert (await patch(client, url, 0, WAVE)).status_code == 409
    assert len(list_disk(folder)) == 2


async def test_creation(client: httpx.AsyncClient) -> None:
    """A creation tells the place, which nobody can guess, and what HEAD tells again."""
    sent = describe("a.wav", 12345)
    sent["Upload-Metadata"] += ",is_confidential,filetype " + encode("audio/wav")
    answer = await client.post(API, headers=sent)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "0")
    assert answer.headers["Upload-Expires"].endswith("GMT")
    assert len(answer.headers["Location"].rpartition("/")[2]) == 32
    head = await client.head(answer.headers["Location"], headers=TUS)
    assert (head.headers["Upload-Length"], head.headers["Upload-Metadata"]) == ("12345", sent["Upload-Metadata"])
    assert head.headers["Cache-Control"] == "no-store"
    assert head.headers["Upload-Expires"]


async def test_creation_with_upload(client: httpx.AsyncClient, folder: Path) -> None:
    """The first bytes, or all, may come with the creation."""
    answer = await client.post(API, headers=describe("a.wav") | BYTES, content=WAVE[:1000])
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "1000")
    assert (await patch(client, answer.headers["Location"], 1000, WAVE[1000:])).status_code == 204
    assert (await client.post(API, headers=describe("b.wav") | BYTES, content=WAVE)).status_code == 201
    assert (folder / "a.wav").read_bytes() == (folder / "b.wav").read_bytes() == WAVE
    refused = await client.post(API, headers=describe("c.wav") | BYTES, content=NOT_AUDIO["photo.jpg"])
    assert refused.status_code == 415
    too_much = await client.post(API, headers=describe("d.wav", 100) | BYTES, content=WAVE)
    assert too_much.status_code == 413
    assert sorted(name for name in list_disk(folder) if not name.endswith(".json")) == ["a.wav", "b.wav"]


async def test_options(open_gateway: OpenGateway) -> None:
    """The capabilities are told without a version, to whoever has the token."""
    async with open_gateway(api_token=SecretStr("x"), max_upload_bytes=1000) as client:
        for url in (API, API + "0" * 32):
            answer = await client.options(url, headers={"Authorization": "Bearer x"})
            assert answer.status_code == 204
            assert answer.headers["Tus-Version"] == "1.0.0"
            assert answer.headers["Tus-Max-Size"] == "1000"
            extensions = answer.headers["Tus-Extension"].split(",")
            assert set(extensions) == {"creation", "creation-with-upload", "expiration", "termination"}
            assert (await client.options(url)).status_code == 401


@pytest.mark.parametrize("version", [None, "0.2.2", "2.0.0", "1.0", ""])
async def test_version(client: httpx.AsyncClient, version: str | None) -> None:
    """Another version, or none, is 412 with the versions there are, and nothing is done."""
    url = await create(client)
    headers = describe("b.wav") | BYTES | {"Upload-Offset": "0"}
    del headers["Tus-Resumable"]
    if version is not None:
        headers["Tus-Resumable"] = version
    for method, where in (("POST", API), ("HEAD", url), ("PATCH", url), ("DELETE", url)):
        answer = await client.request(method, where, headers=headers, content=b"")
        assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert await tell_offset(client, url) == 0


async def test_offset(client: httpx.AsyncClient, folder: Path) -> None:
    """Bytes that begin elsewhere than where the upload ends are 409, and none is taken."""
    url = await create(client)
    await patch(client, url, 0, WAVE[:1000])
    for offset in (0, 999, 1001, len(WAVE), 10**17):
        answer = await patch(client, url, offset, WAVE[1000:])
        assert (answer.status_code, answer.json()["offset"]) == (409, 1000)
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    for bad in ("-1", "x", "", "1.0", "9" * 40, "+1000", "1000, 1000"):
        headers = BYTES | {"Upload-Offset": bad}
        assert (await client.patch(url, content=WAVE[1000:], headers=headers)).status_code == 400
    assert (await client.patch(url, content=WAVE[1000:], headers=BYTES)).status_code == 400
    typed = BYTES | {"Upload-Offset": "1000", "Content-Type": "audio/wav"}
    assert (await client.patch(url, content=WAVE[1000:], headers=typed)).status_code == 415
    assert await tell_offset(client, url) == 1000


async def test_too_much(open_gateway: OpenGateway, folder: Path) -> None:
    """A length over the limit and bytes over the length are 413; what came before them is kept."""
    async with open_gateway(max_upload_bytes=len(WAVE)) as client:
        refused = await client.post(API, headers=describe("a.wav", len(WAVE) + 1))
        assert (refused.status_code, refused.json()["limit_bytes"]) == (413, len(WAVE))
        assert list_disk(folder) == []
        url = await create(client)

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(WAVE), 50_000):
                yield WAVE[at : at + 50_000]
            yield b"x"

        assert (await patch(client, url, 0, WAVE + b"x")).status_code == 413
        assert await tell_offset(client, url) == 0
        assert (await patch(client, url, 0, WAVE[:1000])).status_code == 204
        assert (await patch(client, url, 1000, pieces())).status_code == 413
        assert await tell_offset(client, url) < len(WAVE)


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ("", 422),
        ("name " + encode("a.wav"), 422),
        ("filename", 422),
        ("filename " + encode("a/b.wav"), 422),
        ("filename " + encode("../b.wav"), 422),
        ("filename " + encode(".b.wav"), 422),
        ("filename " + encode("a\0b.wav"), 422),
        ("filename " + encode("a\nb.wav"), 422),
        ("filename " + encode("x" * 256), 422),
        ("filename " + encode(b"\xff.wav"), 422),
        ("filename !!!!", 400),
        ("filename YQ", 400),
        ("filename YQ== YQ==", 400),
        ("filename YQ==,filename YQ==", 400),
        (",", 400),
        ("filename YQ==,", 400),
        ("\u00e9 YQ==", 400),
        ("filename YQ==\u00a0", 400),
        ("filename YQ==,x YQ==\u0085", 400),
    ],
)
async def test_metadata(client: httpx.AsyncClient, folder: Path, metadata: str, status: int) -> None:
    """Metadata that is malformed is 400, a name that cannot be is 422; nothing is left of it."""
    headers = {**describe("a.wav"), "Upload-Metadata": metadata.encode("latin-1")}
    answer = await client.post(API, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert list_disk(folder) == []


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "9" * 30])
async def test_length(client: httpx.AsyncClient, folder: Path, length: str) -> None:
    """A length that is no number is 400; none at all, too."""
    assert (await client.post(API, headers=describe("a.wav", length))).status_code == 400
    without = describe("a.wav")
    del without["Upload-Length"]
    assert (await client.post(API, headers=without)).status_code == 400
    assert (await client.post(API, headers=describe("a.wav", 0))).status_code == 415
    assert list_disk(folder) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Concat": "partial"},
        {"Upload-Concat": "final;/api/v1/uploads/a /api/v1/uploads/b"},
        {"Upload-Concat": ""},
        {"Upload-Defer-Length": "1"},
        {"Content-Range": "bytes 0-299999/600000"},
    ],
)
async def test_part(client: httpx.AsyncClient, folder: Path, headers: dict[str, str]) -> None:
    """A part that another upload is made of, a length to come and a range are refused in words: nothing is taken."""
    for sent in (describe("a.wav"), describe("a.wav") | BYTES):
        answer = await client.post(API, headers=sent | headers, content=WAVE)
        assert (answer.status_code, answer.json()["field"]) == (400, next(iter(headers)))
    assert list_disk(folder) == []
    url = await create(client)
    answer = await client.patch(url, content=WAVE, headers=BYTES | {"Upload-Offset": "0"} | headers)
    assert answer.status_code == 400
    assert await tell_offset(client, url) == 0
    assert (await client.delete(url, headers=TUS | headers)).status_code == 204


async def test_part_by_query(client: httpx.AsyncClient, folder: Path) -> None:
    """A query that calls the bytes a part is refused too."""
    answer = await client.post(API, params={"chunk": "0", "chunks": "2"}, headers=describe("a.wav"))
    assert (answer.status_code, answer.json()["field"]) == (400, "chunk")
    assert list_disk(folder) == []


async def test_not_audio(client: httpx.AsyncClient, folder: Path) -> None:
    """What is no audio is refused on its first bytes, and the upload with it; or at its end."""
    for data, first in (
        (NOT_AUDIO["photo.jpg"], 4096),
        (NOT_AUDIO["tagged.html"], 4096),
        (NOT_AUDIO["only-tag.mp3"], 20),
    ):
        url = await create(client, length=len(data))
        answer = await patch(client, url, 0, data[:first])
        assert (answer.status_code, answer.json()["detail"]) == (415, "Non-audio file detected")
        assert (await client.head(url, headers=TUS)).status_code == 404
        assert list_disk(folder) == []


async def test_empty(client: httpx.AsyncClient, folder: Path) -> None:
    """An empty file is refused at the creation, and called empty."""
    answer = await client.post(API, headers=describe("a.mp3") | {"Upload-Length": "0"})
    assert (answer.status_code, answer.json()["detail"]) == (415, "Non-audio file detected. The file is empty.")
    assert list_disk(folder) == []


async def test_not_audio_later(client: httpx.AsyncClient, folder: Path) -> None:
    """The first bytes are judged together, though they came in many requests."""
    url = await create(client, length=100_000)
    assert (await patch(client, url, 0, b"\xff")).status_code == 204
    assert (await patch(client, url, 1, b"\xd8\xff\xe0" + bytes(4000))).status_code == 415
    assert list_disk(folder) == []


async def test_name_taken(client: httpx.AsyncClient, folder: Path) -> None:
    """A name that is taken is 409 at the creation; one that is taken meanwhile, at the end."""
    first, second = await create(client), await create(client)
    assert (await patch(client, first, 0, WAVE)).status_code == 204
    assert (await client.post(API, headers=describe("a.wav"))).status_code == 409
    answer = await patch(client, second, 0, make_wave(300_000, seed=b"zz"))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:gateway:problem:name-taken")
    assert (await client.head(second, headers=TUS)).status_code == 404
    assert (folder / "a.wav").read_bytes() == WAVE
    assert len(list_disk(folder)) == 2


@pytest.mark.parametrize("checksum", [f"sha1 {encode(bytes(20))}", "crc99 AAAA", "sha1", ""])
async def test_ignore_checksum(client: httpx.AsyncClient, folder: Path, checksum: str) -> None:
    """Tus-Extension does not name checksum, so its header is ignored, whatever it says."""
    url = await create(client)
    assert (await patch(client, url, 0, WAVE, Upload_Checksum=checksum)).status_code == 204
    assert (folder / "a.wav").read_bytes() == WAVE


async def test_termination(client: httpx.AsyncClient, folder: Path) -> None:
    """A removed upload is gone, with all that had arrived; a file that it made stays."""
    url = await create(client)
    await patch(client, url, 0, WAVE[:100_000])
    assert (await client.delete(url, headers=TUS)).status_code == 204
    assert list_disk(folder) == []
    for method in ("HEAD", "PATCH", "DELETE"):
        headers = BYTES | {"Upload-Offset": "0"}
        assert (await client.request(method, url, headers=headers)).status_code == 404
    url = await create(client)
    await patch(client, url, 0, WAVE)
    assert (await client.delete(url, headers=TUS)).status_code == 204
    assert list_disk(folder) == ["a.wav"]


@pytest.mark.parametrize("key", ["x", "0" * 32, "..", "%2e%2e%2fa.wav", "0" * 31 + "\u0660", "0" * 4000])
async def test_no_such_upload(client: httpx.AsyncClient, folder: Path, key: str) -> None:
    """Whatever stands for a key, there is no such upload, and no file is touched."""
    (folder / "a.wav").write_bytes(WAVE)
    for method in ("HEAD", "PATCH", "DELETE"):
        answer = await client.request(method, API + key, headers=BYTES | {"Upload-Offset": "0"}, content=b"x")
        assert answer.status_code in {404, 405}
    assert list_disk(folder) == ["a.wav"]


@pytest.mark.parametrize("method", ["PATCH", "HEAD", "DELETE"])
async def test_no_method_override(client: httpx.AsyncClient, folder: Path, method: str) -> None:
    """A POST for another method is refused with the methods there are, and changes nothing."""
    url = await create(client)
    headers = BYTES | {"Upload-Offset": "0", "X-HTTP-Method-Override": method}
    answer = await client.post(url, headers=headers, content=WAVE)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"HEAD", "PATCH", "DELETE", "OPTIONS"}
    assert await tell_offset(client, url) == 0
    assert "a.wav" not in list_disk(folder)


async def begin_patch(client: httpx.AsyncClient, url: str, offset: int, data: bytes, *, of: int) -> SocketStream:
    """A connection on which a PATCH of `of` bytes has begun with these."""
    assert client.base_url.port
    stream = await anyio.connect_tcp(client.base_url.host, client.base_url.port)
    head = f"PATCH {url} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
    head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {of}\r\n\r\n"
    await stream.send(head.encode() + data)
    return stream


async def test_cut(client: httpx.AsyncClient, folder: Path) -> None:
    """What arrived before a connection broke off is kept to the last byte, and the upload goes on from there."""
    url = await create(client)
    sent = 0
    for size in (1, 7000, 40_000, 100_000):
        stream = await begin_patch(client, url, sent, WAVE[sent : sent + size], of=len(WAVE) - sent)
        await anyio.sleep(0.5)
        await stream.aclose()
        sent += size
        assert await tell_offset(client, url) == sent
    assert (await patch(client, url, sent, WAVE[sent:])).status_code == 204
    assert (folder / "a.wav").read_bytes() == WAVE


async def test_snapshot(client: httpx.AsyncClient, folder: Path, tmp_path: Path) -> None:
    """A snapshot of hard links between two pieces is no end of an upload: it goes on and ends as a file."""
    url = await create(client)
    await patch(client, url, 0, WAVE[:100_000])
    shutil.copytree(folder, tmp_path / "snapshot", copy_function=os.link)
    assert await tell_offset(client, url) == 100_000
    assert (await patch(client, url, 100_000, WAVE[100_000:])).status_code == 204
    assert await tell_offset(client, url) == len(WAVE)
    assert (folder / "a.wav").read_bytes() == WAVE


async def test_spoilt_note(client: httpx.AsyncClient, folder: Path) -> None:
    """A note that another program has written over is no upload: 404 to each call, no file, no header out of it."""
    good = {"name": "a.wav", "length_bytes": len(WAVE), "metadata": ""}
    for change in (
        {"length_bytes": "300000"},
        {"checked_bytes": 0},
        {"name": "../evil.wav"},
        {"metadata": "filename YQ==\r\nX-Evil: 1"},
        {"metadata": "日本"},
    ):
        url = await create(client)
        await patch(client, url, 0, WAVE[:1000])
        (note,) = folder.glob(".resumable-*.json")
        note.write_text(json.dumps(good | change))
        for method in ("HEAD", "PATCH", "DELETE"):
            headers = BYTES | {"Upload-Offset": "1000"}
            answer = await client.request(method, url, headers=headers, content=WAVE[1000:])
            assert (answer.status_code, change) == (404, change)
        assert list_disk(folder) == []
    assert not (folder.parent / "evil.wav").exists()


@pytest.mark.slow
async def test_lower_limit(open_gateway: OpenGateway, folder: Path) -> None:
    """An upload that is to be longer than a file may be by now is 413, and goes on under the limit of before."""
    async with open_gateway() as client:
        url = await create(client)
        await patch(client, url, 0, WAVE[:1000])
    async with open_gateway(max_upload_bytes=2000) as client:
        assert (await client.head(url, headers=TUS)).status_code == 413
        answer = await patch(client, url, 1000, WAVE[1000:1500])
        assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 2000)
    async with open_gateway() as client:
        assert (await patch(client, url, 1000, WAVE[1000:])).status_code == 204
    assert (folder / "a.wav").read_bytes() == WAVE


async def test_times_to_come(client: httpx.AsyncClient, folder: Path) -> None:
    """A hidden file from a year that no date can have goes on, and expires as if it was written now."""
    url = await create(client)
    await patch(client, url, 0, WAVE[:1000])
    (hidden,) = (path for path in folder.iterdir() if not path.suffix)
    os.utime(hidden, (10**12, 10**12))
    answer = await client.head(url, headers=TUS)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (200, "1000")
    assert answer.headers["Upload-Expires"].endswith("GMT")


async def test_take_over(client: httpx.AsyncClient, folder: Path) -> None:
    """A client that comes back while its old connection hangs goes on at once; the old one is told and adds nothing."""
    url = await create(client)
    async with await begin_patch(client, url, 0, WAVE[:50_000], of=len(WAVE)) as hanging:
        await anyio.sleep(0.1)
        with anyio.fail_after(60):
            assert await tell_offset(client, url) == 50_000
            assert b" 423 " in (await hanging.receive()).split(b"\r\n")[0]
        await hanging.send(bytes(100_000))
        await anyio.sleep(0.1)
        assert await tell_offset(client, url) == 50_000
    assert (await patch(client, url, 50_000, WAVE[50_000:])).status_code == 204
    assert (folder / "a.wav").read_bytes() == WAVE


@pytest.mark.slow
async def test_two_gateways(open_gateway: OpenGateway, folder: Path) -> None:
    """An upload goes on at another gateway of the folder; while one is at it the other says 423."""
    async with open_gateway() as first, open_gateway() as second:
        url = await create(first)
        stream = await begin_patch(first, url, 0, WAVE[:50_000], of=len(WAVE))
        await anyio.sleep(0.1)
        for method in ("HEAD", "PATCH", "DELETE"):
            answer = await second.request(method, url, headers=BYTES | {"Upload-Offset": "0"}, content=b"x")
            assert (answer.status_code, answer.headers["Retry-After"]) == (423, "1")
        await stream.aclose()
        await anyio.sleep(0.1)
        assert await tell_offset(second, url) == 50_000
        assert (await patch(second, url, 50_000, WAVE[50_000:200_000])).status_code == 204
        assert (await patch(first, url, 200_000, WAVE[200_000:])).status_code == 204
        assert (folder / "a.wav").read_bytes() == WAVE


async def test_concurrent(client: httpx.AsyncClient, folder: Path) -> None:
    """Of many requests at one upload none tears it: it is whole at the end, whoever was refused."""
    url = await create(client)
    statuses: list[int] = []

    async def send(offset: int) -> None:
        statuses.append((await patch(client, url, offset, WAVE[offset:])).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(send, 0)
    assert set(statuses) <= {204, 409, 423}
    offset = await tell_offset(client, url)
    if offset < len(WAVE):
        await send(offset)
    assert (folder / "a.wav").read_bytes() == WAVE


@pytest.mark.slow
async def test_expiration(open_gateway: OpenGateway, folder: Path) -> None:
    """An upload that nobody goes on with is gone after its time, and its bytes with it; nothing else is."""
    (folder / "b.wav").write_bytes(WAVE)
    (folder / ".resumable-not-ours").write_bytes(b"x")
    async with open_gateway(upload_ttl_s=1) as client:
        url = await create(client)
        await patch(client, url, 0, WAVE[:1000])
        assert await tell_offset(client, url) == 1000
        await anyio.sleep(1.1)
        answer = await client.head(url, headers=TUS)
        assert answer.status_code == 404
        await create(client)
        await wait_until(lambda: len(list_disk(folder)) <= 2)
    assert list_disk(folder) == [".resumable-not-ours", "b.wav"]


async def test_idle(open_gateway: OpenGateway) -> None:
    """A body that stands still is given up with 408; what it brought is kept."""
    async with open_gateway(upload_idle_timeout_s=0.3) as client:
        url = await create(client)
        async with await begin_patch(client, url, 0, WAVE[:7777], of=len(WAVE)) as stream:
            assert b" 408 " in (await stream.receive()).split(b"\r\n")[0]
        assert await tell_offset(client, url) == 7777


async def test_folder_away(client: httpx.AsyncClient, folder: Path) -> None:
    """Without its folder every call is 503, and the upload goes on once it is back."""
    url = await create(client)
    await patch(client, url, 0, WAVE[:1000])
    away = folder.rename(folder.with_name("away"))
    for method, where in (("POST", API), ("HEAD", url), ("PATCH", url), ("DELETE", url)):
        headers = describe("b.wav") | BYTES | {"Upload-Offset": "1000"}
        answer = await client.request(method, where, headers=headers, content=b"")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    away.rename(folder)
    assert await tell_offset(client, url) == 1000
