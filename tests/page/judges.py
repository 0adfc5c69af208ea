"""What judges the pages: axe, which finds barriers to people with disabilities, and the Nu Html Checker."""

from collections.abc import Iterable
from pathlib import Path

import anyio
from playwright.async_api import Page

from tests.programs import need


async def find_faults(page: Page, checkers: Path) -> list[str]:
    """What axe finds on the page as it is, by all rules but experimental ones; in the dark theme, by two of colour."""
    await page.evaluate((checkers / "axe-core" / "axe.min.js").read_text())
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    light = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(light["passes"]) > 15
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")  # all colours change at once
    colours = "['color-contrast', 'link-in-text-block']"
    dark = await page.evaluate(f"axe.run(document, {{resultTypes: ['violations'], runOnly: {colours}}})")
    assert dark["passes"] or dark["incomplete"]  # axe does not judge what a dialog covers
    return [
        f"{rule['id']}: {node['html']} {node['failureSummary']}"
        for rule in (*light["violations"], *dark["violations"])
        for node in rule["nodes"]
    ]


async def check_html(checkers: Path, files: Iterable[Path]) -> str:
    """What the Nu Html Checker says of pages and style sheets; nothing if it finds no fault."""
    jar = checkers / "vnu-jar" / "build" / "dist" / "vnu.jar"
    java = [need("java"), "-Xss4m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # quick to start
    command = [*java, "-jar", str(jar), "--also-check-css", "--stdout", *map(str, files)]
    done = await anyio.run_process(command, check=False)
    return done.stdout.decode() or f"exit code {done.returncode}" * bool(done.returncode)
