"""Many clients of all kinds at once, in a process of its own: `python tests/trials/load.py URL SITE SECONDS`.

1,000 connections that ask something every ten seconds, 500 that never say a word, and 200 clients who load the page,
list, listen to parts of files, upload, delete, and have the URLs of SITE crawled, with a short pause between. Prints
one JSON object: requests, how long they took by kind, and every answer that was not as it should be.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import uvloop

IDLE, SILENT, CLIENTS = 1000, 500, 200
PAUSE_S = 1.0
"""The longest pause of a client between two things; on average half of it."""
IDLE_S = 10.0
RAMP_S = 5.0
"""How long they take to come: uvloop accepts one connection a turn of its loop, whoever wants in."""
WAVE = bytes.fromhex("52494646a40f000057415645666d74201000000001000100401f0000803e0000020010006461746180") + bytes(3967)
"""A wav of one quarter of a second, cut to the byte by its header."""


class Load:
    """All clients together, until a time of `time.monotonic`."""

    def __init__(self, url: str, site: str, until: float) -> None:
        self.url = url
        self.site = site
        self.until = until
        self.taken_s: defaultdict[str, list[float]] = defaultdict(list)
        self.wrong: Counter[str] = Counter()

    async def run(self) -> None:
        """Everybody at once."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=12)
        async with aiohttp.ClientSession(self.url, connector=connector) as session, asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._work(session, number))
            for number in range(IDLE):
                group.create_task(self._idle(number))
            for number in range(SILENT):
                group.create_task(self._keep_silent(number))

    @asynccontextmanager
    async def _timed(self, kind: str) -> AsyncIterator[None]:
        began = time.perf_counter()
        try:
            yield
        except (OSError, aiohttp.ClientError, AssertionError, TimeoutError) as error:
            self.wrong[f"{kind}: {type(error).__name__} {error}"[:200]] += 1
        self.taken_s[kind].append(time.perf_counter() - began)

    async def _work(self, session: aiohttp.ClientSession, number: int) -> None:
        chooser = random.Random(number)
        kinds: list[tuple[str, Callable[[aiohttp.ClientSession, str], Awaitable[None]]]] = [
            ("page", self._load_page), ("list", self._list), ("range", self._listen), ("range", self._listen),
            ("upload", self._upload), ("task", self._crawl),
        ]  # fmt: skip
        for turn in range(1_000_000):
            await asyncio.sleep(chooser.random() * PAUSE_S)
            if time.monotonic() > self.until:
                return
            kind, call = chooser.choice(kinds)
            async with self._timed(kind), asyncio.timeout(30):
                await call(session, f"{number}-{turn}")

    async def _load_page(self, session: aiohttp.ClientSession, _: str) -> None:
        async with session.get("/") as answer:
            assert answer.status == 200, answer.status
            assert b"<audio" in await answer.read()

    async def _list(self, session: aiohttp.ClientSession, _: str) -> None:
        async with session.get("/api/v1/audio/") as answer:
            assert answer.status == 200, answer.status
            assert (await answer.json())["files"]

    async def _listen(self, session: aiohttp.ClientSession, name: str) -> None:
        start = random.Random(name).randrange(1_000_000)
        async with session.get("/audio/long.wav", headers={"Range": f"bytes={start}-{start + 99_999}"}) as answer:
            assert answer.status == 206, answer.status
            assert len(await answer.read()) == 100_000

    async def _upload(self, session: aiohttp.ClientSession, name: str) -> None:
        path = f"/api/v1/audio/{name}.wav"
        async with session.put(path, data=WAVE) as answer:
            assert answer.status == 201, f"{answer.status} {await answer.text()}"
            await answer.read()  # else the client closes the connection
        async with session.delete(path) as answer:
            assert answer.status == 204, answer.status

    async def _crawl(self, session: aiohttp.ClientSession, name: str) -> None:
        urls = [f"{self.site}/{name}/{number}" for number in range(20)]
        async with session.post("/api/v1/tasks/", json={"urls": urls, "retries": 0}) as answer:
            assert answer.status == 201, answer.status
            await answer.read()
            location = answer.headers["Location"]
        async with session.get(location, headers={"Prefer": "wait=20"}) as answer:
            assert answer.status == 200, answer.status
            assert (await answer.json())["result"] == [200] * 20

    async def _idle(self, number: int) -> None:
        """One connection of its own, all but idle."""
        await asyncio.sleep(number / IDLE * RAMP_S)
        async with aiohttp.ClientSession(self.url, connector=aiohttp.TCPConnector(limit=1)) as session:
            while time.monotonic() < self.until:
                async with self._timed("idle"), session.get("/healthz") as answer:
                    assert answer.status == 200, answer.status
                    await answer.read()
                await asyncio.sleep(min(IDLE_S, max(0.0, self.until - time.monotonic())))

    async def _keep_silent(self, number: int) -> None:
        await asyncio.sleep(number / SILENT * RAMP_S)
        host, port = self.url.removeprefix("http://").split(":")
        while time.monotonic() < self.until:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(host, int(port))
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, self.until - time.monotonic())):
                        await reader.read()
                writer.transport.abort()

    def describe(self) -> dict[str, object]:
        """What is printed."""
        kinds = {}
        for kind, taken_s in self.taken_s.items():
            taken_s.sort()
            middle_s, most_s, last_s = (taken_s[int((len(taken_s) - 1) * part)] for part in (0.5, 0.95, 1))
            kinds[kind] = {
                "count": len(taken_s),
                "p50_ms": middle_s * 1000,
                "p95_ms": most_s * 1000,
                "max_ms": last_s * 1000,
            }
        return {"kinds": kinds, "wrong": dict(self.wrong)}


def main() -> None:
    """Load, and print what it was like."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load = Load(sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3]))
    uvloop.run(load.run())
    print(json.dumps(load.describe()))


if __name__ == "__main__":
    main()
