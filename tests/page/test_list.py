"""The list: search, order, delete with undo, two browsers, a thousand files, hostile names, a server that is away."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from playwright.async_api import Browser, CDPSession, Page, Route, expect

from tests.audio.formats.corpus import make_wave
from tests.browser import make_audio, open_page, stop_clock
from tests.processes import running
from tests.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
SHOWN = ".file:visible"
OFFER = "#notices .message:has(.action:visible)"


async def read_names(page: Page) -> list[str]:
    """The names of the rows that are shown, in order."""
    return await page.locator(f"{SHOWN} .name").all_inner_texts()


@pytest.mark.slow
async def test_search(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """The list answers while one types: names and tags, any case and form; the address leads back to what is shown."""
    for name in ("Été.wav", "prelude.wav", "x <b>.wav"):
        (folder / name).write_bytes(make_wave(3000))
    make_audio(folder / "y.mp3", 1, "-metadata", "artist=Łódź Trio")
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        search = page.get_by_role("searchbox")
        for typed, names in (
            ("PREL", ["prelude.wav"]),
            ("e\u0301te\u0301", ["Été.wav"]),
            ("trio lodz", ["y.mp3"]),
            ("<b>", ["x <b>.wav"]),
            ("", ["Été.wav", "prelude.wav", "x <b>.wav", "y.mp3"]),
        ):
            await search.fill(typed)
            await expect(page.locator(f"{SHOWN} .name")).to_have_text(names)
        await search.fill("prel")
        await expect(page.locator("#count")).to_have_text("1 file of 4")
        await expect(page.get_by_role("link", name="Playlist")).to_have_attribute(
            "href", re.compile(r"/audio\.m3u8\?q=prel&sort=name$")
        )
        await search.fill("nothing <i>")
        await expect(page.get_by_role("heading", name="Nothing matches “nothing <i>”")).to_be_visible()
        await page.get_by_role("link", name="Show all files").click()
        await expect(page.locator(SHOWN)).to_have_count(4)
        await search.fill("prel")
        await page.reload()
        assert await read_names(page) == ["prelude.wav"]
        await search.fill("")
        await expect(page.locator(SHOWN)).to_have_count(4)


@pytest.mark.slow
async def test_sort(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """Another order is there without loading the page, and is kept in the address."""
    for hour, (size, name) in enumerate(((9000, "b.wav"), (3000, "a.wav"), (6000, "c.wav"))):
        (folder / name).write_bytes(make_wave(size))
        os.utime(folder / name, (hour * 3600, hour * 3600))
    async with open_page(browser, str(client.base_url)) as page:
        assert await read_names(page) == ["c.wav", "a.wav", "b.wav"]
        await page.evaluate("window.sameDocument = true")
        for label, names in (("Largest first", ["b.wav", "c.wav", "a.wav"]), ("By name", ["a.wav", "b.wav", "c.wav"])):
            await page.get_by_role("combobox", name="Order").select_option(label)
            await expect(page.locator(f"{SHOWN} .name")).to_have_text(names)
        assert await page.evaluate("window.sameDocument")
        await page.reload()
        assert await read_names(page) == ["a.wav", "b.wav", "c.wav"]


@pytest.mark.slow
async def test_early_choice(browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """What is searched and ordered before the scripts are there counts once they are."""
    waves(12)
    async with open_page(browser, "about:blank") as page:
        there = anyio.Event()

        async def hold(route: Route) -> None:
            await there.wait()
            await route.continue_()

        await page.route("**/static/audio/page.js", hold)
        await page.goto(str(client.base_url), wait_until="commit")
        await page.get_by_role("searchbox").fill("001")
        await page.get_by_role("combobox", name="Order").select_option("By name")
        there.set()
        await expect(page.locator(f"{SHOWN} .name")).to_have_text(["0001 take.wav", "0010 take.wav", "0011 take.wav"])
        await expect(page).to_have_url(re.compile("q=001&sort=name"))


async def read_cpu(session: CDPSession) -> float:
    """The seconds of CPU that scripts, styles and layouts of the page have taken."""
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    names = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
    return float(sum(metric["value"] for metric in metrics if metric["name"] in names))


async def wait_out(page: Page) -> None:
    """Let the seconds pass in which deletions can be undone."""
    await page.clock.fast_forward(9000)


async def press_keys(page: Page, *keys: str) -> None:
    """One press of each key after the other."""
    for key in keys:
        await page.keyboard.press(key)


async def test_delete_and_undo(browser: Browser, client: httpx.AsyncClient, three: list[str], folder: Path) -> None:
    """Delete hides the row and waits; undo brings it back, whatever has changed meanwhile, and the focus with it."""
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await stop_clock(page)
        await page.get_by_role("link", name="Play a.mp3").click()
        await page.get_by_role("button", name="Delete a.mp3").click()
        await expect(page.locator(SHOWN)).to_have_count(2)
        await expect(page.locator("#player")).to_be_hidden()
        await expect(page.get_by_role("status")).to_contain_text(["a.mp3 deleted"])
        await expect(page.get_by_role("link", name="Play b.ogg")).to_be_focused()
        (folder / "d.wav").write_bytes(make_wave(3000))  # a newer list does not bring it back
        await expect(page.locator(SHOWN)).to_have_count(3)
        assert (folder / "a.mp3").exists()
        await page.get_by_role("button", name="Undo").click()
        await expect(page.locator(SHOWN)).to_have_count(4)
        await expect(page.get_by_role("link", name="Play a.mp3")).to_be_focused()
        await expect(page.locator(OFFER)).to_have_count(0)


@pytest.mark.slow
async def test_delete_in_time(browser: Browser, client: httpx.AsyncClient, three: list[str], folder: Path) -> None:
    """Some seconds after the last Delete the files are gone, but not while the pointer rests on the offer to undo."""
    async with open_page(browser, str(client.base_url)) as page:
        await stop_clock(page)
        await page.get_by_role("button", name="Delete b.ogg").click()
        await page.clock.fast_forward(7000)
        await page.get_by_role("button", name="Delete c.wav").click()
        await page.clock.fast_forward(7000)
        await page.get_by_role("button", name="Undo").hover()
        await wait_out(page)
        await expect(page.locator(OFFER)).to_have_text(re.compile("2 files deleted"))
        assert (folder / "b.ogg").exists()
        await page.mouse.move(1, 1)
        await wait_out(page)
        await expect(page.locator(".file")).to_have_count(1)
        assert [path.name for path in folder.iterdir()] == ["a.mp3"]


@pytest.mark.slow
async def test_delete_many(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None], folder: Path
) -> None:
    """Ten deletions among 300 files are one line that counts them; its button is a Tab away and restores all."""
    waves(300)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await page.locator(".group").nth(1).scroll_into_view_if_needed()
        await page.get_by_role("link", name="Play 0150 take.wav").focus()
        await stop_clock(page)
        await press_keys(page, "Tab", "Tab", "Tab")  # otherwise Tab goes on through the row
        await expect(page.get_by_role("button", name="Delete 0150 take.wav")).to_be_focused()
        await press_keys(page, *["Delete"] * 10)
        await expect(page.get_by_role("status").filter(has_text="10 files deleted")).to_be_visible()
        await expect(page.locator(OFFER)).to_have_count(1)
        await expect(page.locator("#count")).to_have_text("290 files")
        await press_keys(page, "Tab")
        await expect(page.get_by_role("button", name="Undo")).to_be_focused()
        await press_keys(page, "Escape")  # back to where Tab left from
        await expect(page.get_by_role("link", name="Play 0160 take.wav")).to_be_focused()
        await press_keys(page, "Tab")
        await expect(page.get_by_role("link", name="Download 0160 take.wav")).to_be_focused()
        await press_keys(page, "Delete")
        await expect(page.locator(OFFER)).to_contain_text("11 files deleted")
        first = "[...document.querySelectorAll('a, button, input, select')].find((node) => node.checkVisibility())"
        assert await page.evaluate(f"{first}.textContent") == "Undo"
        await press_keys(page, "Tab", "Enter")
        await expect(page.locator("#count")).to_have_text("300 files")
        await expect(page.get_by_role("link", name="Play 0150 take.wav")).to_be_focused()
        await expect(page.locator(OFFER)).to_have_count(0)
    assert len(list(folder.iterdir())) == 300


@pytest.mark.slow
async def test_held_key(browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """A key that is held down deletes, undoes or presses a button once; it moves up and down as long as it is held."""
    waves(9)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:

        async def hold(key: str) -> None:
            for _ in range(5):
                await page.keyboard.down(key)
            await page.keyboard.up(key)

        await stop_clock(page)
        await page.locator(".play").first.focus()
        await hold("Delete")
        await expect(page.locator(SHOWN)).to_have_count(8)
        await press_keys(page, "Delete", "Delete")
        await hold("u")
        await expect(page.locator(SHOWN)).to_have_count(7)
        await page.locator(f"{SHOWN} .delete").first.focus()
        await hold("Enter")
        await expect(page.locator(SHOWN)).to_have_count(6)
        await expect(page.locator("#player")).to_be_hidden()  # Enter went on, where the row was, as Play
        await hold("ArrowDown")
        await expect(page.locator(f"{SHOWN} .play").nth(5)).to_be_focused()


async def double_tap(page: Page, x: float, y: float) -> None:
    """Two taps a tenth of a second apart by the clock of the screen, however slow the machine is."""
    session = await page.context.new_cdp_session(page)
    at = time.time()
    for moment, kind in enumerate(("touchStart", "touchEnd") * 2):
        points = [{"x": x, "y": y}] if kind == "touchStart" else []
        await session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points, "timestamp": at + moment / 20}
        )


@pytest.mark.slow
async def test_double_click(browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """A double click or tap on the bin deletes one file, not the one that moves up under it."""
    waves(5)
    for touch in (False, True):
        async with open_page(browser, f"{client.base_url}/?sort=name", has_touch=touch) as page:
            box = await page.locator(".delete").nth(1).bounding_box()
            assert box
            x, y = box["x"] + 10, box["y"] + 10
            await stop_clock(page)
            if touch:
                await double_tap(page, x, y)
            else:
                await page.mouse.dblclick(x, y)
            await expect(page.locator(SHOWN)).to_have_count(4)
            await expect(page.locator(OFFER)).to_contain_text("0001 take.wav deleted")
            await page.get_by_role("button", name="Undo").click()
            await expect(page.locator(SHOWN)).to_have_count(5)


UNDO_KEYS: list[dict[str, Any]] = [
    {"key": "u", "code": "KeyU"},
    {"key": "U", "code": "KeyU", "modifiers": 8},
    {"key": "z", "code": "KeyZ", "modifiers": 2},
    {"key": "z", "code": "KeyZ", "modifiers": 4},
    {"key": "г", "code": "KeyU"},
    {"key": "я", "code": "KeyZ", "modifiers": 2},
]


@pytest.mark.slow
async def test_undo_keys(browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """U, Ctrl+Z and Cmd+Z undo the last deletion, then the one before, in any alphabet; also what Esc has hidden."""
    waves(9)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        session = await page.context.new_cdp_session(page)
        await stop_clock(page)

        async def press(**key: object) -> None:
            await session.send("Input.dispatchKeyEvent", {"type": "keyDown", **key})
            await session.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})

        await page.locator(".play").first.focus()
        await press_keys(page, *["Delete"] * len(UNDO_KEYS), "Escape")
        await expect(page.locator(OFFER)).to_have_count(0)
        await press(key="Z", code="KeyZ", modifiers=2 + 8)  # redo
        await expect(page.locator(SHOWN)).to_have_count(9 - len(UNDO_KEYS))
        for shown, key in enumerate(UNDO_KEYS, 9 - len(UNDO_KEYS) + 1):
            await press(**key)
            await expect(page.locator(SHOWN)).to_have_count(shown)
            await expect(page.locator(f"{SHOWN} .play").first).to_be_focused()
        await expect(page.locator(OFFER)).to_have_count(0)
        await press(**UNDO_KEYS[0])  # nothing is left to undo
        await expect(page.locator(SHOWN)).to_have_count(9)
        await press_keys(page, "Delete", "/", "u")  # in a field they are letters, and undo what was typed
        await expect(page.get_by_role("searchbox")).to_have_value("u")
        await press_keys(page, "Control+z")
        await expect(page.get_by_role("searchbox")).to_have_value("")
        await expect(page.locator(OFFER)).to_contain_text("0000 take.wav deleted")


@pytest.mark.slow
async def test_hidden_offer(browser: Browser, client: httpx.AsyncClient, three: list[str], folder: Path) -> None:
    """Esc, and the cross, only hide the offer to undo: the files are deleted in their time, and not before."""
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await stop_clock(page)
        await page.locator(".play").first.focus()
        await press_keys(page, "Delete", "Escape", "Delete")
        await expect(page.locator(OFFER)).to_contain_text("2 files deleted")
        await page.get_by_role("button", name="Dismiss").click()
        await expect(page.locator(OFFER)).to_have_count(0)
        await page.clock.fast_forward(7000)
        assert len(list(folder.iterdir())) == 3
        await press_keys(page, "u")
        await expect(page.locator(OFFER)).to_contain_text("a.mp3 deleted")
        await press_keys(page, "Escape")
        await wait_out(page)
        await expect(page.locator(".file .name")).to_have_text(["b.ogg", "c.wav"])
        assert {path.name for path in folder.iterdir()} == {"b.ogg", "c.wav"}
        await press_keys(page, "u")  # too late
        await expect(page.locator(".file")).to_have_count(2)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["reload", "away", "close"])
async def test_leave(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None], folder: Path, way: str
) -> None:
    """A page that is loaded again, left or closed has not undone its deletions, however many they are."""
    waves(30)
    async with (
        open_page(browser, f"{client.base_url}/?sort=name") as page,
        open_page(browser, str(client.base_url)) as other,
    ):
        await stop_clock(page)
        await page.locator(".play").first.focus()
        await press_keys(page, *["Delete"] * 20)
        await expect(page.locator(SHOWN)).to_have_count(10)  # Chromium waits half a second for a page that is busy
        if way == "reload":
            await page.reload()
            await expect(page.locator(".file")).to_have_count(10)
        elif way == "away":
            await page.goto("about:blank")
        else:
            await page.close()
        await expect(other.locator(".file")).to_have_count(10)
    assert len(list(folder.iterdir())) == 10


AWAY = "The server cannot be reached."
REFUSALS = [
    (403, '{"detail": "Writes from another site are refused."}', "Writes from another site are refused."),
    (503, '{"detail": "The audio folder cannot be used for now."}', "The audio folder cannot be used for now."),
    (409, "not JSON", "The server answered 409."),
    (0, "", AWAY),
]


@pytest.mark.slow
@pytest.mark.parametrize(("status", "body", "reason"), REFUSALS)
async def test_delete_refused(
    browser: Browser, client: httpx.AsyncClient, three: list[str], status: int, body: str, reason: str
) -> None:
    """A file that the server does not delete comes back, and the page says so and why; the others are deleted."""

    async def refuse(route: Route) -> None:
        await (route.fulfill(status=status, body=body) if status else route.abort())

    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await stop_clock(page)
        await page.route(re.compile("/api/v1/audio/[ac]"), refuse)
        await page.get_by_role("button", name="Delete c.wav").click()
        await wait_out(page)
        await expect(page.get_by_role("alert")).to_have_text(re.compile(f"c.wav was not deleted. {reason}"))
        await expect(page.locator(SHOWN)).to_have_count(3)
        await page.locator(".play").first.focus()
        await press_keys(page, "Delete", "Delete", "Delete")
        await wait_out(page)
        await expect(page.get_by_role("alert").last).to_have_text(re.compile(f"2 files were not deleted. {reason}"))
        await expect(page.locator(SHOWN)).to_have_count(2)


@pytest.mark.slow
async def test_deleted_by_another(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None], folder: Path
) -> None:
    """A file that another has deleted meanwhile cannot be restored, and that is said; one put in its place is kept."""
    waves(3)
    names = [f"{number:04} take.wav" for number in range(3)]
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await stop_clock(page)
        await page.locator(".play").first.focus()
        await press_keys(page, "Delete", "Delete")
        for name in names[:2]:
            await client.delete(f"/api/v1/audio/{name}")
        await client.put(f"/api/v1/audio/{names[1]}", content=make_wave(9000))
        await expect(page.locator(SHOWN)).to_have_count(2)
        await wait_out(page)
        await expect(page.locator(OFFER)).to_have_count(0)
        await press_keys(page, "ArrowUp", "Delete")
        await client.delete(f"/api/v1/audio/{names[1]}")
        await expect(page.locator(".file")).to_have_count(1)
        await press_keys(page, "u")
        await expect(page.get_by_role("alert")).to_contain_text(f"{names[1]} is no longer there.")
    assert [path.name for path in folder.iterdir()] == [names[2]]


@pytest.mark.slow
async def test_two_browsers(browser: Browser, client: httpx.AsyncClient, three: list[str], tmp_path: Path) -> None:
    """What one browser uploads or deletes the other shows by itself, and plays on and keeps its focus meanwhile."""
    song = make_audio(tmp_path / "new.mp3")
    url = f"{client.base_url}/?sort=name"
    async with open_page(browser, url) as one, open_page(browser, url) as other:
        await other.get_by_role("link", name="Play b.ogg").click()
        await other.get_by_role("link", name="Play c.wav").focus()
        await stop_clock(one)
        await one.set_input_files("#file", str(song))
        await expect(other.locator(".file .name")).to_have_text(["a.mp3", "b.ogg", "c.wav", "new.mp3"])
        await one.get_by_role("button", name="Delete a.mp3").click()
        await wait_out(one)
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


@pytest.mark.slow
async def test_hostile_names(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """Whatever a name is made of, it is text on the page, plays, downloads and is deleted, and disturbs no other."""
    for name in HOSTILE:
        (folder / name).write_bytes(make_wave(16_000 * 60))  # a minute: the next one does not begin by itself
    async with open_page(browser, str(client.base_url)) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        listed = await page.locator(".file .name").evaluate_all("(names) => names.map((name) => name.textContent)")
        assert set(listed) == set(HOSTILE)
        for name in HOSTILE:
            row = page.locator(".file").nth(listed.index(name))
            await row.locator(".play").click()
            await expect(page.locator("#title")).to_have_js_property("textContent", name)
            await expect(page.locator("#details")).to_contain_text("128 kbit/s")
            await expect(row.locator(".name")).to_have_css("unicode-bidi", "isolate")
        await stop_clock(page)
        for _ in HOSTILE:
            await page.locator(SHOWN).first.locator(".delete").click()
        await expect(page.get_by_role("heading", name="No audio yet")).to_be_visible()
        await wait_out(page)
        await expect(page.locator(".file")).to_have_count(0)
    assert not list(folder.iterdir())


@pytest.mark.slow
async def test_deleted_does_not_come_back(
    browser: Browser, client: httpx.AsyncClient, folder: Path, waves: Callable[[int], None]
) -> None:
    """A file that is deleted is not shown again by a list that was made before."""
    waves(3)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        first, later = anyio.Event(), anyio.Event()

        async def hold(route: Route) -> None:
            turn, answer = first if not lists else later, await route.fetch()
            lists.append(await answer.text())
            await turn.wait()
            await route.fulfill(response=answer)

        lists: list[str] = []
        await stop_clock(page)
        await page.route("**/?sort=*", hold)
        await page.get_by_label("Order").select_option("By name")
        await page.get_by_label("Order").select_option("Newest first")
        await wait_until(lambda: lists)
        row = page.locator(".file").first
        name = await row.locator(".name").inner_text()
        assert name in lists[0]
        await row.locator(".delete").click()
        async with page.expect_response("**/api/v1/audio/*"):
            await wait_out(page)
        assert not (folder / name).exists()
        first.set()

        async def is_next() -> bool:
            await wait_out(page)  # the list rests for as long as the first one took
            return len(lists) >= 2

        await wait_until(is_next)
        assert name not in await read_names(page)
        later.set()
        await expect(page.locator(".file")).to_have_count(2)
        assert name not in await read_names(page)


@pytest.mark.slow
async def test_deleted_stays_away_without_a_list(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]
) -> None:
    """A file that is deleted is not shown again when no newer list can be had."""
    waves(3)
    async with open_page(browser, str(client.base_url)) as page:
        await stop_clock(page)
        await page.route("**/?sort=*", lambda route: route.abort())
        row = page.locator(".file").first
        name = await row.locator(".name").inner_text()
        await row.locator(".delete").click()
        async with page.expect_request_finished(lambda request: request.method == "DELETE"):
            await wait_out(page)
        await expect(page.locator(".file")).to_have_count(2)
        assert name not in await read_names(page)
        assert len(await read_names(page)) == 2


@pytest.mark.slow
async def test_sleep_during_a_load(browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """A list that an hour of sleep has interrupted is no slow one: the next change is shown at once."""
    waves(1)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        asked, awake = anyio.Event(), anyio.Event()

        async def hold(route: Route) -> None:
            asked.set()
            await awake.wait()
            await route.continue_()

        await page.clock.install()
        await page.route("**/?sort=*", hold)
        await page.get_by_label("Order").select_option("Newest first")
        await asked.wait()
        await page.clock.fast_forward(3_600_000)
        awake.set()
        await client.put("/api/v1/audio/new.wav", content=make_wave(9000))
        await expect(page.locator(".file")).to_have_count(2)


@pytest.mark.slow
async def test_thousand_files(browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]) -> None:
    """Of a thousand files a hundred are there at once; the others come when they are scrolled to, at little CPU."""
    waves(1000)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        assert await page.locator("audio").count() == 1
        await expect(page.locator("#reading")).to_be_empty()
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        before_s = await read_cpu(session)
        for typed in ("0", "01", "012", "take 0123"):
            await page.get_by_role("searchbox").fill(typed)
        await expect(page.locator(f"{SHOWN} .name")).to_have_text(["0123 take.wav"])
        await page.get_by_role("searchbox").fill("")
        await expect(page.locator(".group")).to_have_count(10)
        await page.evaluate(
            """async () => {
                for (let step = 0; step < 60; step += 1) {
                    scrollBy({ top: document.body.scrollHeight / 60, behavior: "instant" });
                    await new Promise(requestAnimationFrame);
                }
            }"""
        )
        last = page.locator(".file", has_text="0999 take.wav")
        await expect(last).to_be_in_viewport()
        await expect(last).to_have_attribute("aria-posinset", "1000")
        assert await page.locator(".file").count() < 600
        assert await read_cpu(session) - before_s < 5
        await client.put("/api/v1/audio/9999 last.wav", content=make_wave(3000))
        await expect(page.locator("#count")).to_have_text("1,001 files")
        await expect(page.locator(".file", has_text="9999 last.wav")).to_have_count(1)


@pytest.mark.slow
async def test_play_across_groups(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None], folder: Path
) -> None:
    """The player and the keys go on into rows that were not fetched; a link leads to a hundred in the middle."""
    waves(300)
    for number in (199, 200):
        (folder / f"0{number} take.wav").write_bytes(make_wave(16_000 * 300))
    async with open_page(browser, f"{client.base_url}/?sort=name&page=2") as page:
        await expect(page.locator(".file", has_text="0100 take.wav")).to_be_in_viewport()
        await page.get_by_role("link", name="Play 0199 take.wav").click()
        await page.evaluate("scrollTo(0, 0)")
        await expect(page.locator(".file", has_text="0000 take.wav")).to_be_in_viewport()
        await page.get_by_role("button", name="Next").click()
        await expect(page.locator("#title")).to_have_text("0200 take.wav")
        await expect(page.locator(".current .name")).to_have_text("0200 take.wav")
        await page.get_by_role("link", name="Play 0099 take.wav").focus()
        for name in ("0100 take.wav", "0101 take.wav"):
            await press_keys(page, "ArrowDown")
            await expect(page.get_by_role("link", name=f"Play {name}")).to_be_focused()


@pytest.mark.slow
async def test_focus_is_not_taken_back(
    browser: Browser, client: httpx.AsyncClient, waves: Callable[[int], None]
) -> None:
    """A row that had to be fetched for an arrow key takes no focus that has gone elsewhere meanwhile."""
    waves(300)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await expect(page.locator("#reading")).to_be_empty()
        asked, there = anyio.Event(), anyio.Event()

        async def hold(route: Route) -> None:
            asked.set()
            await there.wait()
            await route.continue_()

        await page.route("**/*page=2*", hold)
        await page.get_by_role("link", name="Play 0099 take.wav").focus()
        await asked.wait()
        await press_keys(page, "ArrowDown", "/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        there.set()
        await expect(page.locator(".file", has_text="0100 take.wav")).to_have_count(1)
        await page.evaluate("new Promise(requestAnimationFrame)")
        await expect(page.get_by_role("searchbox")).to_be_focused()


@pytest.mark.slow
async def test_offline(browser: Browser, tmp_path: Path) -> None:
    """A server that is away is told; once it is back the page finds what has changed meanwhile."""
    with running(tmp_path) as gateway:
        async with open_page(browser, gateway.url) as page:
            gateway.kill()
            status = page.locator("#offline")
            await expect(status).to_have_text(re.compile("The server cannot be reached."))
            await expect(status).to_have_attribute("role", "status")
            (gateway.folder / "data" / "audio" / "meanwhile.wav").write_bytes(make_wave(3000))
            await anyio.to_thread.run_sync(gateway.start)
            await expect(page.locator(".file")).to_contain_text("meanwhile.wav")
            await expect(status).to_be_empty()


@pytest.mark.slow
async def test_events_refused(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """A stream that was refused is asked for again."""
    page = await browser.new_page()
    await page.route("**/events*", lambda route: route.fulfill(status=503))
    await page.goto(str(client.base_url))
    await expect(page.locator("#offline")).not_to_be_empty()
    await page.unroute("**/events*")
    (folder / "a.wav").write_bytes(make_wave(3000))
    await expect(page.locator(".file")).to_have_count(1)
    await expect(page.locator("#offline")).to_be_empty()


@pytest.mark.slow
async def test_hidden_page(browser: Browser, client: httpx.AsyncClient) -> None:
    """A hidden page gives its stream back, and finds what has changed when it is shown again."""
    url = str(client.base_url)
    async with open_page(browser, url) as page, open_page(browser, url) as other:
        await client.put("/api/v1/audio/a.wav", content=make_wave(3000))
        for shown in (page, other):
            await expect(shown.locator(".file")).to_have_count(1)
        hide = "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}); "
        hide += "document.dispatchEvent(new Event('visibilitychange')); }"
        async with page.expect_event("requestfailed", lambda request: "/events?" in request.url):
            await page.evaluate(hide, True)  # noqa: FBT003
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await client.put("/api/v1/audio/b.wav", content=make_wave(3000))
        await expect(other.locator(".file")).to_have_count(2)
        assert asked == []
        await page.evaluate(hide, False)  # noqa: FBT003
        await expect(page.locator(".file")).to_have_count(2)
