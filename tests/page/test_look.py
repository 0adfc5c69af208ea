"""How the page looks and reads: widths, themes, contrast, languages; judged by axe and the Nu Html Checker."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.audio.formats.corpus import make_wave
from tests.browser import drop, open_page, slow_down, stop_clock
from tests.page.judges import check_html, find_faults

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.slow]
GATEWAY = Path(__file__).parents[2] / "gateway"
STYLES = [GATEWAY / "web" / "static" / "frame.css", GATEWAY / "audio" / "static" / "audio.css"]
LONG = "long-" + "x" * 200 + ".wav"
WIDTHS = (360, 800, 1280)
READ_WIDTH = "document.documentElement.scrollWidth"


READ_END = """() => {
    scrollTo(0, document.body.scrollHeight);
    return ["count", "player"].map((id) => document.getElementById(id).getBoundingClientRect().toJSON());
}"""
"""The boxes of the last line and of the player at the end of the page; at one moment, as uploads move it."""


@asynccontextmanager
async def busy_page(browser: Browser, url: str, jpeg: Path, **options: Any) -> AsyncIterator[Page]:
    """A page with all it can show at once: a player, uploads under way, waiting and refused, a deletion, a notice."""
    async with open_page(browser, url, **options) as page:
        await page.set_input_files("#file", str(jpeg))
        await expect(page.locator("li.upload.refused")).to_be_visible()
        await page.locator(".play").nth(1).click()
        await expect(page.locator("#wave.drawn")).to_be_visible()
        await stop_clock(page)
        await page.locator(".delete").last.click()
        await page.get_by_role("button", name=re.compile("Undo|Вернуть")).focus()  # which holds the offer
        await page.clock.resume()
        await slow_down(page, 20_000)
        files = [jpeg.with_name(name) for name in ("u1.wav", LONG, "u3.wav", "u4.wav")]
        for file in files:
            file.write_bytes(make_wave(3_000_000))
        await page.set_input_files("#file", [str(file) for file in files])
        (folder := jpeg.with_name("folder")).mkdir(exist_ok=True)
        await drop(page, folder)
        await expect(page.locator("#notices")).to_contain_text(re.compile("Left out|Пропущено"))
        await expect(page.locator("li.upload")).to_have_count(5)
        yield page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name=re.compile("Cancel all|Отменить все")).click()


@pytest.fixture
def mixed(three: list[str], folder: Path) -> None:
    """Three files that play, and names that are long, right to left, and Japanese; none ends during a test."""
    for name in (LONG, "שלום עולם.wav", "日本.wav"):
        (folder / name).write_bytes(make_wave(16_000 * 300))


@pytest.mark.slow
async def test_layout(browser: Browser, client: httpx.AsyncClient, mixed: None, jpeg: Path) -> None:
    """Nothing is wider than the window in either theme, also without scripts, and the player hides nothing for good."""
    async with busy_page(browser, str(client.base_url), jpeg) as page:
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 700})
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                assert await page.evaluate(READ_WIDTH) <= width
                background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
                light = sum(map(int, re.findall(r"\d+", background)[:3])) > 384
                assert light == (scheme == "light")
            count_box, player_box = await page.evaluate(READ_END)
            assert count_box["height"] > 0
            assert player_box["height"] > 0
            assert count_box["bottom"] <= player_box["top"]
    async with open_page(browser, str(client.base_url), java_script_enabled=False) as page:
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate(READ_WIDTH) <= width


@pytest.mark.slow
async def test_zoom(browser: Browser, client: httpx.AsyncClient, mixed: None) -> None:
    """At 200 % and 400 % of a window of 1280 by 800 everything is still there, without scrolling sideways."""
    for zoom in (2, 4):
        viewport = {"width": 1280 // zoom, "height": 800 // zoom}
        async with open_page(browser, str(client.base_url), viewport=viewport, device_scale_factor=zoom) as page:
            await page.locator(".play").first.click()
            assert await page.evaluate(READ_WIDTH) <= 1280 // zoom
            await expect(page.locator("#toggle")).to_be_in_viewport()


async def test_touch(browser: Browser, client: httpx.AsyncClient, mixed: None) -> None:
    """On a touch screen every target has 44 pixels each way."""
    options: dict[str, Any] = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    async with open_page(browser, str(client.base_url), **options) as page:
        await page.locator(".play").first.tap()
        await expect(page.locator("#details")).not_to_be_empty()
        for target in await page.locator("button:visible, select:visible, .icon:visible, .play, label:visible").all():
            box = await target.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 44, await target.evaluate("(node) => node.outerHTML")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_phone(
    browser: Browser, client: httpx.AsyncClient, mixed: None, waves: Callable[[int], None], language: str
) -> None:
    """A phone that plays shows six rows, the seek bar has its width, nothing tells of drops or keys, no word is cut."""
    waves(20)
    size = {"width": 360, "height": 740}
    options: dict[str, Any] = {"viewport": size, "has_touch": True, "is_mobile": True, "locale": language}
    async with open_page(browser, str(client.base_url), **options) as page:
        await page.locator(".play").nth(9).tap()
        await expect(page.locator("#player")).to_be_visible()
        await expect(page.locator("#time")).to_have_text(re.compile("/ 5:0"))  # the short ones are over
        await expect(page.locator("#details")).not_to_be_empty()
        bar, foot = await page.locator(".bar").bounding_box(), await page.locator("#player").bounding_box()
        assert bar
        assert foot
        read_boxes = "rows => rows.map(row => row.getBoundingClientRect().toJSON())"
        boxes = await page.locator(".file").evaluate_all(read_boxes)
        whole = [box for box in boxes if box["top"] >= bar["height"] and box["bottom"] <= foot["y"]]
        assert len(whole) >= 6
        seek = await page.locator("#seek").bounding_box()
        assert seek
        assert seek["width"] > 320
        for hidden in ("#help", ".invite", ".mouse"):
            assert not await page.locator(hidden).is_visible()
        await page.get_by_role("button", name=re.compile("Options|Параметры")).tap()
        await expect(page.locator("#how")).to_be_in_viewport(ratio=1)
        cut = "node => node.scrollWidth > node.clientWidth"
        for words in await page.locator("button:visible, select:visible, label:visible, nav a:visible").all():
            assert not await words.evaluate(cut), await words.evaluate("(node) => node.outerHTML")
    async with open_page(browser, str(client.base_url), java_script_enabled=False, **options) as page:
        for words in await page.locator("button:visible, select:visible, label:visible, nav a:visible").all():
            assert not await words.evaluate(cut), await words.evaluate("(node) => node.outerHTML")


async def test_theme(browser: Browser, client: httpx.AsyncClient) -> None:
    """The theme is that of the system until it is changed here, and is then the same at the next visit."""
    async with open_page(browser, str(client.base_url), color_scheme="dark") as page:
        background = "getComputedStyle(document.body).backgroundColor"
        dark = await page.evaluate(background)
        await page.get_by_role("button", name="Light or dark").click()
        light = await page.evaluate(background)
        assert light != dark
        await page.reload()
        assert await page.evaluate(background) == light
        await page.get_by_role("button", name="Light or dark").click()
        assert await page.evaluate(background) == dark


async def test_russian(browser: Browser, client: httpx.AsyncClient, mixed: None, jpeg: Path) -> None:
    """A reader of Russian sees Russian, from the scripts too; the refusal keeps its words."""
    async with busy_page(browser, str(client.base_url), jpeg, locale="ru-RU") as page:
        await expect(page.locator("html")).to_have_attribute("lang", "ru")
        await expect(page.locator("li.upload.refused")).to_contain_text("Non-audio file detected Файл не сохранён.")
        await expect(page.locator("li.upload").last).to_contain_text("В очереди")
        await expect(page.locator("#notices")).to_contain_text("удалён")
        await expect(page.locator("#count")).to_have_text("5 файлов")
        await expect(page.get_by_role("button", name="Пауза")).to_be_visible()
        await expect(page.locator("#details")).to_contain_text("кГц · моно")


@pytest.mark.slow
async def test_axe(browser: Browser, client: httpx.AsyncClient, mixed: None, jpeg: Path, checkers: Path) -> None:
    """axe finds nothing in a busy page, wide and narrow, searched in vain, with the help open."""
    async with busy_page(browser, str(client.base_url), jpeg) as page:
        assert await find_faults(page, checkers) == []
        await page.set_viewport_size({"width": 360, "height": 700})
        assert await find_faults(page, checkers) == []
        await page.get_by_role("searchbox").fill("nothing")
        await expect(page.locator("#unmatched")).to_be_visible()
        assert await find_faults(page, checkers) == []
        await page.get_by_role("button", name="Keyboard").click()
        assert await find_faults(page, checkers) == []
        await page.keyboard.press("Escape")


async def test_axe_empty(browser: Browser, client: httpx.AsyncClient, checkers: Path) -> None:
    """axe finds nothing in an empty page in Russian."""
    async with open_page(browser, str(client.base_url), locale="ru-RU") as page:
        assert await find_faults(page, checkers) == []


async def test_axe_can_fail(browser: Browser, client: httpx.AsyncClient, checkers: Path) -> None:
    """A button without a name is found, so that nothing found means something."""
    async with open_page(browser, str(client.base_url)) as page:
        await page.get_by_role("button", name="Keyboard").evaluate(
            "(button) => { button.ariaLabel = button.title = ''; }"
        )
        assert "button-name" in (await find_faults(page, checkers))[0]


@pytest.mark.slow
async def test_html(
    browser: Browser, client: httpx.AsyncClient, mixed: None, checkers: Path, tmp_path: Path, jpeg: Path
) -> None:
    """The Nu Html Checker finds nothing in any state of the page, in what the scripts made of it, in the styles."""
    pages = {
        "full": await client.get("/"),
        "unmatched": await client.get("/?q=<zz>&sort=name"),
        "added": await client.get("/", params={"added": LONG}),
        "russian": await client.get("/", headers={"Accept-Language": "ru"}),
        "refused": await client.post("/", files={"file": ("<b>.jpg", b"no")}),
    }
    for name, answer in pages.items():
        (tmp_path / f"{name}.html").write_bytes(answer.content)
    async with busy_page(browser, str(client.base_url), jpeg) as page:
        (tmp_path / "busy.html").write_text(
            "<!doctype html>" + await page.evaluate("document.documentElement.outerHTML")
        )
    files = [*tmp_path.glob("*.html"), *STYLES]
    assert len(files) == 8
    assert await check_html(checkers, files) == ""


async def test_forced_colours(browser: Browser, client: httpx.AsyncClient, mixed: None, checkers: Path) -> None:
    """In forced colours the signs of the buttons are still to be seen."""
    async with open_page(browser, str(client.base_url), forced_colors="active") as page:
        await page.locator(".play").first.click()
        colours = await page.locator(".icon:visible, .play").evaluate_all(
            "(nodes) => nodes.map((node) => getComputedStyle(node, '::before').backgroundColor)"
        )
        canvas = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert len(colours) > 10
        assert canvas not in colours


async def test_reduced_motion(browser: Browser, client: httpx.AsyncClient, mixed: None) -> None:
    """Who wants no motion gets none."""
    moving = "document.getAnimations().length + [...document.querySelectorAll('*')].filter((node) => "
    moving += "parseFloat(getComputedStyle(node).transitionDuration) > 0).length"
    async with open_page(browser, str(client.base_url), reduced_motion="reduce") as page:
        assert await page.evaluate(moving) == 0
    async with open_page(browser, str(client.base_url), reduced_motion="no-preference") as page:
        assert await page.evaluate(moving) > 0
