"""TLS of every kind: verified against the host that was asked for, and never waited for past the deadline."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.tasks.models import Outcome
from gateway.tasks.probe import Prober
from tests.certificates import Authority, record_names
from tests.nameserver import NameServer, Reply
from tests.processes import free_port
from tests.programs import need
from tests.site import Line, Site, always
from tests.tasks.answers import EMPTY, OK

pytestmark = pytest.mark.anyio

ANSWER = always(OK + EMPTY)
ZONE = {name: Reply(["127.0.0.1"]) for name in ("good.test", "www.good.test", "other.test", "xn--e1afmkfd.test")}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests: a key takes its time."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is trusted the way a user would have it trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


@asynccontextmanager
async def open_prober(timeout_s: float = 3) -> AsyncIterator[Prober]:
    """A prober for which every name of the zone leads to this machine."""
    async with (
        NameServer(ZONE) as names,
        Prober(timeout_s=timeout_s, policy="any", name_servers=[names.address]) as prober,
    ):
        yield prober


async def ask(port: int, host: str = "good.test") -> Outcome:
    """What becomes of https://host:port/."""
    async with open_prober() as prober:
        return await prober.probe(f"https://{host}:{port}/", follow_redirects=False)


def count_files() -> int:
    """The open files of this process, sockets among them."""
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize(
    ("names", "host", "asked"),
    [("good.test", "good.test", "good.test"), ("*.good.test", "www.good.test", "www.good.test"),
     ("good.test", "good.test.", "good.test"), ("xn--e1afmkfd.test", "xn--e1afmkfd.test", "xn--e1afmkfd.test"),
     ("127.0.0.1", "127.0.0.1", None)],
)  # fmt: skip
async def test_verified(authority: Authority, names: str, host: str, asked: str | None) -> None:
    """The server name is the host of the URL, and a certificate for that host is taken."""
    context = authority.certify(names)
    seen = record_names(context)
    async with Site(ANSWER, tls=context) as site:
        outcome = await ask(site.port, host)
    assert (outcome.error, outcome.code, outcome.detail) == (None, 200, None)
    assert seen == [asked]


async def test_refused_certificates(authority: Authority) -> None:
    """A certificate that is expired, for another host, of nobody known or for a part of the name is `tls`."""
    contexts = {
        "expired": (authority.certify("good.test", days=0), "good.test", "expired"),
        "another name": (authority.certify("other.test"), "good.test", "mismatch"),
        "name of an address": (authority.certify("good.test"), "127.0.0.1", "mismatch"),
        "wildcard too wide": (authority.certify("*.test"), "www.good.test", "mismatch"),
        "self-signed": (authority.certify("good.test", itself=True), "good.test", "self-signed"),
    }
    for context, host, reason in contexts.values():
        async with Site(ANSWER, tls=context) as site:
            outcome = await ask(site.port, host)
        assert (outcome.error, outcome.code) == ("tls", 0)
        assert reason in (outcome.detail or "")
        assert site.sent_bytes == 0


async def test_refused_handshakes(authority: Authority) -> None:
    """A site that speaks no TLS, an old one, or cuts the handshake is `tls`, not the code of anything."""

    async def speak_http(line: Line) -> None:
        await line.send(b"HTTP/1.1 400 You speak TLS to a plain port\r\n\r\n")
        await asyncio.sleep(1)

    async def alert(line: Line) -> None:
        await line.send(b"\x15\x03\x01\x00\x02\x02\x28")
        await asyncio.sleep(1)

    for script in (speak_http, alert):
        async with Site(script) as site:
            assert (await ask(site.port)).error == "tls"

    old = authority.certify("good.test")
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    async with Site(ANSWER, tls=old) as site:
        assert (await ask(site.port)).code == 200


async def test_certificate_wanted(authority: Authority) -> None:
    """A site that wants a certificate of ours says so after the handshake (RFC 8446, 4.4.2): that is `tls` too."""
    port = free_port()
    key, certificate = authority.make("good.test")
    command = ["s_server", "-port", str(port), "-key", str(key), "-cert", str(certificate), "-Verify", "1", "-www"]
    server = await asyncio.create_subprocess_exec(
        need("openssl"),
        *command,
        "-verify_return_error",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        while (outcome := await ask(port)).error == "refused":
            await asyncio.sleep(0.05)
    finally:
        server.kill()
        await server.wait()
    assert outcome.error == "tls"
    assert "CERTIFICATE_REQUIRED" in (outcome.detail or "")


async def test_cut_handshake() -> None:
    """A site that hangs up in the middle of the handshake is `reset`, with a sentence."""

    async def cut(line: Line) -> None:
        await asyncio.sleep(0.05)

    async with Site(cut) as site:
        outcome = await ask(site.port)
    assert (outcome.error, outcome.detail) == ("reset", "the connection ended in the TLS handshake")


@pytest.mark.parametrize("hello", [b"", b"\x16", b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"])
async def test_stalled_handshake(hello: bytes) -> None:
    """A handshake that stands still is a timeout, and leaves no connection behind."""

    async def stall(line: Line) -> None:
        await line.send(hello)
        await asyncio.sleep(3600)

    before = count_files()
    async with Site(stall) as site, open_prober(timeout_s=0.5) as prober:
        urls = [f"https://good.test:{site.port}/{i}" for i in range(20)]
        outcomes = await asyncio.gather(*(prober.probe(url, follow_redirects=False) for url in urls))
    await asyncio.sleep(0.1)
    assert {str(outcome.error) for outcome in outcomes} == {"timeout"}
    assert max(outcome.elapsed_s or 9 for outcome in outcomes) < 1.5
    assert count_files() <= before + 2


async def test_no_goodbye(authority: Authority) -> None:
    """A site that never ends its side of TLS keeps no connection open after its URL is known (asyncio waits 30 s)."""

    async def script(line: Line) -> None:
        await line.read_head()
        line.stop_reading()
        await line.send(OK + b"Content-Length: 9999999\r\n\r\n")
        await asyncio.sleep(3600)

    async with Site(script, tls=authority.certify("good.test")) as site, open_prober() as prober:
        before = count_files()
        urls = [f"https://good.test:{site.port}/{i}" for i in range(10)]
        outcomes = await asyncio.gather(*(prober.probe(url, follow_redirects=False) for url in urls))
        await asyncio.sleep(0.1)
        left = count_files() - before
    assert {outcome.code for outcome in outcomes} == {200}
    assert left <= 13  # the site's ten, and the name server's
