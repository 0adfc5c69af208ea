"""The examination of a Redis, and the user that the documentation gives it."""

import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from gateway.datastore.health import COMMANDS, KEYS, check_commands
from tests.conftest import OpenGateway
from tests.fast import first_fast
from tests.processes import free_port
from tests.redis_server import serving
from tests.target import Target

pytestmark = pytest.mark.anyio

SETTINGS = Path(__file__).parents[2] / "docs" / "settings.md"


def read_acl() -> list[str]:
    """The ACL line of the documentation, with a password."""
    found = re.search(r"^ACL SETUSER .*", SETTINGS.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[0].replace("PASSWORD", "s3cret").split()


async def test_documented_user_is_enough(open_gateway: OpenGateway, tmp_path: Path, target: Target) -> None:
    """The user of the documentation may do all that a gateway does, uses each command it has, and nothing else."""
    port = free_port()
    async with serving(tmp_path / "server", port), Redis(port=port) as admin:
        await admin.execute_command(*read_acl())  # type: ignore[no-untyped-call]
        await admin.config_resetstat()
        async with open_gateway(redis_url=f"redis://gateway:s3cret@127.0.0.1:{port}", cache_timeout_s=0.1) as client:
            assert (await client.get("/readyz")).status_code == 200
            headers = {"Idempotency-Key": "key", "Prefer": "wait=8"}
            posted = await client.post("/api/v1/tasks/", json=[f"{target.url}/code/200"], headers=headers)
            task = posted.headers["Location"]
            assert (await client.get(task, headers=headers)).json()["result"] == [200]
            for path in (f"{task}/probes", "/api/v1/tasks/", "/api/v1/domains/", "/metrics", f"{task}/events"):
                assert (await client.get(path)).status_code == 200
            assert (await client.delete(task)).status_code == 200
            await anyio.sleep(0.7)  # the cache is cleared
        assert await admin.acl_log() == []
        assert {name for name in COMMANDS if f"cmdstat_{name}" not in await admin.info("commandstats")} == set()
        async with Redis(port=port, username="gateway", password="s3cret") as user:
            for words in (
                ["GET", "other"],
                ["FLUSHALL"],
                ["KEYS", "*"],
                ["CONFIG", "SET", "dir", "/"],
                ["ACL", "LIST"],
            ):
                with pytest.raises(NoPermissionError):
                    await user.execute_command(*words)  # type: ignore[no-untyped-call]
            with pytest.raises(NoPermissionError):
                await user.publish("channel", "message")


async def test_examination_leaves_nothing(tmp_path: Path) -> None:
    """Every command is run, on whatever stands under the keys of the examination, and no key is left."""
    port = free_port()
    async with serving(tmp_path / "server", port), Redis(port=port, protocol=2) as redis:
        for key in KEYS:
            await redis.rpush(key, "spoilt")
        await check_commands(redis)
        assert await redis.keys() == []
        assert len(COMMANDS) > 30


@pytest.mark.parametrize("refusal", first_fast([{"min-replicas-to-write": "1"}, {"maxmemory": "1"}]))
async def test_refusing_redis_is_not_ready(
    refusal: dict[str, Any], open_gateway: OpenGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While Redis takes no writes /readyz is 503 and calls get 503 and Retry-After, without a URL being lost later."""
    port = free_port()
    async with (
        serving(tmp_path / "server", port),
        Redis(port=port) as admin,
        open_gateway(redis_url=f"redis://127.0.0.1:{port}") as client,
    ):
        assert (await client.get("/readyz")).status_code == 200
        for name, value in refusal.items():
            await admin.config_set(name, value)
        with anyio.fail_after(60):
            while (state := await client.get("/readyz")).status_code == 200:
                await anyio.sleep(0.05)
        assert state.json()["redis"]["available"] is False
        for _ in range(10):
            answer = await client.post("/api/v1/tasks/", json=["http://127.0.0.1:1/"])
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        for name in refusal:
            await admin.config_set(name, "0")
        with anyio.fail_after(60):
            while (await client.get("/readyz")).status_code != 200:
                await anyio.sleep(0.05)
        assert (await client.post("/api/v1/tasks/", json=["http://127.0.0.1:1/"])).status_code == 201
    assert len([record for record in caplog.records if "refuse" in record.message]) == 1
    assert "spoilt" not in caplog.text
    assert "something else" not in caplog.text
