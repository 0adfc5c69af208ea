"""The page of a task in a browser, through what happens to gateways and laptops: each row once, none missing."""

from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser import open_page
from tests.crowd import Crowd, read_codes
from tests.relay import Relay, relaying
from tests.trials.calls import await_done, insist
from tests.trials.conftest import FULL, Trial
from tests.trials.fleet import Fleet, fleet

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(900)]

URLS = 1_000
LID_S = 600 if FULL else 12
"""How long the lid of the laptop is closed."""
READ_ROWS = """
async () => {
    const rows = [];
    for (const group of document.querySelectorAll(".group")) {
        group.scrollIntoView();
        while (!group.querySelector(".row")) await new Promise(requestAnimationFrame);
        for (const row of group.querySelectorAll(":scope > .row"))
            rows.push([Number(row.dataset.index), row.probe.code]);
    }
    return rows;
}
"""


async def kill_and_start(all_: Fleet, relay: Relay) -> None:
    """The gateway is killed, and starts again."""
    await anyio.to_thread.run_sync(all_.gateways[0].kill)
    await relay.cut()
    await all_.start(0)


async def kill_for_another(all_: Fleet, relay: Relay) -> None:
    """The gateway is killed for good; another has its address."""
    await anyio.to_thread.run_sync(all_.gateways[0].kill)
    relay.target_port = all_.gateways[1].port
    await relay.cut()


async def close_lid(all_: Fleet, relay: Relay) -> None:
    """The browser has no network for a while."""
    relay.target_port = 1
    await relay.cut()
    await anyio.sleep(LID_S)
    relay.target_port = all_.gateways[0].port


async def read_rows(page: Page) -> list[tuple[int, int]]:
    """The place and the code of every row, in the order shown."""
    return [(place, code) for place, code in await page.evaluate(READ_ROWS)]


@pytest.mark.parametrize("fault", [kill_and_start, kill_for_another, close_lid])
async def test_task_page(fault: object, browser: Browser, trial: Trial, tmp_path: Path) -> None:
    """The page goes on by itself, in the same document, and shows each URL once with its code."""
    attempts = trial.run(full=1 if fault is close_lid else 5, short=1)
    async with Crowd(latency_s=1.0) as crowd, fleet(tmp_path, 2, CONCURRENCY="100") as all_, relaying(0) as relay:
        await all_.start_all()
        for number in attempts:
            relay.target_port = all_.gateways[0].port
            urls = crowd.name_urls(URLS, number)
            task = await insist(all_.clients[0], urls, f"page-{number}")
            async with open_page(browser, f"{relay.url}/tasks/{task}") as page:
                await page.evaluate("window.sameDocument = true")
                await await_done(all_.clients[0], task, 50 + 50 * number)
                await fault(all_, relay)  # type: ignore[operator]
                await expect(page.locator("#status")).to_contain_text(f"of {URLS:,} are bad", timeout=120_000)
                await expect(page.locator(".group > .row .number").first).to_have_text("1")
                rows = await read_rows(page)
                same = await page.evaluate("window.sameDocument")
            trial.check(rows == list(enumerate(read_codes(urls))), f"{number}: {len(rows)} rows, or wrong ones")
            trial.check(same, f"{number}: the page was loaded anew")
            for gateway in range(2):
                if all_.gateways[gateway].process.poll() is not None:
                    await all_.start(gateway)
