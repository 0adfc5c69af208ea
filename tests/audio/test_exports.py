"""The list as a playlist and as a podcast."""

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from pydantic import SecretStr

from tests.audio.formats.corpus import Corpus, make_wave
from tests.audio.formats.handmade import make_mod
from tests.audio.formats.test_tag_readers import SOUND, make_id3, make_text
from tests.conftest import OpenGateway

pytestmark = pytest.mark.anyio
ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
NAMES = [
    "#1 100% ?.wav", "<b>&amp; \"quotes\" '.wav", "http:x.wav", "日本 & Ж.wav", "new\nline\x01.wav",
    "\ufffe\U0001f3b5.wav",
]  # fmt: skip


@pytest.fixture
async def client(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client behind a proxy that the gateway trusts."""
    async with open_gateway(trusted_proxies=("127.0.0.0/8",), allowed_hosts=("music.example",)) as client:
        yield client


def read_playlist(text: str) -> list[tuple[str, str]]:
    """(what #EXTINF says, address) of each entry; every line is one of these, or of the head."""
    head, name, *lines = text.splitlines()
    assert (head, name) == ("#EXTM3U", "#PLAYLIST:Gateway audio")
    assert all(line.startswith("#EXTINF:") for line in lines[::2])
    return [(info.removeprefix("#EXTINF:"), url) for info, url in zip(lines[::2], lines[1::2], strict=True)]


async def test_playlist(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """An entry has length, artist and title, and its relative address leads to the bytes, whatever the name."""
    for name in NAMES:
        (folder / name).write_bytes(make_wave(3000))
    (folder / "tagged.mp3").write_bytes(corpus["cbr.mp3"])
    (folder / "unknown.mod").write_bytes(make_mod())
    answer = await client.get("/audio.m3u8?sort=name")
    assert answer.headers["Content-Type"] == "audio/mpegurl; charset=utf-8"
    entries = read_playlist(answer.text)
    assert len(entries) == len(NAMES) + 2
    assert ("1,Anna - Prelude", "audio/tagged.mp3") in entries
    assert [info.partition(",")[0] for info, url in entries if url == "audio/unknown.mod"] == ["-1"]
    for _, url in entries:
        assert (await client.get(urljoin("http://user:secret@host/audio.m3u8", url)[23:])).status_code == 200


async def test_podcast(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """The feed is well-formed whatever the names; an item has what a podcast program needs."""
    for name in NAMES:
        (folder / name).write_bytes(make_wave(3000))
    (folder / "tagged.mp3").write_bytes(corpus["cbr.mp3"])
    headers = {"Host": "music.example", "X-Forwarded-Proto": "https"}
    answer = await client.get("/audio.rss?sort=name", headers=headers)
    assert answer.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    channel = ET.fromstring(answer.content).find("channel")
    assert channel is not None
    assert channel.findtext("link") == "https://music.example/"
    items = channel.findall("item")
    assert len(items) == len(NAMES) + 1
    assert len({item.findtext("guid") for item in items}) == len(items)
    for item in items:
        enclosure = item.find("enclosure")
        assert enclosure is not None
        assert enclosure.get("url", "").startswith("https://music.example/audio/")
        bytes_ = await client.get(enclosure.get("url", "").removeprefix("https://music.example"))
        assert (bytes_.status_code, str(len(bytes_.content))) == (200, enclosure.get("length"))
        assert bytes_.headers["Content-Type"] == enclosure.get("type")
        assert parsedate_to_datetime(item.findtext("pubDate", "")).year >= 2020
    (tagged,) = [item for item in items if item.findtext("title") == "Prelude"]
    assert tagged.findtext(f"{ITUNES}duration") == "1"
    assert tagged.findtext(f"{ITUNES}author") == "Anna"


async def test_selection(client: httpx.AsyncClient, folder: Path) -> None:
    """Both take the search and the order of the list; an unknown order is 422; an empty list is a valid feed."""
    for name in ("1.wav", "2.wav", "10.wav", "x.wav"):
        (folder / name).write_bytes(make_wave(3000))
    answer = await client.get("/audio.m3u8?q=wav&sort=-name")
    assert [url for _, url in read_playlist(answer.text)] == [f"audio/{n}.wav" for n in ("x", "10", "2", "1")]
    answer = await client.get("/audio.rss?q=1&sort=name")
    assert [title.text for title in ET.fromstring(answer.content).iterfind("channel/item/title")] == ["1", "10"]
    assert ET.fromstring((await client.get("/audio.rss?q=nothing")).content).find("channel/item") is None
    for path in ("/audio.m3u8", "/audio.rss"):
        assert (await client.get(path, params={"sort": "colour"})).status_code == 422


async def test_token(open_gateway: OpenGateway, folder: Path) -> None:
    """With a token both are for those who have it, also as the password of an address."""
    async with open_gateway(api_token=SecretStr("secret")) as client:
        for path in ("/audio.m3u8", "/audio.rss"):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, auth=("user", "secret"))).status_code == 200


async def test_album_of_discs(client: httpx.AsyncClient, folder: Path) -> None:
    """An album of two discs, whose names do not count and whose tracks count twice, has one order everywhere."""
    names = ["Zero", "Yard", "Xylo", "Wind"]
    for number, name in enumerate(names):
        texts = {b"TALB": "Set", b"TPE1": "Anna", b"TPOS": f"{number // 2 + 1}/2", b"TRCK": f"{number % 2 + 1}/2"}
        tag = make_id3(*(make_text(frame, text.encode()) for frame, text in texts.items()))
        (folder / f"{name}.mp3").write_bytes(tag + SOUND)
    for sort in ("newest", "artist"):
        files = (await client.get("/api/v1/audio/", params={"sort": sort})).json()["files"]
        assert [(file["name"], file["disc_number"]) for file in files] == [
            ("Zero.mp3", 1), ("Yard.mp3", 1), ("Xylo.mp3", 2), ("Wind.mp3", 2),
        ]  # fmt: skip
        entries = read_playlist((await client.get("/audio.m3u8", params={"sort": sort})).text)
        assert [url for _, url in entries] == [f"audio/{name}.mp3" for name in names]
        channel = ET.fromstring((await client.get("/audio.rss", params={"sort": sort})).content).find("channel")
        assert channel is not None
        assert [item.findtext("title") for item in channel.findall("item")] == names
