"""The page without JavaScript: list, upload, refusal, playback, seeking, search."""

import sys
from pathlib import Path

import anyio
import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser import make_audio, open_page

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
ROOT = Path(__file__).parents[2]


async def upload(page: Page, *paths: Path) -> None:
    """Choose the files and send the form."""
    await page.locator("input[type=file]").set_input_files([str(path) for path in paths])
    await page.get_by_role("button", name="Upload").click()


@pytest.mark.slow
async def test_upload_and_list(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """An empty page says what to do; uploaded files are listed under their own names, with a player each."""
    names = ["prelude.mp3", "日本 <b>&.ogg"]
    paths = [make_audio(tmp_path / name) for name in names]
    async with open_page(browser, str(client.base_url), java_script_enabled=False) as page:
        await expect(page.get_by_role("heading", name="No audio yet")).to_be_visible()
        await upload(page, *paths)
        for name in names:
            await expect(page.get_by_role("status").filter(has_text=name)).to_be_visible()
            await expect(page.locator(".file", has_text=name).locator("audio[controls]")).to_be_visible()
        await expect(page.locator(".file")).to_have_count(2)
    listed = (await client.get("/api/v1/audio/")).json()["files"]
    assert {file["name"] for file in listed} == set(names)


@pytest.mark.slow
async def test_refusals(browser: Browser, client: httpx.AsyncClient, tmp_path: Path, jpeg: Path) -> None:
    """A picture and a second file of one name are refused in the fixed words, by name, beside what is taken."""
    song = make_audio(tmp_path / "song.mp3")
    async with open_page(browser, str(client.base_url), java_script_enabled=False) as page:
        await upload(page, jpeg, song)
        alert = page.get_by_role("alert")
        await expect(alert).to_have_count(1)
        await expect(alert).to_contain_text("Non-audio file detected")
        await expect(alert).to_contain_text("holiday.jpg")
        await expect(page.locator(".file")).to_contain_text("song.mp3")
        await upload(page, song)
        await expect(page.get_by_role("alert")).to_contain_text("already exists")
        await expect(page.get_by_role("alert")).to_contain_text("song.mp3")
        await expect(page.locator(".file")).to_have_count(1)


@pytest.mark.slow
async def test_rename(browser: Browser, client: httpx.AsyncClient, three: list[str]) -> None:
    """The file whose box is checked has another name; a refusal is said on the page, beside the name."""
    async with open_page(browser, f"{client.base_url}/?sort=name", java_script_enabled=False) as page:
        for boxes, name, words in (
            ([], "new.mp3", "Select the one file that is to be renamed."),
            (["a.mp3", "b.ogg"], "new.mp3", "Select the one file that is to be renamed."),
            (["a.mp3"], "c.wav", "A file of this name already exists."),
            (["a.mp3"], "", "A file name must not be empty"),
        ):
            await page.goto(f"{client.base_url}/?sort=name")
            for box in boxes:
                await page.get_by_role("checkbox", name=f"Select {box}").check()
            await page.get_by_role("textbox", name="New name").fill(name)
            await page.get_by_role("button", name="Rename").click()
            await expect(page.get_by_role("alert")).to_contain_text(words)
        await page.get_by_role("checkbox", name="Select a.mp3").check()
        await page.get_by_role("textbox", name="New name").fill("日本.mp3")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Play 日本.mp3")).to_be_visible()
    files = (await client.get("/api/v1/audio/")).json()["files"]
    assert [file["name"] for file in files] == ["b.ogg", "c.wav", "日本.mp3"]


@pytest.mark.slow
async def test_nothing_dead(browser: Browser, client: httpx.AsyncClient, three: list[str]) -> None:
    """What needs a script is not shown; search, order, download and the link of a row do their work."""
    async with open_page(browser, str(client.base_url), java_script_enabled=False) as page:
        for name in ("Delete a.mp3", "Keyboard", "Light or dark"):
            await expect(page.get_by_role("button", name=name)).to_have_count(0)
        await expect(page.locator("#player")).to_be_hidden()
        await page.get_by_role("searchbox").fill("ogg")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".file")).to_have_count(1)
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download b.ogg").click()
        assert (await download.value).suggested_filename == "b.ogg"
        await page.get_by_role("link", name="Play b.ogg").click()
        await expect(page).to_have_url(f"{client.base_url}/audio/b.ogg")


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp3", "ogg", "wav", "flac", "m4a"])
async def test_play_and_seek(browser: Browser, client: httpx.AsyncClient, tmp_path: Path, ending: str) -> None:
    """A file uploaded by the command line plays in its row, and seeking into its middle goes on from there."""
    path = make_audio(tmp_path / f"tone.{ending}", 300, "-ar", "8000")
    command = [sys.executable, str(ROOT / "screwdriver.py"), "upload", "--server", str(client.base_url), str(path)]
    await anyio.run_process(command)
    async with open_page(browser, str(client.base_url), java_script_enabled=False) as page:
        player = page.locator(".file audio")
        await player.evaluate("(audio) => { audio.muted = true; audio.play(); }")
        await expect(player).to_have_js_property("readyState", 4)
        duration = await player.evaluate("(audio) => { audio.currentTime = 200; return audio.duration; }")
        with anyio.fail_after(60):
            while not 200.1 < await player.evaluate("(audio) => !audio.seeking && audio.currentTime") < 290:
                await anyio.sleep(0.05)
    assert duration == pytest.approx(300, abs=0.2)


@pytest.mark.slow
async def test_cross_site_form(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """A form on a page of another site cannot upload: the browser says where it comes from, and that is refused."""
    form = f'<form method=post enctype=multipart/form-data action="{client.base_url}">'
    foreign = tmp_path / "foreign.html"
    foreign.write_text(form + "<input type=file name=file><button>go</button></form>")
    page = await browser.new_page()
    await page.goto(foreign.as_uri())
    await page.locator("input").set_input_files(str(make_audio(tmp_path / "tone.mp3")))
    async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        await page.locator("button").click()
    assert (await answered.value).status == 403
    assert (await client.get("/api/v1/audio/")).json()["files"] == []
