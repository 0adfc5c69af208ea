"""Uploads on the wire: forms and raw bodies, slow and broken ones."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import anyio
import httpx
import pytest
from anyio.abc import SocketStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audio.uploads.disposition import read_filename
from gateway.errors import Unprocessable
from tests.audio.formats.corpus import AUDIO, HTML, NOT_AUDIO, VIDEO, Corpus, make_wave
from tests.conftest import OpenGateway

pytestmark = pytest.mark.anyio
API = "/api/v1/audio/"
WAVE = make_wave(10_000)
MIB = 1024 * 1024


def make_form(*parts: tuple[str, bytes], end: bytes = b"\r\n--XX--\r\n") -> dict[str, Any]:
    """A body of parts (what stands in Content-Disposition behind `form-data`, bytes), to be sent as it is."""
    body = b"".join(
        b"\r\n--XX\r\nContent-Disposition: form-data" + head.encode() + b"\r\n\r\n" + data for head, data in parts
    )
    return {"content": body[2:] + end, "headers": make_type("XX")}


def make_type(boundary: str) -> dict[str, str]:
    """The header of a form with this boundary."""
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def one_file(name: str, data: bytes = WAVE) -> tuple[str, bytes]:
    """A part that is a file."""
    return f'; name="file"; filename="{name}"', data


def list_disk(folder: Path) -> list[str]:
    """All names in the folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


async def test_post(client: httpx.AsyncClient, folder: Path) -> None:
    """A form with a file makes the file: 201, its place and what it is."""
    answer = await client.post(API, files={"file": ("a.wav", WAVE)})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/audio/a.wav"
    assert answer.json()["name"] == "a.wav"
    assert (folder / "a.wav").read_bytes() == WAVE
    assert (await client.get(answer.headers["Location"])).content == WAVE


async def test_put(client: httpx.AsyncClient, folder: Path) -> None:
    """A raw body under a name makes the file; the name stays taken."""
    for status in (201, 409):
        answer = await client.put(API + "a.wav", content=WAVE)
        assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["name"] == "a.wav"
    assert (folder / "a.wav").read_bytes() == WAVE


async def test_put_chunked(client: httpx.AsyncClient, folder: Path) -> None:
    """A body without a length is taken too."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(WAVE), 999):
            yield WAVE[at : at + 999]

    assert (await client.put(API + "a.wav", content=pieces())).status_code == 201
    assert (folder / "a.wav").read_bytes() == WAVE


PART_HEADERS = {
    "jQuery File Upload": {"Content-Range": "bytes 0-9999/20000"},
    "curl -C": {"Content-Range": "bytes 10000-19999/20000"},
    "nginx upload module": {"X-Content-Range": "bytes 0-9999/20000"},
    "FilePond": {"Upload-Offset": "0", "Upload-Length": "20000", "Upload-Name": "a.wav"},
    "a beginning": {"Upload-Length": "20000"},
    "tus": {"Upload-Concat": "partial"},
    "a draft of the IETF": {"Upload-Complete": "?0"},
    "iOS 17": {"Upload-Incomplete": "?1", "Upload-Draft-Interop-Version": "3"},
    "ownCloud": {"OC-Chunked": "1"},
    "Huge Uploader": {"uploader-chunk-number": "0", "uploader-chunks-total": "2"},
    "Backblaze": {"X-Bz-Part-Number": "1"},
}
PART_FIELDS = {
    "Dropzone": {"dzuuid": "x", "dzchunkindex": "0", "dztotalfilesize": "20000", "dztotalchunkcount": "2"},
    "Resumable.js": {"resumableChunkNumber": "1", "resumableTotalChunks": "2", "resumableFilename": "a.wav"},
    "Flow.js": {"flowChunkNumber": "2", "flowTotalChunks": "2", "flowIdentifier": "x"},
    "simple-uploader": {"chunkNumber": "1", "totalChunks": "2", "totalSize": "20000"},
    "Plupload": {"name": "a.wav", "chunk": "0", "chunks": "2"},
    "Plupload without numbers": {"name": "a.wav", "offset": "10000", "total": "20000"},
    "Fine Uploader": {"qqpartindex": "0", "qqtotalparts": "2", "qqpartbyteoffset": "0"},
    "Syncfusion": {"chunk-index": "0", "total-chunk": "2"},
    "ng-file-upload": {"_chunkNumber": "0", "_totalSize": "20000"},
    "DevExtreme": {"chunkMetadata": '{"Index": 0, "TotalCount": 2}'},
    "S3": {"partNumber": "1", "uploadId": "x"},
    "another": {"slice_index": "0", "TOTAL_SLICES": "2"},
    "Kendo UI": {"metadata": ' {"fileName": "a.wav", "chunkIndex" : 0, "totalChunks": 2}'},
}


async def refuse_part(client: httpx.AsyncClient, method: str, url: str, **sent: Any) -> None:
    """A request that is refused with 400, in words, because it brings a part of a file."""
    answer = await client.request(method, url, **sent)
    assert (answer.status_code, "describes a part of a file" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize("headers", PART_HEADERS.values(), ids=PART_HEADERS)
async def test_part_by_headers(client: httpx.AsyncClient, folder: Path, headers: dict[str, str]) -> None:
    """A body that its headers call a part of a file is refused by every door: it is no file."""
    await refuse_part(client, "PUT", API + "a.wav", content=WAVE, headers=headers)
    for url in (API, "/"):
        await refuse_part(client, "POST", url, files={"file": ("a.wav", WAVE)}, headers=headers)
    assert list_disk(folder) == []


@pytest.mark.parametrize("fields", PART_FIELDS.values(), ids=PART_FIELDS)
async def test_part_by_fields(client: httpx.AsyncClient, folder: Path, fields: dict[str, str]) -> None:
    """A file that the form calls a part is refused, whether its fields stand before or behind the file."""
    parts = [(f'; name="{name}"', value.encode()) for name, value in fields.items()]
    for form in ([*parts, one_file("a.wav")], [one_file("a.wav"), *parts]):
        for url in (API, "/"):
            await refuse_part(client, "POST", url, **make_form(*form))
    assert list_disk(folder) == []


@pytest.mark.parametrize("fields", list(PART_FIELDS.values())[:-1], ids=list(PART_FIELDS)[:-1])
async def test_part_by_query(client: httpx.AsyncClient, folder: Path, fields: dict[str, str]) -> None:
    """A query that calls the body a part is refused by every door; so is the question whether that part is here."""
    await refuse_part(client, "PUT", API + "a.wav", params=fields, content=WAVE)
    for url in (API, "/"):
        await refuse_part(client, "POST", url, params=fields, files={"file": ("a.wav", WAVE)})
        if url != API or "offset" not in fields:  # the list has a parameter of this name
            await refuse_part(client, "GET", url, params=fields)
    assert list_disk(folder) == []
    (folder / "a.wav").write_bytes(WAVE)
    await refuse_part(client, "GET", API + "a.wav", params=fields)


async def test_part_in_the_part(client: httpx.AsyncClient, folder: Path) -> None:
    """A header within the form that calls its file a part is seen too."""
    head = '; name="file"; filename="a.wav"\r\nContent-Range: bytes 0-9999/20000'
    await refuse_part(client, "POST", API, **make_form((head, WAVE)))
    assert list_disk(folder) == []


async def test_whole(client: httpx.AsyncClient) -> None:
    """Other fields, and those that say that the file is whole, refuse nothing."""
    parts = {
        "qquuid": "x",
        "qqtotalfilesize": "10000",
        "department_number": "1",
        "part": "violin",
        "timezoneOffset": "60",
        "comment": 'the "chunk": good',
        "metadata": '{"title": "a"}',
    }
    fields = [(f'; name="{name}"', value.encode()) for name, value in parts.items()]
    assert (await client.post(API, **make_form(*fields, one_file("chunk 1.wav"), *fields))).status_code == 201
    headers = {"Upload-Complete": "?1", "Upload-Incomplete": "?0", "Upload-Length": "10000"}
    assert (await client.put(API + "chunk.wav", content=WAVE, headers=headers)).status_code == 201


@pytest.mark.slow
async def test_real_files(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """Real audio files go in by every door and come out byte by byte; films do not go in."""
    for name in ("cbr.mp3", "vorbis.ogg", "flac.flac", "aac.m4a", "opus.webm"):
        for door in (
            client.post(API, files={"file": ("x-" + name, corpus[name])}),
            client.put(API + name, content=corpus[name]),
        ):
            answer = await door
            assert (answer.status_code, answer.json()["content_type"]) == (201, AUDIO[name][0])
            assert (await client.get(answer.json()["url"])).content == corpus[name]
    before = list_disk(folder)
    for name in VIDEO:
        assert (await client.put(API + name, content=corpus[name])).status_code == 415
    assert list_disk(folder) == before


REFUSALS = {
    "empty": "Non-audio file detected. The file is empty.",
    "playlist.m3u": "Non-audio file detected. This is a playlist: upload the files that it names.",
}


@pytest.mark.parametrize("name", NOT_AUDIO)
async def test_not_audio(client: httpx.AsyncClient, folder: Path, name: str) -> None:
    """What is no audio is refused by both doors under any name: 415 and nothing on the disk."""
    for answer in (
        await client.post(API, files={"file": ("song.mp3", NOT_AUDIO[name])}),
        await client.put(API + "song.mp3", content=NOT_AUDIO[name]),
    ):
        assert answer.status_code == 415
        assert answer.json()["detail"] == REFUSALS.get(name, "Non-audio file detected")
    assert list_disk(folder) == []


NAMES = [
    "日本.mp3",
    'a "b".mp3',
    "a b+c&d=e.mp3",
    "%41%2F.mp3",
    "a?b#c.mp3",
    "🎷🎺.mp3",
    "שיר.mp3",
    "a;b=c.mp3",
    "'.mp3",
    "x" * 251 + ".mp3",
    "<b>.mp3",
    "a\\b.mp3",
    "\u202e3pm.mp3",
    "~.mp3",
    "a.mp3 ",
    "é.mp3",
]


@pytest.mark.parametrize("name", NAMES)
async def test_put_names(client: httpx.AsyncClient, folder: Path, name: str) -> None:
    """A name in a path is kept exactly, listed exactly, served and deleted under its own URL."""
    answer = await client.put(API + quote(name, safe=""), content=WAVE)
    assert answer.status_code == 201
    assert list_disk(folder) == [name]
    (listed,) = (await client.get(API)).json()["files"]
    assert listed["name"] == name
    assert listed["url"].isascii()
    assert (await client.get(listed["url"])).content == WAVE
    assert name in (await client.get("/")).text.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace(
        "&#39;", "'"
    ).replace("&amp;", "&")
    assert (await client.delete(API + quote(name, safe=""))).status_code == 204
    assert list_disk(folder) == []


@pytest.mark.parametrize("name", [name for name in NAMES if "\\" not in name])
async def test_post_names(client: httpx.AsyncClient, folder: Path, name: str) -> None:
    """A name in a form is kept exactly, as browsers and httpx write it."""
    assert (await client.post(API, files={"file": (name, WAVE)})).status_code == 201
    assert list_disk(folder) == [name]


FILENAMES = {
    "folder/sub/a.wav": "a.wav",
    "/etc/a.wav": "a.wav",
    "../../a.wav": "a.wav",
    "C:\\\\music\\\\a.wav": "a.wav",
    "C:\\music\\a.wav": "a.wav",
    "..\\..\\a.wav": "a.wav",
    "a%22b.wav": 'a"b.wav',
    'a\\"b.wav': 'a"b.wav',
    "a%2Fb.wav": "a%2Fb.wav",
    "a;b.wav": "a;b.wav",
    "a; filename=c.wav": "a; filename=c.wav",
}


@pytest.mark.parametrize(("sent", "kept"), FILENAMES.items())
async def test_filenames(client: httpx.AsyncClient, folder: Path, sent: str, kept: str) -> None:
    """Folders are dropped from a file name, quotation marks are unescaped, nothing else changes."""
    assert (await client.post(API, **make_form(one_file(sent)))).status_code == 201
    assert list_disk(folder) == [kept]


@pytest.mark.parametrize(
    "head",
    [
        '; name="file"; filename="a.wav"; filename*=UTF-8\'\'evil.wav',
        '; filename*=UTF-8\'\'evil.wav; name="file"; filename="a.wav"',
        '; name="file"; filename="a.wav"; filename="evil.wav"',
        "; name=file; filename=a.wav",
        ';NAME="file";FileName="a.wav"',
        '; name="file" ; filename = "a.wav"',
    ],
)
async def test_disposition(client: httpx.AsyncClient, folder: Path, head: str) -> None:
    """`filename*` never overrides a plain `filename`, nor does a second one; spaces and case do not matter."""
    assert (await client.post(API, **make_form((head, WAVE)))).status_code == 201
    assert list_disk(folder) == ["a.wav"]


WORD = f"=?utf-8?B?{b64encode('дом/é.wav'.encode()).decode()}?="
ENCODED_NAMES = {
    f"filename=\"{WORD}\"; filename*=utf-8''%D0%B4%D0%BE%D0%BC.wav": "дом.wav",
    f"filename*=UTF-8'en'a%20%22b.wav; filename={WORD}": 'a "b.wav',
    f'filename="{WORD}"': "é.wav",
    "filename*=UTF-8''%D0%B4.wav": "д.wav",
    "filename=\"\"; filename*=UTF-8''%D0%B4.wav": "д.wav",
    "filename*=\"iso-8859-1'fr'%E9.wav\"": "é.wav",
    "filename*=US-ASCII''a.wav": "a.wav",
    "filename*=UTF-8''..%2F..%5Ca.wav": "a.wav",
    'filename="=?ISO-8859-1?q?=E9_1.wav?="': "é 1.wav",
    'filename="=?utf-8*en?Q?=D0?= =?utf-8*en?Q?=B4.wav?="': "д.wav",
    'filename="=?utf-8?Q?a?=.wav"': "=?utf-8?Q?a?=.wav",
    "filename=\"a.wav\"; filename*=koi8-r''%FF": "a.wav",
}


@pytest.mark.parametrize("path", [API, "/"])
@pytest.mark.parametrize(("sent", "kept"), ENCODED_NAMES.items())
async def test_encoded_names(client: httpx.AsyncClient, folder: Path, path: str, sent: str, kept: str) -> None:
    """A name in `filename*` or in encoded words is decoded, where `filename` is not a plain name."""
    answer = await client.post(path, **make_form((f'; name="file"; {sent}', WAVE)))
    assert answer.status_code in {201, 303}
    assert list_disk(folder) == [kept]


@pytest.mark.parametrize("path", [API, "/"])
@pytest.mark.parametrize(
    "sent",
    [
        "filename*=UTF-8''%FF.wav",
        "filename*=koi8-r''%D0.wav",
        "filename*=''a.wav",
        "filename*=a.wav",
        "filename*=UTF-8''100%.wav",
        "filename*=UTF-8''a%0Ab.wav",
        "filename*=UTF-8''%2Ehidden",
        'filename="=?utf-8?B?/w==?="',
        'filename="=?utf-8?B?a?="',
        'filename="=?windows-1251?Q?=E9.wav?="',
        'filename="=?none?Q?a.wav?="',
        f"filename=\"{WORD}\"; filename*=UTF-8''%FF",
        b'filename="\xe9.wav"',
        b"filename=\xed\xa0\x80.wav",
    ],
)
async def test_unreadable_names(client: httpx.AsyncClient, folder: Path, path: str, sent: str | bytes) -> None:
    """A name whose bytes or whose encoding cannot be read is 422, and nothing is stored under another one."""
    form = make_form(('; name="file"; NAME', WAVE))
    form["content"] = form["content"].replace(b"NAME", sent.encode() if isinstance(sent, str) else sent)
    assert (await client.post(path, **form)).status_code == 422
    assert list_disk(folder) == []


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), language=st.sampled_from(["", "en"]))
def test_extended_value(name: str, language: str) -> None:
    """Whatever is encoded as RFC 8187 has it comes out, without its folders."""
    extended = f"UTF-8'{language}'{quote(name, safe='')}"
    assert read_filename({"filename*": extended}) == re.split(r"[/\\]", name)[-1]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.from_regex(r"=\?[!-~]{0,9}\?[BbQqx]\?[!-~]{0,9}\?=", fullmatch=True), min_size=1, max_size=3))
def test_random_words(words: list[str]) -> None:
    """Any text that looks like encoded words is a name or a refusal."""
    with suppress(Unprocessable):
        assert isinstance(read_filename({"filename": " ".join(words)}), str)


@pytest.mark.parametrize(
    "name",
    [".", "..", ".hidden", "folder/", " ", "a\tb", "a\x01b", "a\x7fb", "a\u0085b", "x" * 256, "日" * 86, "../.."],
)
async def test_bad_names(client: httpx.AsyncClient, folder: Path, name: str) -> None:
    """Names that cannot be are 422 in a form, and 422 or no route in a path; nothing is stored."""
    answer = await client.post(API, **make_form(one_file(name)))
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert (await client.put(API + quote(name, safe=""), content=WAVE)).status_code in {404, 405, 422}
    assert list_disk(folder) == []


@pytest.mark.parametrize(
    "path",
    ["%FF.wav", "a%C3", "%ED%A0%80.wav", "%C0%AE.wav", "a.wav%2F", "a.wav%2f", "%2Fa.wav", "/a%2Fb%FF", "a.wav/"],
)
async def test_put_lossy_paths(client: httpx.AsyncClient, folder: Path, path: str) -> None:
    """A new name with bytes that are no UTF-8, or with a slash, is 422 in words: nothing is left out or replaced."""
    head = b"PUT " + (API + path).encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    answer = await talk(client, head + b"Content-Length: %d\r\n\r\n" % len(WAVE) + WAVE)
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"must be UTF-8 without slashes" in answer
    assert list_disk(folder) == []


@pytest.mark.parametrize("path", ["a%FF.wav", "a.wav%2F", "a.wav%2Fcover", "%2Fa.wav", "events%2F", "a.wav%2Fcover/"])
async def test_other_names(client: httpx.AsyncClient, folder: Path, path: str) -> None:
    """A path with such a name means no file: not the one whose name is what a lenient server makes of it."""
    for name in ("a.wav", "a\ufffd.wav", "events"):
        (folder / name).write_bytes(WAVE)
    for method, prefix in (("GET", API), ("HEAD", API), ("DELETE", API), ("GET", "/audio/"), ("HEAD", "/audio/")):
        answer = await client.request(method, prefix + path, headers={"Accept": "application/json"})
        assert answer.status_code == 404
    assert (await client.get(f"{API}{path}/cover")).status_code == 404
    assert len(list_disk(folder)) == 3


@pytest.mark.parametrize(("path", "name"), [("a%3Fb.wav", "a?b.wav"), ("a%23b.wav", "a#b.wav"), ("a;b", "a;b")])
async def test_absolute_form(client: httpx.AsyncClient, folder: Path, path: str, name: str) -> None:
    """A target in absolute form, as proxies are sent, means the same file (RFC 9112, 3.2.2)."""
    url = f"http://localhost{API}{path}".encode()
    for method, body, status in ((b"PUT", WAVE, b"201"), (b"GET", b"", b"200"), (b"DELETE", b"", b"204")):
        head = method + b" " + url + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        answer = await talk(client, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert answer.split(b" ")[1] == status
        assert list_disk(folder) == ([] if method == b"DELETE" else [name])


@pytest.mark.parametrize(
    "path", ["%00", "a%00.wav", "a%0a.wav", "..%2f..%2fa.wav", "%2e%2e", "a%2fb.wav", "%2fetc%2fa.wav"]
)
async def test_bad_paths(client: httpx.AsyncClient, folder: Path, path: str) -> None:
    """No spelling of a path leaves the folder."""
    url = httpx.URL(scheme="http", host="x", raw_path=(API + path).encode()).raw_path
    for method, body in (("PUT", WAVE), ("GET", b""), ("DELETE", b"")):
        head = f"{method} ".encode() + url + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        answer = await talk(client, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert answer.split(b" ")[1] in {b"404", b"405", b"422", b"308"}
    assert list_disk(folder) == []
    assert not (folder.parent / "a.wav").exists()


async def test_unicode_forms(client: httpx.AsyncClient, folder: Path) -> None:
    """A name in NFD is kept in NFC, and found, refused and deleted under both."""
    composed, decomposed = normalize("NFC", "Ångström é.wav"), normalize("NFD", "Ångström é.wav")
    assert (await client.post(API, files={"file": (decomposed, WAVE)})).json()["name"] == composed
    for name in (composed, decomposed):
        assert (await client.put(API + quote(name), content=WAVE)).status_code == 409
        assert (await client.get("/audio/" + quote(name))).content == WAVE
    assert list_disk(folder) == [composed]
    assert (await client.delete(API + quote(decomposed))).status_code == 204


async def connect(client: httpx.AsyncClient) -> SocketStream:
    """A bare connection to the gateway."""
    assert client.base_url.port
    return await anyio.connect_tcp(client.base_url.host, client.base_url.port)


async def talk(client: httpx.AsyncClient, data: bytes) -> bytes:
    """What the gateway answers to these bytes until it closes."""
    async with await connect(client) as stream:
        await stream.send(data)
        return b"".join([chunk async for chunk in stream])


FORM = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + WAVE
POST = b"POST " + API.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
PUT = b"PUT " + API.encode() + b"a.wav HTTP/1.1\r\nHost: localhost\r\n"
CUT = {
    "form": POST + b"Content-Length: 20000\r\n\r\n" + FORM,
    "form in its head": POST + b"Content-Length: 20000\r\n\r\n" + FORM[:50],
    "form before its last bytes": POST + b"Content-Length: %d\r\n\r\n" % (len(FORM) + 10) + FORM + b"\r\n--XX-",
    "raw": PUT + b"Content-Length: 20000\r\n\r\n" + WAVE,
    "raw but for a byte": PUT + b"Content-Length: 10001\r\n\r\n" + WAVE,
    "chunked": PUT + b"Transfer-Encoding: chunked\r\n\r\n2710\r\n" + WAVE + b"\r\n",
    "chunked before its end": PUT + b"Transfer-Encoding: chunked\r\n\r\n2710\r\n" + WAVE + b"\r\n0\r\n",
}


@pytest.mark.parametrize("way", CUT)
@pytest.mark.parametrize("half", [True, False])
async def test_cut(client: httpx.AsyncClient, folder: Path, way: str, half: bool) -> None:  # noqa: FBT001
    """A connection that breaks off publishes nothing, though the bytes so far are a whole audio file."""
    async with await connect(client) as stream:
        await stream.send(CUT[way])
        if half:
            await stream.send_eof()
            with anyio.move_on_after(0.3), suppress(anyio.EndOfStream):
                await stream.receive()
        else:
            await anyio.sleep(0.05)
    await anyio.sleep(0.1)
    assert list_disk(folder) == []
    assert (await client.get(API)).json()["files"] == []


@pytest.mark.slow
async def test_idle(open_gateway: OpenGateway, folder: Path) -> None:
    """A body that stands still is given up: 408, and nothing stored; a slow one that moves is taken."""
    async with open_gateway(upload_idle_timeout_s=0.4) as client:
        for way in ("raw", "form"):
            async with await connect(client) as stream:
                await stream.send(CUT[way])
                assert b" 408 " in (await stream.receive()).split(b"\r\n")[0]
        assert list_disk(folder) == []

        async def drip() -> AsyncIterator[bytes]:
            for at in range(0, len(WAVE), 1000):
                yield WAVE[at : at + 1000]
                await anyio.sleep(0.08)

        assert (await client.put(API + "slow.wav", content=drip())).status_code == 201


@pytest.mark.parametrize("data", [NOT_AUDIO["photo.jpg"], HTML, NOT_AUDIO["tagged.html"]], ids=["jpg", "html", "id3"])
@pytest.mark.parametrize("head", [POST, PUT])
async def test_refused_early(client: httpx.AsyncClient, folder: Path, head: bytes, data: bytes) -> None:
    """A refused upload of a gigabyte is answered on its first bytes, while its sender waits."""
    async with await connect(client) as stream:
        form = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        body = (form if head is POST else b"") + data[:4096]
        await stream.send(head + b"Content-Length: 1000000000\r\n\r\n" + body)
        assert b" 415 " in (await stream.receive()).split(b"\r\n")[0]
    assert list_disk(folder) == []


@pytest.mark.parametrize("junk", [b"x" * 300_000, FORM[:50] + b"x" * 300_000], ids=["preamble", "head"])
async def test_endless_head(client: httpx.AsyncClient, junk: bytes) -> None:
    """A form that never comes to its first file is given up long before its gigabyte has come."""
    async with await connect(client) as stream:
        await stream.send(POST + b"Content-Length: 1000000000\r\n\r\n" + junk)
        assert b" 400 " in (await stream.receive()).split(b"\r\n")[0]


async def test_refused_while_sending(client: httpx.AsyncClient, folder: Path) -> None:
    """A client that sends on and listens only then sees the refusal and no reset."""
    for size in (100_000, MIB - 5000):
        answer = await client.put(API + "a.wav", content=bytes(size))
        assert answer.status_code == 415
    assert list_disk(folder) == []


async def test_too_large(open_gateway: OpenGateway, folder: Path) -> None:
    """A file over the limit is 413 by its length or by its count, by every door; one of the limit is taken."""
    async with open_gateway(max_upload_bytes=100_000) as client:

        async def pieces() -> AsyncIterator[bytes]:
            data = make_wave(100_001)
            for at in range(0, len(data), 10_000):
                yield data[at : at + 10_000]

        for answer in (
            await client.put(API + "a.wav", content=make_wave(100_001)),
            await client.put(API + "a.wav", content=pieces()),
            await client.post(API, files={"file": ("a.wav", make_wave(100_001))}),
            await client.post(API, files={"file": ("a.wav", make_wave(1_150_000))}),
        ):
            assert answer.status_code == 413
            assert answer.json()["limit_bytes"] == 100_000
        assert list_disk(folder) == []
        for name, door in (("a.wav", client.put(API + "a.wav", content=make_wave(100_000))),
                           ("b.wav", client.post(API, files={"file": ("b.wav", make_wave(100_000))}))):  # fmt: skip
            assert (await door).json()["name"] == name


async def test_length_over_the_limit(client: httpx.AsyncClient) -> None:
    """A length over the limit is refused before a byte of the body is sent."""
    for head in (PUT, POST):
        async with await connect(client) as stream:
            await stream.send(head + b"Content-Length: 99000000000\r\n\r\n")
            assert b" 413 " in (await stream.receive()).split(b"\r\n")[0]


MALFORMED: dict[str, tuple[int, dict[str, Any]]] = {
    "no final boundary": (400, make_form(one_file("a.wav"), end=b"")),
    "half a final boundary": (400, make_form(one_file("a.wav"), end=b"\r\n--XX")),
    "only the first half": (400, make_form(one_file("a.wav"), end=b"\r\n--XX-")),
    "a next part without an end": (400, make_form(one_file("a.wav"), end=b"\r\n--XX\r\n")),
    "a next field that breaks off": (400, make_form(one_file("a.wav"), ('; name="x"', b"y"), end=b"")),
    "no body": (400, make_form(end=b"")),
    "no parts": (422, make_form(end=b"--XX--\r\n")),
    "only fields": (422, make_form(('; name="x"', b"y"))),
    "no file name": (422, make_form(('; name="file"', WAVE))),
    "an empty file name": (422, make_form(('; name="file"; filename=""', b""))),
    "another field": (422, make_form(('; name="other"; filename="a.wav"', WAVE))),
    "no field name": (422, make_form(('; filename="a.wav"', WAVE))),
    "two files": (422, make_form(one_file("a.wav"), one_file("b.wav"))),
    "a file and one in another field": (422, make_form(one_file("a.wav"), ('; name="x"; filename="b.wav"', WAVE))),
    "a long field": (413, make_form(('; name="x"', b"y" * 70_000), one_file("a.wav"))),
    "a long head": (400, make_form(('; name="x"; y="' + "z" * 20_000 + '"', b""), one_file("a.wav"))),
    "a long head without an end": (400, make_form(('; name="x' + "z" * 2_000_000, b""))),
    "a long preamble": (400, {**make_form(one_file("a.wav")), "content": b"x" * 200_000}),
    "many parts": (413, make_form(*[('; name="x"', b"y")] * 1100, one_file("a.wav"))),
    "a name that is not UTF-8": (422, {**make_form(), "content": FORM.replace(b"a.wav", b"\xff.wav") + b"\r\n--XX--"}),
    "no disposition": (400, {**make_form(), "content": b"--XX\r\nX: y\r\n\r\nz\r\n--XX--\r\n"}),
    "no boundary": (400, {**make_form(), "headers": {"Content-Type": "multipart/form-data"}}),
    "a long boundary": (400, {**make_form(), "headers": make_type("x" * 71)}),
    "another boundary": (400, {**make_form(one_file("a.wav")), "headers": make_type("YY")}),
    "not a form": (415, {"content": WAVE, "headers": {"Content-Type": "audio/wav"}}),
    "a list": (415, {"content": json.dumps([1]), "headers": {"Content-Type": "application/json"}}),
    "no type": (415, {"content": WAVE}),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
async def test_malformed(client: httpx.AsyncClient, folder: Path, case: str) -> None:
    """A form that is malformed, broken off or without its file stores nothing and says so."""
    status, request = MALFORMED[case]
    answer = await client.post(API, **request)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert list_disk(folder) == []


async def test_fields_around(client: httpx.AsyncClient, folder: Path) -> None:
    """Other fields, a preamble and an epilogue do no harm."""
    form = make_form(
        ('; name="x"', b"y" * 1000), one_file("a.wav"), ('; name="z"', b""), end=b"\r\n--XX--\r\nepilogue" * 2
    )
    form["content"] = b"preamble\r\n" + form["content"]
    assert (await client.post(API, **form)).status_code == 201
    assert (folder / "a.wav").read_bytes() == WAVE


async def test_boundary_in_the_bytes(client: httpx.AsyncClient, folder: Path) -> None:
    """Bytes that look like the boundary, split anywhere, stay bytes."""
    data = make_wave(300_000, seed=b"\r\n--X\r\n--XY\r\n-\r\n--xx--\r\n")
    form = make_form(one_file("a.wav", data))

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for at in range(0, len(form["content"]), size):
            yield form["content"][at : at + size]

    for size in (1009, 65537):
        answer = await client.post(API, content=pieces(size), headers=form["headers"])
        assert answer.status_code == 201
        assert (folder / "a.wav").read_bytes() == data
        await client.delete(API + "a.wav")


TOKENS = [
    b"--XX",
    b"\r\n--XX\r\n",
    b"\r\n--XX--\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"Content-Disposition: form-data",
    b'; name="file"; filename="a.wav"',
    b"; filename*=x",
    b'"',
    b"\\",
    b";=",
    b"\xff\0",
    b"Content-Type: x",
    WAVE[:500],
    b"OggS",
    b"RIFF",
]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from(TOKENS), max_size=30))
async def test_random_forms(client: httpx.AsyncClient, pieces: list[bytes]) -> None:
    """No form, however broken, makes an error of the server, here or on the page."""
    headers = make_type("XX")
    for path in (API, "/"):
        answer = await client.post(path, content=b"".join(pieces), headers=headers)
        assert 200 <= answer.status_code < 500


async def test_no_space(client: httpx.AsyncClient, folder: Path) -> None:
    """A folder that is away is 503 with Retry-After by every door."""
    folder.rmdir()
    for door in (
        client.get(API),
        client.put(API + "a.wav", content=WAVE),
        client.post(API, files={"file": ("a.wav", WAVE)}),
        client.get("/audio/a.wav"),
        client.delete(API + "a.wav"),
        client.get("/"),
        client.post("/", files={"file": ("a.wav", WAVE)}),
    ):
        answer = await door
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
async def test_memory(client: httpx.AsyncClient, folder: Path) -> None:
    """A large upload and its download need little memory, whatever the size (client included)."""
    head, block = make_wave(MIB)[:44], bytes(MIB)

    async def pieces() -> AsyncIterator[bytes]:
        yield head
        for _ in range(200):
            yield block

    def read_memory(field: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition(field)[2].split()[0]) * 1024

    await client.put(API + "small.wav", content=WAVE)
    Path("/proc/self/clear_refs").write_text("5")
    before = read_memory("VmRSS:")
    answer = await client.put(API + "a.wav", content=pieces())
    assert answer.json()["size_bytes"] == 200 * MIB + 44
    async with client.stream("GET", "/audio/a.wav") as body:
        size = sum([len(chunk) async for chunk in body.aiter_raw()])
    assert size == 200 * MIB + 44
    assert read_memory("VmHWM:") - before < 32 * MIB
