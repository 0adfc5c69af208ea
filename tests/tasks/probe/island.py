"""PROBE_TARGETS=public where a public address is at hand: run by `test_names` in a network that is not the world's.

Its loopback has the address `PUBLIC`; beside it, on the same port, sits what nobody outside should reach.
"""

from collections.abc import AsyncIterator

import pytest

from gateway.tasks.models import ProbeOutcome
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from gateway.tasks.probe.urls import parse_target
from tests.nameserver import NameServer, Reply, Zone
from tests.site import Line, Site
from tests.tasks.probe.answers import EMPTY, OK

pytestmark = pytest.mark.anyio

PUBLIC = "93.184.216.34"
OUTSIDE, INSIDE = Reply([PUBLIC]), Reply(["127.0.0.1"])
ZONE: Zone = {
    "public.test": OUTSIDE,
    "private.test": INSIDE,
    "both.test": Reply(["127.0.0.1", "::1", PUBLIC]),
    "rebind.test": [OUTSIDE, INSIDE],
    "flip.test": [INSIDE, OUTSIDE, INSIDE],
}
PRIVATE = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "private.test",
           "127.0.0.1.", "%31%32%37.0.0.1", "１２７.０.０.１", "0", "[::]", "user@127.0.0.1"]  # fmt: skip


async def _redirect(line: Line) -> None:
    """/?WHERE leads there, everything else is 200."""
    while head := await line.read_head():
        _, _, where = head.split(b" ")[1].partition(b"?")
        answer = b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\n" if where else OK
        await line.send(answer + b"Connection: close\r\n" + EMPTY)
        return


class Island:
    """The site on both sides, and probers that may see one of them."""

    def __init__(self, site: Site, name_server: str) -> None:
        self.site = site
        self._name_server = name_server

    async def ask(self, host: str, where: str = "") -> ProbeOutcome:
        """What becomes of a URL of this host, redirected if `where` says so; every name is looked up anew."""
        url = parse_target(f"http://{host}:{self.site.port}/?{where}").url
        async with Prober(timeout_s=3, policy="public", name_servers=[self._name_server]) as prober:
            return await prober.probe(ProbeRequest(url, ProbeOptions(follow_redirects=True)))


@pytest.fixture
async def island() -> AsyncIterator[Island]:
    """One with PROBE_TARGETS=public."""
    async with Site(_redirect, hosts=(PUBLIC, "127.0.0.1", "::1")) as site, NameServer(ZONE) as server:
        yield Island(site, server.address)
        assert set(site.peers) <= {PUBLIC}


async def test_public(island: Island) -> None:
    """A public address is asked, and a public redirect is followed."""
    assert (await island.ask("public.test")).code == 200
    assert (await island.ask(PUBLIC, f"http://public.test:{island.site.port}/")).code == 200
    assert island.site.connections == 3


async def test_one_of_several(island: Island) -> None:
    """Of the addresses of a name only public ones are connected to."""
    assert (await island.ask("both.test")).code == 200
    assert island.site.peers == [PUBLIC]


@pytest.mark.parametrize("host", PRIVATE)
async def test_redirect_inside(island: Island, host: str) -> None:
    """A redirect to this machine is blocked, whatever it calls it."""
    outcome = await island.ask("public.test", f"http://{host}:{island.site.port}/")
    assert (outcome.error, outcome.code) == ("blocked", 0)
    assert island.site.peers == [PUBLIC]


async def test_rebinding(island: Island) -> None:
    """A name that leads outside once and inside afterwards is asked once."""
    outcomes = [await island.ask("rebind.test") for _ in range(3)]
    assert [outcome.error or outcome.code for outcome in outcomes] == [200, "blocked", "blocked"]
    outcomes = [await island.ask("flip.test") for _ in range(3)]
    assert [outcome.error or outcome.code for outcome in outcomes] == ["blocked", 200, "blocked"]


async def test_rebinding_between_hops(island: Island) -> None:
    """A redirect to the same name, which leads inside by now, uses what was judged or is judged again."""
    outcome = await island.ask("rebind.test", f"http://rebind.test:{island.site.port}/")
    assert outcome.code == 200
    assert island.site.peers == [PUBLIC] * 2
    assert (await island.ask("rebind.test")).error == "blocked"
