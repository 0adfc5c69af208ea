"""TLS of every kind: verified against the host that was asked for, and never waited for past the deadline."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from gateway.tasks.models import ProbeOutcome
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeRequest
from gateway.tasks.probe.urls import parse_target
from tests.certificates import Authority, record_names
from tests.nameserver import NameServer, Reply
from tests.processes import free_port
from tests.programs import need
from tests.site import Line, Site, always
from tests.tasks.probe.answers import EMPTY, OK
from tests.tasks.probe.costs import LIMIT_MS, measure_urls

pytestmark = pytest.mark.anyio

ANSWER = always(OK + EMPTY)
HANDSHAKE_MS = 10.0
"""What a handshake may cost, many times over; 20,000 records or 5,000 tickets cost 50 to 600 ms."""
HOSTS = (
    "good.test", "www.good.test", "other.test", "xn--e1afmkfd.test", "a_b.good.test", "_a.good.test", "a_.good.test",
    "_.good.test", "x.a_b.good.test", "-a.good.test", "a-.good.test", "-a-_.good.test", "a_b.test", "a_b.c_d.good.test",
)  # fmt: skip
ZONE = {name: Reply(["127.0.0.1"]) for name in HOSTS}
NAMES = ["good.test", "*.good.test", "a_b.good.test", "*.a_b.good.test", "*.test", "*b.good.test", "a*.good.test",
         "*.*.test", "a_*.good.test", "*", "A_B.GOOD.TEST", "*.GOOD.test", "xn--e1afmkfd.test", "-a.good.test",
         "127.0.0.1", "::1", "*.c_d.good.test", "x.*.good.test", "_.good.test"]  # fmt: skip
"""Names in certificates."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests: a key takes its time."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def rsa(authority: Authority) -> tuple[Path, Path]:
    """An RSA key and its certificate for good.test: half of the ciphers want one."""
    return authority.make("good.test", rsa=True)


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


async def ask(port: int, host: str = "good.test") -> ProbeOutcome:
    """What becomes of https://host:port/."""
    async with open_prober() as prober:
        return await prober.probe(ProbeRequest(f"https://{host}:{port}/"))


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


@pytest.mark.slow
async def test_names_as_curl(authority: Authority) -> None:
    """Which names of a certificate are for which host is as curl has it: underscores, hyphens, wildcards, addresses."""
    curl = need("curl")
    hosts = [*HOSTS, "good.test.", "a_b.good.test.", "A_B.good.test", "127.0.0.1", "[::1]"]
    differing = {}
    for name in NAMES:
        async with (
            Site(ANSWER, tls=authority.certify(name), hosts=("127.0.0.1", "::1")) as site,
            open_prober() as prober,
        ):

            async def ask_curl(host: str, port: int) -> int:
                names = () if host.startswith("[") else (host, host.rstrip("."))
                where = [option for name in names for option in ("--resolve", f"{name}:{port}:127.0.0.1")]
                process = await asyncio.create_subprocess_exec(
                    curl, "-q", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", "--cacert", authority.file,
                    "-g", "--noproxy", "*", *where, f"https://{host}:{port}/",
                    stdout=asyncio.subprocess.PIPE,
                )  # fmt: skip
                return int((await process.communicate())[0])

            for host in hosts:
                ours = await prober.probe(ProbeRequest(parse_target(f"https://{host}:{site.port}/").url))
                assert ours.error in (None, "tls"), (name, host, ours)
                theirs = await ask_curl(host, site.port)
                if ours.code != theirs and not host.startswith("-"):  # which curl does not ask at all
                    differing[name, host] = (ours.code, theirs, ours.detail)
    assert differing == {}


@pytest.mark.parametrize("host", ["a_b.good.test", "_a.good.test", "a_.good.test", "a_b.good.test."])
async def test_underscore(authority: Authority, host: str) -> None:
    """A wildcard certificate covers a host with an underscore; the server is asked for by that name (SNI)."""
    context = authority.certify("*.good.test")
    seen = record_names(context)
    async with Site(ANSWER, tls=context) as site:
        outcome = await ask(site.port, host)
    assert (outcome.error, outcome.code) == (None, 200)
    assert seen == [host.lower().rstrip(".")]


async def test_underscore_is_verified(authority: Authority) -> None:
    """For a host with an underscore everything else of a certificate is verified as for any other."""
    contexts = {
        "expired": authority.certify("*.good.test", days=0),
        "Hostname mismatch": authority.certify("*.other.test", "b.good.test", "good.test", "*.test", "a_c.good.test"),
        "self-signed": authority.certify("*.good.test", itself=True),
    }
    for reason, context in contexts.items():
        async with Site(ANSWER, tls=context) as site:
            outcome = await ask(site.port, "a_b.good.test")
        assert (outcome.error, outcome.code) == ("tls", 0)
        assert reason in (outcome.detail or "")
        assert site.sent_bytes == 0


@pytest.mark.parametrize(
    "cipher",
    ["AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA",
     "ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305",
     "DHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "AES128-CCM", "CAMELLIA128-SHA", "NULL-SHA256"],
)  # fmt: skip
async def test_ciphers_as_curl(authority: Authority, rsa: tuple[Path, Path], cipher: str) -> None:
    """With a site that has one cipher of TLS 1.2 we connect if curl does."""
    key, certificate = rsa
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    async with Site(ANSWER, tls=context) as site:
        outcome = await ask(site.port)
        process = await asyncio.create_subprocess_exec(
            need("curl"), "-q", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", "--cacert", authority.file,
            "--noproxy", "*", "--resolve", f"good.test:{site.port}:127.0.0.1", f"https://good.test:{site.port}/",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        theirs = int((await process.communicate())[0])
    assert outcome.code == theirs
    if cipher in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"):
        assert theirs == 200


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


@pytest.mark.slow
@pytest.mark.parametrize("hello", [b"", b"\x16", b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"])
async def test_stalled_handshake(hello: bytes) -> None:
    """A handshake that stands still is a timeout, and leaves no connection behind."""

    async def stall(line: Line) -> None:
        await line.send(hello)
        await asyncio.sleep(3600)

    before = count_files()
    async with Site(stall) as site, open_prober(timeout_s=0.5) as prober:
        urls = [f"https://good.test:{site.port}/{i}" for i in range(20)]
        outcomes = await asyncio.gather(*(prober.probe(ProbeRequest(url)) for url in urls))
    await asyncio.sleep(0.1)
    assert {str(outcome.error) for outcome in outcomes} == {"timeout"}
    assert count_files() <= before + 2


def count_cost(url: str) -> tuple[float, ProbeOutcome]:
    """The CPU of a URL in ms, its handshake included, and what becomes of it."""
    (cost,), (outcome,) = measure_urls([url], timeout_s=2)
    return cost, outcome


@contextmanager
def open_pieces(context: ssl.SSLContext, whole: bytes, bytewise: bytes) -> Iterator[int]:
    """The port of a site that sends the one in a record and the other in records of a byte, to each that asks."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not over.is_set():
            with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.recv(4096)
                connection.sendall(whole)
                for byte in bytewise:
                    connection.sendall(bytes([byte]))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whole", "bytewise", "end"),
    [(OK + b"Content-Length: 60000\r\n\r\n", bytes(20_000), 200), (b"", OK + EMPTY, 200),
     (b"", OK + b"X: " + b"y" * 20_000 + b"\r\n" + EMPTY, "tls")],
)  # fmt: skip
def test_records_of_one_byte(authority: Authority, whole: bytes, bytewise: bytes, end: int | str) -> None:
    """A record of one byte costs as much as one of 16 KiB: of a body, or of a head, few of them are read."""
    with open_pieces(authority.certify("127.0.0.1"), whole, bytewise) as port:
        cost, outcome = count_cost(f"https://127.0.0.1:{port}/")
    assert (outcome.code or outcome.error) == end
    assert cost < HANDSHAKE_MS + 5 * LIMIT_MS


@pytest.mark.parametrize(("tickets", "end"), [(2, 200), (5_000, "tls")])
async def test_session_tickets(authority: Authority, tickets: int, end: int | str) -> None:
    """A flood of session tickets ends the connection: OpenSSL would read them for as long as they come."""
    port = free_port()
    key, certificate = authority.make("127.0.0.1")
    server = await asyncio.create_subprocess_exec(
        need("openssl"), "s_server", "-port", str(port), "-key", str(key), "-cert", str(certificate), "-www",
        "-num_tickets", str(tickets), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while (await asyncio.to_thread(count_cost, f"https://127.0.0.1:{port}/"))[1].error == "refused":
            await asyncio.sleep(0.05)
        cost, outcome = await asyncio.to_thread(count_cost, f"https://127.0.0.1:{port}/")
    finally:
        server.kill()
        await server.wait()
    assert (outcome.code or outcome.error) == end
    assert cost < HANDSHAKE_MS + 5 * LIMIT_MS


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
        outcomes = await asyncio.gather(*(prober.probe(ProbeRequest(url)) for url in urls))
        await asyncio.sleep(0.1)
        left = count_files() - before
    assert {outcome.code for outcome in outcomes} == {200}
    assert left <= 13  # the site's ten, and the name server's
