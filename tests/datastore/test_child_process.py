"""The leash: a child ends with its parent, however that ends."""

import ctypes
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

import gateway
from gateway.datastore.child_process import start_child
from tests.datastore.running import is_running, list_children
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

PARENT = """
import os, sys, time
import anyio
from gateway.datastore.child_process import start_child

async def main():
    with open(os.devnull, "wb") as null:
        async with start_child(["sleep", "60"], stdout=null.fileno(), stderr=null, stop_s=1) as child:
            if sys.argv[1] == "fork" and os.fork() == 0:
                time.sleep(60)
            print(child.pid, flush=True)
            await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, since each starts processes in its own way."""
    return "asyncio", {"use_uvloop": request.param}


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["plain", "fork"])
async def test_child_ends_when_its_parent_is_killed(mode: str) -> None:
    """kill -9 of the parent ends the child, even while a fork of the parent lives on."""
    parent = await anyio.open_process(
        [sys.executable, "-c", PARENT, mode],
        env={**os.environ, "PYTHONPATH": str(Path(gateway.__path__[0]).parent)},
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        child = int(await parent.stdout.receive())
        assert is_running(child)
        parent.kill()
        await parent.wait()
        await wait_until(lambda: not is_running(child))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        await parent.aclose()


async def test_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    """Leaving the context ends the child in the time given, willing or not."""
    with (tmp_path / "out").open("wb") as out:
        command = ["sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"]
        async with start_child(command, stdout=out.fileno(), stderr=out, stop_s=0.3) as child:
            await wait_until(lambda: (tmp_path / "out").stat().st_size > 0)
            assert is_running(child.pid)
    assert child.returncode == -signal.SIGKILL


async def test_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    """A Ctrl-C at the terminal does not reach the child."""
    with (tmp_path / "out").open("wb") as out:
        async with start_child(["sleep", "60"], stdout=out.fileno(), stderr=out, stop_s=1) as child:
            assert os.getsid(child.pid) == child.pid != os.getsid(0)
    assert child.returncode == -signal.SIGTERM


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the watcher in /proc")
async def test_lost_watcher_is_noticed(tmp_path: Path) -> None:
    """A leash that nobody watches any more is not held, and the child itself does not hold it."""
    with (tmp_path / "out").open("wb") as out:
        async with start_child(["sleep", "60"], stdout=out.fileno(), stderr=out, stop_s=1) as child:
            await wait_until(lambda: len(list_children(child.pid)) == 1)
            assert child.is_held()
            os.kill(list_children(child.pid)[0], signal.SIGKILL)
            await wait_until(lambda: not child.is_held())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
async def test_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    """A start that is cancelled leaves no child and no descriptor."""
    pids = []
    with (tmp_path / "out").open("wb") as out:
        before = count_descriptors()
        for _ in range(5):
            with anyio.CancelScope() as scope:
                scope.cancel()
                async with start_child(["sleep", "60"], stdout=out.fileno(), stderr=out, stop_s=1) as child:
                    pids.append(child.pid)
                    await anyio.sleep_forever()
        assert count_descriptors() <= before + 2  # those of the event loop's threads
    assert not any(is_running(pid) for pid in pids)


ENDS = """
import os, sys
import anyio
from gateway.datastore.child_process import start_child

async def main():
    with open(os.devnull, "wb") as null:
        for _ in range(3):
            async with start_child(["sleep", "60"], stdout=null.fileno(), stderr=null, stop_s=1) as child:
                while open(f"/proc/{child.pid}/comm").read() != "sleep\\n":
                    await anyio.sleep(0.01)
                if sys.argv[1] == "killed":
                    child.process.kill()
                    await child.wait()
    print(*os.listdir("/proc"), flush=True)

anyio.run(main)
"""


MASTER = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a namespace of processes")
@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("master", [[], [sys.executable, "-c", MASTER]], ids=["as process 1", "under process 1"])
async def test_child_leaves_no_zombie(end: str, master: list[str]) -> None:
    """Where no init process reaps, as in a container, nothing is left of a child and its watcher."""
    result = await anyio.run_process(
        ["unshare", "--pid", "--fork", "--mount-proc", *master, sys.executable, "-c", ENDS, end],
        env={**os.environ, "PYTHONPATH": str(Path(gateway.__path__[0]).parent)},
    )
    pids = {int(name) for name in result.stdout.split() if name.isdigit()}
    assert len(pids) == 1 + bool(master)


@pytest.mark.skipif(sys.platform != "linux", reason="asks prctl")
async def test_other_orphans_are_left_to_init(tmp_path: Path) -> None:
    """A process that is neither process 1 nor the worker of it does not become the parent of what others leave."""
    with (tmp_path / "out").open("wb") as out:
        async with start_child(["sleep", "60"], stdout=out.fileno(), stderr=out, stop_s=1):
            adopts = ctypes.c_int(-1)
            assert ctypes.CDLL(None).prctl(37, ctypes.byref(adopts), 0, 0, 0) == 0  # PR_GET_CHILD_SUBREAPER
            assert adopts.value == (os.getppid() == 1)
