"""The command lines in an empty folder, and the real gateway."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.commands import Outcome, Run, Start, environment, finish
from tests.processes import ROOT, running


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a command line in an empty folder; what still runs at the end of the test is killed."""
    started: list[asyncio.subprocess.Process] = []

    async def start(
        script: str, *arguments: str | bytes | Path, stdin: Any = subprocess.DEVNULL, **extra: str
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            ROOT / script,
            *arguments,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(extra),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
def run(start: Start) -> Run:
    """Run a command line to its end."""

    async def run(script: str, *arguments: str | bytes | Path, stdin: bytes | None = None, **extra: str) -> Outcome:
        source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        return await finish(await start(script, *arguments, stdin=source, **extra), stdin)

    return run


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real gateway as a process, shared by the tests of this folder."""
    folder = tmp_path_factory.mktemp("gateway")
    with running(folder) as gateway:
        yield gateway.url
