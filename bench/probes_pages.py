"""The probes of four tasks of 10,000 URLs, read by four clients at once: a page, a filtered page, all of it, by gzip.

Usage: python bench/probes_pages.py

Pages are read while the tasks run, from a site that takes its time, and when they are ready. The loop is watched by a
coroutine inside the gateway that wants to run every millisecond; the first page of each task by a gateway that has just
started, which has to read it all, counts too.
"""

import gzip
import http.client
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

from stand import ROOT, TASK_URLS, Server, make_urls, raise_file_limit, running_gateway, running_site, tell

TASKS = 4
PAGES = 50
LATENCY_S = 1.0
QUERIES = ("limit=100", "show=bad&limit=100", "sort=-time&limit=100", "sort=domain&offset=5000&limit=100", "q=/99")


def serve(folder: Path) -> AbstractContextManager[Server]:
    """A gateway whose loop is watched."""
    return running_gateway(folder, "heart:app", PYTHONPATH=f"{ROOT}:{ROOT / 'bench'}", PER_HOST="20")


def get(server: Server, path: str, encoding: str = "identity") -> tuple[float, bytes]:
    """Seconds and body of an answer, over a connection of its own."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    begun = time.perf_counter()
    connection.request("GET", path, headers={"Accept-Encoding": encoding})
    body = connection.getresponse().read()
    taken_s = time.perf_counter() - begun
    connection.close()
    return taken_s, body


def read_pages(server: Server, tasks: list[str]) -> dict[str, float]:
    """The median of the seconds that each kind of page takes while four clients read, each its own task."""
    taken: dict[str, list[float]] = {query: [] for query in QUERIES}

    def read(task: str) -> None:
        for query in QUERIES * PAGES:
            taken[query].append(get(server, f"/api/v1/tasks/{task}/probes?{query}")[0])

    threads = [threading.Thread(target=read, args=[task]) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {query: median(seconds) for query, seconds in taken.items()}


def print_pages(what: str, pages: dict[str, float], held: dict[str, float]) -> None:
    """One line of figures."""
    words = ", ".join(f"{query} {seconds * 1000:.1f}" for query, seconds in pages.items())
    longest = f"held {held['held_s'] * 1000:.0f} ms (of them CPU {held['worked_s'] * 1000:.0f})"
    print(f"{what}: ms {words}; loop {longest}", flush=True)


def measure_running(folder: Path) -> list[str]:
    """Pages of tasks that run; their ids, once they are ready."""
    with running_site(folder, LATENCY_S) as port, serve(folder) as server:
        warm = server.call("POST", "/api/v1/tasks/", make_urls(port, "warm", 100))
        get(server, f"/api/v1/tasks/{warm['id']}/probes")
        posted = [server.call("POST", "/api/v1/tasks/", make_urls(port, i, TASK_URLS)) for i in range(TASKS)]
        tasks = [str(task["id"]) for task in posted]
        time.sleep(3)
        server.call("GET", "/held")
        one_s = median(get(server, f"/api/v1/tasks/{tasks[0]}/probes?limit=100")[0] for _ in range(PAGES))
        tell("100 probes of one of 4 running tasks of 10,000 URLs", "–", one_s * 1e3, at_most=20, unit=" ms")
        print_pages("running", read_pages(server, tasks), server.call("GET", "/held"))
        for task in tasks:
            while server.call("GET", f"/api/v1/tasks/{task}")["status"] != "ready":
                pass
    return tasks


def measure_ready(folder: Path, tasks: list[str]) -> None:
    """Pages of tasks that are ready, by a gateway that has just started; all their probes; their size by gzip."""
    with serve(folder) as server:
        server.call("GET", "/held")
        cold = [get(server, f"/api/v1/tasks/{task}/probes?limit=100")[0] for task in tasks]
        longest_s = server.call("GET", "/held")["worked_s"]
        print(f"first page of each task: ms {', '.join(f'{s * 1000:.0f}' for s in cold)}, loop {longest_s * 1e3:.0f}")
        one_s = median(get(server, f"/api/v1/tasks/{tasks[0]}/probes?limit=100")[0] for _ in range(PAGES))
        tell("100 probes of a ready task of 10,000 URLs", "–", one_s * 1e3, at_most=5, unit=" ms")
        server.call("GET", "/held")
        pages = read_pages(server, tasks)
        held = server.call("GET", "/held")
        print_pages("ready", pages, held)
        longest_s = max(longest_s, held["worked_s"])
        for query in ("", "?format=csv", "?format=markdown"):
            longest_s = max(longest_s, read_whole(server, tasks, query))
        tell("longest hold of the event loop, 4 × 10,000 probes, CPU", "–", longest_s * 1e3, at_most=100, unit=" ms")
        measure_gzip(server, tasks[0])


def measure_gzip(server: Server, task: str) -> None:
    """The size of all probes of a task by gzip."""
    plain, packed = (get(server, f"/api/v1/tasks/{task}/probes", coding)[1] for coding in ("identity", "gzip"))
    assert gzip.decompress(packed) == plain
    share = len(packed) / len(plain) * 100
    print(f"10,000 probes: {len(plain):,} bytes, by gzip {len(packed):,}")
    tell("bytes of 10,000 probes by gzip", "as they are", share, at_most=10, unit=" %")


def read_whole(server: Server, tasks: list[str], query: str) -> float:
    """The longest hold in seconds of CPU while all probes of the tasks are read at once, packed."""
    server.call("GET", "/held")
    threads = [
        threading.Thread(target=get, args=[server, f"/api/v1/tasks/{task}/probes{query}", "gzip"]) for task in tasks
    ]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken_s = time.perf_counter() - begun
    held = server.call("GET", "/held")
    figures = f"loop held {held['held_s'] * 1000:.0f} ms (of them CPU {held['worked_s'] * 1000:.0f})"
    print(f"four times all {query or 'JSON'}: {taken_s * 1000:.0f} ms, {figures}", flush=True)
    return float(held["worked_s"])


def main() -> None:
    """Both."""
    raise_file_limit()
    with tempfile.TemporaryDirectory() as name:
        measure_ready(Path(name), measure_running(Path(name)))


if __name__ == "__main__":
    main()
