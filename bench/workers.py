"""Plain aiohttp workers: read URLs from a file, print a code for each. A peer of `url_cpu.py`."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp

WORKERS = 300


async def work(session: aiohttp.ClientSession, urls: Iterator[str]) -> None:
    """Ask one URL after another."""
    for url in urls:
        async with session.get(url, allow_redirects=False) as answer:
            print(answer.status)


async def main(urls: Iterator[str]) -> None:
    """All workers at once."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work(session, urls))


asyncio.run(main(iter(Path(sys.argv[1]).read_text().split())))
