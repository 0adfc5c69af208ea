"""10,000 URLs over the task API, fresh and then cached, beside FastAPI, uvicorn, aiohttp and Redis (bench/plain.py).

Both are served with uvloop by one process, may ask 2,000 URLs at once, and keep all they know in a Redis of their own;
500 hosts take 100 ms. They take turns within one run; the best turn of each counts. What is compared is the CPU of the
server and its Redis: 10,000 URLs of 100 ms take a second whoever asks.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stand import (
    ROOT,
    TASK_URLS,
    Process,
    Server,
    find_port,
    find_redis,
    make_urls,
    raise_file_limit,
    running,
    running_gateway,
    running_site,
    tell,
    wait_ready,
)

sys.path.insert(0, str(ROOT))
from gateway.datastore.embedded import find_server

TURNS = 5
LATENCY_S = 0.1
CONCURRENCY = "2000"


@contextmanager
def running_plain(folder: Path) -> Iterator[tuple[Server, Process]]:
    """The peer, and its Redis, which keeps its data as ours does."""
    redis_port, port = find_port(), find_port()
    binary = find_server()
    if binary is None:
        raise SystemExit("there is no redis-server here")
    redis = [str(binary), "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
    serve = ["-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--port", str(port)]
    with (
        running([*redis, "--dir", str(folder)], folder) as redis_process,
        running([sys.executable, *serve, "--app-dir", str(ROOT / "bench"), "plain:app"], folder,
                REDIS_URL=f"redis://127.0.0.1:{redis_port}", CONCURRENCY=CONCURRENCY) as process,
    ):  # fmt: skip
        wait_ready(f"http://127.0.0.1:{port}/openapi.json")
        yield Server(process, port), Process(redis_process.pid)


def read_cpu_s(*processes: Process) -> float:
    """Seconds of CPU of all of these."""
    return sum(process.read_cpu_s() for process in processes)


def main() -> None:
    """Print a line a turn, and the two ratios."""
    raise_file_limit()
    best: dict[tuple[str, str], float] = {}
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        site_port = stack.enter_context(running_site(folders[0], LATENCY_S))
        gateway = stack.enter_context(running_gateway(folders[1], CONCURRENCY=CONCURRENCY))
        servers = {
            "plain": stack.enter_context(running_plain(folders[0])),
            "gateway": (gateway, find_redis(gateway)),
        }
        for turn in range(TURNS):
            for name, (server, redis) in servers.items():
                urls = make_urls(site_port, f"{name}{turn}", TASK_URLS)
                for kind in ("fresh", "cached", "cached"):
                    before_s = read_cpu_s(server, redis)
                    taken_s = server.run_tasks(urls)
                    cpu_s = read_cpu_s(server, redis) - before_s
                    best[name, kind] = min(best.get((name, kind), 1e9), cpu_s)
                    print(
                        f"{name:<8} {kind:<7}{taken_s:6.2f} s, {cpu_s / TASK_URLS * 1e6:4.0f} µs of CPU a URL",
                        flush=True,
                    )
    for kind, at_most in (("fresh", 1 / 4), ("cached", 1 / 12)):
        ratio = best["gateway", kind] / best["plain", kind]
        tell(f"CPU of 10,000 {kind} URLs over the API", "FastAPI + aiohttp + Redis, plain", ratio, at_most=at_most)


if __name__ == "__main__":
    main()
