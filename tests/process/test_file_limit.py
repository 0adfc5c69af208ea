"""More connections than the process may open files: one line, no busy loop, and room as soon as they are gone."""

import os
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.process.test_shutdown import list_processes
from tests.processes import BareGateway, Gateway

pytestmark = pytest.mark.slow

TICKS_S = os.sysconf("SC_CLK_TCK")


def measure_cpu(folder: Path) -> float:
    """The CPU time of all processes that work in a folder, in seconds."""
    total = 0
    for pid in list_processes(folder):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
    return total / TICKS_S


@pytest.mark.parametrize("kind", [Gateway, BareGateway], ids=["hypercorn.toml", "bare"])
def test_too_many_connections(tmp_path: Path, kind: type[Gateway]) -> None:
    """200 connections with 64 open files are one line of the log and no work; afterwards a request is answered."""
    gateway = kind(tmp_path)
    gateway.prefix = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    gateway.start()
    before, cpu_s = gateway.log.read_text(), measure_cpu(tmp_path)
    with ExitStack() as stack, suppress(TimeoutError):
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=1))
        time.sleep(3)
        assert measure_cpu(tmp_path) - cpu_s < 1.5
    with httpx.Client(trust_env=False, timeout=10) as client:
        assert client.get(f"{gateway.url}/api/v1/audio/").status_code == 200
    lines = gateway.log.read_text().removeprefix(before).splitlines()
    assert [line.partition("ERROR ")[2] for line in lines if "gateway.access" not in line] == [
        "gateway: too many connections for the limit of 64 open files: new ones are closed"
    ]
    assert gateway.stop() == 0
