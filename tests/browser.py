"""A real Chromium, and real audio for it to play."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.programs import need

_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Chromium as the machine has it."""
    path = need("chromium", "chromium-browser", "google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        await browser.close()


def make_audio(path: Path, seconds: float = 2.0) -> Path:
    """A tone, in the format that the ending of `path` says."""
    source = f"sine=frequency=440:duration={seconds}"
    subprocess.run(
        [need("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", source, "-y", str(path)], check=True, timeout=20
    )
    return path
