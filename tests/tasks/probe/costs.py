"""What an answer costs: the CPU of the thread that asks, while the site has another thread; and answers made to cost.

The clock is the CPU's (`time.thread_time`), beside a loop that is timed just before and just after, so that a slow
machine, or a slow moment, counts alike for both. What seems to cost too much is measured again, after the others: what
else the machine does, and the garbage collector, are not to be in it.
"""

import asyncio
import random
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvloop

from gateway.tasks.models import ProbeOutcome
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from tests.site import Line, Script, Site
from tests.tasks.probe.answers import CHUNKED, EMPTY, OK

ROUNDS = 8
URLS = 2
LIMIT_MS = 6.0
"""The aim is 1 ms, on a core of its own. Beside other tests it is several times as much."""
LOOP_TURNS = 20_000
LOOP_MS = 0.6
"""What so many turns of a plain loop take on the machine that `LIMIT_MS` is for."""
ANSWER_BYTES = 150_000
"""More than is read of any answer."""

FOUND = b"HTTP/1.1 302 Found\r\nLocation: "
BUSY = b"HTTP/1.1 429 Busy\r\nRetry-After: "
COSTLY: dict[str, tuple[bytes, int | str]] = {
    "chunks of one byte": (CHUNKED + b"1\r\nb\r\n" * 12_000 + b"0\r\n\r\n", 200),
    "chunks with extensions": (CHUNKED + b"1;a=b\r\nb\r\n" * 8_000 + b"0\r\n\r\n", 200),
    "chunks after a long one": (CHUNKED + b"7d00\r\n" + bytes(32_000) + b"\r\n" + b"1\r\nb\r\n" * 8_000, 200),
    "chunk of extensions": (CHUNKED + b"1;" + b"a=b;" * 20_000, 200),
    "trailers": (CHUNKED + b"0\r\n" + b"X: y\r\n" * 9_000 + b"\r\n", 200),
    "interim answers": (b"HTTP/1.1 103 E\r\n\r\n" * 7_000 + OK + EMPTY, "protocol"),
    "interim answers and line ends": (b"HTTP/1.1 103\n\n\n\n\n\n" * 7_000 + OK + EMPTY, "protocol"),
    "fields": (OK + b"X: y\r\n" * 20_000 + EMPTY, 200),
    "fields without a name": (OK + b":\n" * 60_000 + EMPTY, 200),
    "cookies": (OK + b"".join(b"Set-Cookie: a%d=b\r\n" % i for i in range(6_000)) + EMPTY, 200),
    "folded field": (OK + b"X: y\r\n" + b" z\r\n" * 25_000 + EMPTY, 200),
    "lines that could be wanted": (OK + b"Location\r\n" * 12_000 + EMPTY, 200),
    "field that is no UTF-8": (OK + b"X: " + b"\xff" * 120_000 + b"\r\n" + EMPTY, 200),
    "length of zeros": (OK + b"Content-Length: " + b"0" * 120_000 + b"\r\n\r\n", 200),
    "spaces before the code": (b"HTTP/1.1 " + b" " * 120_000 + b"200\r\n" + EMPTY, "protocol"),
    "Location of dots": (FOUND + b"/" + b"../" * 40_000 + b"\r\n" + EMPTY, "redirects"),
    "Location that is no UTF-8": (FOUND + b"/" + b"\xff" * 120_000 + b"\r\n" + EMPTY, "redirects"),
    "Location of escapes": (FOUND + b"/" + b"%41" * 40_000 + b"\r\n" + EMPTY, "redirects"),
    "Location of labels": (FOUND + b"//" + b"a." * 60_000 + b"\r\n" + EMPTY, "redirects"),
    "Retry-After of dates": (BUSY + b"Mon, " * 25_000 + b"\r\n" + EMPTY, 429),
}
"""Each cost 1 to 150 ms once, and what it comes to."""

_LINE_ENDS = (b"\r\n", b"\n", b"\r\n\t", b"\r\n ", b"\n\n", b"\r\n\r\n")
_PIECES = (
    b"X: y", b"a:", b":", b"Set-Cookie: a=b", b"Location: /", b"Retry-After: 1", b"Transfer-Encoding: chunked", b"0",
    b"Connection: close,", b"Content-Encoding: gzip", b"Content-Length: 5", b"Upgrade: h2c", b"x", b"\x00", b"\xff",
    b"1",
    b"1\r\nb", b"a;b=c", b";", b" ", b"HTTP/1.1 103 E", b"HTTP/1.1 200 OK", b"HTTP/1.1 100", b"\t", b"../", b"%2e", b"",
)  # fmt: skip
_HEADS = (b"", OK, CHUNKED, CHUNKED + b"1\r\nb\r\n", FOUND + b"/", BUSY, OK + b"Content-Length: 50000\r\n\r\n",
          OK + b"\r\n", b"HTTP/1.1 103 E\r\n", b"HTTP/1.1 204 No\r\n\r\n", CHUNKED + b"0\r\n")  # fmt: skip


def make_answer(seed: int) -> bytes:
    """An answer of a few pieces, each repeated as often as fits: what costs by its count is found by repetition."""
    chance = random.Random(seed)
    answer = chance.choice(_HEADS)
    for _ in range(chance.randint(1, 3)):
        unit = b"".join(chance.choice(_PIECES) + chance.choice((b"", *_LINE_ENDS)) for _ in range(chance.randint(1, 3)))
        times = chance.choice((1, 50, 1_000, 60_000))
        answer += (unit * times)[: chance.choice((1_000, 40_000, 130_000))]
    return (answer + chance.choice((b"", b"\r\n\r\n", b"\r\n0\r\n\r\n", b"\r\n" + OK + EMPTY)))[:ANSWER_BYTES]


def answer_all(answers: Sequence[bytes]) -> Script:
    """A site with an answer for each number in a path, which then closes the connection."""

    async def script(line: Line) -> None:
        path = (await line.read_head()).split(b" ")[1].strip(b"/")
        await line.send(answers[int(path)] if path.isdigit() else OK + EMPTY)
        await asyncio.sleep(0.05)

    return script


@contextmanager
def open_elsewhere(script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Site]:
    """A site in a thread of its own."""
    site = Site(script, tls=tls, hosts=(host,))
    opened, over = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with site:
            opened.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert opened.wait(5)
        yield site
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join()


def measure_urls(urls: Sequence[str], *, timeout_s: float = 1.0) -> tuple[list[float], list[ProbeOutcome]]:
    """The CPU that each URL costs, in ms of a usual machine, and what becomes of it, on uvloop."""

    async def measure() -> tuple[list[float], list[ProbeOutcome]]:
        costs = [float("inf")] * len(urls)
        outcomes: dict[int, ProbeOutcome] = {}
        async with Prober(timeout_s=timeout_s, policy="any") as prober:
            for _ in range(ROUNDS):
                for index in [index for index, cost in enumerate(costs) if cost >= LIMIT_MS]:
                    request = ProbeRequest(urls[index], ProbeOptions(follow_redirects=True))
                    slowness = _time_loop()
                    start = time.thread_time()
                    for _ in range(URLS):
                        outcomes[index] = await prober.probe(request)
                    cost_ms = (time.thread_time() - start) / URLS * 1_000
                    costs[index] = min(costs[index], cost_ms / max(slowness, _time_loop(), 1.0))
        return costs, [outcomes[index] for index in range(len(urls))]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


def _time_loop() -> float:
    """How many times as long as on a usual machine a plain loop takes in this thread, now."""
    start = time.thread_time()
    for _ in range(LOOP_TURNS):
        pass
    return (time.thread_time() - start) * 1_000 / LOOP_MS
