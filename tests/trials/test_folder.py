"""Gateways that start at once on one empty folder, and lose whoever runs their Redis, again and again."""

import random
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.crowd import Crowd, read_codes
from tests.processes import Gateway
from tests.trials.calls import await_end, insist
from tests.trials.conftest import Trial

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]


async def start(gateway: Gateway) -> None:
    """Start it without holding up the others."""
    await anyio.to_thread.run_sync(gateway.start)


async def test_start_on_an_empty_folder(trial: Trial, tmp_path: Path) -> None:
    """All are ready, share one Redis, and end the tasks that were posted to one that is killed at once."""
    rng = random.Random(3)
    async with Crowd() as crowd:
        for number in trial.run(full=10, short=1):
            folder = tmp_path / str(number)
            folder.mkdir()
            gateways = [Gateway(folder) for _ in range(3)]
            async with anyio.create_task_group() as group:
                for gateway in gateways:
                    group.start_soon(start, gateway)
            made: dict[str, list[str]] = {}
            for i, gateway in enumerate(gateways):
                async with httpx.AsyncClient(base_url=gateway.url, timeout=35) as client:
                    urls = crowd.name_urls(50, f"{number}-{i}")
                    made[await insist(client, urls, str(i))] = urls
            survivors = sorted(gateways, key=lambda _: rng.random())
            survivors.pop().kill()
            for gateway in survivors:
                async with httpx.AsyncClient(base_url=gateway.url, timeout=35) as client:
                    for task, urls in made.items():
                        end = await await_end(client, task)
                        trial.check(end["result"] == read_codes(urls), f"{number}: {end['status']}, a wrong result")
            for gateway in survivors:
                trial.check(await anyio.to_thread.run_sync(gateway.stop) == 0, f"{number}: the end was not in order")
