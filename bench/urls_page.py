"""The page of a task of 10,000 URLs in Chromium, and four people who look at four such tasks at once.

Usage: python bench/urls_page.py

The frames are measured on a task whose site is silent: the scripts of the page are given 250 answers a frame, as its
event stream would, until all are there. First paint, filter and memory are those of a task that is ready; the memory is
that of the scripts, after a walk through all rows. While four tasks run, and four pages show them, a coroutine inside
the gateway watches its event loop.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright
from stand import ROOT, TASK_URLS, Server, make_urls, raise_file_limit, running_gateway, running_site, tell

sys.path.insert(0, str(ROOT))
from tests.browser import FLAGS
from tests.programs import need

PEOPLE = 4
OPENINGS = 5
LATENCY_S = 1.0
SILENT_S = 600.0
WHOLE = ".group[style]"
"""There once the page has all URLs."""
FRAMES = """async () => {
    const [probes, rows, summary] = await Promise.all(
        ["probes", "rows", "summary"].map((name) => import(`/static/tasks/${name}.js`)));
    const total = Number(document.getElementById("content").dataset.total);
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const taken = [];
    let before = await frame();
    for (let done = 0; done < total; done += 250) {
        const landed = Array.from({ length: 250 }, (_, i) => {
            const probe = probes.at((done + i) * 7919 % total);
            const code = i % 10 ? 200 : 404;
            return { ...probe, code, verdict: i % 10 ? "ok" : "broken", elapsed_s: i / 1000, attempts: 1 };
        });
        probes.take(landed);
        rows.land();
        const bad = done / 10;
        const counts = { 200: done - bad, 404: bad };
        summary.show({ status: "running", total, done, counts, verdicts: { ok: done - bad, broken: bad } });
        const now = await frame();
        taken.push(now - before);
        before = now;
    }
    return taken;
}"""
FILTER = """async () => {
    const search = document.getElementById("search");
    const taken = [];
    for (const text of ["1", "12", "127.0.0.9", "", "/99", "nothing", "1"]) {
        const begun = performance.now();
        search.value = text;
        search.dispatchEvent(new Event("input"));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        taken.push(performance.now() - begun);
    }
    return taken;
}"""
WALK = """async () => {
    for (let top = 0; top < document.documentElement.scrollHeight; top += 2000) {
        scrollTo(0, top);
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


@contextmanager
def opening(browser: Browser, server: Server, task: str) -> Iterator[Page]:
    """The page of a task in a fresh profile, once it has all URLs."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/tasks/{task}")
    page.wait_for_selector(WHOLE)
    yield page
    context.close()


def read_memory(page: Page) -> float:
    """The bytes that the scripts of a page hold."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "JSHeapUsedSize"))


def print_held(what: str, held: dict[str, float]) -> None:
    """One line of figures."""
    print(f"{what}: loop held {held['held_s'] * 1e3:.0f} ms (of them CPU {held['worked_s'] * 1e3:.0f})", flush=True)


def measure_frames(browser: Browser, folder: Path) -> None:
    """The frames of a page while its rows change."""
    with running_site(folder, SILENT_S) as port, running_gateway(folder) as server:
        task = server.call("POST", "/api/v1/tasks/", make_urls(port, "silent", TASK_URLS))["id"]
        with opening(browser, server, task) as page:
            taken = page.evaluate(FRAMES)
        print(f"frames: median {median(taken):.1f} ms, longest {max(taken):.0f} ms of {len(taken)}", flush=True)
        tell("frame of a page of 10,000 rows, 250 changes each, median", "–", median(taken), at_most=33, unit=" ms")
        server.call("DELETE", f"/api/v1/tasks/{task}")


def measure_people(browser: Browser, server: Server, port: int) -> str:
    """The loop while tasks run that people look at; the id of one, once it is ready."""
    with opening(browser, server, server.call("POST", "/api/v1/tasks/", make_urls(port, "warm", 100))["id"]):
        print_held("first page of a gateway", server.call("GET", "/held"))
    posted = [server.call("POST", "/api/v1/tasks/", make_urls(port, i, TASK_URLS)) for i in range(PEOPLE)]
    tasks = [str(task["id"]) for task in posted]
    print_held("posting", server.call("GET", "/held"))
    pages = [browser.new_context().new_page() for _ in tasks]
    for page, task in zip(pages, tasks, strict=True):
        page.goto(f"{server.url}/tasks/{task}")
    for page in pages:
        page.wait_for_selector("#status.ready", timeout=120_000)
        page.context.close()
    held = server.call("GET", "/held")
    print_held("four pages", held)
    worked_ms = held["worked_s"] * 1e3
    tell("longest hold of the event loop, 4 pages of 4 × 10,000 URLs, CPU", "–", worked_ms, at_most=100, unit=" ms")
    return tasks[0]


def measure_page(browser: Browser, server: Server, task: str) -> None:
    """First paint, filter and memory of a task that is ready."""
    paints = list[float]()
    for _ in range(OPENINGS):
        with opening(browser, server, task) as page:
            paints.append(page.evaluate(PAINT))
            filters = page.evaluate(FILTER)
            page.locator("#search").fill("")
            page.evaluate(WALK)
            memory_bytes = read_memory(page)
    print(f"first paint: ms {', '.join(f'{paint:.0f}' for paint in paints)}", flush=True)
    print(f"filter: ms {', '.join(f'{each:.0f}' for each in filters)}", flush=True)
    tell("first paint of a page of 10,000 rows, median", "–", median(paints), at_most=600, unit=" ms")
    tell("filter of 10,000 rows until it is painted, longest", "–", max(filters), at_most=100, unit=" ms")
    tell("memory of the scripts of 10,000 rows", "–", memory_bytes / 1e6, at_most=100, unit=" MB")


def main() -> None:
    """All of it."""
    raise_file_limit()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        path = need("chromium", "chromium-browser", "google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        measure_frames(browser, folder)
        settings = {"PYTHONPATH": f"{ROOT}:{ROOT / 'bench'}", "PER_HOST": "20"}
        with running_site(folder, LATENCY_S) as port, running_gateway(folder, "heart:app", **settings) as server:
            measure_page(browser, server, measure_people(browser, server, port))
        browser.close()


if __name__ == "__main__":
    main()
