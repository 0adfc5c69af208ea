"""Waiting for what happens soon: how soon is not judged."""

from collections.abc import Callable
from contextlib import suppress
from inspect import isawaitable

import anyio

from gateway.datastore.client import RedisUnavailable


async def wait_until(condition: Callable[[], object]) -> None:
    """Return once the condition is met; meanwhile Redis may be away.

    :raises TimeoutError: it is not met within 60 s.
    """
    with anyio.fail_after(60):
        while True:
            with suppress(RedisUnavailable):
                met = condition()
                if await met if isawaitable(met) else met:
                    return
            await anyio.sleep(0.02)
