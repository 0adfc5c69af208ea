"""SIGTERM in the middle of a task: an orderly end at once, and the task goes on elsewhere, or after the restart."""

import time
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.crowd import Crowd, read_codes
from tests.trials.calls import TASKS, await_done, await_end, insist
from tests.trials.conftest import Trial
from tests.trials.fleet import fleet

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

END_S = 10.0
HANDED_OVER_S = 8.0
"""A task that is handed over does not wait until its gateway is held for dead."""
UNSAVED = 150
"""What is under way (CONCURRENCY) or has come just now is asked again."""


async def test_term_inside_a_task(trial: Trial, tmp_path: Path) -> None:
    """The gateway ends with 0 within 10 s though clients wait and watch, who are told how far the task is; another
    one, or the next, goes on with it and asks again only what was under way."""
    slowest_s, asked_again, longest_s = 0.0, 0, 0.0
    async with Crowd(latency_s=0.2) as crowd, fleet(tmp_path, 2, CONCURRENCY="100") as all_:
        for number in trial.run(full=8, short=2):
            alone = number % 2 == 1
            urls = crowd.name_urls(2000, number)
            await all_.start(0)
            task = await insist(all_.clients[0], urls, str(number))
            if not alone:
                await all_.start(1)
            await await_done(all_.clients[0], task, 100 + number * 150)
            answers: list[httpx.Response] = []

            async def call(path: str, answers: list[httpx.Response]) -> None:
                answers.append(await all_.clients[0].get(path, headers={"Prefer": "wait=30"}))

            async with anyio.create_task_group() as group:
                group.start_soon(call, f"{TASKS}{task}", answers)
                group.start_soon(call, f"{TASKS}{task}/events", answers)
                await anyio.sleep(0.1)
                start = time.monotonic()
                code = await all_.stop(0)
                slowest_s = max(slowest_s, time.monotonic() - start)
            trial.check(code == 0, f"{number}: it ended with {code}")
            statuses = [answer.status_code for answer in answers]
            trial.check(statuses == [200, 200], f"{number}: those who waited had {statuses}")
            heir = 0 if alone else 1
            if alone:
                await all_.start(heir)
            start = time.monotonic()
            done = await await_done(all_.clients[heir], task, 0)
            await await_done(all_.clients[heir], task, done + 1)
            longest_s = max(longest_s, time.monotonic() - start)
            end = await await_end(all_.clients[heir], task)
            trial.check(end["result"] == read_codes(urls), f"{number}: {end['status']}, a wrong result")
            asked_again = max(asked_again, crowd.count(urls) - len(urls))
            trial.check(crowd.count(urls) - len(urls) <= UNSAVED, f"{number}: {crowd.count(urls)} requests")
            await all_.check_empty(trial, number)
            await all_.stop(heir)
    trial.check(slowest_s < END_S, f"an end took {slowest_s:.1f} s")
    trial.check(longest_s < HANDED_OVER_S, f"it went on after {longest_s:.1f} s")
    trial.figures |= {
        "slowest end": f"{slowest_s:.1f} s",
        "asked again at most": asked_again,
        "goes on within": f"{longest_s:.1f} s",
    }
