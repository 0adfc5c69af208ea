"""The list: search, order, delete with undo, two browsers, a thousand files, hostile names, a server that is away."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.audio.corpus import make_wave
from tests.browser import make_audio, open_browser, open_page
from tests.processes import running

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.timeout(60)]
SHOWN = ".file:visible"


async def read_names(page: Page) -> list[str]:
    """The names of the rows that are shown, in order."""
    return await page.locator(f"{SHOWN} .name").all_inner_texts()


async def test_search(client: httpx.AsyncClient, folder: Path) -> None:
    """The list answers while one types: names and tags, any case and form; the address leads back to what is shown."""
    for name in ("Été.wav", "prelude.wav", "x <b>.wav"):
        (folder / name).write_bytes(make_wave(3000))
    make_audio(folder / "y.mp3", 1, "-metadata", "artist=Łódź Trio")
    async with open_page(f"{client.base_url}/?sort=name") as page:
        search = page.get_by_role("searchbox")
        for typed, names in (
            ("PREL", ["prelude.wav"]),
            ("e\u0301te\u0301", ["Été.wav"]),
            ("łódź", ["y.mp3"]),
            ("<b>", ["x <b>.wav"]),
            ("", ["prelude.wav", "x <b>.wav", "y.mp3", "Été.wav"]),
        ):
            await search.fill(typed)
            assert await read_names(page) == names
        await search.fill("prel")
        await expect(page.locator("#count")).to_have_text("1 file of 4")
        await search.fill("nothing <i>")
        await expect(page.get_by_role("heading", name="Nothing matches “nothing <i>”")).to_be_visible()
        await page.get_by_role("link", name="Show all files").click()
        await expect(page.locator(SHOWN)).to_have_count(4)
        await search.fill("prel")
        await page.reload()
        assert await read_names(page) == ["prelude.wav"]
        await expect(page.locator(".file")).to_have_count(4)  # the others are there for the next letter
        await search.fill("")
        await expect(page.locator(SHOWN)).to_have_count(4)


async def test_sort(client: httpx.AsyncClient, folder: Path) -> None:
    """Another order is there without loading the page, and is kept in the address."""
    for size, name in ((9000, "b.wav"), (3000, "a.wav"), (6000, "c.wav")):
        (folder / name).write_bytes(make_wave(size))
        await anyio.sleep(0.02)
    async with open_page(str(client.base_url)) as page:
        assert await read_names(page) == ["c.wav", "a.wav", "b.wav"]
        await page.evaluate("window.sameDocument = true")
        for label, names in (("Largest first", ["b.wav", "c.wav", "a.wav"]), ("By name", ["a.wav", "b.wav", "c.wav"])):
            await page.get_by_role("combobox", name="Order").select_option(label)
            await expect(page.locator(f"{SHOWN} .name")).to_have_text(names)
        assert await page.evaluate("window.sameDocument")
        await page.reload()
        assert await read_names(page) == ["a.wav", "b.wav", "c.wav"]


async def test_delete_and_undo(client: httpx.AsyncClient, three: list[str], folder: Path) -> None:
    """Delete hides the row and waits; undo brings it back; dismissing the offer, or leaving, deletes the file."""
    async with open_page(f"{client.base_url}/?sort=name") as page:
        await page.get_by_role("link", name="Play a.mp3").click()
        await page.get_by_role("button", name="Delete a.mp3").click()
        await expect(page.locator(SHOWN)).to_have_count(2)
        await expect(page.locator("#player")).to_be_hidden()
        await expect(page.get_by_role("link", name="Play b.ogg")).to_be_focused()
        (folder / "d.wav").write_bytes(make_wave(3000))  # a newer list does not bring it back
        await expect(page.locator(SHOWN)).to_have_count(3)
        assert (folder / "a.mp3").exists()
        await page.get_by_role("button", name="Undo").click()
        await expect(page.locator(SHOWN)).to_have_count(4)
        await expect(page.get_by_role("link", name="Play a.mp3")).to_be_focused()
        await page.keyboard.press("Delete")
        await page.keyboard.press("Escape")
        await expect(page.locator(".file")).to_have_count(3)
        assert not (folder / "a.mp3").exists()
        await page.get_by_role("button", name="Delete b.ogg").click()
        await page.goto("about:blank")
        with anyio.fail_after(5):
            while (folder / "b.ogg").exists():
                await anyio.sleep(0.02)
    assert (folder / "c.wav").exists()


@pytest.mark.slow
async def test_delete_in_time(client: httpx.AsyncClient, three: list[str], folder: Path) -> None:
    """Some seconds after Delete the file is gone, but not while the pointer rests on the offer to undo it."""
    async with open_page(str(client.base_url)) as page:
        await page.get_by_role("button", name="Delete b.ogg").click()
        await page.get_by_role("button", name="Delete c.wav").click()
        await page.get_by_role("button", name="Undo").last.hover()
        with anyio.fail_after(15):
            while (folder / "b.ogg").exists():
                await anyio.sleep(0.1)
        await anyio.sleep(1)
        assert (folder / "c.wav").exists()
        await page.mouse.move(1, 1)
        with anyio.fail_after(15):
            while (folder / "c.wav").exists():
                await anyio.sleep(0.1)


async def test_delete_refused(client: httpx.AsyncClient, three: list[str]) -> None:
    """A file that the server does not delete comes back, and the page says so."""
    async with open_page(str(client.base_url)) as page:
        await page.route("**/api/v1/audio/c.wav", lambda route: route.fulfill(status=503))
        await page.get_by_role("button", name="Delete c.wav").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("alert")).to_have_text(re.compile("c.wav was not deleted."))
        await expect(page.locator(SHOWN)).to_have_count(3)


async def test_two_browsers(client: httpx.AsyncClient, three: list[str], tmp_path: Path) -> None:
    """What one browser uploads or deletes the other shows by itself, and plays on and keeps its focus meanwhile."""
    song = make_audio(tmp_path / "new.mp3")
    async with open_browser() as browser:
        url = f"{client.base_url}/?sort=name"
        async with open_page(url, browser=browser) as one, open_page(url, browser=browser) as other:
            await other.get_by_role("link", name="Play b.ogg").click()
            await other.get_by_role("link", name="Play c.wav").focus()
            await one.set_input_files("#file", str(song))
            await expect(other.locator(".file .name")).to_have_text(["a.mp3", "b.ogg", "c.wav", "new.mp3"])
            await one.get_by_role("button", name="Delete a.mp3").click()
            await one.keyboard.press("Escape")
            await expect(other.locator(".file .name")).to_have_text(["b.ogg", "c.wav", "new.mp3"])
            await expect(other.get_by_role("link", name="Play c.wav")).to_be_focused()
            await expect(other.locator(".file.playing .name")).to_have_text("b.ogg")
            await expect(other.locator("#audio")).to_have_js_property("paused", value=False)


HOSTILE = [
    "<img src=x onerror=alert(1)>.wav",
    "\"'><script>alert(1)<\\script>&amp;.wav",
    "\u202egpj.wav",
    "שלום עולם.wav",
    "{{ 7*7 }} {name} %s $& .wav",
    "a?b#c%2F&d=+e;.wav",
    "n" * 200 + ".wav",
    "🎵\u200f \u2028.wav",
]


async def test_hostile_names(client: httpx.AsyncClient, folder: Path) -> None:
    """Whatever a name is made of, it is text on the page, plays, downloads and is deleted, and disturbs no other."""
    for name in HOSTILE:
        (folder / name).write_bytes(make_wave(3000))
    async with open_page(str(client.base_url)) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        listed = await page.locator(".file .name").evaluate_all("(names) => names.map((name) => name.textContent)")
        assert set(listed) == set(HOSTILE)
        for name in HOSTILE:
            row = page.locator(".file").nth(listed.index(name))
            await row.locator(".play").click()
            await expect(page.locator("#title")).to_have_js_property("textContent", name)
            await expect(page.locator("#details")).to_contain_text("128 kbit/s")
            await expect(row.locator(".name")).to_have_css("unicode-bidi", "isolate")
        for _ in HOSTILE:
            await page.locator(SHOWN).first.locator(".delete").click()
            await page.keyboard.press("Escape")
        await expect(page.get_by_role("heading", name="No audio yet")).to_be_visible()
    assert not list(folder.iterdir())


async def test_deleted_does_not_come_back(
    client: httpx.AsyncClient, folder: Path, waves: Callable[[int], None]
) -> None:
    """A file that is deleted is not shown again by a list that was made before."""
    waves(3)
    async with open_page(f"{client.base_url}/?sort=name") as page:
        first, later = anyio.Event(), anyio.Event()

        async def hold(route: Route) -> None:
            turn, answer = first if not lists else later, await route.fetch()
            lists.append(await answer.text())
            await turn.wait()
            await route.fulfill(response=answer)

        lists: list[str] = []
        await page.route("**/?sort=*", hold)
        await page.get_by_label("Order").select_option("By name")
        await page.get_by_label("Order").select_option("Newest first")
        while not lists:
            await anyio.sleep(0.01)
        row = page.locator(".file").first
        name = await row.locator(".name").inner_text()
        assert name in lists[0]
        await row.locator(".delete").click()
        async with page.expect_response("**/api/v1/audio/*"):
            await page.keyboard.press("Escape")
        assert not (folder / name).exists()
        first.set()
        while len(lists) < 2:
            await anyio.sleep(0.01)
        assert name not in await read_names(page)
        later.set()
        await expect(page.locator(".file")).to_have_count(2)
        assert name not in await read_names(page)


async def test_deleted_stays_away_without_a_list(client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """A file that is deleted is not shown again when no newer list can be had."""
    waves(3)
    async with open_page(str(client.base_url)) as page:
        await page.route("**/?sort=*", lambda route: route.abort())
        row = page.locator(".file").first
        name = await row.locator(".name").inner_text()
        await row.locator(".delete").click()
        async with page.expect_request_finished(lambda request: request.method == "DELETE"):
            await page.keyboard.press("Escape")
        await page.wait_for_timeout(500)
        assert name not in await read_names(page)
        assert len(await read_names(page)) == 2


async def test_thousand_files(client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """A thousand files are there soon, are searched at every letter, and scroll to the end without a long frame."""
    waves(1000)
    await client.get("/")
    async with open_page(f"{client.base_url}/?sort=name") as page:
        assert await page.locator("audio").count() == 1
        elapsed_ms = await page.evaluate(
            """() => {
                const search = document.getElementById("search");
                const started = performance.now();
                for (const typed of ["0", "01", "012", "0123"]) {
                    search.value = typed;
                    search.dispatchEvent(new Event("input"));
                    document.body.offsetHeight;
                }
                return (performance.now() - started) / 4;
            }"""
        )
        assert elapsed_ms < 200
        assert await read_names(page) == ["0123 take.wav"]
        await page.get_by_role("searchbox").fill("")
        longest_ms = await page.evaluate(
            """async () => {
                let longest = 0;
                let before = await new Promise(requestAnimationFrame);
                for (let step = 0; step < 60; step += 1) {
                    scrollBy({ top: document.body.scrollHeight / 60, behavior: "instant" });
                    const now = await new Promise(requestAnimationFrame);
                    longest = Math.max(longest, now - before);
                    before = now;
                }
                return longest;
            }"""
        )
        assert longest_ms < 500
        await expect(page.locator(".file").last).to_be_in_viewport()
        started = time.monotonic()
        await client.put("/api/v1/audio/9999 last.wav", content=make_wave(3000))
        await expect(page.locator(".file")).to_have_count(1001)
        assert time.monotonic() - started < 8


async def test_offline(tmp_path: Path) -> None:
    """A server that is away is told; once it is back the page finds what has changed meanwhile."""
    with running(tmp_path) as gateway:
        async with open_page(gateway.url) as page:
            gateway.kill()
            status = page.locator("#offline")
            await expect(status).to_have_text(re.compile("The server cannot be reached."), timeout=15_000)
            await expect(status).to_have_attribute("role", "status")
            (gateway.folder / "data" / "audio" / "meanwhile.wav").write_bytes(make_wave(3000))
            await anyio.to_thread.run_sync(gateway.start)
            await expect(page.locator(".file")).to_contain_text("meanwhile.wav", timeout=15_000)
            await expect(status).to_be_empty()


async def test_events_refused(client: httpx.AsyncClient, folder: Path) -> None:
    """A stream that was refused is asked for again."""
    async with open_browser() as browser:
        page = await browser.new_page()
        await page.route("**/events*", lambda route: route.fulfill(status=503))
        await page.goto(str(client.base_url))
        await expect(page.locator("#offline")).not_to_be_empty(timeout=10_000)
        await page.unroute("**/events*")
        (folder / "a.wav").write_bytes(make_wave(3000))
        await expect(page.locator(".file")).to_have_count(1, timeout=15_000)
        await expect(page.locator("#offline")).to_be_empty()


async def test_hidden_page(client: httpx.AsyncClient, folder: Path) -> None:
    """A hidden page gives its stream back, and finds what has changed when it is shown again."""
    async with open_page(str(client.base_url)) as page:
        hide = "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}); "
        hide += "document.dispatchEvent(new Event('visibilitychange')); }"
        await page.evaluate(hide, True)  # noqa: FBT003
        (folder / "a.wav").write_bytes(make_wave(3000))
        await anyio.sleep(2)
        await expect(page.locator(".file")).to_have_count(0)
        await page.evaluate(hide, False)  # noqa: FBT003
        await expect(page.locator(".file")).to_have_count(1)
