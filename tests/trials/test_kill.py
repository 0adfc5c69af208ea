"""kill -9 of the whole gateway, at any moment: nothing that was acknowledged is lost, stuck, wrong or counted twice."""

import random
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.crowd import Crowd, read_codes
from tests.processes import Gateway
from tests.trials.calls import await_done, await_end, count_domains, insist, list_ids, post_task
from tests.trials.conftest import Trial

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(120)]

TAKEOVER_S = 15.0
"""The promise: so long after a kill the next gateway goes on."""


@pytest.mark.timeout(900)
async def test_kill_inside_a_task(trial: Trial, tmp_path: Path) -> None:
    """A task of 10,000 URLs whose gateway is killed at a random moment ends right, and asks again only what was
    not saved."""
    gateway, rng = Gateway(tmp_path), random.Random(0)
    sent: Counter[str | None] = Counter()
    asked_again, slowest_s = 0, 0.0
    async with Crowd(latency_s=0.05) as crowd, httpx.AsyncClient(base_url=gateway.url, timeout=35) as client:
        for number in trial.run(full=12, short=1):
            urls = crowd.name_urls(10_000, number)
            await anyio.to_thread.run_sync(gateway.start)
            task = await insist(client, urls, f"inside-{number}")
            sent.update(urlsplit(url).hostname for url in urls)
            await await_done(client, task, rng.randrange(9_000))
            probes = (await client.get(f"/api/v1/tasks/{task}/probes")).json()["probes"]
            known = [probe["url"] for probe in probes if probe["code"] is not None]
            gateway.kill()
            await anyio.sleep(0.2)  # what it had sent arrives
            asked = crowd.count(urls)
            await anyio.to_thread.run_sync(gateway.start)
            ready = time.monotonic()
            await await_done(client, task, await await_done(client, task, 0) + 1)
            slowest_s = max(slowest_s, time.monotonic() - ready)
            end = await await_end(client, task)
            again = crowd.count(urls) - len(urls)
            asked_again = max(asked_again, again)
            trial.check(end["result"] == read_codes(urls), f"{number}: {end['status']}, a wrong result")
            trial.check(crowd.count(known) == len(known), f"{number}: what was saved was asked again")
            later = crowd.count(urls) - asked
            trial.check(later <= 10_000 - len(known), f"{number}: {later} asked later, {len(known)} were saved")
            trial.check(await count_domains(client) == sent, f"{number}: the domains are not what was sent")
            trial.check(await anyio.to_thread.run_sync(gateway.stop) == 0, f"{number}: the end was not in order")
    trial.check(slowest_s < TAKEOVER_S, f"taken up {slowest_s:.1f} s after the start")
    trial.figures |= {"most URLs asked twice": asked_again, "longest until it goes on": f"{slowest_s:.1f} s"}


@pytest.mark.timeout(900)
async def test_kill_round_a_post(trial: Trial, tmp_path: Path) -> None:
    """A POST whose gateway is killed within 50 ms of it is either acknowledged and kept, or can be repeated under
    its Idempotency-Key without a second task."""
    gateway, rng = Gateway(tmp_path), random.Random(1)
    sent: Counter[str | None] = Counter()
    made: dict[str, list[str]] = {}
    acknowledged = 0
    async with Crowd(latency_s=0.05) as crowd, httpx.AsyncClient(base_url=gateway.url, timeout=35) as client:
        for number in trial.run(full=40, short=2):
            urls = crowd.name_urls(500, number)
            await anyio.to_thread.run_sync(gateway.start)
            answers: list[str | None] = []
            before_s, after_s = max(0.0, offset := rng.uniform(-0.05, 0.05)), max(0.0, -offset)

            async def post(urls: list[str], key: str, pause_s: float, answers: list[str | None]) -> None:
                await anyio.sleep(pause_s)
                answers.append(await post_task(client, urls, key))

            async with anyio.create_task_group() as group:
                group.start_soon(post, urls, f"round-{number}", after_s, answers)
                await anyio.sleep(before_s)
                gateway.kill()
            acknowledged += answers[0] is not None
            await anyio.to_thread.run_sync(gateway.start)
            task = await insist(client, urls, f"round-{number}")
            trial.check(answers[0] in (None, task), f"{number}: a second task under one key")
            sent.update(urlsplit(url).hostname for url in urls)
            made[task] = urls
            gateway.kill()
        await anyio.to_thread.run_sync(gateway.start)
        for task, urls in made.items():
            end = await await_end(client, task)
            trial.check(end["result"] == read_codes(urls), f"{task}: {end['status']}, a wrong result")
        trial.check(sorted(await list_ids(client)) == sorted(made), "the list is not what was made")
        trial.check(await count_domains(client) == sent, "the domains are not what was sent")
        gateway.stop()
    trial.figures |= {"acknowledged before the kill": acknowledged}
