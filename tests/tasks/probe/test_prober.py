"""One URL asked, on the event loop that serves in production."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import uvloop

from gateway.tasks.models import ProbeOutcome
from gateway.tasks.probe.prober import Prober, limit_concurrency
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from tests.processes import ROOT
from tests.site import Line, Site, always
from tests.target import Target
from tests.tasks.probe.answers import EMPTY, OK


def count_threads() -> int:
    """The threads of this process, those of libraries in C among them."""
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_no_threads(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Neither names nor connections nor answers cost a thread, not even one inside a C library."""

    async def probe_all() -> tuple[list[ProbeOutcome], int, int]:
        async with Target() as target, Prober(timeout_s=3, policy="any") as prober:
            before = count_threads()
            hosts = ["127.0.0.1", "localhost", "no-such-name.invalid"]
            urls = [f"http://{host}:{target.port}/code/200?{i}" for host in hosts for i in range(10)]
            urls.append("http://127.0.0.1:1/")
            outcomes = await asyncio.gather(*(prober.probe(ProbeRequest(url)) for url in urls))
            return outcomes, before, count_threads()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        outcomes, before, after = runner.run(probe_all())
    assert [outcome.code for outcome in outcomes] == [200] * 20 + [0] * 11
    assert {str(outcome.error) for outcome in outcomes[20:30]} == {"dns"}
    assert outcomes[30].error == "refused"
    assert after <= before


def test_limit_concurrency() -> None:
    """As many connections as wanted, or as the limit of open files leaves room for."""
    assert limit_concurrency(10) == 10
    assert 1 <= limit_concurrency(10**9) < 10**9


PROBE_ALL = """
import asyncio, sys
from gateway.tasks.probe.prober import Prober, limit_concurrency
from gateway.tasks.probe.request import ProbeRequest

async def main():
    places = asyncio.Semaphore(limit_concurrency(1_000))

    async def ask(number):
        async with places:
            outcome = await prober.probe(ProbeRequest(f"http://127.0.1.{number}:{sys.argv[1]}/"))
            return outcome.code, outcome.detail

    async with Prober(timeout_s=30, policy="any") as prober:
        print(set(await asyncio.gather(*map(ask, range(1, 201)))))

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.anyio
async def test_few_descriptors() -> None:
    """A process that may open few files asks any number of hosts, whose connections it keeps as far as it can."""
    async with Site(always(OK + EMPTY), hosts=("0.0.0.0",)) as site:
        limited = ["sh", "-c", 'ulimit -n 120 && exec "$@"', "sh", sys.executable, "-c", PROBE_ALL, str(site.port)]
        done = await anyio.run_process(limited, cwd=ROOT, stderr=None)
    assert done.stdout.decode() == "{(200, None)}\n"


@pytest.mark.anyio
async def test_cost_of_a_location() -> None:
    """Ten redirects to 8,000 bytes that are not UTF-8 cost little CPU: they are not escaped one by one."""
    spent_s: list[float] = []
    location = b"/x#" + b"\xff" * 8_000

    async def script(line: Line) -> None:
        for _ in range(10):
            head = await line.read_head()
            assert head.startswith((b"GET / ", b"GET /x "))
            await line.send(b"HTTP/1.1 302 X\r\nLocation: " + location + b"\r\n" + EMPTY)
        await line.read_head()
        await line.send(OK + EMPTY)

    async with Site(script) as site, Prober(timeout_s=9, policy="any") as prober:
        for _ in range(3):
            start = time.thread_time()
            outcome = await prober.probe(ProbeRequest(f"{site.url}/", ProbeOptions(follow_redirects=True)))
            spent_s.append(time.thread_time() - start)
    assert outcome.code == 200, outcome
    assert min(spent_s) < 0.1
