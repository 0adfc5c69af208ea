"""Renaming on the page: in place, by keys, while the file plays and while others change the list."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.audio.formats.corpus import make_wave
from tests.browser import open_page
from tests.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


NOT_READ = """
const row = document.querySelector(".file");
row.dataset.unread = "";
row.querySelector(".length").textContent = "";
"""
"""The first row as it is while the server has the name of a new file alone."""


@pytest.mark.slow
async def test_in_place(browser: Browser, client: httpx.AsyncClient, three: list[str], folder: Path) -> None:
    """Enter saves, Esc leaves the name as it is, a refusal stands beside the field; another page follows."""
    url = f"{client.base_url}/?sort=name"
    async with open_page(browser, url) as page, open_page(browser, url) as other:
        await page.get_by_role("button", name="Rename a.mp3").click()
        field = page.get_by_role("textbox", name="New name")
        await expect(field).to_be_focused()
        assert await page.evaluate("getSelection().toString()") == "a"
        await page.keyboard.type("zz x/?")  # keys of the page, but for the field
        await page.keyboard.press("Escape")
        await expect(field).to_have_count(0)
        await expect(page.get_by_role("link", name="Play a.mp3")).to_be_focused()
        await page.keyboard.press("F2")
        for name, words in (("b.ogg", "A file of this name already exists."), (".a", "must not be empty or begin")):
            await field.fill(name)
            await page.keyboard.press("Enter")
            await expect(page.locator(".renaming").get_by_role("alert")).to_contain_text(words)
            await expect(field).to_be_focused()
        await page.evaluate(NOT_READ)
        (folder / "d.wav").write_bytes(make_wave(3000))
        await expect(page.locator(".file")).to_have_count(4)
        await expect(field).to_be_focused()
        await expect(page.locator(".length").first).to_have_text("5:00")
        await field.fill("日本 100%.mp3")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Play 日本 100%.mp3")).to_be_focused()
        await expect(page.locator(".file .name")).to_have_text(["b.ogg", "c.wav", "d.wav", "日本 100%.mp3"])
        await expect(other.locator(".file .name")).to_have_text(["b.ogg", "c.wav", "d.wav", "日本 100%.mp3"])
    assert sorted(path.name for path in folder.iterdir()) == ["b.ogg", "c.wav", "d.wav", "日本 100%.mp3"]


async def play_on(page: Page) -> float:
    """Where the player is, once it has gone on."""
    audio = page.locator("#audio")
    before = await audio.evaluate("(audio) => audio.currentTime")
    await wait_until(lambda: audio.evaluate(f"(audio) => audio.currentTime > {before} && !audio.paused"))
    return float(await audio.evaluate("(audio) => audio.currentTime"))


@pytest.mark.slow
async def test_while_playing(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """A file that is renamed, here or elsewhere, plays on under its new name, also where it must be asked for again."""
    (folder / "a.wav").write_bytes(make_wave(16_000 * 600))  # ten minutes: more than a browser reads ahead
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await page.get_by_role("link", name="Play a.wav").click()
        await play_on(page)
        await page.get_by_role("button", name="Rename a.wav").click()
        await page.get_by_role("textbox", name="New name").fill("b.wav")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("#title")).to_have_text("b.wav")
        await expect(page.locator(".current .name")).to_have_text("b.wav")
        await play_on(page)
        assert (await client.patch("/api/v1/audio/b.wav", json={"name": "c.wav"})).status_code == 200
        await expect(page.locator("#title")).to_have_text("c.wav")
        await page.locator("#audio").evaluate("(audio) => { audio.currentTime = 500; }")
        assert await play_on(page) >= 500
        await expect(page.locator("#notices")).not_to_contain_text(re.compile("cannot be played|no longer"))


@pytest.mark.slow
async def test_replaced_meanwhile(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """A file that another has put in the place of the one on the page keeps its name."""
    (folder / "a.wav").write_bytes(make_wave(3000))
    async with open_page(browser, str(client.base_url)) as page:
        await page.get_by_role("button", name="Rename a.wav").click()
        await page.evaluate("document.querySelector('.file').dataset.key = 'of another state'")
        await page.get_by_role("textbox", name="New name").fill("b.wav")
        await page.keyboard.press("Enter")
        await expect(page.locator(".renaming").get_by_role("alert")).to_have_text("The file has changed.")
    assert [path.name for path in folder.iterdir()] == ["a.wav"]
