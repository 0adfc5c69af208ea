"""What many gateways cost their one Redis: its CPU a URL, its memory with a full queue, its longest command.

Usage: python bench/gateways_redis.py [GATEWAYS] [URLS]

The default is 16 gateways and 1,000,000 URLs, as many as the queue takes. One gateway that may ask for a single URL at
a time takes all tasks in; then others take its place, and ask sites that answer at once. The figures are those of Redis
itself (INFO, SLOWLOG).
"""

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from redis import Redis
from stand import (
    TASK_URLS,
    Server,
    find_port,
    make_urls,
    raise_file_limit,
    running,
    running_gateway,
    running_site,
    tell,
)

from gateway.datastore.embedded import find_server

GATEWAYS, URLS = 16, 1_000_000
POLL_S = 2.0


def post_all(server: Server, urls: list[str]) -> list[str]:
    """The ids of the tasks with all URLs."""
    parts = [urls[start : start + TASK_URLS] for start in range(0, len(urls), TASK_URLS)]
    return [server.call("POST", "/api/v1/tasks/", part)["id"] for part in parts]


def await_all(servers: list[Server], tasks: list[str]) -> None:
    """Return once every task is ready."""
    left = list(tasks)
    while left:
        left = [
            task
            for task in left
            if servers[len(left) % len(servers)].call("GET", f"/api/v1/tasks/{task}")["status"] != "ready"
        ]
        print(f"\r{len(tasks) - len(left)} of {len(tasks)} tasks ready ", end="", file=sys.stderr, flush=True)
        time.sleep(POLL_S)
    print(file=sys.stderr)


def read_cpu_s(redis: Redis) -> float:
    """Seconds of CPU that the server has used."""
    info = redis.info("cpu")
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


def find_longest(redis: Redis) -> tuple[float, str]:
    """The longest command since the log was emptied: its milliseconds, and how it begins."""
    entries = redis.slowlog_get(1000)
    return max(((entry["duration"] / 1000, entry["command"][:160].decode()) for entry in entries), default=(0.0, ""))


def main() -> None:
    """Print the figures."""
    gateways, total = (int(word) for word in [*sys.argv[1:], *map(str, (GATEWAYS, URLS)[len(sys.argv) - 1 :])])
    raise_file_limit()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = find_port()
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
        ]
        slow = ["--slowlog-log-slower-than", "1000", "--slowlog-max-len", "1000"]
        stack.enter_context(running([str(find_server()), *options, *slow], folder))
        redis = Redis(port=port)
        site = stack.enter_context(running_site(folder, 0.0))
        url = f"redis://127.0.0.1:{port}"
        urls = make_urls(site, "many", total)
        empty_bytes = redis.info("memory")["used_memory"]
        with running_gateway(folder, REDIS_URL=url, CONCURRENCY="1", PER_HOST="1") as door:
            tasks = post_all(door, urls)
            full_bytes = redis.info("memory")["used_memory"] - empty_bytes
            posted_s, posted = read_cpu_s(redis), find_longest(redis)
        redis.slowlog_reset()
        begun = time.perf_counter()
        servers = [stack.enter_context(running_gateway(folder, REDIS_URL=url)) for _ in range(gateways)]
        await_all(servers, tasks)
        taken_s = time.perf_counter() - begun
        worked_s = read_cpu_s(redis) - posted_s
        peak_bytes = redis.info("memory")["used_memory_peak"]
        idle_s = read_cpu_s(redis)
        time.sleep(10)
        idle_share = (read_cpu_s(redis) - idle_s) / 10
        print(f"{os.cpu_count()} processors; {gateways} gateways, {total:,} URLs in {taken_s:.0f} s")
        print(f"memory of Redis: {full_bytes / total:.0f} bytes a queued URL, {peak_bytes / 2**20:.0f} MiB at most")
        posted_us, worked_us = posted_s / total * 1e6, worked_s / total * 1e6
        print(f"CPU of Redis: {posted_us:.1f} µs a URL to take it in, {worked_us:.1f} to work on it")
        print(f"CPU of Redis with {gateways} gateways that have nothing to do: {idle_share:.1%} of a core")
        worked = find_longest(redis)
        for work, (longest_ms, command) in (("posted", posted), ("worked on", worked)):
            print(f"longest command while URLs are {work}: {longest_ms:.1f} ms, {command!r}")
        tell("CPU of Redis a URL, many gateways", "–", posted_us + worked_us, at_most=50, unit=" µs")
        print("(by the clock: where the gateways take all processors, Redis waits for one in the middle of a command)")


if __name__ == "__main__":
    main()
