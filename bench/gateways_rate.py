"""URLs a second of 1, 2, 3 and 4 gateways on one Redis, beside one alone.

Usage: python bench/gateways_rate.py [SECONDS]

Two kinds of work, each about so many seconds long for one gateway. Slow sites: each gateway may have 50 requests out
at once, to sites that take 0.2 s, so that it waits and the machine does not; the rate ought to grow with the number.
Fast sites: 1,000 at once, to sites that answer at once, so that the gateways, their Redis and the site share the
processors; the rate cannot grow beyond what those give, and what is shown is what sharing costs. The tasks are of 100
URLs, posted to the gateways in turn; the better of two turns counts.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stand import Server, make_urls, raise_file_limit, running_gateway, running_site, tell

GATEWAYS = 4
TURNS = 2
TASK_URLS = 100
LATENCY_S, CONCURRENCY = 0.2, 50
FAST_CONCURRENCY = 1_000
FAST_RATE = 2_000
"""About the rate of one gateway with fast sites, for the amount of work alone."""
SHARE = 0.8
"""What each further gateway ought to bring at least, of what one does alone."""


def measure(servers: Sequence[Server], urls: list[str]) -> float:
    """URLs a second from the first POST until all have their code, each 200."""
    tasks = [urls[start : start + TASK_URLS] for start in range(0, len(urls), TASK_URLS)]
    begun = time.perf_counter()
    posted = [servers[i % len(servers)].call("POST", "/api/v1/tasks/", task)["id"] for i, task in enumerate(tasks)]
    for i, identity in enumerate(posted):
        state: dict[str, Any] = {"status": "running"}
        while state["status"] != "ready":  # from another gateway than it was posted to
            state = servers[(i + 1) % len(servers)].call("GET", f"/api/v1/tasks/{identity}")
        if state["result"] != [200] * TASK_URLS:
            raise SystemExit(f"not every URL answered 200: {state}")
    return len(urls) / (time.perf_counter() - begun)


def measure_growth(kind: str, latency_s: float, concurrency: int, rate: float, seconds: float) -> list[float]:
    """The rates of 1, 2, … gateways; a line for each."""
    rates: list[float] = []
    for number in range(1, GATEWAYS + 1):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            site_port = stack.enter_context(running_site(folder, latency_s))
            servers = [
                stack.enter_context(running_gateway(folder, CONCURRENCY=str(concurrency))) for _ in range(number)
            ]
            measure(servers, make_urls(site_port, "warm", 10 * TASK_URLS))
            growth = number if latency_s else 1
            total = round(rate * growth * seconds / TASK_URLS) * TASK_URLS
            rates.append(max(measure(servers, make_urls(site_port, turn, total)) for turn in range(TURNS)))
        print(f"{kind} sites, {number} gateways {rates[-1]:7.0f} URLs/s, {rates[-1] / rates[0]:.2f} of one", flush=True)
    return rates


def main() -> None:
    """Print the rates, and how they grow."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    raise_file_limit()
    print(f"{os.cpu_count()} processors for the gateways, their Redis and the sites", flush=True)
    rates = measure_growth("slow", LATENCY_S, CONCURRENCY, CONCURRENCY / LATENCY_S, seconds)
    measure_growth("fast", 0.0, FAST_CONCURRENCY, FAST_RATE, seconds)
    for number in range(2, GATEWAYS + 1):
        ratio = rates[number - 1] / rates[0]
        tell(f"URLs/s of {number} gateways on one Redis, slow sites", "one of them", ratio, at_least=SHARE * number)


if __name__ == "__main__":
    main()
