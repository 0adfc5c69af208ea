"""Names and where they lead: name servers of every kind, and addresses judged where they are connected to."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.tasks.models import ProbeOutcome
from gateway.tasks.probe import name_cache
from gateway.tasks.probe.address_policy import Policy, refuse_address
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeRequest
from gateway.tasks.probe.urls import parse_target
from tests.deaf import count_tries, deaf
from tests.fast import first_fast
from tests.nameserver import NXDOMAIN, REFUSED, SERVFAIL, NameServer, Reply, Zone
from tests.processes import ROOT
from tests.programs import need
from tests.site import Site, always
from tests.tasks.probe.answers import EMPTY, OK
from tests.tasks.probe.island import PUBLIC

pytestmark = pytest.mark.anyio

ANSWER = always(OK + EMPTY)
HERE = Reply(["127.0.0.1"])

_connected: list[str] = []
"""Every address that this process connects a socket to, as the interpreter reports it."""


def _note_connect(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.connect" and isinstance(args[1], tuple):
        _connected.append(str(args[1][0]))


sys.addaudithook(_note_connect)


@pytest.fixture
def connected() -> Iterator[list[str]]:
    """The addresses connected to in this test."""
    _connected.clear()
    yield _connected


async def ask(zone: Zone, *names: str, policy: Policy = "any", timeout_s: float = 3) -> list[ProbeOutcome]:
    """What becomes of a URL of each of these names, one after another, where a site is on this machine's port."""
    async with (
        Site(ANSWER, hosts=("127.0.0.1", "127.0.0.2")) as site,
        NameServer(zone) as server,
        Prober(timeout_s=timeout_s, policy=policy, name_servers=[server.address]) as prober,
    ):
        urls = [parse_target(f"http://{name}:{site.port}/").url for name in names]
        return [await prober.probe(ProbeRequest(url)) for url in urls]


@pytest.mark.parametrize(
    ("reply", "end"),
    [(HERE, 200), (Reply(["127.0.0.1"], truncated=True), 200), (Reply(["127.0.0.1"], delay_s=0.4), 200),
     (Reply(["127.0.0.1"], alias="other.test"), 200),
     (Reply(["127.0.0.1"] * 1000, truncated=True), 200),
     (Reply(code=NXDOMAIN), "dns"), (Reply(code=SERVFAIL), "dns"), (Reply(code=REFUSED), "dns"), (Reply(), "dns"),
     (Reply(alias="name.test"), "dns"), (Reply(alias="other.test"), "dns"), (Reply(junk=b"\xff" * 40), "dns"),
     (Reply(junk=bytes(12)), "dns"), (Reply(junk=b""), "timeout"), (Reply(silent=True), "timeout"),
     (Reply(["127.0.0.1"], delay_s=30), "timeout"), (Reply(silent=True, truncated=True), "timeout")],
)  # fmt: skip
@pytest.mark.slow
async def test_name_servers(reply: Reply | Sequence[Reply], end: int | str) -> None:
    """Whatever a name server does, the URL ends by its deadline."""
    (outcome,) = await ask({"name.test": reply}, "name.test", timeout_s=1)
    assert (outcome.error or outcome.code) == end


@pytest.mark.slow
async def test_lost_datagram() -> None:
    """A question that is lost is asked again."""
    (outcome,) = await ask({"name.test": [Reply(silent=True), HERE]}, "name.test", timeout_s=8)
    assert outcome.code == 200


@pytest.mark.slow
async def test_silent_server_holds_nobody_up() -> None:
    """While one name is not answered, others are."""
    async with (
        Site(ANSWER) as site,
        NameServer({"silent.test": Reply(silent=True), "good.test": HERE}) as server,
        Prober(timeout_s=1, policy="any", name_servers=[server.address]) as prober,
    ):
        silent = [prober.probe(ProbeRequest(f"http://silent.test:{site.port}/{i}")) for i in range(200)]
        good = [prober.probe(ProbeRequest(f"http://good.test:{site.port}/{i}")) for i in range(50)]
        outcomes = await asyncio.gather(*silent, *good)
        assert server.asked["silent.test", 1] < 10
    assert {str(outcome.error) for outcome in outcomes[:200]} == {"timeout"}
    assert {outcome.code for outcome in outcomes[200:]} == {200}


async def test_many_addresses(connected: list[str]) -> None:
    """A name with thousands of addresses is not a way to have thousands of hosts connected to."""
    crowd = Reply([f"127.9.{i // 250}.{i % 250 + 1}" for i in range(3_000)], truncated=True)
    (outcome,) = await ask({"crowd.test": crowd}, "crowd.test")
    assert outcome.error == "refused"
    assert len([address for address in connected if address.startswith("127.9.")]) == 64


@pytest.mark.parametrize(
    "dead",
    [[f"127.9.0.{i}" for i in range(1, 64)], ["::1"] * 32, ["169.254.169.254"] * 31 + ["224.0.0.1"] * 32,
     ["::1", "127.9.0.1", "fe80::1", "169.254.169.254"] * 7],
    ids=["refused", "refused6", "blocked", "mixed"],
)  # fmt: skip
async def test_last_address(dead: list[str]) -> None:
    """A name is asked at the one address that lives, also when it is the last of many."""
    (outcome,) = await ask({"name.test": Reply([*dead, "127.0.0.1"], truncated=True)}, "name.test")
    assert outcome.code == 200, outcome


@pytest.mark.parametrize("count", first_fast([7, 15]))
async def test_silent_addresses(count: int) -> None:
    """A name whose addresses are all silent but the last is asked there within its deadline, a few at a time."""
    silent = [f"127.9.1.{i}" for i in range(1, count + 1)]
    most = 0
    async with (
        Site(ANSWER) as site,
        NameServer({"name.test": Reply([*silent, "127.0.0.1"])}) as server,
        Prober(timeout_s=6, policy="any", name_servers=[server.address]) as prober,
    ):
        with deaf(silent, site.port):
            probe = asyncio.create_task(prober.probe(ProbeRequest(f"http://name.test:{site.port}/")))
            while not probe.done():
                most = max(most, count_tries(site.port))
                await asyncio.sleep(0.01)
    assert (await probe).code == 200
    assert 2 <= most <= 9  # the one that is given up may be counted beside the next


async def test_families() -> None:
    """One family that is refused or blocked leaves the other, and the error is that of the better one."""
    zone: Zone = {
        "refused6.test": Reply(["::1", "127.0.0.1"]),
        "blocked6.test": Reply(["fe80::1", "127.0.0.1"]),
        "blocked4.test": Reply(["169.254.169.254", "127.0.0.1"]),
        "blocked.test": Reply(["169.254.169.254", "fe80::1", "224.0.0.1"]),
        "neither.test": Reply(["::1", "127.0.0.3"]),
        "mixed.test": Reply(["169.254.169.254", "127.0.0.3"]),
    }
    outcomes = dict(zip(zone, await ask(zone, *zone), strict=True))
    assert {name: outcome.error or outcome.code for name, outcome in outcomes.items()} == {
        "refused6.test": 200,
        "blocked6.test": 200,
        "blocked4.test": 200,
        "blocked.test": "blocked",
        "neither.test": "refused",
        "mixed.test": "refused",
    }


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::1", "::", "fc00::1", "fe80::1",
     "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "100.64.0.1", "224.0.0.1"],
)  # fmt: skip
async def test_private_names(connected: list[str], address: str) -> None:
    """With PROBE_TARGETS=public a name that leads to a private address is blocked, and nothing is connected to."""
    (outcome,) = await ask({"inside.test": Reply([address])}, "inside.test", policy="public")
    assert outcome.error == "blocked"
    assert connected == []


async def test_localhost(connected: list[str]) -> None:
    """The names that lead to this machine without a name server are judged alike."""
    names = ["localhost", "localhost.", "LOCALHOST", "x.localhost", "loc%61lhost", "127.0.0.1."]
    outcomes = await ask({}, *names, policy="public")
    assert {str(outcome.error) for outcome in outcomes} <= {"blocked", "dns"}
    assert str(outcomes[0].error) == "blocked"
    assert connected == []


async def test_rebinding(connected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that first leads to an allowed address and then to a forbidden one: each is judged as it is used."""
    monkeypatch.setattr(name_cache, "NAME_KEPT_S", -1)
    zone: Zone = {"rebind.test": [HERE, Reply(["169.254.169.254"]), Reply(["127.0.0.2"])]}
    async with (
        Site(always(OK + b"Connection: close\r\n" + EMPTY), hosts=("127.0.0.1", "127.0.0.2")) as site,
        NameServer(zone) as server,
        Prober(timeout_s=3, policy="any", name_servers=[server.address]) as prober,
    ):
        outcomes = [await prober.probe(ProbeRequest(f"http://rebind.test:{site.port}/{i}")) for i in range(3)]
        assert site.peers == ["127.0.0.1", "127.0.0.2"]
        assert server.asked["rebind.test", 1] == 3
    assert [outcome.error or outcome.code for outcome in outcomes] == [200, "blocked", 200]
    assert connected == ["127.0.0.1", "127.0.0.2"]


async def test_one_lookup(connected: list[str]) -> None:
    """The address that was judged is the one connected to: between the two nobody is asked again."""
    zone: Zone = {"rebind.test": [Reply(["127.0.0.1", "169.254.169.254", "224.0.0.1"]), Reply(["169.254.169.254"])]}
    outcomes = await ask(zone, *["rebind.test"] * 5)
    assert {outcome.code for outcome in outcomes} == {200}
    assert {address for address in connected if refuse_address(address, "any")} == set()


async def test_kept_connection_is_no_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is kept leads where it always led, even when its name leads elsewhere by now."""
    monkeypatch.setattr(name_cache, "NAME_KEPT_S", -1)
    zone: Zone = {"kept.test": [HERE, Reply(["169.254.169.254"])], "other.test": Reply(["169.254.169.254"])}
    async with (
        Site(ANSWER) as site,
        NameServer(zone) as server,
        Prober(timeout_s=3, policy="any", name_servers=[server.address]) as prober,
    ):
        ends = []
        for name in ("kept.test", "kept.test", "other.test", "127.0.0.1"):
            outcome = await prober.probe(ProbeRequest(f"http://{name}:{site.port}/"))
            ends.append(outcome.error or outcome.code)
        assert site.peers == ["127.0.0.1"] * 2
    assert ends == [200, 200, "blocked", 200]


@pytest.mark.slow
def test_public_on_an_island() -> None:
    """PROBE_TARGETS=public on a machine with a public address: the tests of island.py, in a network of their own."""
    setup = f"{need('ip')} link set lo up && ip address add {PUBLIC}/32 dev lo"
    if subprocess.run([need("unshare"), "-rn", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not have a network of its own")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/tasks/probe/island.py"]
    command = [need("unshare"), "-rn", "sh", "-c", f'{setup} && exec "$@"', "sh", *run]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


@pytest.mark.slow
def test_files_of_the_system(tmp_path: Path) -> None:
    """resolv.conf and the hosts file count as they are now: the tests of etc.py, with an /etc of their own."""
    if subprocess.run([need("unshare"), "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not have mounts of its own")
    for name in ("passwd", "group", "localtime"):
        shutil.copy(f"/etc/{name}", tmp_path)
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/tasks/probe/etc.py"]
    setup = f"mount --bind {tmp_path} /etc"
    command = [need("unshare"), "-rm", "sh", "-c", f'{setup} && exec "$@"', "sh", *run]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
