"""What a URL costs the gateway: time, CPU and memory from 100 to 100,000 URLs, and how long its loop is ever held.

Usage: python bench/tasks_scale.py [LARGEST]

The CPU is that of the gateway's process, user and system, over the number of URLs (Redis and the site are others). The
site answers at once, so that the time is that of the gateway. The loop is watched by a coroutine inside the gateway
that wants to run every millisecond, while a body of 10,000 URLs and nearly 4 MiB is read, stored, worked on, answered.
"""

import json
import sys
import tempfile
from pathlib import Path

from stand import ROOT, TASK_URLS, Server, make_urls, raise_file_limit, running_gateway, running_site, tell

LARGEST = 100_000
LEAST_URLS = 2_000
"""A small number is asked for again and again until it comes to this many."""
CHARS = 400
"""Length of a URL of the large body: 10,000 of them are just under 4 MiB."""
ROUNDS = 3


def measure_decades(folder: Path, site_port: int, largest: int) -> None:
    """Print a line a decade, and the results."""
    figures: dict[int, tuple[float, float]] = {}
    print(f"{'URLs':>8}{'s':>8}{'µs/URL':>8}{'CPU µs/URL':>12}{'peak MiB':>10}{'KiB/URL':>9}")
    with running_gateway(folder) as server:
        server.run_tasks(make_urls(site_port, "warm", 1_000))
        rest_bytes = server.read_peak_bytes()
        total = 100
        while total <= largest:
            times = max(1, LEAST_URLS // total)
            before_s = server.read_cpu_s()
            taken_s = sum(server.run_tasks(make_urls(site_port, f"{total}.{turn}", total)) for turn in range(times))
            cpu_us = (server.read_cpu_s() - before_s) / total / times * 1e6
            peak_bytes = server.read_peak_bytes()
            kib = max(0, peak_bytes - rest_bytes) / total / 1024
            figures[total] = taken_s / times / total * 1e6, cpu_us
            row = f"{total:>8,}{taken_s / times:8.2f}{figures[total][0]:8.0f}{cpu_us:12.0f}"
            print(f"{row}{peak_bytes / 2**20:10.0f}{kib:9.1f}", flush=True)
            total *= 10
    tell("CPU of a fresh URL on the whole path", "–", figures[10_000][1], at_most=300, unit=" µs")
    growth = figures[largest][1] / figures[10_000][1]
    tell(f"CPU a URL at {largest:,} over that at 10,000", "–", growth, at_most=1.5)


def measure_loop(folder: Path, site_port: int) -> None:
    """Print how long the loop was held in each step of a large task, and the longest as a result.

    The clock shows what the neighbours of the gateway did, too. The result is in seconds of CPU of the loop's thread,
    which does no file and no waiting of its own, and of a step the best of the rounds.
    """
    best: dict[str, float] = {}
    with running_gateway(folder, "heart:app", PYTHONPATH=f"{ROOT}:{ROOT / 'bench'}") as server:
        server.run_tasks(make_urls(site_port, "warm", 1_000))
        for turn in range(ROUNDS):
            urls = [f"{url}?{'x' * (CHARS - len(url))}" for url in make_urls(site_port, f"held{turn}", TASK_URLS)]
            for step, worked_s in hold(server, json.dumps(urls).encode()).items():
                best[step] = min(best.get(step, worked_s), worked_s)
    tell("longest hold of the event loop, 10,000 URLs, CPU", "–", max(best.values()) * 1000, at_most=100, unit=" ms")


def hold(server: Server, body: bytes) -> dict[str, float]:
    """The longest hold in seconds of CPU of each step: one task is posted, worked on and read in every form."""
    steps: dict[str, dict[str, float]] = {}
    server.call("GET", "/held")
    task = server.call("POST", "/api/v1/tasks/", body)
    steps["stored"] = server.call("GET", "/held")
    while task["status"] != "ready":
        task = server.call("GET", f"/api/v1/tasks/{task['id']}")
    steps["worked on"] = server.call("GET", "/held")
    for path in ("", "/probes"):
        server.call("GET", f"/api/v1/tasks/{task['id']}{path}")
        steps[f"read{path or ' result'}"] = server.call("GET", "/held")
    words = [f"{step} {held['held_s'] * 1000:.0f} ({held['worked_s'] * 1000:.0f})" for step, held in steps.items()]
    print(f"{len(body) / 2**20:.1f} MiB, loop held for ms (of them CPU): {', '.join(words)}", flush=True)
    return {step: held["worked_s"] for step, held in steps.items()}


def main() -> None:
    """Both measurements."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else LARGEST
    raise_file_limit()
    with tempfile.TemporaryDirectory() as name, running_site(Path(name), 0) as site_port:
        measure_decades(Path(name), site_port, largest)
        measure_loop(Path(name), site_port)


if __name__ == "__main__":
    main()
