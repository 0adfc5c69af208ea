"""The frame of all pages, and the documentation in it: the bar, search, copies, calls; judged as the audio page is."""

import gzip
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser import open_page, stop_clock
from tests.page.judges import check_html, find_faults
from tests.page.test_look import GATEWAY, READ_WIDTH, WIDTHS

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
PAGES = {"Audio": "/", "API": "/docs", "": "/nowhere"}
MAX_SCRIPT_BYTES = 30_000


@pytest.mark.slow
@pytest.mark.parametrize(("here", "path"), PAGES.items())
async def test_bar(browser: Browser, client: httpx.AsyncClient, here: str, path: str) -> None:
    """Every page has the three names in its bar, marks its own, and has a way past the bar for the keyboard."""
    for scripts in (True, False):
        async with open_page(browser, f"{client.base_url}{path}", java_script_enabled=scripts) as page:
            links = page.get_by_role("navigation", name="Pages").get_by_role("link")
            await expect(links).to_have_text(["Audio", "URLs", "API"])
            current = await page.locator("[aria-current=page]").all_inner_texts()
            assert current == ([here] if here else [])
            await page.keyboard.press("Tab")
            skip = page.get_by_role("link", name="Skip to the content")
            await expect(skip).to_be_focused()
            await expect(skip).to_be_in_viewport()
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(f"{str(client.base_url).rstrip('/')}{path}#content")
            await expect(page.locator("h1")).to_have_count(1)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/docs", "/nowhere"])
async def test_layout(browser: Browser, client: httpx.AsyncClient, path: str) -> None:
    """Nothing is wider than the window, opened or not, in both languages; the theme is the same on all pages."""
    async with open_page(browser, f"{client.base_url}{path}", color_scheme="light") as page:
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate("document.documentElement.scrollHeight") < 10_000
        await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate(READ_WIDTH) <= width
        await page.get_by_role("button", name="Light or dark").click()
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.goto(str(client.base_url))
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == background
    async with open_page(browser, f"{client.base_url}{path}", locale="ru-RU") as page:
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate(READ_WIDTH) <= width
            bar = await page.locator(".bar").bounding_box()
            assert bar
            assert bar["height"] < 110


@pytest.mark.slow
async def test_axe(browser: Browser, client: httpx.AsyncClient, checkers: Path) -> None:
    """axe finds nothing on the pages, narrow and wide, with all opened, searched in vain, with the help open."""
    for path in ("/docs", "/nowhere"):
        async with open_page(browser, f"{client.base_url}{path}") as page:
            assert await find_faults(page, checkers) == []
            await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            await page.set_viewport_size({"width": 360, "height": 700})
            assert await find_faults(page, checkers) == []
    async with open_page(browser, f"{client.base_url}/docs") as page:
        await page.get_by_role("searchbox").fill("zzz")
        assert await find_faults(page, checkers) == []
        await page.get_by_role("button", name="Keyboard").click()
        assert await find_faults(page, checkers) == []


@pytest.mark.slow
async def test_html(browser: Browser, client: httpx.AsyncClient, checkers: Path, tmp_path: Path) -> None:
    """The Nu Html Checker finds nothing in the documentation, with and without scripts, nor in the page of an error."""
    async with open_page(browser, f"{client.base_url}/docs") as page:
        await stop_clock(page)
        await send_get(page, "operations_get_health")
        whole = "<!doctype html>" + await page.evaluate("document.documentElement.outerHTML")
    (tmp_path / "busy.html").write_text(whole)
    (tmp_path / "docs.html").write_bytes((await client.get("/docs")).content)
    (tmp_path / "none.html").write_bytes((await client.get("/nowhere", headers={"Accept": "text/html"})).content)
    files = [*tmp_path.glob("*.html"), GATEWAY / "web" / "static" / "docs.css"]
    assert len(files) == 4
    assert await check_html(checkers, files) == ""


async def test_search(browser: Browser, client: httpx.AsyncClient) -> None:
    """The documentation answers while one types: path, words, parameters; the arrows lead through what is left."""
    async with open_page(browser, f"{client.base_url}/docs") as page:
        entries = page.locator(".entry:visible")
        total = await entries.count()
        assert total > 30
        await page.keyboard.press("/")
        await page.keyboard.type("count requests")
        await expect(entries).to_have_count(1)
        await expect(page.locator("#count")).to_have_text(f"1 of {total}")
        await expect(page.locator(".group:visible")).to_have_count(1)
        await page.get_by_role("searchbox").fill("idempotency-key")
        await expect(entries).to_contain_text(["POST"])
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.locator("#tasks_post_task")).to_be_visible()
        await page.get_by_role("searchbox").fill("")
        await expect(entries).to_have_count(total)
        await expect(page.locator("#count")).to_be_empty()


@pytest.mark.slow
async def test_order_and_anchors(browser: Browser, client: httpx.AsyncClient) -> None:
    """Tasks and audio come first and the pages last; a link to a call opens it, without scripts too."""
    async with open_page(browser, f"{client.base_url}/docs#tasks_get_task", java_script_enabled=False) as page:
        groups = await page.locator(".group h2").all_inner_texts()
        assert groups[:3] == ["Tasks", "Audio", "Uploads"]
        assert groups[-2:] == ["Static", "Schemas"]
        await expect(page.locator("#tasks_get_task")).to_be_visible()
        await expect(page.locator("#tasks_post_task")).to_be_hidden()
        await expect(page.get_by_role("searchbox")).to_have_count(0)
        for name in ("Copy", "Send this GET"):
            await expect(page.get_by_role("button", name=name)).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("clipboard", ["allowed", "missing"])
async def test_copy(browser: Browser, client: httpx.AsyncClient, clipboard: str) -> None:
    """A button copies the command beside it; where a browser gives no clipboard to scripts, by selecting it."""
    options: dict[str, Any] = {"permissions": ["clipboard-read", "clipboard-write"]} if clipboard == "allowed" else {}
    async with open_page(browser, f"{client.base_url}/docs#operations_get_health", **options) as page:
        if clipboard == "missing":
            await page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
            await page.evaluate("document.addEventListener('copy', () => (window.copied = String(getSelection())))")
        await stop_clock(page)
        await page.locator("#operations_get_health").get_by_role("button", name="Copy").first.click()
        await expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()" if clipboard == "allowed" else "window.copied")
    assert copied.strip() == f"curl {str(client.base_url).rstrip('/')}/healthz"


async def send_get(page: Page, call: str, **fields: str) -> str:
    """Send the form of a call; what is shown then."""
    await page.evaluate(f"document.getElementById('{call}').closest('details').open = true")
    form = page.locator(f"#{call} form.ask")
    for field, value in fields.items():
        await form.locator(f"[name='{field}']").fill(value)
    await form.get_by_role("button", name="Send this GET").click()
    if call == "audio_get_events":  # it has no end
        await expect(form.locator("pre")).to_contain_text("retry")
        await page.clock.fast_forward(5000)
    await expect(form.locator(".answered")).to_be_visible()
    return await form.locator(".answered").inner_text()


@pytest.mark.slow
async def test_send(browser: Browser, client: httpx.AsyncClient, three: list[str]) -> None:
    """A call that reads can be sent from the page: path, query, headers; JSON, text, bytes, events and refusals."""
    async with open_page(browser, f"{client.base_url}/docs") as page:
        await stop_clock(page)  # a call is given up after five seconds
        assert '"status": "ok"' in await send_get(page, "operations_get_health")
        assert "b.ogg" in (found := await send_get(page, "audio_get_files", q="ogg"))
        assert "a.mp3" not in found
        assert "GET /api/v1/audio/no%20file → 404" in await send_get(page, "audio_get_file", name="no file")
        assert "→ 206" in (part := await send_get(page, "audio_get_audio", name="c.wav", Range="bytes=0-9"))
        assert "10 bytes of audio/" in part
        assert "retry: 1000" in await send_get(page, "audio_get_events")
        assert await page.locator("form.ask").count() == await page.locator(".method.get").count()


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_scripts_are_small(client: httpx.AsyncClient, path: str) -> None:
    """All scripts of a page, its comments among them, are a few packets when packed."""
    names = set(re.findall(r'"(/static/[^"]+\.js)"', (await client.get(path)).text))
    assert len(names) > 4
    scripts = [(await client.get(name)).content for name in sorted(names)]
    assert len(gzip.compress(b"".join(scripts))) < MAX_SCRIPT_BYTES
