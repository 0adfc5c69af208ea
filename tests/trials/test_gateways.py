"""Several gateways on one Redis: they share the work, answer for each other, and take over from one that is gone."""

import os
import random
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest

from tests.crowd import Crowd, read_codes
from tests.trials.calls import TASKS, await_done, await_end, count_domains, insist, list_ids
from tests.trials.conftest import Trial
from tests.trials.fleet import Fleet, fleet, list_consumers, list_holders

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

TAKEOVER_S = 15.0


def list_ports(pid: int) -> set[int]:
    """The local ports of the IPv4 connections of a process."""
    names = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()]  # noqa: PTH115
    sockets = {name[8:-1] for name in names if name.startswith("socket:[")}
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in sockets}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="whose connection one is, is read from /proc")
async def test_queue_is_shared(trial: Trial, tmp_path: Path) -> None:
    """20 tasks at once on several gateways: each asks a share, any answers for all, every URL is counted once, and
    no gateway asks a URL twice."""
    shares: list[list[int]] = []
    most = 0
    async with Crowd(latency_s=0.05) as crowd, fleet(tmp_path, 3, TIMEOUT="3600", CONCURRENCY="50") as all_:
        await all_.start_all()
        sent: Counter[str | None] = Counter()
        for number in trial.run(full=5, short=1):
            made: dict[str, list[str]] = {}
            ports: list[set[int]] = [set() for _ in all_.gateways]
            before = crowd.peers.copy()

            async def make(i: int, number: int, made: dict[str, list[str]]) -> None:
                urls = crowd.name_urls(300, f"{number}-{i % 10}") + crowd.name_urls(10, f"{number}-{i % 10}")
                made[await insist(all_.clients[i % 3], urls, f"{number}-{i}")] = urls
                sent.update(urlsplit(url).hostname for url in urls)

            async with anyio.create_task_group() as group:
                for i in range(20):
                    group.start_soon(make, i, number, made)
            for task, urls in made.items():
                for client in all_.clients:
                    for gateway, found in zip(all_.gateways, ports, strict=True):
                        found.update(list_ports(gateway.process.pid))
                    end = await await_end(client, task)
                    trial.check(end["result"] == read_codes(urls), f"{number}: {end['status']}, a wrong result")
            share = [sum((crowd.peers - before)[port] for port in found) for found in ports]
            shares.append(share)
            most = max(most, *crowd.requests.values())
            trial.check(min(share) > 0, f"{number}: a gateway did nothing: {share}")
            trial.check(most <= 3, f"{number}: a URL was asked {most} times by 3 gateways")
            for client in all_.clients:
                trial.check(await count_domains(client) == sent, f"{number}: the domains are not what was sent")
            await all_.check_empty(trial, number)
    trial.figures |= {"requests by gateway": shares[-1], "most of one URL": most}


async def test_gateways_answer_for_each_other(trial: Trial, tmp_path: Path) -> None:
    """What one gateway works on another waits for, shows and cancels, as if it were its own."""
    told_s, stopped_s = 0.0, 0.0
    async with Crowd(latency_s=0.1) as crowd, fleet(tmp_path, 2, CONCURRENCY="20") as all_:
        one, other = all_.clients
        await all_.start(0)
        for number in trial.run(full=5, short=1):
            short = await insist(one, crowd.name_urls(200, f"short{number}"), f"short-{number}")
            long = await insist(one, long_urls := crowd.name_urls(3000, f"long{number}"), f"long-{number}")
            if number == 0:
                await all_.start(1)
            await await_done(other, short, 1)
            finished = await await_end(other, short)
            seen_at = time.time()
            shown = (await one.get(f"{TASKS}{short}")).json()
            trial.check(shown == finished, f"{number}: the two answer differently")
            told_s = max(told_s, seen_at - datetime.fromisoformat(finished["finished_at"]).timestamp())
            cancelled = (await other.delete(f"{TASKS}{long}")).json()
            start = time.monotonic()
            trial.check(cancelled["status"] == "cancelled", f"{number}: {cancelled['status']} after cancelling")
            asked = -1
            while asked != (asked := crowd.count(long_urls)):
                stopped_s = max(stopped_s, time.monotonic() - start)
                await anyio.sleep(0.3)
            trial.check(asked < 3000, f"{number}: the cancelled task was asked to its end")
            end = await await_end(one, long)
            trial.check(end == cancelled, f"{number}: the cancelled task changed afterwards")
            await all_.check_empty(trial, number)
    trial.check(stopped_s < 5, f"a task cancelled elsewhere was worked on for {stopped_s:.1f} s")
    trial.figures |= {"told of an end after": f"{told_s:.2f} s", "cancelled, stopped within": f"{stopped_s:.1f} s"}


@pytest.mark.timeout(600)
async def test_takeover(trial: Trial, tmp_path: Path) -> None:
    """The tasks of a gateway that is killed, or so short of breath that it is held for dead and comes back, go on
    elsewhere within 15 seconds, end right, and count once."""
    rng, slowest_s = random.Random(2), 0.0
    async with Crowd(latency_s=0.1) as crowd, fleet(tmp_path, 2, CONCURRENCY="60") as all_:
        sent: Counter[str | None] = Counter()
        names = [await start_named(all_, number) for number in range(2)]
        for number in trial.run(full=6, short=1):
            victim, kill = rng.randrange(2), number % 2 == 0
            made: dict[str, list[str]] = {}
            for i in range(6):
                urls = crowd.name_urls(1500, f"{number}-{i}")
                made[await insist(all_.clients[i % 2], urls, f"{number}-{i}")] = urls
                sent.update(urlsplit(url).hostname for url in urls)
            await anyio.sleep(rng.uniform(0.3, 3))
            held = await list_holders(all_.redis)
            (all_.gateways[victim].kill if kill else all_.gateways[victim].freeze)()
            gone = time.monotonic()
            with anyio.move_on_after(2 * TAKEOVER_S):
                while names[victim] in await list_holders(all_.redis):
                    await anyio.sleep(0.1)
            slowest_s = max(slowest_s, time.monotonic() - gone)
            if kill:
                names[victim] = await start_named(all_, victim)
            else:
                all_.gateways[victim].thaw()
            survivor = all_.clients[1 - victim]
            for task, urls in made.items():
                end = await await_end(survivor, task)
                trial.check(end["result"] == read_codes(urls), f"{number}: {end['status']}, a wrong result")
                trial.check(end["done"] == end["total"], f"{number}: {end['done']} of {end['total']} done, and ready")
            trial.check(len(held) == 2, f"{number}: {len(held)} gateways had work")
            trial.check(await count_domains(survivor) == sent, f"{number}: the domains are not what was sent")
            trial.check(set(made) <= set(await list_ids(survivor)), f"{number}: the list lacks tasks")
            await all_.check_empty(trial, number)
    trial.check(slowest_s < TAKEOVER_S, f"taken over after {slowest_s:.1f} s")
    trial.figures |= {"slowest takeover": f"{slowest_s:.1f} s"}


async def start_named(all_: Fleet, number: int) -> bytes:
    """Start one of them, and what it is called in the queue."""
    before = await list_consumers(all_.redis)
    await all_.start(number)
    (name,) = await list_consumers(all_.redis) - before
    return name
