"""A short task beside long ones: it has its turn at once, however slow the sites of the others are."""

import time
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.crowd import Crowd
from tests.processes import Gateway
from tests.trials.calls import await_end, post_task
from tests.trials.conftest import ROOM, Trial

pytestmark = pytest.mark.anyio

LONG_TASKS = 10
URLS = 10_000
SLOW_S = 60.0
PROMISE_S = 1.0
NOISE_S = 4.0
"""How late it may be where other work takes the cores."""


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_short_task(tmp_path: Path, trial: Trial) -> None:
    """One-URL tasks, one after the other, beside ten tasks of 10,000 URLs whose sites take a minute each."""
    slowest_s = 0.0
    async with Crowd(200, latency_s=SLOW_S) as slow, Crowd(1) as quick:
        gateway = Gateway(tmp_path, PER_HOST="1000")
        await anyio.to_thread.run_sync(gateway.start)
        try:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=20, trust_env=False) as client:
                for number in range(LONG_TASKS):
                    assert await post_task(client, slow.name_urls(URLS, number))
                while slow.requests.total() < 900:  # all that long tasks may have of a thousand
                    await anyio.sleep(0.05)
                for number in trial.run(full=50, short=5):
                    begun_at = time.monotonic()
                    task = await post_task(client, quick.name_urls(1, number))
                    assert task is not None
                    ended = await await_end(client, task)
                    taken_s = time.monotonic() - begun_at
                    slowest_s = max(slowest_s, taken_s)
                    trial.check(ended["status"] == "ready", f"attempt {number}: {ended['status']}")
                    trial.check(taken_s < PROMISE_S * ROOM + NOISE_S, f"attempt {number}: ready after {taken_s:.2f} s")
        finally:
            gateway.kill()
    trial.figures["slowest"] = f"{slowest_s:.2f} s"
