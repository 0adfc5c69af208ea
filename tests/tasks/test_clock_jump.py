"""A wall clock that jumps, of Redis and of the gateways: tasks of a dead gateway are taken up all the same."""

from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from gateway.tasks.heartbeats import Heartbeats
from tests.processes import Gateway, free_port
from tests.redis_server import serving
from tests.target import Target
from tests.wall_clock import WallClock

HOUR_S = 3600
TAKEN_UP_S = 25
"""Some seconds more than it may take on a machine that has nothing else to do."""


def test_heartbeats() -> None:
    """A gateway whose count stays the same for so many looks is dead, one that counts on, is new or is gone is not."""
    beats = Heartbeats(looks=2)
    assert beats.look({b"dead": 5, b"alive": 1}) == []
    assert beats.look({b"dead": 5, b"alive": 2, b"new": 1}) == []
    assert beats.look({b"dead": 5, b"alive": 3, b"new": 1}) == [b"dead"]
    assert beats.look({b"dead": 5, b"alive": 4}) == [b"dead"]
    assert beats.look({b"dead": 6, b"alive": 4, b"new": 1}) == []


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S], ids=["back", "ahead"])
async def test_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target, jump_s: int) -> None:
    """The task of a killed gateway ends soon, though the clock of all was set back or ahead by an hour meanwhile."""
    clock, port = WallClock(tmp_path), free_port()
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)  # of all that is started now
    (tmp_path / "other").mkdir()
    async with serving(tmp_path / "redis", port):
        dying = Gateway(tmp_path, None, REDIS_URL=f"redis://127.0.0.1:{port}")
        await anyio.to_thread.run_sync(dying.start)
        async with httpx.AsyncClient(base_url=dying.url, trust_env=False) as client:
            posted = await client.post("/api/v1/tasks/", json=[f"{target.url}/silent"])
            await anyio.sleep(4)  # it has renewed its claim
        dying.kill()
        clock.set_offset(jump_s)
        other = Gateway(tmp_path / "other", None, REDIS_URL=f"redis://127.0.0.1:{port}", PROBE_TIMEOUT="1")
        await anyio.to_thread.run_sync(other.start)
        try:
            async with httpx.AsyncClient(base_url=other.url, trust_env=False, timeout=60) as client:
                with anyio.fail_after(TAKEN_UP_S):
                    while (await client.get(posted.headers["Location"])).json()["status"] != "ready":
                        await anyio.sleep(0.2)
            assert "going on with what another gateway left" in other.log.read_text()
        finally:
            assert await anyio.to_thread.run_sync(other.stop) == 0
