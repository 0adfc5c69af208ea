"""The player at the foot: play, next, seek, keys, waveform, cover, media session, what cannot be played."""

import re
import shutil
from pathlib import Path

import anyio
import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.audio.formats.corpus import Corpus
from tests.browser import make_audio, open_page

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
CURRENT = ".file.current .name"


async def wait_for(page: Page, condition: str) -> None:
    """Wait until something holds of the `audio` of the page."""
    with anyio.fail_after(60):
        while not await page.locator("#audio").evaluate(f"(audio) => {condition}"):
            await anyio.sleep(0.05)


async def test_play_and_next(browser: Browser, client: httpx.AsyncClient, three: list[str]) -> None:
    """One player: a row starts, stops and goes on; another takes its place; the end of one starts the next."""
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await expect(page.locator("#player")).to_be_hidden()
        await page.get_by_role("link", name="Play a.mp3").click()
        await wait_for(page, "!audio.paused && audio.currentTime > 0.1")
        await expect(page.locator("#player")).to_have_class(re.compile("playing"))
        await expect(page.locator("#title")).to_have_text("a.mp3")
        await page.get_by_role("link", name="Play a.mp3").click()
        await wait_for(page, "audio.paused && audio.currentTime > 0.1")
        await page.get_by_role("button", name="Play").click()
        await wait_for(page, "!audio.paused && audio.currentTime > 0.1")
        await page.get_by_role("link", name="Play b.ogg").click()
        await wait_for(page, "audio.src.endsWith('b.ogg') && audio.currentTime > 0.1")
        await page.locator("#audio").evaluate("(audio) => { audio.currentTime = audio.duration - 0.3; }")
        await expect(page.locator(CURRENT)).to_have_text("c.wav")
        await wait_for(page, "!audio.paused && audio.src.endsWith('c.wav')")
        await page.locator("#audio").evaluate("(audio) => { audio.pause(); audio.currentTime = 0; }")
        await page.get_by_role("button", name="Previous").click()  # later than 3 s it begins the file anew
        await expect(page.locator(CURRENT)).to_have_text("b.ogg")
        await page.get_by_role("button", name="Next").click()
        await expect(page.locator(CURRENT)).to_have_text("c.wav")
        assert await page.locator("audio").count() == 1


@pytest.mark.slow
async def test_keys(browser: Browser, client: httpx.AsyncClient, three: list[str]) -> None:
    """Everything can be done by keys: play, stop, seek, move, search, next, help; fields keep theirs."""
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        keys, audio = page.keyboard, page.locator("#audio")
        await keys.press("Space")
        await wait_for(page, "audio.currentTime > 0.1")
        await expect(page.locator(CURRENT)).to_have_text("a.mp3")
        await keys.press("Space")
        await expect(audio).to_have_js_property("paused", value=True)
        for key, seconds in (("ArrowRight", 5), ("ArrowRight", 5), ("ArrowLeft", -5)):
            before = await audio.evaluate("(audio) => audio.currentTime")
            await keys.press(key)
            assert await audio.evaluate("(audio) => audio.currentTime") == pytest.approx(before + seconds, abs=0.1)
        await keys.press("ArrowDown")
        await keys.press("ArrowDown")
        await keys.press("ArrowDown")
        await keys.press("ArrowUp")
        await expect(page.get_by_role("link", name="Play b.ogg")).to_be_focused()
        await keys.press("Enter")
        await expect(page.locator(CURRENT)).to_have_text("b.ogg")
        await keys.press("Shift+ArrowRight")
        await expect(page.locator(CURRENT)).to_have_text("c.wav")
        await keys.press("Space")  # the focus is on a link, whose key this is not
        await expect(audio).to_have_js_property("paused", value=True)
        await keys.press("/")
        await keys.type("b ? /")
        await expect(page.locator("#search")).to_have_value("b ? /")
        await expect(audio).to_have_js_property("paused", value=True)
        await keys.press("Escape")  # the browser clears it
        await expect(page.locator(".file")).to_have_count(3)
        await keys.press("Escape")
        await keys.press("?")
        await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        await keys.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.slow
async def test_seek_bar(browser: Browser, client: httpx.AsyncClient, folder: Path, tagged: Path) -> None:
    """The waveform is the seek bar: drawn from the sound, pressed with a mouse, moved by keys, told in words."""
    shutil.copy(tagged, folder / "x.mp3")
    async with open_page(browser, str(client.base_url)) as page:
        await page.keyboard.press("Space")
        await wait_for(page, "audio.currentTime > 0")
        await page.locator("#audio").evaluate("(audio) => audio.pause()")
        await expect(page.locator("#wave.drawn")).to_be_visible()
        lengths = [float(n) for n in re.findall(r"v([\d.]+)", await page.locator(".rest").get_attribute("d") or "")]
        assert len(lengths) == 200
        assert max(lengths) == 32
        assert sum(length < 8 for length in lengths) > 20  # the sound goes up and down
        box = await page.locator("#wave").bounding_box()
        assert box
        await page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
        await wait_for(page, "audio.currentTime > 14 && audio.currentTime < 17")
        seek = page.get_by_role("slider", name="Seek")
        await seek.focus()
        await page.keyboard.press("ArrowRight")
        await wait_for(page, "audio.currentTime > 19 && audio.currentTime < 23")
        await expect(seek).to_have_attribute("aria-valuetext", re.compile(r"0:2\d of 0:30"))
        await expect(page.locator("#time")).to_have_text(re.compile(r"0:2\d / 0:30"))
        for paused in ("!audio.paused", "audio.paused"):  # the bar, which has the focus now, has no use for the key
            await page.keyboard.press("Space")
            await wait_for(page, paused)


@pytest.mark.slow
async def test_what_it_is(browser: Browser, client: httpx.AsyncClient, folder: Path, tagged: Path) -> None:
    """Tags, form and cover are shown as text and picture, and told to the system; without a cover a sign stands."""
    shutil.copy(tagged, folder / "x.mp3")
    make_audio(folder / "y.wav")
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await page.keyboard.press("Space")
        await wait_for(page, "navigator.mediaSession.playbackState === 'playing'")
        await page.locator("#audio").evaluate("(audio) => audio.pause()")  # at its end the next one would be shown
        details = page.locator("#details")
        await expect(details).to_have_text(
            re.compile(r"Anna <b> · Six Suites · Prelude · \d+ kbit/s · 44.1 kHz · mono")
        )
        await expect(page.locator("#cover img")).to_have_js_property("naturalWidth", 64)
        told = "[title, artist, album, artwork[0].src]"
        metadata = await page.evaluate(
            f"(({{title, artist, album, artwork}}) => {told})(navigator.mediaSession.metadata)"
        )
        assert metadata == ["Prelude", "Anna <b>", "Six Suites", f"{client.base_url}/api/v1/audio/x.mp3/cover"]
        await page.get_by_role("button", name="Next").click()
        await expect(details).to_have_text("706 kbit/s · 44.1 kHz · mono")
        await expect(page.locator("#cover img")).to_have_count(0)


@pytest.mark.slow
async def test_cannot_be_played(browser: Browser, client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """What the browser cannot play says so and offers the download; what is gone says so too."""
    (folder / "a.ac3").write_bytes(corpus["dolby.ac3"])
    make_audio(folder / "b.wav", 3)
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await page.get_by_role("link", name="Play a.ac3").click()
        alert = page.get_by_role("alert").filter(has_text="a.ac3 cannot be played by this browser.")
        async with page.expect_download() as download:
            await alert.get_by_role("button", name="Download").click()
        assert (await download.value).suggested_filename == "a.ac3"
        await expect(alert).to_be_hidden()
        await page.route("**/events*", lambda route: route.abort())  # no news: the row stays
        await page.reload()
        (folder / "b.wav").unlink()
        await page.get_by_role("link", name="Play b.wav").click()
        await expect(page.get_by_role("alert").filter(has_text="b.wav is no longer there.")).to_be_visible()


@pytest.mark.slow
async def test_loudness_is_kept(browser: Browser, client: httpx.AsyncClient, three: list[str]) -> None:
    """Volume and mute do what they say, and the volume is the same at the next visit."""
    async with open_page(browser, str(client.base_url)) as page:
        await page.keyboard.press("Space")
        await page.get_by_role("slider", name="Volume").fill("0.4")
        await page.get_by_role("button", name="Mute").click()
        await expect(page.locator("#audio")).to_have_js_property("muted", value=True)
        await expect(page.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
        await page.reload()
        await expect(page.locator("#audio")).to_have_js_property("volume", 0.4)


@pytest.mark.slow
async def test_goes_on_where_it_was(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """The next visit has the file, the second and the speed of the last; another file of the name begins anew."""
    make_audio(folder / "book.mp3", 700, "-b:a", "8k", "-ar", "8000")
    async with open_page(browser, str(client.base_url)) as page:
        await page.keyboard.press("Space")
        await wait_for(page, "audio.currentTime > 0")
        await page.get_by_role("button", name="Options").click()
        await page.get_by_label("Speed").select_option("1.5")
        await page.locator("#audio").evaluate("(audio) => { audio.currentTime = 300; audio.pause(); }")
        await wait_for(page, "audio.paused && audio.currentTime >= 300")
        await page.reload()
        await wait_for(page, "audio.paused && audio.currentTime >= 300 && audio.currentTime < 302")
        await expect(page.locator("#audio")).to_have_js_property("playbackRate", 1.5)
        await expect(page.locator(CURRENT)).to_have_text("book.mp3")
        await expect(page).to_have_title("book.mp3 · Gateway")
        await page.keyboard.press("Space")
        await expect(page).to_have_title("▶ book.mp3 · Gateway")
        await page.locator("#audio").evaluate("(audio) => audio.pause()")
        (folder / "book.mp3").unlink()
        make_audio(folder / "book.mp3", 601, "-b:a", "8k", "-ar", "8000")
        await page.reload()
        await page.get_by_role("link", name="Play book.mp3").click()
        await wait_for(page, "!audio.paused && audio.currentTime > 0 && audio.currentTime < 100")


@pytest.mark.slow
async def test_link_to_a_moment(browser: Browser, client: httpx.AsyncClient, folder: Path, three: list[str]) -> None:
    """A link names a file and a second of it, whatever stands in the name; a file that is gone is told."""
    name = "50% & a=b, c@d + ü.mp3"
    (folder / "a.mp3").rename(folder / name)
    link = f"{client.base_url}/?{httpx.QueryParams({'play': name, 't': '12'})}"
    async with open_page(browser, link) as page:
        await wait_for(page, "!audio.paused && audio.played.length && audio.played.end(0) > 12")
        began_s = await page.locator("#audio").evaluate("(audio) => audio.played.start(0)")
        assert began_s == pytest.approx(12, abs=0.1)
        await expect(page.locator(CURRENT)).to_have_text(name)
        await page.locator("#audio").evaluate("(audio) => { audio.currentTime = 17; audio.pause(); }")
        await page.get_by_role("button", name="Options").click()
        address = httpx.URL(await page.get_by_role("link", name="Link to this moment").get_attribute("href") or "")
        assert dict(address.params) == {"play": name, "t": "17"}
        await page.goto(f"{client.base_url}/?play=gone.mp3&t=5")
        await expect(page.get_by_role("alert").filter(has_text="gone.mp3 is no longer there.")).to_be_visible()


@pytest.mark.slow
async def test_order_of_play(browser: Browser, client: httpx.AsyncClient, three: list[str]) -> None:
    """The list repeats, a file repeats, shuffled each file comes once, and sleep ends with the file."""
    at_end = "(audio) => { audio.currentTime = audio.duration - 0.2; }"
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        more, audio = page.get_by_role("button", name="Options"), page.locator("#audio")
        await page.get_by_role("link", name="Play c.wav").click()
        await wait_for(page, "audio.currentTime > 0")
        await more.click()
        await page.get_by_label("Repeat").select_option("all")
        await audio.evaluate(at_end)
        await expect(page.locator(CURRENT)).to_have_text("a.mp3")
        await page.get_by_label("Repeat").select_option("one")
        await wait_for(page, "audio.currentTime > 0")
        await audio.evaluate(at_end)
        await wait_for(page, "!audio.paused && audio.src.endsWith('a.mp3') && audio.currentTime < 100")
        await page.get_by_label("Repeat").select_option("all")
        await page.get_by_label("Shuffle").check()
        heard: list[str] = []
        for _ in range(6):
            await page.get_by_role("button", name="Next").click()
            if heard:
                await expect(page.locator(CURRENT)).not_to_have_text(heard[-1])
            heard.append(await page.locator(CURRENT).inner_text())
        assert set(heard[:3]) == set(heard[3:]) == set(three)
        await more.click()  # the press on another button has closed it
        await page.get_by_label("Sleep").select_option("end")
        await wait_for(page, "audio.currentTime > 0")
        await audio.evaluate(at_end)
        await wait_for(page, "audio.ended")
        await expect(page.locator(CURRENT)).to_have_text(heard[-1])
        await expect(page.get_by_label("Sleep")).to_have_value("")


@pytest.mark.slow
async def test_download_only(browser: Browser, client: httpx.AsyncClient, folder: Path, corpus: Corpus) -> None:
    """What this browser cannot play says so in the list."""
    (folder / "allemande.ac3").write_bytes(corpus["dolby.ac3"])
    make_audio(folder / "b.wav")
    async with open_page(browser, str(client.base_url)) as page:
        await expect(page.locator(".name[data-badge]")).to_have_count(1)
        await expect(page.locator(".name[data-badge]")).to_have_attribute("data-badge", "download only")
        await expect(page.locator(".name[data-badge]")).to_have_text("allemande.ac3")
    async with open_page(browser, str(client.base_url), viewport={"width": 360, "height": 740}, locale="ru-RU") as page:
        badge = page.locator(".name[data-badge]")
        await expect(badge).to_have_attribute("data-badge", "только скачать")
        line_height = await badge.evaluate("(name) => name.firstElementChild.getBoundingClientRect().height")
        assert (await badge.evaluate("(name) => name.scrollHeight")) > 1.5 * line_height  # on a line of its own, whole
        await page.get_by_role("link", name="allemande.ac3").first.click()
        notice = page.get_by_role("alert").filter(has_text="не воспроизводится")
        words, button = (
            await notice.locator(".what").bounding_box(),
            await notice.locator("button").first.bounding_box(),
        )
        assert words and button
        assert words["y"] + words["height"] <= button["y"]  # below the words: beside it long ones would be broken


@pytest.mark.slow
async def test_waveform_of_long_files(browser: Browser, client: httpx.AsyncClient, folder: Path) -> None:
    """A long mp3 is heard in pieces; of another long file the seek bar says why it has no waveform."""
    loud = "volume='if(lt(t,700),0.05,1)':eval=frame"
    make_audio(folder / "a.mp3", 1400, "-af", loud, "-b:a", "64k")
    make_audio(folder / "b.wav", 1400, "-ar", "8000")
    async with open_page(browser, f"{client.base_url}/?sort=name") as page:
        await page.keyboard.press("Space")
        await expect(page.locator("#wave.drawn")).to_be_visible()
        lengths = [float(n) for n in re.findall(r"v([\d.]+)", await page.locator(".rest").get_attribute("d") or "")]
        assert len(lengths) == 100
        assert max(lengths[:48]) < 6 < 28 < min(lengths[52:])
        await page.get_by_role("button", name="Next").click()
        await expect(page.locator("#wave:not(.drawn)")).to_have_attribute("title", re.compile("^No waveform: "))
