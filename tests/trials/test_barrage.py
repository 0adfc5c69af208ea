"""A gateway under a barrage of hostile sites: every URL ends in time and rightly, and memory stays where it is."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.processes import Gateway, running
from tests.site import Line, Script, Site
from tests.tasks.probe.answers import ANSWERS
from tests.tasks.probe.test_hostile import BODIES, FLOODS, SLOW
from tests.trials.conftest import Trial

pytestmark = pytest.mark.anyio

DEADLINE_S = 20.0
LATE_S = 2.0
COPIES = 12
"""URLs of each site in one task, each of a connection of its own."""
GROWTH_MIB = 24
"""One endless body read to its end gains this in a tenth of a second."""


def answering(answer: bytes) -> Script:
    """One answer to one request."""

    async def script(line: Line) -> None:
        await line.read_head()
        await line.send(answer)

    return script


@asynccontextmanager
async def open_sites() -> AsyncIterator[list[tuple[str, int | str | None]]]:
    """(address without a slash, what a URL of it comes to; None: some code) of every hostile site."""
    ends: list[tuple[Script, int | str | None]] = [
        *SLOW.values(),
        *((script, "protocol") for script in FLOODS.values()),
        *((script, None) for script in BODIES.values()),
        *((answering(answer), end) for answer, end in ANSWERS.items()),
    ]
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(Site(script, hosts=("0.0.0.0",))) for script, _ in ends]
        hosts = [f"http://127.0.{number // 200 + 3}.{number % 200 + 1}" for number in range(len(sites))]
        yield [(f"{host}:{site.port}", end) for host, site, (_, end) in zip(hosts, sites, ends, strict=True)]


def read_rss_mib(gateway: Gateway) -> float:
    """The memory that the process has now."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_barrage(tmp_path: Path, trial: Trial) -> None:
    """Tasks of thousands of hostile URLs, one after another, on a gateway that has seen one such task before."""
    with running(tmp_path, PROBE_TIMEOUT=str(DEADLINE_S), CONCURRENCY="250") as gateway:
        async with open_sites() as sites, httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            sizes = []
            for attempt in trial.run(full=12, short=2):
                urls = [(f"{site}/{attempt}/{i}", end) for i in range(COPIES) for site, end in sites]
                posted = await client.post("/api/v1/tasks/", json=[url for url, _ in urls])
                location = posted.headers["Location"]
                while (await client.get(location, headers={"Prefer": "wait=30"})).json()["status"] != "ready":
                    pass
                probes = (await client.get(f"{location}/probes")).json()["probes"]
                for probe, (url, end) in zip(probes, urls, strict=True):
                    got = probe["error"] or probe["code"]
                    trial.check(got == end or (end is None and probe["code"]), f"{url}: {got}, not {end}")
                    trial.check((probe["elapsed_s"] or 0) < DEADLINE_S + LATE_S, f"{url}: {probe['elapsed_s']} s")
                sizes.append(read_rss_mib(gateway))
    growth_mib = sizes[-1] - sizes[0]
    trial.check(growth_mib < GROWTH_MIB, f"memory grew by {growth_mib:.0f} MiB: {sizes}")
    trial.figures |= {"URLs": len(urls) * len(sizes), "MiB": f"{sizes[0]:.0f}, then {growth_mib:+.1f}"}
