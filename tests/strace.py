"""System calls of a running process that fail as those of a broken disk: by the fault injection of strace."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import need

_STOP_S = 2


@contextmanager
def failing(pid: int, calls: str, path: Path, *, error: str = "EIO", when: str = "1+") -> Iterator[None]:
    """In all threads of the process, these calls (`fsync,close`) on `path` fail; `when`: which of each thread's."""
    with injecting(pid, path, f"{calls}:error={error}:when={when}"):
        yield


@contextmanager
def injecting(pid: int, path: Path, *faults: str) -> Iterator[None]:
    """In all threads of the process, calls on `path` have these faults, as `-e inject=` of strace takes them.

    Where tracing is not allowed the test is skipped.
    """
    traced = ",".join(fault.partition(":")[0] for fault in faults)
    options = ["-e", f"trace={traced}", *(option for fault in faults for option in ("-e", f"inject={fault}"))]
    command = [need("strace"), "-f", "-p", str(pid), "-P", str(path), "-o", "/dev/null", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr
        said = ""
        while "attached" not in said:
            if not (said := strace.stderr.readline()) or "not permitted" in said:
                pytest.skip(f"tracing is not allowed here: {said}")
        try:
            yield
        finally:
            strace.terminate()
            try:
                strace.wait(_STOP_S)
            except subprocess.TimeoutExpired:  # it may wait for threads of a process that was killed
                strace.kill()
