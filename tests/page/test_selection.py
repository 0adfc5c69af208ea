"""Several files at once: picked by pointer, keys and touch; downloaded, deleted, and brought back."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.audio.formats.corpus import make_wave
from tests.browser import open_page, stop_clock

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


def box(page: Page, number: int) -> str:
    """The selector of the box of a file."""
    return f".pick input[value^='{number:04}']"


@pytest.mark.slow
async def test_range_delete_undo(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None], folder: Path
) -> None:
    """Shift picks a range; Delete hides all of it behind the one offer, and Undo brings all of it back."""
    waves(20)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        bar = page.locator("#selection")
        await expect(bar).to_be_hidden()
        await page.locator(box(page, 3)).click()
        await page.locator(box(page, 9)).click(modifiers=["Shift"])
        await page.locator(box(page, 5)).click()
        await expect(bar).to_contain_text("6 files selected")
        await page.locator(".play").nth(12).focus()
        await page.keyboard.press("x")
        await expect(bar).to_contain_text("7 files selected")
        (folder / "0001 another.wav").write_bytes(make_wave(5000))  # a newer list leaves them picked
        await expect(page.locator(".file:visible")).to_have_count(21)
        await expect(page.locator(".pick input:checked")).to_have_count(7)
        await stop_clock(page)
        await bar.get_by_role("button", name="Delete").click()
        await expect(page.locator(".file:visible")).to_have_count(14)
        await expect(page.get_by_role("status").filter(has_text="7 files deleted")).to_be_visible()
        await expect(bar).to_be_hidden()
        await page.keyboard.press("u")  # one deletion, however many files
        await expect(page.locator(".file:visible")).to_have_count(21)
        await page.locator(box(page, 0)).click()
        await page.keyboard.press("Control+a")
        await expect(bar).to_contain_text("21 files selected")
        await page.keyboard.press("Escape")
        await expect(bar).to_be_hidden()
        await expect(page.locator(".pick input:checked")).to_have_count(0)
    assert len(list(folder.iterdir())) == 21


@pytest.mark.slow
async def test_download(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None], tmp_path: Path
) -> None:
    """What is picked comes as one archive, also what the search hides by now; a renamed file under its new name."""
    waves(5)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await page.locator(box(page, 1)).click()
        await page.locator(box(page, 2)).click()
        assert (await client.patch("/api/v1/audio/0002 take.wav", json={"name": "日本&=.wav"})).status_code == 200
        await expect(page.get_by_role("link", name="Play 日本&=.wav")).to_be_visible()
        await page.locator("#search").fill("0004")
        await expect(page.locator("#selection")).to_contain_text("2 files selected")
        async with page.expect_download() as download:
            await page.locator("#selection").get_by_role("button", name="Download").click()
        await (await download.value).save_as(tmp_path / "audio.zip")
        await expect(page.locator("#search")).to_have_value("0004")  # the page stayed
    with zipfile.ZipFile(tmp_path / "audio.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["0001 take.wav", "日本&=.wav"]


@pytest.mark.slow
async def test_touch(browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """A touch screen has the boxes behind a button, of a size for fingers, and one file can be renamed from there."""
    waves(3)
    options = {"viewport": {"width": 360, "height": 700}, "has_touch": True, "is_mobile": True}
    async with open_page(browser, f"{client.base_url}/?sort=name", **options) as page:
        await expect(page.locator(".pick").first).to_be_hidden()
        await page.get_by_role("button", name="Select", exact=True).tap()
        for target in await page.locator("label:visible, #selection button:visible, #select").all():
            found = await target.bounding_box()
            assert found
            assert min(found["width"], found["height"]) >= 44, await target.evaluate("(node) => node.outerHTML")
        await page.locator(".pick").first.tap()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.get_by_role("button", name="Rename", exact=True).tap()
        await expect(page.get_by_role("textbox", name="New name")).to_be_focused()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
async def test_without_scripts(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None], tmp_path: Path
) -> None:
    """Without scripts the boxes are a plain form."""
    waves(3)
    async with open_page(browser, str(client.base_url), java_script_enabled=False) as page:
        await page.locator(".pick input").nth(0).check()
        await page.locator(".pick input").nth(2).check()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Download the selected files").click()
        await (await download.value).save_as(tmp_path / "audio.zip")
    with zipfile.ZipFile(tmp_path / "audio.zip") as archive:
        assert len(archive.namelist()) == 2
