"""Uploads on the page: dropped and chosen files, refusals beside their names, cancel, broken roads, the token."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

import anyio
import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect
from pydantic import SecretStr

from tests.audio.formats.corpus import make_wave
from tests.browser import drop, make_audio, open_page, set_pace, slow_down, stop_clock
from tests.conftest import OpenGateway
from tests.processes import running
from tests.relay import relaying
from tests.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
MIB = 1024 * 1024


def upload_of(page: Page, name: str) -> Locator:
    """The line of one upload."""
    return page.locator("li.upload").filter(has_text=name)


async def read_names(client: httpx.AsyncClient) -> set[str]:
    """The names in the library."""
    return {file["name"] for file in (await client.get("/api/v1/audio/")).json()["files"]}


async def test_drop(browser: Browser, client: httpx.AsyncClient, tmp_path: Path, jpeg: Path) -> None:
    """Files and a folder dropped anywhere are taken one by one; a refusal stands with its file until dismissed."""
    (album := tmp_path / "album" / "disc 1").mkdir(parents=True)
    songs = [make_audio(tmp_path / "日本 <b>&'\".mp3"), make_audio(tmp_path / "a%20b.wav")]
    make_audio(album / "inside.flac")
    async with open_page(browser, str(client.base_url)) as page:
        await stop_clock(page)
        await drop(page, songs[0], jpeg, songs[1], tmp_path / "album")
        await expect(page.locator(".file")).to_have_count(3)
        refused = upload_of(page, "holiday.jpg")
        await expect(refused.get_by_role("alert")).to_contain_text("Non-audio file detected")
        await expect(refused.get_by_role("button", name="Try again")).to_be_hidden()
        await expect(page.locator("li.upload")).to_have_count(1)
        await expect(page.get_by_role("status").filter(has_text="3 files added")).to_be_visible()
        await refused.get_by_role("button", name="Dismiss").click()
        await expect(page.locator("#uploads")).to_be_hidden()
    assert await read_names(client) == {"日本 <b>&'\".mp3", "a%20b.wav", "inside.flac"}


LITTER = [".DS_Store", "._01 Song.mp3", "Thumbs.db", ".cover.jpg"]


@pytest.mark.slow
async def test_left_out(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """What systems put into folders is left out, and one line says how much of what; songs in them are taken."""
    (album := tmp_path / "Metallica" / "...And Justice for All").mkdir(parents=True)
    (album / "01 Blackened.wav").write_bytes(make_wave(3000))
    for name in ("empty", ".git"):
        (album / name).mkdir()
    for name in LITTER:
        (album / name).write_bytes(b"no audio")
    (album / ".git" / "config").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    async with open_page(browser, str(client.base_url)) as page:
        await drop(page, tmp_path / "Metallica")
        line = page.get_by_role("status").filter(has_text="Left out:")
        await expect(line).to_contain_text(re.compile("Left out: .*4 hidden files"))
        await expect(line).to_contain_text("1 hidden folder")
        await expect(line).to_contain_text("1 empty folder")
        for name in LITTER:
            await expect(line).to_contain_text(name)
        await expect(page.locator(".file .name")).to_have_text(["01 Blackened.wav"])
        await expect(page.locator("li.upload")).to_have_count(0)
        await drop(page, tmp_path / "empty")  # nothing else says that it was seen
        await expect(line).to_contain_text("2 empty folders")
        await line.get_by_role("button", name="Dismiss").click()
        await drop(page, tmp_path / "empty")
        await expect(line).to_contain_text("1 empty folder")
        await expect(line).not_to_contain_text("hidden")


@pytest.mark.slow
async def test_name_with_dots(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """A song in a folder whose name begins with a dot is refused beside its name, and taken without the dot at a touch.

    So is one that is chosen, and one so large that it is sent in pieces.
    """
    (folder := tmp_path / "folder").mkdir()
    for name in ("...And Justice for All.wav", ".38 Special.wav", ".hack.wav"):
        (folder / name).write_bytes(make_wave(3000))
    (large := tmp_path / ". large.wav").write_bytes(make_wave(17 * MIB))
    taken = ["And Justice for All.wav", "38 Special.wav", "hack.wav", "large.wav"]
    async with open_page(browser, str(client.base_url)) as page:
        await drop(page, folder)
        await page.set_input_files("#file", str(large))
        for name in taken:
            upload = upload_of(page, name)
            await expect(upload.get_by_role("alert")).to_have_text(
                f"A file name must not be empty or begin with a dot. Try again to keep it as {name}."
            )
            await upload.get_by_role("button", name="Try again").click()
        await expect(page.locator(".file")).to_have_count(4)
        await expect(page.locator("li.upload")).to_have_count(0)
    assert await read_names(client) == set(taken)


@pytest.mark.slow
async def test_unreadable(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """What a browser cannot name or read is said, and keeps nothing else of the drop away."""
    (folder := tmp_path / "folder").mkdir()
    (folder / os.fsdecode(b"caf\xe9")).mkdir()
    for name in (b"na\xefve.wav", b"plain.wav"):
        (folder / os.fsdecode(name)).write_bytes(make_wave(3000))
    async with open_page(browser, str(client.base_url)) as page:
        await drop(page, folder, tmp_path / "gone.wav")
        await expect(page.get_by_role("status").filter(has_text="Left out: 2 unreadable")).to_be_visible()
        await expect(upload_of(page, "gone.wav").get_by_role("alert")).to_contain_text("the file cannot be read")
        await expect(page.locator(".file .name")).to_have_text(["plain.wav"])


@pytest.mark.slow
async def test_taken_name(browser: Browser, client: httpx.AsyncClient, folder: Path, tmp_path: Path) -> None:
    """A second file of a name can be skipped or kept under the name that the server offers; the first stays."""
    song = make_audio(tmp_path / "song.mp3")
    async with open_page(browser, str(client.base_url)) as page:
        for _ in range(2):
            await page.set_input_files("#file", str(song))
        upload = upload_of(page, "song.mp3")
        await expect(upload.get_by_role("alert")).to_have_text(
            "A file of this name already exists. Keep both to add it as song (2).mp3."
        )
        await upload.get_by_role("button", name="Skip").click()
        await expect(page.locator("#uploads")).to_be_hidden()
        await page.set_input_files("#file", str(song))
        await expect(upload.get_by_role("alert")).to_be_visible()
        (folder / "song (2).mp3").write_bytes(make_wave(3000))  # another was faster
        await upload.get_by_role("button", name="Keep both").click()
        await expect(upload_of(page, "song (2).mp3").get_by_role("alert")).to_contain_text("as song (3).mp3.")
        await page.get_by_role("button", name="Keep both").click()
        await expect(page.locator("#uploads")).to_be_hidden()
        await expect(page.locator(".file")).to_have_count(3)
    assert await read_names(client) == {"song.mp3", "song (2).mp3", "song (3).mp3"}
    assert (folder / "song (3).mp3").read_bytes() == song.read_bytes() == (folder / "song.mp3").read_bytes()


@pytest.mark.slow
async def test_taken_names_at_once(browser: Browser, client: httpx.AsyncClient, folder: Path, tmp_path: Path) -> None:
    """One choice counts for all of a drop, also for what of it comes to the same question later; in pieces too."""
    for disc in "123":
        (tmp_path / "album" / disc).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "album" / disc / f"{number}.wav").write_bytes(make_wave(3000 + int(disc)))
    (tmp_path / "album" / "3" / "large.wav").write_bytes(make_wave(17 * MIB))
    (folder / "large.wav").write_bytes(make_wave(3000))
    async with open_page(browser, str(client.base_url)) as page:
        await slow_down(page, 3_000_000)
        await drop(page, tmp_path / "album")
        await page.get_by_role("button", name=re.compile("Keep both for all")).click()
        await expect(page.locator("#uploads")).to_be_hidden()
        await expect(page.locator(".file")).to_have_count(14)
        await drop(page, tmp_path / "album" / "1")
        await page.get_by_role("button", name=re.compile("Skip all [2-4]")).click()
        await expect(page.locator("#uploads")).to_be_hidden()
    names = {f"{number}{tail}.wav" for number in range(4) for tail in ("", " (2)", " (3)")}
    assert await read_names(client) == {*names, "large.wav", "large (2).wav"}
    assert (folder / "large.wav").stat().st_size == 3000


@pytest.mark.slow
async def test_folder_of_more_than_songs(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """What of a folder is no audio is counted in one line; its songs come in the order of the tree, as people count."""
    (disc := tmp_path / "album" / "Disc 2").mkdir(parents=True)
    songs = [tmp_path / "album" / "Disc 10.wav", disc / "9 Coda.wav", disc / "10 Encore.wav"]
    for song in songs:
        song.write_bytes(make_wave(2000))
    for number in range(31):
        (disc / f"scan {number}.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    for name in ("list.m3u8", "list.pls", "notes.txt", "film.avi", "booklet.pdf", "thing.bin"):
        (disc / name).write_bytes(b"no audio at all")
    (disc / "song named.jpg").write_bytes(make_wave(2000))  # the content decides
    sent: list[str] = []
    async with open_page(browser, str(client.base_url)) as page:
        page.on("request", lambda request: sent.append(unquote(request.url)) if request.method == "PUT" else None)
        await drop(page, tmp_path / "album")
        line = page.get_by_role("status").filter(has_text="Left out:")
        for words in ("31 pictures", "2 playlists", "1 text file", "1 video", "1 document", "1 other file"):
            await expect(line).to_contain_text(words)
        await expect(page.locator("#uploads")).to_be_hidden()
        await expect(page.locator(".file")).to_have_count(4)
        await expect(line).to_have_count(1)
    order = [url.rpartition("/")[2] for url in sent if url.endswith("wav")]
    assert order == ["9 Coda.wav", "10 Encore.wav", "Disc 10.wav"]


@pytest.mark.slow
async def test_too_large(browser: Browser, open_gateway: OpenGateway, tmp_path: Path) -> None:
    """A file over the limit is refused before a byte of it is sent."""
    (tmp_path / "large.wav").write_bytes(make_wave(200_000))
    async with open_gateway(max_upload_bytes=100_000) as client, open_page(browser, str(client.base_url)) as page:
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.method))
        await page.set_input_files("#file", str(tmp_path / "large.wav"))
        await expect(upload_of(page, "large.wav")).to_contain_text("Too large It was not kept. A file may have 100 kB.")
        assert "PUT" not in sent


@pytest.mark.slow
async def test_refused_early(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """A large file that is no audio is refused while it is sent, and the page has the reason."""
    for name, size in (("film.mp3", 15 * MIB), ("film2.mp3", 40 * MIB)):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(size))
    async with open_page(browser, str(client.base_url)) as page:
        await page.set_input_files("#file", [str(tmp_path / "film.mp3"), str(tmp_path / "film2.mp3")])
        for name in ("film.mp3", "film2.mp3"):
            await expect(upload_of(page, name)).to_contain_text("Non-audio file detected")


@pytest.mark.slow
async def test_progress_and_cancel(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Uploads show how far and how fast they are; a cancelled one leaves nothing, the others go on and wait in turn."""
    paths = [tmp_path / f"{letter}.wav" for letter in "abcde"]
    for path in paths:
        path.write_bytes(make_wave(2 * MIB))
    async with open_page(browser, str(client.base_url)) as page:
        road = await slow_down(page, 250_000)
        await page.set_input_files("#file", [str(path) for path in paths])
        await expect(upload_of(page, "e.wav")).to_contain_text("Waiting")
        await expect(upload_of(page, "a.wav").locator(".state")).to_have_text(
            re.compile(r"^[\d.]+ of 2\.1 MB, \d+ s left$")
        )
        await expect(page.locator("#uploads .total")).to_have_text(
            re.compile(r"^0 of 5 files · [\d.]+ of 10 MB, \d+ s left$")
        )
        value = float(await upload_of(page, "a.wav").get_by_role("progressbar").evaluate("(bar) => bar.value"))
        assert 0 < value < 1
        await upload_of(page, "a.wav").get_by_role("button", name="Cancel").click()
        await upload_of(page, "e.wav").get_by_role("button", name="Cancel").click()
        await set_pace(road)
        await expect(page.locator("li.upload")).to_have_count(0)
        await expect(page.locator(".file")).to_have_count(3)
    assert await read_names(client) == {"b.wav", "c.wav", "d.wav"}


@pytest.mark.slow
async def test_cancel_all(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """All of ten uploads end with one button."""
    for number in range(10):
        (tmp_path / f"{number}.wav").write_bytes(make_wave(2 * MIB))
    async with open_page(browser, str(client.base_url)) as page:
        await slow_down(page, 20_000)
        await page.set_input_files("#file", [str(tmp_path / f"{number}.wav") for number in range(10)])
        await expect(page.locator("li.upload")).to_have_count(10)
        await page.get_by_role("button", name="Cancel all").click()
        await expect(page.locator("#uploads")).to_be_hidden()
    assert await read_names(client) == set()


@pytest.mark.slow
async def test_broken_off(browser: Browser, tmp_path: Path) -> None:
    """A small upload whose server goes away says so, and is sent again at a touch once it is back."""
    path = tmp_path / "a.wav"
    path.write_bytes(make_wave(4 * MIB))
    with running(tmp_path) as gateway:
        async with open_page(browser, gateway.url) as page:
            road = await slow_down(page, 100_000)
            await page.set_input_files("#file", str(path))
            await expect(upload_of(page, "a.wav").locator(".state")).to_contain_text("left")
            gateway.kill()
            await set_pace(road)
            upload = upload_of(page, "a.wav")
            await expect(upload.get_by_role("alert")).to_contain_text("The upload broke off.")
            await expect(page.locator("#offline")).to_contain_text("cannot be reached")
            await anyio.to_thread.run_sync(gateway.start)
            await upload.get_by_role("button", name="Try again").click()
            await expect(page.locator(".file")).to_contain_text("a.wav")
            await expect(page.locator("#offline")).to_be_empty()


@pytest.mark.slow
async def test_goes_on(browser: Browser, tmp_path: Path) -> None:
    """A large upload goes on where it was when the road breaks: little more than its size is sent in all."""
    path, size = tmp_path / "large.wav", 40 * MIB
    path.write_bytes(make_wave(size, seed=os.urandom(100_003)))
    with running(tmp_path) as gateway:
        async with relaying(gateway.port, 20 * MIB, 15 * MIB) as relay, open_page(browser, relay.url) as page:
            await page.set_input_files("#file", str(path))
            await expect(page.locator(".file")).to_contain_text("large.wav")
            await expect(page.locator("li.upload")).to_have_count(0)
            assert relay.cuts == []
            assert size < relay.sent_bytes < size + 32 * MIB  # anew, after 20 and 15 MiB, would be 35 more
            assert await page.evaluate("localStorage.length") == 0
        assert (gateway.folder / "data" / "audio" / "large.wav").read_bytes() == path.read_bytes()


@pytest.mark.slow
async def test_goes_on_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    """A large upload goes on where it was when the gateway is killed and started again."""
    path, size = tmp_path / "large.wav", 32 * MIB
    path.write_bytes(make_wave(size, seed=os.urandom(100_003)))
    offsets: list[int] = []
    with running(tmp_path) as gateway:
        async with open_page(browser, gateway.url) as page:
            page.on("request", lambda request: offsets.append(int(request.headers.get("upload-offset", -1))))
            road = await slow_down(page, 2_000_000)
            await page.set_input_files("#file", str(path))
            await wait_until(lambda: max(offsets, default=0) >= 8 * MIB)
            gateway.kill()
            await set_pace(road)
            await expect(upload_of(page, "large.wav").locator(".state")).to_have_text("Waiting")
            await anyio.to_thread.run_sync(gateway.start)
            await expect(page.locator(".file")).to_contain_text("large.wav")
        assert offsets.count(0) == 1
        assert (gateway.folder / "data" / "audio" / "large.wav").read_bytes() == path.read_bytes()


@pytest.mark.slow
async def test_goes_on_after_a_reload(browser: Browser, tmp_path: Path) -> None:
    """A large upload whose page was closed goes on where it was when the same file is chosen again."""
    path, size = tmp_path / "large.wav", 24 * MIB
    path.write_bytes(make_wave(size, seed=os.urandom(100_003)))
    with running(tmp_path) as gateway:
        async with relaying(gateway.port) as relay, open_page(browser, relay.url) as page:
            road = await slow_down(page, 2_000_000)
            await page.set_input_files("#file", str(path))
            await wait_until(lambda: relay.sent_bytes >= 8 * MIB)
            page.on("dialog", lambda dialog: dialog.accept())
            await page.reload()
            await set_pace(road)
            await page.set_input_files("#file", str(path))
            await expect(page.locator(".file")).to_contain_text("large.wav")
            assert relay.sent_bytes < size + 6 * MIB
        assert (gateway.folder / "data" / "audio" / "large.wav").read_bytes() == path.read_bytes()


@pytest.mark.slow
async def test_cancelled_for_good(browser: Browser, client: httpx.AsyncClient, folder: Path, tmp_path: Path) -> None:
    """Cancelling a large upload takes what had arrived of it from the disk."""
    path = tmp_path / "large.wav"
    path.write_bytes(make_wave(24 * MIB))
    async with open_page(browser, str(client.base_url)) as page:
        await slow_down(page, 400_000)
        await page.set_input_files("#file", str(path))
        await expect(upload_of(page, "large.wav").locator(".state")).to_contain_text("left")
        await upload_of(page, "large.wav").get_by_role("button", name="Cancel").click()
        await expect(page.locator("#uploads")).to_be_hidden()
        await wait_until(lambda: not [item for item in folder.rglob("*") if item.is_file()])
        assert await page.evaluate("localStorage.length") == 0


@pytest.mark.slow
async def test_token(
    browser: Browser, open_gateway: OpenGateway, folder: Path, three: list[str], tmp_path: Path
) -> None:
    """With the token of the server as password the whole page works: its list, events, uploads, sound."""
    song = make_audio(tmp_path / "song.mp3", 300, "-ar", "8000")
    login = {"username": "any", "password": "secret token"}
    async with (
        open_gateway(api_token=SecretStr("secret token")) as client,
        open_page(browser, str(client.base_url), http_credentials=login) as page,
    ):
        await expect(page.locator(".file")).to_have_count(3)
        await page.set_input_files("#file", str(song))
        await expect(page.locator(".file")).to_have_count(4)
        await page.get_by_role("link", name="Play song.mp3").click()
        await expect(page.locator("#audio")).to_have_js_property("paused", value=False)
        (folder / "by-hand.wav").write_bytes(make_wave(5000))
        await expect(page.locator(".file")).to_have_count(5)
