"""The command lines and the gateway as the processes that they are; a terminal for those that look for one."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]
LOG_IN = "import os, sys; os.login_tty(os.dup(0)); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
"""Runs a command with its standard input as its controlling terminal, whose end is SIGHUP."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stderr."""
        return self.err.splitlines()


Run = Callable[..., Awaitable[Outcome]]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command: nothing of the tester's own settings in it."""
    mine = ("GATEWAY_URL", "API_TOKEN", "NO_COLOR", "FORCE_COLOR", "TERM")
    kept = {
        name: value for name, value in os.environ.items() if name not in mine and not name.lower().endswith("_proxy")
    }
    return kept | dict(extra)


async def finish(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Outcome:
    """Wait for a started command. A traceback is always a defect."""
    out, err = await process.communicate(stdin)
    assert b"Traceback" not in err, err.decode()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def run_in_shell(command: str, **extra: str) -> Outcome:
    """Run a line of shell, for its redirections."""
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_shell(command, stdout=pipe, stderr=pipe, env=environment(extra))
    return await finish(process)


def run_on_terminal(
    command: list[str | Path], cwd: Path, *, stdout: bool = False, **extra: str
) -> tuple[int, bytes, bytes]:
    """Run with stderr (and stdout, if asked) on a terminal: code, what stdout got, what the terminal got."""
    mine, theirs = pty.openpty()
    with (cwd / "stdout").open("w+b") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=theirs,
            stdout=theirs if stdout else out,
            stderr=theirs,
            cwd=cwd,
            env=environment({"TERM": "xterm-256color", "COLUMNS": "100"} | extra),
            start_new_session=True,
        )
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # EIO: the last holder of the terminal is gone
            while chunk := os.read(mine, 65536):
                seen += chunk
        os.close(mine)
        code = process.wait()
        out.seek(0)
        return code, out.read(), seen


def log_in(command: list[str | Path], cwd: Path, **extra: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command with all streams on a terminal of its own: the process, and our side of the terminal."""
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LOG_IN, *command],
        stdin=theirs,
        cwd=cwd,
        env=environment({"TERM": "xterm-256color", "COLUMNS": "100"} | extra),
    )
    os.close(theirs)
    return process, mine


def start_unread(command: list[str | Path], cwd: Path, **extra: str) -> subprocess.Popen[bytes]:
    """Start a command with its standard output on a pipe that nothing reads."""
    return subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, cwd=cwd, env=environment(extra))
