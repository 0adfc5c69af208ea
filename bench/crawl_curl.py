"""crawl.py through a gateway beside `curl -Z`: 10,000 URLs of 500 hosts that take 100 ms, in one run.

Usage: python bench/crawl_curl.py [URLS] [LATENCY_S]

Each time runs from the start of the process to its last line. The gateway is served as `make run` serves it, with
PER_HOST=50; what it has seen is asked once more from its cache.
"""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOSTS = [f"127.0.{1 + i // 250}.{1 + i % 250}" for i in range(500)]
RUNS = 3


def find_port() -> int:
    """A port that is free on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: Sequence[str], folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A process for as long as the block."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def wait_ready(url: str) -> None:
    """Return once the gateway and its Redis are there."""
    for _ in range(500):
        with suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(url)


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
    """Print a line a run and the ratios of the best ones."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    latency_s = sys.argv[2] if len(sys.argv) > 2 else "0.1"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    site_port, port = find_port(), find_port()
    gateway = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "hypercorn", "--config", str(ROOT / "hypercorn.toml"), "--bind", f"127.0.0.1:{port}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = running([sys.executable, str(ROOT / "bench/site.py"), str(site_port), latency_s, *HOSTS], folder)
        web = running([*serve, "gateway:app"], folder, PROBE_TARGETS="any", PER_HOST="50", TIMEOUT="3600")
        with site as ready, web:
            assert ready.stdout is not None
            ready.stdout.readline()
            wait_ready(gateway)
            best = {"curl": 1e9, "crawl.py": 1e9, "crawl.py, cached": 1e9}
            for run in range(RUNS):
                urls = [f"http://{HOSTS[i % 500]}:{site_port}/{run}/{i}" for i in range(total)]
                (folder / "urls").write_text("".join(f"{url}\n" for url in urls))
                (folder / "curl").write_text("".join(f'url = "{url}"\noutput = /dev/null\n' for url in urls))
                curl = ["curl", "-s", "-Z", "--parallel-max", "300", "-w", "%{http_code}\n", "-K", "curl"]
                crawl = [sys.executable, str(ROOT / "crawl.py"), "--server", gateway, "-f", "urls"]
                for label, command in (("curl", curl), ("crawl.py", crawl), ("crawl.py, cached", crawl)):
                    taken_s = measure(command, folder, total)
                    best[label] = min(best[label], taken_s)
                    print(f"{label:<18} {taken_s:6.2f} s  {total / taken_s:8.0f} URLs/s", flush=True)
    for label in ("crawl.py", "crawl.py, cached"):
        print(f"ratio {label} / curl: {best[label] / best['curl']:.2f}")


if __name__ == "__main__":
    main()
