"""The gateway with a heart: how long its event loop was held, at most, since it was last asked. `GET /held`."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

from gateway import app

BEAT_S = 0.001
longest = {"held_s": 0.0, "worked_s": 0.0}
"""Between two beats: by the clock, and by the CPU of this thread (what others on the machine took is not in it)."""


async def beat() -> None:
    """Notice every time that the loop comes late."""
    while True:
        clock, work = time.perf_counter(), time.thread_time()
        await asyncio.sleep(BEAT_S)
        longest["held_s"] = max(longest["held_s"], time.perf_counter() - clock - BEAT_S)
        longest["worked_s"] = max(longest["worked_s"], time.thread_time() - work)


@app.while_serving
async def live() -> AsyncGenerator[None, None]:
    """Beat for as long as the gateway serves."""
    beating = asyncio.create_task(beat())
    yield
    beating.cancel()
    with suppress(asyncio.CancelledError):
        await beating


@app.get("/held")
async def get_held() -> dict[str, float]:
    """The longest holds since the last call."""
    found = dict(longest)
    longest.update(held_s=0.0, worked_s=0.0)
    return found
