"""A real Chromium on the page, and real audio for it to play."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright, expect

from tests.programs import need

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
]  # fmt: skip

PATIENCE_MS = 60_000
"""How long a test waits for what it does or expects: on a busy machine a moment is seconds."""
expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def open_browser(*flags: str) -> AsyncIterator[Browser]:
    """Chromium as the machine has it; its build without windows takes half the CPU time."""
    path = need("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield browser
        await browser.close()


@asynccontextmanager
async def open_page(browser: Browser, url: str, **options: Any) -> AsyncIterator[Page]:
    """The page at `url` in a fresh profile of `browser`; `options` as for a profile.

    An error in a script, or a resource that the policy refuses, fails the test. Statuses and a server that is away
    are logged by Chromium itself, and are what some tests are about.
    """
    complaints: list[str] = []
    context = await browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    yield page
    await context.close()
    assert not [text for text in complaints if not text.startswith("Failed to load resource")]


async def stop_clock(page: Page) -> None:
    """Let no time pass in the page but by `fast_forward`: notices and offers end when the test says, not sooner.

    Frames stop too, and with them what the scripts draw in `requestAnimationFrame`. `page.clock.resume()` starts it.
    """
    await page.clock.install()
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000") + 3600)


async def slow_down(page: Page, bytes_per_second: int) -> CDPSession:
    """Let uploads take their time: more than the test needs to look at them, on a slow machine too."""
    session = await page.context.new_cdp_session(page)
    await set_pace(session, bytes_per_second)
    return session


async def set_pace(session: CDPSession, bytes_per_second: int = -1) -> None:
    """Let uploads go at this pace, without a number as fast as they can. Those under way end by any change."""
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    await session.send("Network.emulateNetworkConditions", conditions)


async def drop(page: Page, *paths: Path) -> None:
    """Files and folders dragged from elsewhere onto the middle of the window."""
    session = await page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def make_audio(path: Path, seconds: float = 2.0, *arguments: str) -> Path:
    """A tone, in the format that the ending of `path` says."""
    source = f"sine=frequency=440:duration={seconds}"
    command = [need("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", source, *arguments, "-y", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path
