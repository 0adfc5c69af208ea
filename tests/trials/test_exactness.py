"""Many tasks for the same URLs while their codes expire: one request each, no code too old, every URL counted."""

import time
from collections import Counter
from itertools import pairwise

import anyio
import httpx
import pytest

from tests.conftest import OpenGateway
from tests.target import Target
from tests.trials.conftest import Trial

pytestmark = pytest.mark.anyio

TIMEOUT_S = 1.0
TASKS = 20
URLS = 40
TENTH_S = 0.1


async def crawl(client: httpx.AsyncClient, urls: list[str]) -> tuple[float, list[int]]:
    """When a task was posted, and its codes."""
    posted_at = time.monotonic()
    posted = await client.post("/api/v1/tasks/", json={"urls": urls, "retries": 0})
    while True:
        task = (await client.get(posted.headers["Location"], headers={"Prefer": "wait=8"})).json()
        if task["status"] == "ready":
            return posted_at, task["result"]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_exactness(open_gateway: OpenGateway, trial: Trial) -> None:
    """20 clients post the same URLs, with duplicates, over and over, across many moments of expiry."""
    sent: Counter[str] = Counter()

    async def post_for_ever(client: httpx.AsyncClient, number: int, until: float) -> None:
        path = "clock" if number % 4 else "reset"  # what fails is never cached, and joins no answer to another
        urls = [f"{target.url}/{path}/{i}" for i in range(number % 7, URLS)] * 2
        while time.monotonic() < until:
            posted_at, codes = await crawl(client, urls)
            sent[path] += len(urls)
            trial.check(codes[: len(codes) // 2] == codes[len(codes) // 2 :], "two places of one URL differ")
            if path == "reset":
                trial.check(not any(codes), f"a code for a URL that gives none: {codes}")
                continue
            oldest = min(target.started_at + (code - 200) * TENTH_S for code in codes)
            age_s = posted_at - oldest - TENTH_S
            trial.check(age_s <= TIMEOUT_S, f"a code {age_s:.2f} s old was given")

    async with Target() as target, open_gateway(cache_timeout_s=TIMEOUT_S) as client:
        for _ in trial.run(full=8, short=1):
            until = time.monotonic() + 5
            async with anyio.create_task_group() as group:
                for number in range(TASKS):
                    group.start_soon(post_for_ever, client, number, until)
        domains = (await client.get("/api/v1/domains/")).json()["domains"]
    early = 0
    for path, asked_at in target.asked_at.items():
        if path.startswith("/clock"):
            early += sum(after - before < TIMEOUT_S for before, after in pairwise(asked_at))
    trial.check(not early, f"{early} requests while the code was known")
    trial.check(domains == [{"domain": "127.0.0.1", "requests": sent.total()}], f"{domains}, sent {sent.total()}")
    trial.figures |= {"URLs sent": sent.total(), "requests for codes": sum(map(len, target.asked_at.values()))}
