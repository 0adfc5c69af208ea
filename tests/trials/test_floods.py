"""Hostile clients: whatever they send, or do not send, other clients are answered in time and nothing grows."""

import http.client
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT, Gateway, running
from tests.trials.conftest import ROOM, Trial
from tests.trials.floods import KINDS

PROMISE_S = 0.5
WARM_S = 0.5
MIB = 1024 * 1024
MOST_MIB = 400
"""What a flood of heads of many connections may hold: their buffers, until they are collected."""
SHORT = ("references", "settings", "chunks", "silence")
"""What the short form tries; with TRIALS=full all of `KINDS`."""
SECONDS = 2.0


def measure_answers(port: int, seconds: float) -> list[float]:
    """How long each of many answers to a new client took, in seconds, sorted."""
    taken: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status": "ok"}'
        connection.close()
        taken.append(time.perf_counter() - began)
        time.sleep(0.02)
    return sorted(taken)


def read_memory(gateway: Gateway) -> int:
    """The resident memory of a gateway, in MiB."""
    pages = int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1])
    return pages * 4096 // MIB


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_floods(tmp_path: Path, trial: Trial) -> None:
    """While four connections flood, or 500 keep silent or drip, another client has its answer within half a second."""
    with running(tmp_path) as gateway:
        usual_s = measure_answers(gateway.port, 1)[-1]
        trial.figures["alone"] = f"{usual_s * 1000:.0f} ms at most"
        kinds = [*SHORT, *(kind for kind in KINDS if kind not in SHORT)]
        for number in trial.run(full=len(kinds), short=len(SHORT)):
            kind = kinds[number]
            command = [sys.executable, str(ROOT / "tests/trials/floods.py"), kind, str(gateway.port), str(SECONDS)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
                time.sleep(WARM_S)
                taken = measure_answers(gateway.port, SECONDS)  # to beyond the end of it
                sent = flood.communicate(timeout=20)[0].strip()
            assert flood.returncode == 0
            assert " over 0 " not in sent
            middle_s, slowest_s = taken[len(taken) // 2], taken[-1]
            trial.figures[kind] = f"{middle_s * 1000:.0f} ms, at most {slowest_s * 1000:.0f} ms ({sent})"
            trial.check(slowest_s < PROMISE_S * ROOM + usual_s, f"{kind}: an answer took {slowest_s:.2f} s")
        memory = read_memory(gateway)
        trial.figures["memory"] = f"{memory} MiB"
        trial.check(memory < MOST_MIB, f"{memory} MiB are held after it")
        trial.check("Traceback" not in gateway.log.read_text(), "a traceback in the log")
