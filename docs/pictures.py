"""Makes the pictures of the documentation: real files in a real gateway, seen by a real Chromium. `make pictures`.

A picture is a function of `PICTURES` that brings the page into the state to be shown; names on the command line choose
some of them.
"""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx
from playwright.async_api import FilePayload, Page, ViewportSize, expect

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.audio.formats.corpus import make_wave  # noqa: E402 - found by the line above
from tests.browser import open_browser  # noqa: E402
from tests.processes import Gateway, running  # noqa: E402
from tests.target import Target  # noqa: E402

SIZE = ViewportSize(width=1280, height=768)
_SUITE = "artist=J. S. Bach", "album=Cello Suite No. 1"
_FILES: dict[str, tuple[int, tuple[str, ...]]] = {
    "01 Prelude.mp3": (155, (*_SUITE, "title=Prelude")),
    "02 Allemande.mp3": (246, (*_SUITE, "title=Allemande")),
    "03 Courante.mp3": (161, (*_SUITE, "title=Courante")),
    "04 Sarabande.mp3": (201, (*_SUITE, "title=Sarabande")),
    "voice memo 12.m4a": (41, ()),
    "Вечерний звон.ogg": (161, ("artist=Хор",)),
    "שיר ערב.mp3": (187, ()),
    "Field recording, river.flac": (252, ()),
}
"""Seconds and tags of the files in the list, the oldest first."""


def make_files(folder: Path) -> None:
    """The files of the list, with a cover where there are tags."""
    folder.mkdir(parents=True, exist_ok=True)
    cover = folder.parent / "cover.png"
    ffmpeg = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i"]
    subprocess.run(
        [*ffmpeg, "gradients=s=200x200:c0=0x1f4e79:c1=0xd9572b:d=1", "-frames:v", "1", str(cover)], check=True
    )
    for name, (seconds, tags) in _FILES.items():
        sound = f"aevalsrc='sin(220*2*PI*t)*(0.3+0.7*abs(sin(t*0.23)*sin(t*1.7)))':d={seconds}:s=22050"
        words = [word for tag in tags for word in ("-metadata", tag)]
        maps = ["-i", str(cover), "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"]
        with_cover = maps if len(tags) > 1 else []
        subprocess.run([*ffmpeg, sound, *with_cover, *words, str(folder / name)], check=True)


async def show_audio(page: Page, gateway: Gateway) -> None:
    """The audio page: a refused file, an upload under way, the list, the player in the middle of a file."""
    make_files(gateway.folder / "data" / "audio")
    await page.goto(gateway.url)
    await page.get_by_role("link", name="Play 02 Allemande.mp3").click()
    await expect(page.locator("#wave.drawn")).to_be_visible()
    await page.locator("#audio").evaluate("(audio) => { audio.currentTime = 88; audio.pause(); audio.play(); }")
    picture = FilePayload(name="holiday.jpg", mimeType="image/jpeg", buffer=b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(99))
    await page.set_input_files("#file", [picture])
    await expect(page.get_by_text("Non-audio file detected")).to_be_visible()
    session = await page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_400_000}
    await session.send("Network.emulateNetworkConditions", slow)
    upload = FilePayload(name="take-5.wav", mimeType="audio/wav", buffer=make_wave(15_000_000))
    await page.set_input_files("#file", [upload])
    await expect(page.locator(".upload .state", has_text=" left")).to_be_visible()
    await page.mouse.move(0, 0)


async def show_tasks(page: Page, gateway: Gateway) -> None:
    """The page of a task that has ended: its codes, its times, its worst domains, one row with its details."""
    async with Target() as target:
        hosts = [f"http://{name}.localhost:{target.port}" for name in ("www", "shop", "blog", "docs", "archive")]
        paths = [f"delay/{0.02 * 2**number}/page-{number}" for number in range(6)] * 3
        urls = [f"{host}/{path}/{number}" for host in hosts for number, path in enumerate(paths)]
        urls += [f"{hosts[4]}/code/{404 if number % 4 else 410}?id={number}" for number in range(22)]
        urls += [f"{hosts[0]}/to/{hosts[1]}/code/200", f"{hosts[2]}/code/403", f"{hosts[2]}/code/503"]
        urls += [f"{hosts[3]}/hop/2", f"{hosts[3]}/reset", "intranet.invalid/wiki", "127.0.0.1:1/metrics"]
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            posted = await client.post("/api/v1/tasks/", json={"urls": urls, "follow_redirects": True})
        await page.goto(f"{gateway.url}/tasks/{posted.json()['id']}")
        await expect(page.locator("#status")).to_contain_text("are bad")
        await page.get_by_role("link", name="Bad").click()
        row = page.locator(".group > .row", has_text="503")
        await row.locator("summary").click()
        await row.scroll_into_view_if_needed()
        await page.evaluate("scrollTo(0, 0)")
        await page.mouse.move(0, 0)


PICTURES: dict[str, Callable[[Page, Gateway], Awaitable[None]]] = {"page.png": show_audio, "tasks.png": show_tasks}


async def main(names: list[str]) -> None:
    """Make these pictures, or all."""
    async with open_browser() as browser:
        for name in names or PICTURES:
            page = await browser.new_page(viewport=SIZE, color_scheme="light", locale="en", reduced_motion="reduce")
            with TemporaryDirectory() as folder, running(Path(folder)) as gateway:
                await PICTURES[name](page, gateway)
                await page.screenshot(path=ROOT / "docs" / name)
                await page.close()
            print(f"docs/{name}")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
