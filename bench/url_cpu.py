"""CPU of a fresh URL, from crawl.py through gateway and Redis, beside `curl -Z` and plain aiohttp workers, in one run.

Usage: python bench/url_cpu.py [URLS] [LATENCY_S]

10,000 URLs of 500 hosts that take 100 ms; the best turn of each counts. The last lines say where it goes.
"""

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stand import ROOT, find_redis, make_urls, raise_file_limit, running_gateway, running_site, tell

TURNS = 3
PEERS = {"curl -Z": 1.1, "aiohttp workers": 0.55}
"""And how much of their CPU is the target."""


def read_children_s() -> float:
    """Seconds of CPU of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(command: Sequence[str], folder: Path, total: int) -> float:
    """Seconds of CPU of a command that prints 200 for every URL."""
    before_s = read_children_s()
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    good = sum(line.startswith("200") for line in run.stdout.splitlines())
    if good != total:
        raise SystemExit(f"{command[0]}: {good} of {total} URLs answered: {run.stderr[:500]}")
    return read_children_s() - before_s


def main() -> None:
    """Print a line a turn, the ratios, and where the CPU goes."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    latency_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
    raise_file_limit()
    commands = {
        "curl -Z": ["curl", "-s", "-Z", "--parallel-max", "300", "-w", "%{http_code}\n", "-K", "curl"],
        "aiohttp workers": [sys.executable, str(ROOT / "bench/workers.py"), "urls"],
    }
    best: dict[str, float] = {}
    parts: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_site(folder, latency_s) as site_port, running_gateway(folder) as gateway:
            redis = find_redis(gateway)
            commands["crawl.py"] = [sys.executable, str(ROOT / "crawl.py"), "--server", gateway.url, "-f", "urls"]
            for turn in range(TURNS):
                for label, command in commands.items():
                    urls = make_urls(site_port, f"{turn}-{len(label)}", total)
                    (folder / "urls").write_text("".join(f"{url}\n" for url in urls))
                    (folder / "curl").write_text("".join(f'url = "{url}"\noutput = /dev/null\n' for url in urls))
                    before_s = gateway.read_cpu_s(), redis.read_cpu_s()
                    used = {"client": measure(command, folder, total)}
                    if label == "crawl.py":
                        used |= {
                            "gateway": gateway.read_cpu_s() - before_s[0],
                            "Redis": redis.read_cpu_s() - before_s[1],
                        }
                    cpu_us = sum(used.values()) / total * 1e6
                    if cpu_us < best.get(label, 1e9):
                        best[label] = cpu_us
                        parts = used if label == "crawl.py" else parts
                    print(f"{label:<16} {cpu_us:6.0f} µs/URL", flush=True)
    for peer, at_most in PEERS.items():
        tell("CPU of a fresh URL, whole path", peer, best["crawl.py"] / best[peer], at_most=at_most)
    print(", ".join(f"{part} {used_s / total * 1e6:.0f} µs" for part, used_s in parts.items()))


if __name__ == "__main__":
    main()
