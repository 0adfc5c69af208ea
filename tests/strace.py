"""System calls of a running process that fail as those of a broken disk: by the fault injection of strace."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import need


@contextmanager
def failing(pid: int, calls: str, path: Path, *, error: str = "EIO", when: str = "1+") -> Iterator[None]:
    """In all threads of the process, these calls (`fsync,close`) on `path` fail; `when`: which of each thread's.

    Where tracing is not allowed the test is skipped.
    """
    inject = [f"trace={calls}", "-e", f"inject={calls}:error={error}:when={when}"]
    command = [need("strace"), "-f", "-p", str(pid), "-P", str(path), "-o", "/dev/null", "-e", *inject]
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
