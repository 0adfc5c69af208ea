"""1,000 idle connections, 500 silent ones, 200 clients at once for a minute: no error, flat memory, a lively loop."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.audio.formats.corpus import make_wave
from tests.processes import ROOT, Gateway, free_port, running
from tests.trials.conftest import FULL, ROOM, Trial
from tests.trials.load import CLIENTS, IDLE, SILENT

MIB = 1024 * 1024
LAG_S = 0.1 * ROOM
CROWDED = 0.1
"""Who waited for a CPU for more than this part of the time shared it with strangers: lag and 503 are theirs too."""
CROWDED_LAG_S = 2.5
FULL_S, SHORT_S = 60, 8
MOST_MIB, GROWTH_MIB = 256, 32
"""Circular garbage is looked for seldom, so that memory is flat only from the second minute on, at some 115 MiB."""


def read_memory(gateway: Gateway) -> float:
    """The resident memory of a gateway, in MiB."""
    return int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1]) * 4096 / MIB


def read_lag(gateway: Gateway) -> dict[float, float]:
    """How often the loop was at most so late, by seconds."""
    with urllib.request.urlopen(f"{gateway.url}/metrics") as answer:
        text = answer.read().decode()
    rows = re.findall(r'^gateway_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', text, re.MULTILINE)
    return {float(bound): float(count) for bound, count in rows}


def read_schedule(gateway: Gateway) -> tuple[float, float]:
    """How long the gateway has had a CPU, and has waited for one, in seconds (proc(5), schedstat)."""
    running_ns, waiting_ns, _ = Path(f"/proc/{gateway.process.pid}/schedstat").read_text().split()
    return int(running_ns) / 1e9, int(waiting_ns) / 1e9


def put(gateway: Gateway, name: str, body: bytes) -> None:
    """Upload a file."""
    request = urllib.request.Request(f"{gateway.url}/api/v1/audio/{name}", data=body, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_load(tmp_path: Path, trial: Trial) -> None:
    """Everybody is served while everybody is there, and the loop is never long away."""
    seconds = FULL_S if FULL else SHORT_S
    site_port = free_port()
    site = [sys.executable, str(ROOT / "bench/site.py"), str(site_port), "0.02", "127.0.0.1"]
    with running(tmp_path, PER_HOST="200") as gateway, subprocess.Popen(site, stdout=subprocess.PIPE) as crawled:
        put(gateway, "long.wav", make_wave(2_000_000))
        for number in range(30):
            put(gateway, f"short-{number}.wav", make_wave(20_000))
        address = f"http://127.0.0.1:{site_port}"
        command = [sys.executable, str(ROOT / "tests/trials/load.py"), gateway.url, address, str(seconds)]
        for number in trial.run(full=2, short=1):
            memory: list[float] = []
            before, (ran_s, waited_s), began = read_lag(gateway), read_schedule(gateway), time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
                while load.poll() is None:
                    time.sleep(0.5)
                    memory.append(read_memory(gateway))
                told = json.loads(load.communicate()[0])
            late = {bound: count - before[bound] for bound, count in read_lag(gateway).items()}
            taken_s = time.monotonic() - began
            used, missed = (
                (now - then) / taken_s for now, then in zip(read_schedule(gateway), (ran_s, waited_s), strict=True)
            )
            trial.figures["CPU"] = f"{used:.0%} had, {missed:.0%} waited for"
            settled = 0 if number else len(memory) * 2 // 3
            judge(trial, told, late, memory, settled, limit_s=CROWDED_LAG_S if missed > CROWDED else LAG_S)
            trial.figures["clients"] = f"{CLIENTS} at work, {IDLE} idle, {SILENT} silent, for {seconds} s"
        crawled.kill()


def judge(
    trial: Trial, told: dict[str, Any], late: dict[float, float], memory: list[float], settled: int, *, limit_s: float
) -> None:
    """Write down the figures, and count what was not as promised. `memory` should be flat from `settled` on."""
    total = late[float("inf")]
    worst_s = min(bound for bound, count in late.items() if count == total)
    trial.figures["loop late"] = (
        f"{total - late[0.01]:.0f} of {total:.0f} times over 10 ms, at most {worst_s * 1000:g} ms"
    )
    for kind, row in told["kinds"].items():
        trial.figures[kind] = "{count:.0f} in p50 {p50_ms:.0f}, p95 {p95_ms:.0f}, max {max_ms:.0f} ms".format(**row)
    flat = memory[settled:]
    grown = max(flat) - flat[0]
    trial.figures["memory"] = f"{memory[0]:.0f} MiB at first, {flat[0]:.0f} when settled, {grown:.0f} more at most"
    wrong = {what: times for what, times in told["wrong"].items() if limit_s == LAG_S or not what.endswith(" 503")}
    trial.figures["not answered in time by Redis"] = sum(told["wrong"].values()) - sum(wrong.values())
    trial.check(not wrong, f"wrong answers: {wrong}")
    trial.check(all(kind in told["kinds"] for kind in ("page", "list", "range", "upload", "task", "idle")), "no work")
    over = total - late[limit_s]
    trial.check(total > 10 and not over, f"{over:.0f} times the loop was over {limit_s * 1000:g} ms late")
    trial.check(grown < GROWTH_MIB, f"memory grew by {grown:.0f} MiB")
    trial.check(max(memory) < MOST_MIB, f"memory grew to {max(memory):.0f} MiB")
