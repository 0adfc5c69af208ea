"""How the page of URL checks looks and reads in each of its states; judged by axe and the Nu Html Checker."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser import open_page
from tests.conftest import OpenGateway
from tests.page.judges import check_html, find_faults
from tests.page.test_look import READ_WIDTH, WIDTHS
from tests.target import Target

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
STYLE = Path(__file__).parents[2] / "gateway" / "tasks" / "static" / "tasks.css"
NO_TASK = "/tasks/5f0c1a52-8f6e-4a0c-9b0e-3c3ad6a1f8f4"


async def make_task(client: httpx.AsyncClient, urls: list[str], *, wait_s: int = 30, follow: bool = False) -> str:
    """The address of the page of a task, once it is ready or has been waited for."""
    made = await client.post("/api/v1/tasks/", json={"urls": urls, "follow_redirects": follow, "retries": 0})
    await client.get(made.headers["Location"], headers={"Prefer": f"wait={wait_s}"})
    return f"/tasks/{made.json()['id']}"


@pytest.fixture
async def client(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway whose tasks run on for as long as a test looks at them."""
    async with open_gateway(probe_timeout_s=90) as client:
        yield client


@pytest.fixture
async def states(client: httpx.AsyncClient, target: Target) -> dict[str, str]:
    """The address of the page in each of its states."""
    root = target.url
    codes = [f"{root}/code/{code}?{place}" for place, code in enumerate((200, 204, 301, 404, 410, 500, 503))]
    strange = ["javascript:alert(1)", "http://שלום.invalid/עולם", "http://a.invalid/\x07\u202egnp.exe", "no url"]
    long = f"{root}/code/200?" + "x" * (8_192 - len(root) - 10)
    mixed = [*codes, *strange, long, f"{root}/hop/2", f"{root}/hop/12", f"{root}/delay/0.3", f"{root}/reset"]
    mix = await make_task(client, [*mixed, *(f"{root}/code/200?{place}" for place in range(150))], follow=True)
    stopped = await make_task(client, [f"{root}/code/200?s", f"{root}/silent"], wait_s=1)
    await client.post(f"{stopped}/cancel")
    return {
        "start": "/tasks",
        "mixed": f"{mix}?twice=9&unread=14.80",
        "bad": f"{mix}?show=bad&sort=-time&q=a",
        "last": f"{mix}?page=2",
        "unmatched": f"{mix}?q=<zz>",
        "good": await make_task(client, [f"{root}/code/200?g{place}" for place in range(20)]),
        "all-bad": await make_task(client, [f"{root}/code/404?b{place}" for place in range(20)]),
        "stopped": stopped,
        "missing": NO_TASK,
        "queued": await make_task(client, [f"{root}/silent/900/{place}" for place in range(20)], wait_s=0),
        "running": await make_task(client, [f"{root}/code/404?r", *[f"{root}/silent"] * 90], wait_s=1),
    }


async def load_once(page: Page, url: str) -> None:
    """Load a page that would be loaded anew each two seconds while its task runs: it would go under the test."""
    address = re.compile(re.escape(url) + "$")
    await page.route(address, lambda route: route.abort("aborted"))
    await page.route(address, lambda route: route.continue_(), times=1)
    await page.goto(url)


async def test_codes_on_a_phone(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """On a narrow window the whole code can be read, that behind a redirect too, and rows keep their height."""
    ends = [f"{target.url}/code/404", f"{target.url}/hop/12", "http://127.0.0.1:1/", "ftp://a.invalid/", "no url"]
    urls = [*ends, *(f"{target.url}/to/{end}" for end in ends)]
    address = await make_task(client, urls, follow=True)
    async with open_page(browser, f"{client.base_url}{address}", viewport={"width": 360, "height": 900}) as page:
        await expect(page.locator(".group .answer").nth(5)).to_have_text("302 → 404")
        cut = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth || cell.scrollHeight > 48).length"
        assert await page.locator(".group .answer").evaluate_all(cut) == 0
        heights = "rows => [...new Set(rows.map(row => row.offsetHeight))]"
        assert await page.locator(".group .row").evaluate_all(heights) == [77]


async def test_layout(browser: Browser, client: httpx.AsyncClient, states: dict[str, str]) -> None:
    """Nothing is wider than the window, in either theme and language; also at 200 % and 400 % of 1280 pixels."""
    for name, address in states.items():
        for language, scheme in (("en", "light"), ("ru", "dark")):
            options: dict[str, Any] = {"locale": language, "color_scheme": scheme, "java_script_enabled": False}
            async with open_page(browser, "about:blank", **options) as page:
                await load_once(page, f"{client.base_url}{address}")
                for details in ("closed", "open"):
                    for width in WIDTHS:
                        await page.set_viewport_size({"width": width, "height": 700})
                        assert await page.evaluate(READ_WIDTH) <= width, (name, language, details)
                    await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    for zoom in (2, 4):
        viewport = {"width": 1280 // zoom, "height": 800 // zoom}
        address = f"{client.base_url}{states['mixed']}"
        async with open_page(browser, address, viewport=viewport, device_scale_factor=zoom) as page:
            assert await page.evaluate(READ_WIDTH) <= 1280 // zoom


async def test_axe(browser: Browser, client: httpx.AsyncClient, states: dict[str, str], checkers: Path) -> None:
    """axe finds nothing in any state, wide and narrow, with a row and a form open."""
    for name, address in states.items():
        async with open_page(browser, f"{client.base_url}{address}") as page:
            assert await find_faults(page, checkers) == [], name
            await page.set_viewport_size({"width": 360, "height": 700})
            opened = "for (const each of [...document.querySelectorAll('main details')].slice(0, 4)) each.open = true"
            await page.evaluate(opened)
            assert await find_faults(page, checkers) == [], name


async def test_html(client: httpx.AsyncClient, states: dict[str, str], checkers: Path, tmp_path: Path) -> None:
    """The Nu Html Checker finds nothing in any state of the page, nor in its style sheet."""
    for name, address in states.items():
        (tmp_path / f"{name}.html").write_bytes((await client.get(address)).content)
    russian = await client.get(states["mixed"], headers={"Accept-Language": "ru"})
    refused = await client.post("/tasks", files={"text": (None, "<b>no</b>")})
    (tmp_path / "russian.html").write_bytes(russian.content)
    (tmp_path / "refused.html").write_bytes(refused.content)
    files = [*tmp_path.glob("*.html"), STYLE]
    assert len(files) == len(states) + 3
    assert await check_html(checkers, files) == ""


async def test_russian(client: httpx.AsyncClient, states: dict[str, str]) -> None:
    """In Russian nothing is in English but names, URLs and reasons."""
    known = {"Gateway", "API", "URL", "HTML", "CSV", "JSON", "Markdown", "Enter", "Esc"}
    for name in ("start", "good", "all-bad", "stopped", "missing", "queued", "unmatched"):
        html = (await client.get(states[name], headers={"Accept-Language": "ru"})).text
        body = re.sub(r'data-words="[^"]*"|placeholder="https[^"]*"', "", html[html.index("<body") :])
        body = re.sub(r'<bdi.*?</bdi>|<a class="url".*?</a>|<div data-fact="(url|reason).*?</div>', "", body)
        shown = re.findall(r'>([^<]+)<|(?:aria-label|title|placeholder)="([^"]+)"', body)
        words = set(re.findall(r"[A-Za-z]{2,}", " ".join(text or label for text, label in shown)))
        assert words - known - {"xx"} <= set(), name


async def test_forced_colours(browser: Browser, client: httpx.AsyncClient, states: dict[str, str]) -> None:
    """In forced colours the pictures and the chip that is chosen are still to be seen."""
    async with open_page(browser, f"{client.base_url}{states['mixed']}", forced_colors="active") as page:
        canvas = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        fill = "(nodes) => nodes.map((node) => getComputedStyle(node).fill)"
        fills = await page.locator("#bar rect[class], rect.column").evaluate_all(fill)
        assert len(fills) > 5
        assert canvas not in fills
        chosen = page.locator("#chips [aria-current]")
        assert await chosen.evaluate("(node) => getComputedStyle(node).backgroundColor") != canvas


async def test_touch(browser: Browser, client: httpx.AsyncClient, states: dict[str, str]) -> None:
    """On a touch screen chips, buttons and the marks of the rows have 44 pixels each way."""
    options: dict[str, Any] = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    async with open_page(browser, f"{client.base_url}{states['mixed']}", **options) as page:
        await expect(page.locator(".group[style]").first).to_be_attached()  # the scripts have the rows
        for target in await page.locator("button:visible, .chip:visible, .more summary, #exports a").all():
            box = await target.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 44, await target.evaluate("(node) => node.outerHTML")


async def test_right_to_left(browser: Browser, client: httpx.AsyncClient, states: dict[str, str]) -> None:
    """A domain whose letters go from right to left begins where the others do, its last label on the right."""
    read = "(names) => names.map((name) => getComputedStyle(name).direction)"
    for address in (states["mixed"], "/tasks"):
        async with open_page(browser, f"{client.base_url}{address}") as page:
            await expect(page.locator(".domains bdi").filter(has_text="שלום")).to_have_count(1)
            assert set(await page.locator(".domains bdi").evaluate_all(read)) == {"ltr"}


async def test_print(browser: Browser, client: httpx.AsyncClient, states: dict[str, str]) -> None:
    """On paper there is no form and no bar; all rows are there, and each URL is whole, in its row."""
    async with open_page(browser, f"{client.base_url}{states['mixed']}") as page:
        await expect(page.locator(".group")).to_have_count(2)
        await page.evaluate(
            """() => addEventListener("beforeprint", () => {
                window.printed = document.querySelectorAll(".group > .row").length;
            })"""
        )
        await page.pdf()
        assert await page.evaluate("window.printed") == int(
            await page.locator("#content").get_attribute("data-total") or 0
        )
        await expect(page.locator(".group:empty")).to_have_count(1)
        await page.set_viewport_size({"width": 690, "height": 1000})
        await page.evaluate("document.documentElement.dataset.theme = 'dark'")
        dark = await page.evaluate("getComputedStyle(document.body).color")
        await page.emulate_media(media="print")
        assert await page.evaluate("getComputedStyle(document.body).color") != dark
        for part in (".bar", "#paste", "#exports"):
            assert not await page.locator(part).is_visible()
        assert await page.locator("#rows").is_visible()
        cut = "cells => cells.filter(cell => cell.scrollHeight > cell.clientHeight).length"
        assert await page.locator(".group .address").evaluate_all(cut) == 0
        rows = "rows => rows.filter(row => row.scrollHeight > row.clientHeight).length"
        assert await page.locator(".group > .row").evaluate_all(rows) == 0
