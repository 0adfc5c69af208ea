"""One cache for several gateways: no code is older than TIMEOUT, all are gone a second later, and nothing else is."""

import time
from itertools import cycle, pairwise
from pathlib import Path

import anyio
import httpx
import pytest

from tests.target import Target
from tests.trials.calls import TASKS
from tests.trials.conftest import Trial
from tests.trials.fleet import fleet

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

TIMEOUT_S = 2
TENTH_S = 0.1
STRANGERS = ("gateway", "gateway:codes", "gateway:{codes}x", "gateway:{other}", "gateway2:{codes}:http://a/", "codes")


async def test_cache_is_shared(trial: Trial, tmp_path: Path) -> None:
    """URLs whose code tells the time, asked through one gateway after another: asked once for all of them while the
    code is good, never given once it is not; then the cache empties itself and leaves the keys of others alone."""
    oldest_s, longest_s, calls = 0.0, 0.0, 0
    async with Target() as target, fleet(tmp_path, 2, TIMEOUT=str(TIMEOUT_S)) as all_:
        await all_.start_all()
        for key in STRANGERS:
            await all_.redis.set(key, "of somebody else")
        for number in trial.run(full=6, short=1):
            urls = [f"{target.url}/clock/{number}/{i}" for i in range(20)]
            until = time.monotonic() + 2.5 * TIMEOUT_S
            for client in cycle(all_.clients):
                if time.monotonic() > until:
                    break
                posted_at = time.monotonic()
                calls += 1
                for code in await crawl(client, urls):
                    age_s = posted_at - target.started_at - (code - 199) * TENTH_S
                    oldest_s = max(oldest_s, age_s)
            ended = time.monotonic()
            keys = {key async for key in all_.redis.scan_iter("gateway:{codes}*")} - {b"gateway:{codes}x"}
            trial.check(len(keys) == 1 + len(urls), f"{number}: {len(keys)} keys are cached")
            with anyio.move_on_after(TIMEOUT_S + 5):
                while await all_.redis.exists("gateway:{codes}"):
                    await anyio.sleep(0.02)
            longest_s = max(longest_s, time.monotonic() - ended)
            left = {key async for key in all_.redis.scan_iter("gateway:{codes}*")} - {b"gateway:{codes}x"}
            trial.check(not left, f"{number}: {len(left)} keys are left")
        for key in STRANGERS:
            trial.check(await all_.redis.get(key) == b"of somebody else", f"{key} was touched")
    early = 0
    for path, asked_at in target.asked_at.items():
        if path.startswith("/clock"):
            early += sum(after - before < TIMEOUT_S for before, after in pairwise(asked_at))
    trial.check(not early, f"{early} requests while the code was known")
    trial.check(oldest_s <= TIMEOUT_S, f"a code {oldest_s:.2f} s old was given")
    trial.check(longest_s <= TIMEOUT_S + 2, f"the cache was not empty after {longest_s:.2f} s")
    trial.figures |= {"tasks": calls, "oldest code": f"{oldest_s:.2f} s", "empty after": f"{longest_s:.2f} s"}


async def crawl(client: httpx.AsyncClient, urls: list[str]) -> list[int]:
    """The codes of a task of these URLs."""
    task = (await client.post(TASKS, json={"urls": urls, "retries": 0})).json()["id"]
    while True:
        answer = (await client.get(f"{TASKS}{task}", headers={"Prefer": "wait=8"})).json()
        if answer["status"] == "ready":
            return list(answer["result"])
