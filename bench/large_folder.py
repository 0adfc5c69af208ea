"""A folder of 20,000 new files: the first page, the event loop, another client, news, and the page in Chromium.

Usage: python bench/large_folder.py [FILES]

The gateway starts on a folder that it has never seen. While it reads lengths and tags, one client lists all files over
and over, one searches, and another one asks for pages; a coroutine inside the gateway watches its event loop. Then a
listener of the events waits for files that are uploaded and for files that another program puts there.
"""

import http.client
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from stand import ROOT, Server, raise_file_limit, running_gateway, tell

sys.path.insert(0, str(ROOT))
from tests.audio.formats.corpus import make_wave
from tests.browser import FLAGS, make_audio
from tests.programs import need

FILES = 20_000
OPENINGS = 5
NEWS = 10
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SCROLL = """async () => {
    const taken = [];
    let before = await new Promise(requestAnimationFrame);
    const height = document.documentElement.scrollHeight;
    for (let step = 1; step <= 300; step += 1) {
        scrollTo({ top: (height * step) / 300, behavior: "instant" });
        const now = await new Promise(requestAnimationFrame);
        taken.push(now - before);
        before = now;
    }
    return taken;
}"""


def make_files(folder: Path, count: int) -> None:
    """Albums of 12 tracks, each an mp3 with a title, an artist and an album of its own."""
    folder.mkdir(parents=True)
    sound = make_audio(
        folder / "sound.mp3", 0.2, "-b:a", "32k", "-map_metadata", "-1", "-id3v2_version", "0"
    ).read_bytes()
    (folder / "sound.mp3").unlink()
    for number in range(count):
        album, track = divmod(number, 12)
        words = {
            "TIT2": f"Song {number}",
            "TPE1": f"Björk {album % 500}",
            "TALB": f"Album {album}",
            "TRCK": f"{track + 1}",
        }
        frames = b"".join(
            name.encode() + (len(text.encode("utf-16")) + 1).to_bytes(4, "big") + b"\0\0\1" + text.encode("utf-16")
            for name, text in words.items()
        )
        size = bytes(len(frames) >> shift & 127 for shift in (21, 14, 7, 0))
        name = f"{album} - {track + 1} Song {number}.mp3"
        (folder / name).write_bytes(b"ID3\3\0\0" + size + frames + sound)


def ask(connection: http.client.HTTPConnection, path: str) -> float:
    """Seconds until a whole answer is here."""
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, (path, answer.status)
    return time.perf_counter() - begun


def ask_often(port: int, paths: list[str], pause_s: float, stop: Event, taken: Any) -> None:
    """Ask for the paths in turn until the end; the seconds of each answer go into `taken`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    times: list[float] = []
    while not stop.is_set():
        times.append(ask(connection, paths[len(times) % len(paths)]))
        time.sleep(pause_s)
    taken.put((paths[0], times))


def measure_load(server: Server, port: int, while_true: Callable[[], bool]) -> dict[str, list[float]]:
    """The times of three clients: one lists, one searches, one asks for pages."""
    context = multiprocessing.get_context("spawn")
    stop, taken = context.Event(), context.Queue()
    searches = [f"/api/v1/audio/?sort=artist&q=bjork+{number}" for number in range(200)]
    pages = [f"/?sort={sort}&page={page}" for page in (1, 2, 90) for sort in ("newest", "name", "-size")]
    jobs = [(["/api/v1/audio/"], 0.1), (searches, 0.1), (pages, 0.05)]
    clients = [context.Process(target=ask_often, args=(port, *job, stop, taken)) for job in jobs]
    for client in clients:
        client.start()
    time.sleep(2)  # the start of a process takes the processor
    server.call("GET", "/held")
    while while_true():
        time.sleep(0.5)
    stop.set()
    times = dict(taken.get() for _ in clients)
    for client in clients:
        client.join()
    return times


def measure_reading(server: Server, port: int) -> None:
    """Pages and the loop from the start until every file is read, and some seconds more."""
    first_s = ask(http.client.HTTPConnection("127.0.0.1", port), "/")
    begun = time.perf_counter()
    progress = server.call("GET", "/api/v1/audio/?limit=0")
    print(
        f"first page {first_s * 1e3:.0f} ms; then {progress['total']} listed, reading {progress['reading']}", flush=True
    )
    tell("first page of a folder of 20,000 new files", "–", first_s * 1e3, at_most=100, unit=" ms")

    def is_reading() -> bool:
        return server.call("GET", "/api/v1/audio/?limit=0")["reading"] is not None

    times = measure_load(server, port, is_reading)
    print(f"all read after {time.perf_counter() - begun:.1f} s", flush=True)
    report(server, "while it is read", times)
    ends = time.perf_counter() + 15
    report(server, "when it is read", measure_load(server, port, lambda: time.perf_counter() < ends))


def report(server: Server, when: str, times: dict[str, list[float]]) -> None:
    """The figures of one load."""
    held = server.call("GET", "/held")
    for path, taken in times.items():
        print(
            f"{when}: {path}: {len(taken)} answers, median {median(taken) * 1e3:.0f} ms, longest {max(taken) * 1e3:.0f}"
        )
    pages = next(taken for path, taken in times.items() if path.startswith("/?"))
    print(f"{when}: loop held {held['held_s'] * 1e3:.0f} ms, of them CPU {held['worked_s'] * 1e3:.0f}", flush=True)
    p99_ms = quantiles(pages, n=100)[98] * 1e3
    worked_ms = held["worked_s"] * 1e3
    tell(f"longest hold of the event loop, 20,000 files, {when}, CPU", "–", worked_ms, at_most=100, unit=" ms")
    tell(f"page of another client, 20,000 files, {when}, p99", "–", p99_ms, at_most=100, unit=" ms")


def measure_news(folder: Path, port: int) -> None:
    """Seconds until a listener hears of a file: uploaded here, and put there by another program."""
    listener = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    writer = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    listener.request("GET", "/api/v1/audio/events")
    lines = listener.getresponse()
    news: dict[str, list[float]] = {"uploaded": [], "put there": []}

    def hear() -> None:
        while not lines.readline().startswith(b"data: "):
            pass

    hear()
    for number in range(2 * NEWS):
        time.sleep(1 + random.random())
        sound, name = make_wave(3000 + number), f"new {number}.wav"
        begun = time.perf_counter()
        if number % 2:
            (folder / name).write_bytes(sound)
        else:
            writer.request("PUT", f"/api/v1/audio/{name.replace(' ', '%20')}", sound)
            assert writer.getresponse().read()
        hear()
        news["put there" if number % 2 else "uploaded"].append(time.perf_counter() - begun)
    for how, taken in news.items():
        print(f"news of a file {how}: s {', '.join(f'{each:.2f}' for each in taken)}", flush=True)
        tell(f"news of a file {how}, 20,000 files, longest", "–", max(taken), at_most=1, unit=" s")


def measure_page(browser: Browser, url: str) -> None:
    """First paint, and the frames while the list is scrolled from its head to its foot."""
    paints, frames = list[float](), list[float]()
    for _ in range(OPENINGS):
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector(".group:nth-child(200)", state="attached")
        paints.append(page.evaluate(PAINT))
        frames += page.evaluate(SCROLL)
        page.wait_for_selector(".group:last-child .file")
        context.close()
    print(f"first paint: ms {', '.join(f'{paint:.0f}' for paint in paints)}; longest frame {max(frames):.0f} ms")
    tell("first paint of a page of 20,000 files, median", "–", median(paints), at_most=600, unit=" ms")
    tell("frame while 20,000 files are scrolled, median", "–", median(frames), at_most=33, unit=" ms")


def main() -> None:
    """All of it."""
    raise_file_limit()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        audio = folder / "data" / "audio"
        make_files(audio, int(sys.argv[1]) if len(sys.argv) > 1 else FILES)
        settings = {"PYTHONPATH": f"{ROOT}:{ROOT / 'bench'}"}
        with running_gateway(folder, "heart:app", **settings) as server:
            port = int(server.url.rpartition(":")[2])
            measure_reading(server, port)
            measure_news(audio, port)
            path = need("chromium", "chromium-browser", "google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            measure_page(browser, server.url)
            browser.close()


if __name__ == "__main__":
    main()
