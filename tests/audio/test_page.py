"""The page as it is without JavaScript, and the answers to its form."""

import gzip
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.audio.formats.corpus import NOT_AUDIO, Corpus, make_wave
from tests.conftest import OpenGateway

pytestmark = pytest.mark.anyio
WAVE = make_wave(10_000)
FORM = "multipart/form-data; boundary=XX"


def read_messages(html: str) -> list[tuple[str, str]]:
    """(role, words) of each message on the page."""
    found = re.findall(r'<p class="message [^"]*" role="(\w+)">(.*?)</p>', html, re.DOTALL)
    return [(role, " ".join(unescape(re.sub(r"<[^>]*>", "", words)).split())) for role, words in found]


def read_names(html: str) -> list[str]:
    """The names of the files on the page, in order."""
    return [unescape(name) for name in re.findall(r'<bdi class="name" title="([^"]*)">', html)]


async def test_empty(client: httpx.AsyncClient) -> None:
    """An empty library says what to do."""
    answer = await client.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert re.search(r'<section class="empty" id="empty">.*No audio yet', answer.text, re.DOTALL)
    assert 'type="file" id="file" name="file" multiple' in answer.text
    assert "<audio controls" not in answer.text


async def test_rows(client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """Every file has a player, its tags, its length and size, and a download."""
    (folder / "日本.mp3").write_bytes(corpus["cbr.mp3"])
    html = (await client.get("/")).text
    source = "/audio/" + quote("日本.mp3")
    assert f'<audio controls preload="none" src="{source}" aria-label="日本.mp3"></audio>' in html
    assert f'href="{source}?download="' in html
    assert '<section class="empty" id="empty" hidden>' in html
    for words in ("Anna", "Prelude", "One", "0:01", "17 kB", "1 file<"):
        assert words in html


async def test_upload(client: httpx.AsyncClient) -> None:
    """A form with audio leads back to the page, which says what was added and shows it."""
    answer = await client.post("/", files=[("file", ("日本 & co.wav", WAVE)), ("file", ("o\u0308.wav", WAVE))])
    assert answer.status_code == 303
    page = await client.get(answer.headers["Location"])
    assert page.status_code == 200
    assert read_messages(page.text) == [("status", "日本 & co.wav Added"), ("status", "ö.wav Added")]
    assert sorted(read_names(page.text)) == ["ö.wav", "日本 & co.wav"]


async def test_refused(client: httpx.AsyncClient) -> None:
    """A form with no audio is answered by the page with 415 and the fixed words."""
    answer = await client.post("/", files={"file": ("holiday.jpg", NOT_AUDIO["photo.jpg"])})
    assert (answer.status_code, answer.headers["Content-Type"]) == (415, "text/html; charset=utf-8")
    ((role, words),) = read_messages(answer.text)
    assert role == "alert"
    assert words.startswith("holiday.jpg Non-audio file detected")


async def test_refused_with_words(client: httpx.AsyncClient) -> None:
    """The page says of a playlist and of an empty file what they are, in the language of the reader."""
    for data, language, words in (
        (NOT_AUDIO["playlist.m3u"], "en", "This is a playlist: upload the files that it names."),
        (NOT_AUDIO["playlist.m3u"], "ru", "Это плейлист: загрузите файлы, которые в нём названы."),
        (b"", "ru", "Файл пуст."),
    ):
        answer = await client.post("/", files={"file": ("a.m3u", data)}, headers={"Accept-Language": language})
        ((_, message),) = read_messages(answer.text)
        assert message.startswith(f"a.m3u Non-audio file detected. {words}")


async def test_taken(client: httpx.AsyncClient, folder: Path) -> None:
    """A form with a name that is taken is 409 and says so."""
    (folder / "a.wav").write_bytes(WAVE)
    answer = await client.post("/", files={"file": ("a.wav", make_wave(5000))})
    assert answer.status_code == 409
    ((role, words),) = read_messages(answer.text)
    assert (role, words.startswith("a.wav A file of this name already exists")) == ("alert", True)
    assert (folder / "a.wav").read_bytes() == WAVE


async def test_each_on_its_own(client: httpx.AsyncClient, folder: Path) -> None:
    """Of several files in one form each is decided on its own, and the messages list all."""
    (folder / "taken.wav").write_bytes(WAVE)
    files = [
        ("a.wav", WAVE),
        ("photo.jpg", NOT_AUDIO["photo.jpg"] * 100),
        ("taken.wav", WAVE),
        (".hidden.wav", WAVE),
        ("a.wav", WAVE),
        ("b.wav", WAVE),
    ]
    answer = await client.post("/", files=[("file", file) for file in files])
    assert answer.status_code == 415
    messages = read_messages(answer.text)
    assert [(role, words.split()[0]) for role, words in messages] == [
        ("status", "a.wav"),
        ("alert", "photo.jpg"),
        ("alert", "taken.wav"),
        ("alert", ".hidden.wav"),
        ("alert", "a.wav"),
        ("status", "b.wav"),
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "b.wav", "taken.wav"]


async def test_too_large(open_gateway: OpenGateway, folder: Path) -> None:
    """A file over the limit is 413 with a limit for people, and does not lose the next one."""
    async with open_gateway(max_upload_bytes=100_000) as client:
        answer = await client.post("/", files=[("file", ("a.wav", make_wave(200_000))), ("file", ("b.wav", WAVE))])
        assert answer.status_code == 413
        assert read_messages(answer.text) == [
            ("alert", "a.wav Too large It was not kept. A file may have 100 kB."),
            ("status", "b.wav Added"),
        ]
        answer = await client.post("/", files={"file": ("a.wav", make_wave(1_150_000))})
        assert answer.status_code == 413
        assert read_messages(answer.text) == [("alert", "Too large Nothing was kept. One upload may have 100 kB.")]


async def test_far_refusal(client: httpx.AsyncClient, folder: Path) -> None:
    """A refused file that is too long to be read past ends the form, and the page says so."""
    files = [("file", ("film.bin", bytes(18_400_000))), ("file", ("b.wav", WAVE))]
    answer = await client.post("/", files=files)
    assert answer.status_code == 415
    assert [words[:40] for _, words in read_messages(answer.text)] == [
        "film.bin Non-audio file detected It was ",
        "What stood behind this file in the form ",
    ]
    assert list(folder.iterdir()) == []


async def test_nothing_chosen(client: httpx.AsyncClient) -> None:
    """A form that was sent without a file is 422 on the page, as is any other form."""
    nothing = b'--XX\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--XX--\r\n'
    for content, content_type, status in ((nothing, FORM, 422), (b"x", FORM, 400), (b"x", "text/plain", 415)):
        answer = await client.post("/", content=content, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert len(read_messages(answer.text)) == 1


async def test_truncated(client: httpx.AsyncClient, folder: Path) -> None:
    """A form that breaks off in its second file keeps the first, which was whole, and says both."""
    part = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' + WAVE + b"\r\n"
    answer = await client.post("/", content=part % b"a.wav" + part % b"b.wav", headers={"Content-Type": FORM})
    assert answer.status_code == 400
    assert [role for role, _ in read_messages(answer.text)] == ["status", "alert"]
    assert [path.name for path in folder.iterdir()] == ["a.wav"]


async def test_many_added(client: httpx.AsyncClient) -> None:
    """After very many files the place to go to stays short, and the page counts the rest."""
    files = [("file", (f"{'日' * 50}{number}.wav", make_wave(1000))) for number in range(40)]
    answer = await client.post("/", files=files)
    assert answer.status_code == 303
    assert len(answer.headers["Location"]) < 2100
    messages = read_messages((await client.get(answer.headers["Location"])).text)
    assert len(messages) < 10
    assert messages[-1][1] == f"{40 - len(messages) + 1} more added"


async def test_messages_of_strangers(client: httpx.AsyncClient, folder: Path) -> None:
    """A link cannot make the page say anything but the names of files that are there."""
    (folder / "a.wav").write_bytes(WAVE)
    for query in ("added=Call+0900-1234", "added=%3Cb%3E", "more=5", "added=x&more=99"):
        assert read_messages((await client.get("/?" + query)).text) == []
    assert read_messages((await client.get("/?added=a.wav&added=a.wav&more=99")).text) == [("status", "a.wav Added")]


async def test_names_are_text(client: httpx.AsyncClient, folder: Path) -> None:
    """Names and tags are never markup, wherever they stand."""
    name = "\"'><script>alert(1)<\\script>&amp;.wav"
    answer = await client.post("/", files=[("file", ("x.jpg<script>", b"no")), ("file", ("a.wav", WAVE))])
    (folder / name).write_bytes(WAVE)
    for html in (answer.text, (await client.get("/", params={"q": "<script>", "added": name})).text):
        assert html.count("<script") == 2
        assert "onerror" not in html


async def test_find(client: httpx.AsyncClient, folder: Path) -> None:
    """Search and order work without JavaScript, and are kept in the form."""
    for number, name in enumerate(["b.wav", "a.wav", "c.mp3.wav"]):
        (folder / name).write_bytes(make_wave(1000 + number))
    html = (await client.get("/?sort=name")).text
    assert read_names(html) == ["a.wav", "b.wav", "c.mp3.wav"]
    assert '<option value="name" selected>' in html
    html = (await client.get("/?q=MP3&sort=wrong")).text
    assert read_names(html) == ["c.mp3.wav"]
    assert 'value="MP3"' in html
    assert "1 file of 3" in html
    html = (await client.get("/?q=zzz")).text
    assert re.search(r'<section class="empty" id="unmatched">.*Nothing matches <bdi>“zzz”</bdi>', html, re.DOTALL)


class Tags(HTMLParser):
    """Collects what a strict Content-Security-Policy forbids, and what the page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One tag of the page."""
        named = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in named):
            self.inline.append(tag)
        self.inline += [name for name in named if name == "style" or name.startswith("on")]
        self.links |= {value for name, value in named.items() if name in {"src", "href"} and value}


async def test_no_inline_code(client: httpx.AsyncClient, folder: Path) -> None:
    """The page has no script or style of its own, and everything it refers to is there, with the right type."""
    (folder / "a.wav").write_bytes(WAVE)
    tags = Tags()
    tags.feed((await client.get("/?added=a.wav")).text)
    assert tags.inline == []
    types = set()
    for link in tags.links:
        answer = await client.get(link)
        assert answer.status_code == 200
        types.add(answer.headers["Content-Type"].partition(";")[0])
    lists = {"audio/mpegurl", "application/rss+xml"}
    assert types == {"text/html", "text/css", "text/javascript", "image/svg+xml", "audio/wav"} | lists


STATIC = Path(__file__).parents[2] / "gateway" / "audio" / "static"


def test_weight() -> None:
    """Style sheet and scripts stay under 32 kB as they are sent."""
    files = [path.read_bytes() for path in STATIC.iterdir()]
    assert len(files) > 10
    assert sum(len(gzip.compress(data)) for data in files) < 32_000


def test_no_strangers() -> None:
    """Nothing comes from another server, and no script writes markup or code out of text."""
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"//[a-z0-9.-]+\.(com|org|net|io|dev)/[^\s)]*[\"'`]", text)
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


async def test_policy(client: httpx.AsyncClient) -> None:
    """The policy of the page lets no inline script or style through."""
    policy = (await client.get("/")).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy


async def test_languages(client: httpx.AsyncClient) -> None:
    """The page is in the language of its reader and says so; the refusal has the same words in each."""
    for accepted, language, words in (
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru", "Пока ничего нет"),
        ("de,ru;q=0.5,en;q=0.4", "ru", "Пока ничего нет"),
        ("en-GB,ru;q=0.5", "en", "No audio yet"),
        ("ru;q=0, en;q=0.1", "en", "No audio yet"),
        ("de", "en", "No audio yet"),
        ("", "en", "No audio yet"),
    ):
        answer = await client.get("/", headers={"Accept-Language": accepted})
        assert answer.headers["Content-Language"] == language
        assert "Accept-Language" in answer.headers["Vary"].split(", ")
        assert f'<html lang="{language}">' in answer.text
        assert words in answer.text
        answer = await client.post("/", headers={"Accept-Language": accepted}, files={"file": ("a.jpg", b"no")})
        assert read_messages(answer.text)[0][1].startswith("a.jpg Non-audio file detected")


async def test_messages_in_russian(client: httpx.AsyncClient, folder: Path) -> None:
    """What the library says of a file is said in the language of the page, with its sizes and counts."""
    client.headers["Accept-Language"] = "ru"
    (folder / "a.wav").write_bytes(WAVE)
    answer = await client.post("/", files={"file": ("a.wav", WAVE)})
    assert answer.status_code == 409
    assert read_messages(answer.text) == [
        ("alert", "a.wav Файл с таким именем уже есть. Старый файл остался. Дайте новому другое имя.")
    ]
    assert "1 файл<" in answer.text
    assert "10 кБ" in answer.text


async def test_thousand_files(client: httpx.AsyncClient, folder: Path) -> None:
    """Of a thousand files a page shows a hundred and leads to the others, as they were when it was made."""
    for number in range(1000):
        (folder / f"{number}.wav").write_bytes(make_wave(2000 + number))
    html = (await client.get("/?sort=name&q=wav")).text
    assert read_names(html) == [f"{number}.wav" for number in range(100)]
    assert "1–100 of 1,000" in html.replace(" to ", "–")
    assert 'rel="prev"' not in html
    (following,) = re.findall('rel="next" href="([^"]*)"', html)
    assert following.startswith("/?sort=name&amp;q=wav&amp;page=2&amp;revision=")
    (folder / "0.wav").unlink()
    assert read_names((await client.get("/?sort=name&q=wav")).text) == [f"{number}.wav" for number in range(1, 101)]
    html = (await client.get(unescape(following))).text
    assert read_names(html) == [f"{number}.wav" for number in range(100, 200)]
    html = (await client.get("/?sort=name&page=10")).text
    assert read_names(html) == [f"{number}.wav" for number in range(901, 1000)]
    assert 'rel="next"' not in html
    assert read_names((await client.get("/?sort=name&page=99")).text) == read_names(html)
