"""The page in a real Chromium, with JavaScript and without: list, upload, refusal, playback, seeking."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser import make_audio, open_browser

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.timeout(40)]

ROOT = Path(__file__).parent.parent
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(200)


@asynccontextmanager
async def open_page(client: httpx.AsyncClient, *, java_script: bool = True) -> AsyncIterator[Page]:
    """The page in a fresh browser; any error on its console or a refused resource fails the test."""
    complaints: list[str] = []
    async with open_browser() as browser:
        page = await browser.new_page(java_script_enabled=java_script)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(str(client.base_url))
        yield page
    # Chromium itself logs the status of a refused form.
    assert not [text for text in complaints if "status of 4" not in text]


async def upload(page: Page, *paths: Path) -> None:
    """Choose the files and send the form."""
    await page.locator("input[type=file]").set_input_files([str(path) for path in paths])
    await page.get_by_role("button", name="Upload").click()


@pytest.mark.parametrize("java_script", [True, False], ids=["script", "plain"])
async def test_upload_and_list(client: httpx.AsyncClient, tmp_path: Path, *, java_script: bool) -> None:
    """An empty page says what to do; uploaded files are listed under their own names, with a player each."""
    names = ["prelude.mp3", "日本 <b>&.ogg"]
    paths = [make_audio(tmp_path / name) for name in names]
    async with open_page(client, java_script=java_script) as page:
        await expect(page.get_by_role("heading", name="No audio yet")).to_be_visible()
        await upload(page, *paths)
        for name in names:
            await expect(page.get_by_role("status").filter(has_text=name)).to_be_visible()
            await expect(page.locator("li", has_text=name).locator("audio[controls]")).to_have_count(1)
        await expect(page.locator("li")).to_have_count(2)
    listed = (await client.get("/api/v1/audio/")).json()["files"]
    assert {file["name"] for file in listed} == set(names)


@pytest.mark.parametrize("java_script", [True, False], ids=["script", "plain"])
async def test_refusals(client: httpx.AsyncClient, tmp_path: Path, *, java_script: bool) -> None:
    """A picture with the name of a song and a second file of one name are refused in the fixed words, by name."""
    song = make_audio(tmp_path / "song.mp3")
    picture = tmp_path / "holiday.mp3"
    picture.write_bytes(JPEG)
    async with open_page(client, java_script=java_script) as page:
        await upload(page, song)
        await expect(page.locator("li")).to_have_count(1)
        await upload(page, picture)
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("Non-audio file detected")
        await expect(alert).to_contain_text("holiday.mp3")
        await upload(page, song)
        await expect(page.get_by_role("alert")).to_contain_text("already exists")
        await expect(page.get_by_role("alert")).to_contain_text("song.mp3")
        await expect(page.locator("li")).to_have_count(1)


async def test_refusal_beside_a_file(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Of several files in one form, each is decided on its own."""
    song = make_audio(tmp_path / "song.flac")
    picture = tmp_path / "holiday.jpg"
    picture.write_bytes(JPEG)
    async with open_page(client) as page:
        await upload(page, picture, song)
        await expect(page.get_by_role("alert")).to_have_count(1)
        await expect(page.get_by_role("alert")).to_contain_text("holiday.jpg")
        await expect(page.locator("li")).to_contain_text("song.flac")


@pytest.mark.parametrize("ending", ["mp3", "ogg", "wav", "flac", "m4a"])
async def test_play_and_seek(client: httpx.AsyncClient, tmp_path: Path, ending: str) -> None:
    """A file uploaded by the command line is listed and plays, and seeking into its middle goes on from there."""
    path = make_audio(tmp_path / f"tone.{ending}", seconds=30)
    command = [sys.executable, str(ROOT / "screwdriver.py"), "upload", "--server", str(client.base_url), str(path)]
    await anyio.run_process(command)
    async with open_page(client) as page:
        state = await page.locator("audio").evaluate(
            """async (audio) => {
                const happens = (name) => new Promise((done, failed) => {
                    audio.addEventListener(name, done, {once: true});
                    audio.addEventListener("error", () => failed(audio.error), {once: true});
                });
                audio.muted = true;
                const played = happens("timeupdate");
                await audio.play();
                await played;
                const sought = happens("seeked");
                audio.currentTime = 20;
                await sought;
                await happens("timeupdate");
                return [audio.duration, audio.currentTime, audio.paused];
            }"""
        )
    duration, current, paused = state
    assert duration == pytest.approx(30, abs=0.2)
    assert 19.5 < current < 29
    assert not paused


async def test_one_player(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Starting one file stops the other."""
    for name in ("a.mp3", "b.mp3"):
        path = make_audio(tmp_path / name, seconds=20)
        await client.put(f"/api/v1/audio/{name}", content=path.read_bytes())
    async with open_page(client) as page:
        for position in (0, 1):
            await (
                page.locator("audio").nth(position).evaluate("(audio) => { audio.muted = true; return audio.play(); }")
            )
        await expect(page.locator("audio").nth(0)).to_have_js_property("paused", value=True)
        await expect(page.locator("audio").nth(1)).to_have_js_property("paused", value=False)


@pytest.mark.parametrize("width", [360, 768, 1280])
async def test_layout(client: httpx.AsyncClient, tmp_path: Path, width: int) -> None:
    """Nothing is wider than the window, however long a name is, in either theme."""
    path = make_audio(tmp_path / "tone.mp3")
    for name in ("short.mp3", "long-" + "x" * 200 + ".mp3", "שלום עולם.mp3"):
        await client.put(f"/api/v1/audio/{name}", content=path.read_bytes())
    async with open_page(client) as page:
        await page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            light = sum(map(int, re.findall(r"\d+", background)[:3])) > 384
            assert light == (scheme == "light")


async def test_cross_site_form(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """A form on a page of another site cannot upload: the browser says where it comes from, and that is refused."""
    form = f'<form method=post enctype=multipart/form-data action="{client.base_url}">'
    foreign = tmp_path / "foreign.html"
    foreign.write_text(form + "<input type=file name=file><button>go</button></form>")
    async with open_browser() as browser:
        page = await browser.new_page()
        await page.goto(foreign.as_uri())
        await page.locator("input").set_input_files(str(make_audio(tmp_path / "tone.mp3")))
        async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            await page.locator("button").click()
        assert (await answered.value).status == 403
    assert (await client.get("/api/v1/audio/")).json()["files"] == []
