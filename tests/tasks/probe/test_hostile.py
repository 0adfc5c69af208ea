"""Sites that mean harm: each URL ends by its deadline, with the right code or word, and little is read of it."""

import asyncio
import gzip
from collections.abc import Callable

import pytest
import uvloop

from gateway.tasks.models import ProbeOutcome
from gateway.tasks.probe.connector import RECEIVE_BYTES
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from gateway.tasks.probe.response import BODY_BYTES, HEAD_BYTES
from tests.site import CHUNK_BYTES, Line, Script, Site
from tests.tasks.probe.answers import CHUNKED, EMPTY, OK

DEADLINE_S = 1.0
"""By how much a busy machine may miss a deadline."""
ZEROS = bytes(CHUNK_BYTES)

NewLoop = Callable[[], asyncio.AbstractEventLoop]


def dripping(answer: bytes) -> Script:
    """An answer a byte at a time; a head takes longer than any deadline that the tests give it."""

    async def script(line: Line) -> None:
        await line.read_head()
        await line.send(answer, pause_s=0.6)

    return script


def endless(head: bytes, piece: bytes, pause_s: float | None = None) -> Script:
    """An answer that begins well and never ends."""

    async def script(line: Line) -> None:
        await line.read_head()
        await line.send(head)
        await line.send_forever(piece, pause_s)

    return script


async def stay_silent(line: Line) -> None:
    """Read everything, say nothing."""
    while await line.read_head():
        pass


async def stay_deaf(line: Line) -> None:
    """Not even read."""
    await asyncio.sleep(3600)


SLOW: dict[str, tuple[Script, int | str]] = {
    "drip in the status": (dripping(OK + EMPTY), "timeout"),
    "drip in the head": (endless(OK + b"X: ", b"y", 0.1), "timeout"),
    "drip in the body": (endless(CHUNKED, b"1\r\nx\r\n", 0.1), 200),
    "drip in a body with a length": (endless(OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.1), 200),
    "drip of line ends": (endless(b"", b"\r\n", 0.3), "protocol"),
    "body that never comes": (endless(OK + b"Content-Length: 9\r\n\r\n", b"", 3600), 200),
    "head that never ends": (endless(OK + b"X: y\r\n", b"", 3600), "timeout"),
    "silence": (stay_silent, "timeout"),
    "deafness": (stay_deaf, "timeout"),
    "100 for ever": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05), "timeout"),
    "102 for ever": (endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.05), "timeout"),
    "103 for ever": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.05), "timeout"),
}
FLOODS: dict[str, Script] = {
    "100": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "line ends": endless(b"", b"\r\n"),
    "status line": endless(b"HTTP/1.1 200 ", ZEROS),
    "field name": endless(OK, b"x" * CHUNK_BYTES),
    "field value": endless(OK + b"X: ", b"x" * CHUNK_BYTES),
    "fields": endless(OK, b"X: y\r\n"),
    "folded field": endless(OK + b"X: ", b"y\r\n "),
    "no HTTP": endless(b"", ZEROS),
}
BODIES: dict[str, Script] = {
    "chunks": endless(CHUNKED, b"4000\r\n" + ZEROS + b"\r\n"),
    "tiny chunks": endless(CHUNKED, b"1\r\nx\r\n"),
    "one chunk": endless(CHUNKED + b"7fffffffffffffff\r\n", ZEROS),
    "chunk size": endless(CHUNKED, b"0"),
    "chunk extension": endless(CHUNKED + b"1;", b"x" * CHUNK_BYTES),
    "trailers": endless(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "until the end": endless(OK + b"\r\n", ZEROS),
    "length": endless(OK + b"Content-Length: 9223372036854775807\r\n\r\n", ZEROS),
    "after a 204": endless(b"HTTP/1.1 204 X\r\n\r\n", ZEROS),
    "after a 101": endless(b"HTTP/1.1 101 X\r\n\r\n", ZEROS),
    "after the length": endless(OK + b"Content-Length: 1\r\n\r\n", ZEROS),
    "gzip bomb": endless(OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(2**24))),
    "doubtful": endless(OK + b"Content-Length: x\r\n\r\n", ZEROS),
}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> NewLoop:
    """Both event loops that serve in production."""
    loop: NewLoop = request.param
    return loop


def ask_all(new_loop: NewLoop, sites: dict[str, Script]) -> tuple[dict[str, ProbeOutcome], dict[str, int]]:
    """What becomes of a URL of each of these sites, all at once, and how many bytes each could send."""

    async def ask(script: Script, prober: Prober) -> tuple[ProbeOutcome, int]:
        async with Site(script) as site:
            outcome = await prober.probe(ProbeRequest(f"{site.url}/"))
            await asyncio.sleep(0.05)
            return outcome, site.sent_bytes

    async def ask_each() -> list[tuple[ProbeOutcome, int]]:
        async with Prober(timeout_s=DEADLINE_S, policy="any") as prober:
            return await asyncio.gather(*(ask(script, prober) for script in sites.values()))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        ends = dict(zip(sites, runner.run(ask_each()), strict=True))
    outcomes = {name: outcome for name, (outcome, _) in ends.items()}
    return outcomes, {name: sent_bytes for name, (_, sent_bytes) in ends.items()}


@pytest.mark.slow
def test_slow(new_loop: NewLoop) -> None:
    """A site that takes its time gets what the deadline allows, and a code that came in time counts."""
    outcomes, _ = ask_all(new_loop, {name: script for name, (script, _) in SLOW.items()})
    assert {name: outcome.error or outcome.code for name, outcome in outcomes.items()} == {
        name: end for name, (_, end) in SLOW.items()
    }


def test_floods(new_loop: NewLoop) -> None:
    """A head without an end is given up once it is longer than a head can be."""
    outcomes, sent_bytes = ask_all(new_loop, FLOODS)
    assert {str(outcome.error) for outcome in outcomes.values()} == {"protocol"}
    assert max(sent_bytes.values()) < HEAD_BYTES + 4 * RECEIVE_BYTES


def test_endless_bodies(new_loop: NewLoop) -> None:
    """Of a body without an end 64 KiB are read, and what the kernel takes before we ask; the code counts."""
    outcomes, sent_bytes = ask_all(new_loop, BODIES)
    assert {outcome.code for outcome in outcomes.values()} == {101, 200, 204}
    assert max(sent_bytes.values()) < BODY_BYTES + 4 * RECEIVE_BYTES


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("location", "end"),
    [(b"/", 200), (b"?x", 200), (b"//127.0.0.1:{port}/", 200), (b"http:/", 200), (b"/\xff\xfe", 200), (b" /x ", 200),
     (b"/caf\xc3\xa9", 200), (b"/" + b"x" * 8_000, 200), (b"/" + b"x" * 9_000, "redirects"),
     (b"http://LOCALHOST:{port}#y", 200),
     (b"HTTP://2130706433:{port}", 200), (b"", 302), (b" ", 302),
     (b"/loop", "redirects"), (b"/again", "redirects"), (b"#", "redirects"), (b"file:///etc/passwd", "redirects"),
     (b"ftp://127.0.0.1/", "redirects"), (b"gopher://127.0.0.1:6379/_FLUSHALL", "redirects"),
     (b"javascript:alert(1)", "redirects"), (b"data:text/html,x", "redirects"), (b"mailto:a@b", "redirects"),
     (b"http://", "redirects"), (b"http://[::1", "redirects"), (b"http://a b/", "redirects"),
     (b"http://x:99999/", "redirects"), (b"http://good.invalid\\@127.0.0.1/", "dns"),
     (b"http://127.0.0.1:0/", "redirects"), (b"http://\xff.example/", "redirects"), (b"http://a\x0bb/", "redirects"),
     (b"//" + b"x" * 100_000, "redirects"), (b"//" + b"[" * 50_000, "redirects"),
     (b"/.." * 30_000 + b"/loop", "redirects"), (b"https://127.0.0.1:1/", "refused"),
     (b"http://169.254.169.254/latest/", "blocked"), (b"http://[::ffff:169.254.169.254]/", "blocked"),
     (b"http://0/", "blocked"), (b"//[fe80::1]/", "blocked"), (b"http://no-such-name.invalid/", "dns")],
)  # fmt: skip
async def test_redirects(location: bytes, end: int | str) -> None:
    """A redirect leads to what could have been asked for itself, or nowhere; one that says nothing is the answer."""

    async def script(line: Line) -> None:
        while path := (await line.read_head()).split(b" ")[1]:
            where = {b"/first": location, b"/loop": b"/loop", b"/again": b"/first"}.get(path)
            if where is None:
                await line.send(OK + EMPTY)
            else:
                await line.send(
                    b"HTTP/1.1 302 X\r\nLocation: "
                    + where.replace(b"{port}", str(site.port).encode())
                    + b"\r\n"
                    + EMPTY
                )

    async with Site(script) as site, Prober(timeout_s=3, policy="any") as prober:
        outcome = await prober.probe(ProbeRequest(f"{site.url}/first", ProbeOptions(follow_redirects=True)))
    assert (outcome.error or outcome.code) == end


@pytest.mark.slow
@pytest.mark.anyio
async def test_redirect_deadline() -> None:
    """All hops together have one deadline, and a hop that never answers is a timeout."""

    async def script(line: Line) -> None:
        while await line.read_head():
            await asyncio.sleep(0.3)
            await line.send(b"HTTP/1.1 302 X\r\nLocation: /\r\n" + EMPTY)

    async with Site(script) as site, Prober(timeout_s=DEADLINE_S, policy="any") as prober:
        outcome = await prober.probe(ProbeRequest(f"{site.url}/", ProbeOptions(follow_redirects=True)))
    assert outcome.error == "timeout"
