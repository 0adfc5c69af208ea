"""Collections of circular garbage while the gateway serves."""

import gc
from collections import Counter

import anyio
import httpx
import pytest

from gateway.process.gc_tuning import tuned_gc
from tests.conftest import open_client


def count_collections(objects: int) -> int:
    """How often garbage is looked for while so many containers are made and kept."""
    seen: list[int] = []
    gc.callbacks.append(lambda phase, _: seen.append(phase == "start"))
    try:
        kept = [[place] for place in range(objects)]
        assert len(kept) == objects
    finally:
        gc.callbacks.pop()
    return sum(seen)


def test_collections_are_few_and_skip_what_was_there() -> None:
    """Inside the block the collector runs a fifth as often (from Python 3.13 on half), over new objects only."""
    thresholds = gc.get_threshold()
    usual = count_collections(100_000)
    with tuned_gc():
        assert 0 < count_collections(100_000) * (5 if thresholds[0] < 1_000 else 1.5) <= usual
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 20_000
    assert gc.get_threshold() == thresholds
    assert gc.get_freeze_count() == 0


def test_circles_are_still_collected() -> None:
    """Garbage that refers to itself goes all the same, before it is much."""
    with tuned_gc():
        before = len(gc.get_objects())
        for _ in range(300_000):
            circle: list[object] = []
            circle.append(circle)
        assert len(gc.get_objects()) - before < 60_000


@pytest.mark.anyio
async def test_what_ends_is_gone(client: httpx.AsyncClient) -> None:
    """Neither a connection nor a request leaves objects behind that only the collector would find."""
    kinds = ("TCPServer", "H11Protocol", "HTTPStream", "Exchange")
    gc.collect()
    gc.disable()
    try:
        for path in ("/healthz", "/api/v1/audio/", "/api/v1/tasks/") * 10:
            async with open_client(str(client.base_url)) as one:
                await one.get(path)
                await one.get(path)
        await anyio.sleep(0.2)
        left = Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing).__name__ in kinds)
    finally:
        gc.enable()
    assert not {kind: count for kind, count in left.items() if count > 4}
