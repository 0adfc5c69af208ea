"""A child process on a leash: it ends when we end, however we end, kill -9 included.

The child has a session of its own, so Ctrl-C at our terminal does not reach it. Nothing is known here of what
the child is.
"""

import ctypes
import os
import select
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

import anyio

POLL_S = 0.05
"""How often the end of a child is looked for where the system does not tell of it."""

PR_SET_CHILD_SUBREAPER = 36

SCRIPT = """
exec 3<&0 </dev/null
{
    trap '' HUP INT TERM
    read -r _ <&3
    kill -TERM $$
    n=0
    while [ $n -lt 10 ] && kill -0 $$; do sleep 1; n=$((n + 1)); done
    kill -KILL $$
} >/dev/null 2>&1 &
exec 3<&- "$@"
"""
"""The shell becomes the command. Its own child, the watcher, reads a pipe of which we hold the other end: the
read returns when we are gone, and the command is told to end. $$ cannot name a stranger by then: a process id is
not used again while its process group lives (POSIX.1-2017, 4.14), and the watcher is of that group."""


@dataclass(frozen=True)
class ChildProcess:
    """A running child and our end of its leash."""

    process: subprocess.Popen[bytes]
    leash: int

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs, negative for a signal, as subprocess has it."""
        return self.process.poll()

    async def wait(self) -> None:
        """Wait for its end. No thread waits: one would keep an interpreter alive that ends without cleaning up."""
        while self.returncode is None:
            try:
                pidfd = os.pidfd_open(self.pid)
            except (AttributeError, OSError):  # macOS has none, some sandboxes forbid it
                await anyio.sleep(POLL_S)
                continue
            try:
                await anyio.wait_readable(pidfd)
            finally:
                os.close(pidfd)

    def is_held(self) -> bool:
        """Whether the watcher still reads the pipe (poll reports an error when the other end is closed)."""
        poll = select.poll()
        poll.register(self.leash, 0)
        return not poll.poll(0)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it, if there is still something to send it to."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def stop(self, patience_s: float) -> None:
        """End the child, gently first, and then whatever is left of its process group."""
        self.send_signal(signal.SIGTERM)
        with anyio.move_on_after(patience_s):
            await self.wait()
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self.pid, signal.SIGKILL)
        with anyio.move_on_after(patience_s):
            await self.wait()
            await self._reap_group()

    async def _reap_group(self) -> None:
        """Wait for the watcher and other children of the child, whose parent this process became with its end.

        Without that each of them stays a zombie where no init process reaps: in a container.
        """
        with suppress(ChildProcessError):
            while True:
                pid, _ = os.waitpid(-self.pid, os.WNOHANG)  # noqa: ASYNC222 - WNOHANG does not wait
                if not pid:
                    await anyio.sleep(POLL_S)


@asynccontextmanager
async def start_child(
    command: Sequence[str], *, stdout: int, stderr: BinaryIO, stop_s: float
) -> AsyncIterator[ChildProcess]:
    """A child process that is stopped at the exit, with `stop_s` for a gentle end, or when this process dies.

    It inherits `stdout` and with it whatever lock that descriptor has; the watcher does not.

    :raises OSError: it cannot be started.
    """
    _adopt_orphans()
    far, near = os.pipe()
    with private(near):
        try:
            # Not the loop's own way: uvloop 0.23 leaves the child copies of the three descriptors, so that the
            # watcher would hold the lock and the child its leash.
            child = ChildProcess(_start(command, far, stdout, stderr), near)
        finally:
            os.close(far)
        try:
            yield child
        finally:
            with anyio.CancelScope(shield=True):
                await child.stop(stop_s)


def _start(command: Sequence[str], stdin: int, stdout: int, stderr: BinaryIO) -> subprocess.Popen[bytes]:
    words = ["/bin/sh", "-c", SCRIPT, "leash", *command]
    return subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)  # noqa: S603


def _adopt_orphans() -> None:
    """Under a master that is process 1, become the parent of what the child leaves behind: the master reaps nothing.

    Elsewhere an init process reaps it, or this process is process 1 itself. PR_SET_CHILD_SUBREAPER of prctl(2).
    """
    if os.getppid() == 1:
        with suppress(AttributeError, OSError):  # Linux alone has it
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


_private_fds: set[int] = set()


@contextmanager
def private(fd: int) -> Iterator[int]:
    """A descriptor that a fork of this process does not keep: it would hold a lock, or a leash, in our name."""
    _private_fds.add(fd)
    try:
        yield fd
    finally:
        _private_fds.discard(fd)
        os.close(fd)


def _close_private() -> None:
    for fd in _private_fds:
        os.close(fd)
    _private_fds.clear()


os.register_at_fork(after_in_child=_close_private)
