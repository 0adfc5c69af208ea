"""crawl.py through a gateway beside `curl -Z`: 10,000 URLs of 500 hosts that take 100 ms, in one run.

Usage: python bench/crawl_curl.py [URLS] [LATENCY_S]

Each time runs from the start of the process to its last line. The gateway is served as `make run` serves it, with
PER_HOST=50; what it has seen is asked once more from its cache.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from stand import ROOT, make_urls, raise_file_limit, running_gateway, running_site, tell

TURNS = 3
PEER = "curl -Z --parallel-max 300"


def measure(command: Sequence[str], folder: Path, total: int) -> float:
    """Seconds until the command has printed 200 for every URL."""
    start = time.perf_counter()
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    taken_s = time.perf_counter() - start
    good = sum(line.startswith("200") for line in run.stdout.splitlines())
    if good != total:
        raise SystemExit(f"{command[0]}: {good} of {total} URLs answered: {run.stderr[:500]}")
    return taken_s


def main() -> None:
    """Print a line a turn and the ratios of the best ones."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    latency_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
    raise_file_limit()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_site(folder, latency_s) as site_port, running_gateway(folder) as gateway:
            curl = ["curl", "-s", "-Z", "--parallel-max", "300", "-w", "%{http_code}\n", "-K", "curl"]
            crawl = [sys.executable, str(ROOT / "crawl.py"), "--server", gateway.url, "-f", "urls"]
            best = {"curl": 1e9, "crawl.py": 1e9, "crawl.py, cached": 1e9}
            for turn in range(TURNS):
                urls = make_urls(site_port, turn, total)
                (folder / "urls").write_text("".join(f"{url}\n" for url in urls))
                (folder / "curl").write_text("".join(f'url = "{url}"\noutput = /dev/null\n' for url in urls))
                for label, command in (("curl", curl), ("crawl.py", crawl), ("crawl.py, cached", crawl)):
                    taken_s = measure(command, folder, total)
                    best[label] = min(best[label], taken_s)
                    print(f"{label:<18} {taken_s:6.2f} s  {total / taken_s:8.0f} URLs/s", flush=True)
    tell(f"crawl.py, {total:,} URLs, time", PEER, best["crawl.py"] / best["curl"], at_most=0.75)
    print(f"ratio from the cache: {best['crawl.py, cached'] / best['curl']:.2f}")


if __name__ == "__main__":
    main()
