"""A real Chromium, and real audio for it to play."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


def need(*programs: str) -> str:
    """The path of the first of `programs` that is here. Without one the test is skipped, but not under CI=true."""
    found = next(filter(None, map(shutil.which, programs)), None)
    if found is None:
        message = f"{programs[0]} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


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
