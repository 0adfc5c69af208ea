"""What is sent for a URL, and what becomes of its connection."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.tasks.probe.http_client import HttpClient
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from gateway.tasks.probe.urls import parse_target
from tests.nameserver import NameServer, Reply
from tests.programs import need
from tests.site import Line, Site
from tests.tasks.probe.answers import EMPTY, OK

pytestmark = pytest.mark.anyio

REST = "User-Agent: gateway/0.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"


class Listener:
    """A site that notes what it is sent."""

    def __init__(self) -> None:
        self.heads: list[str] = []

    async def __call__(self, line: Line) -> None:
        """Answer every request on a connection."""
        while head := await line.read_head():
            self.heads.append(head.decode())
            await line.send(OK + EMPTY)


WRITTEN = [
    "/a%26b", "/a&b", "/smart/http%3A%2F%2Fx.y", "/x%2Cy", "/x,y", "/%7Eu", "/~u", "/%c3%a9", "/%2F%2f", "/%", "/%zz",
    "/%25", "/%2525", "/%00", "/%0d%0aX:y", "/%FF%fe", "/a%20b", "/a+b?c+d", "?x", "?", "/a?", "/a?#f", "/a#f?x",
    "?a=b&c=d%26e", "?q=%", "?u=http://x/%3Fa%3Db", "/a;b=c", "/a//b", "//a", "/a/../b", "/a/./b", "/..", "/...",
    "/a/.", "/a|b[c]", "/'", "/!$&'()*+,;=:@-._~", "/?!$&()*+,;=:@-._~/?`{}|^[]\\", "/:80", "/@x", "/http://x.y/",
    "/a%3Fb%23c",
]  # fmt: skip
"""Paths and queries that curl asks for as browsers do."""
USERS = ["u:p@", "u@", "u:@", ":p@", "us%C3%A9r:p%3Aw@", "usér:p;w=x@", "u%20:p%2F@", "u:p:q@", "u%:p@", "u%zz:p@"]
HOSTS = ["localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "%6cocalhost", "１２７.0.0.1", "[::ffff:7f00:1]",
         "a_b.example", "bücher.example", "faß.de", "☕.example", "x.example."]  # fmt: skip
HERE = Reply(["127.0.0.1"])
ZONE = dict.fromkeys(("a_b.example", "xn--bcher-kva.example", "xn--fa-hia.de", "xn--53h.example", "x.example"), HERE)


async def run_curl(urls: Sequence[str], port: int, *options: str) -> None:
    """Have curl ask for these, one after another, whatever the host at `port` of this machine."""
    pairs = [part for url in urls for part in ("-o", "/dev/null", url.encode())]
    fixed = ["-qsg", "--noproxy", "*", "--connect-to", f"::127.0.0.1:{port}"]
    curl = await asyncio.create_subprocess_exec(need("curl"), *fixed, *options, *pairs, env={"LC_ALL": "C.UTF-8"})
    assert await curl.wait() == 0


def pick_asked(heads: Sequence[str]) -> list[list[str]]:
    """Of each request, the lines that its URL decides."""
    return [[line for line in head.split("\r\n") if line.startswith(("GET", "Host:", "Auth"))] for head in heads]


async def test_asked_as_curl_asks() -> None:
    """Of every spelling that curl and browsers read alike, request line, Host and credentials are those of curl."""
    listener = Listener()
    async with (
        Site(listener) as site,
        NameServer(ZONE) as names,
        Prober(timeout_s=3, policy="any", name_servers=[names.address]) as prober,
    ):
        at = f"127.0.0.1:{site.port}"
        urls = [f"http://{at}{rest}" for rest in WRITTEN] + [f"http://{user}{at}/" for user in USERS]
        urls += [f"http://{host}:{site.port}/" for host in HOSTS] + [at, f"{at}/x?y", f"localhost:{site.port}?x"]
        await run_curl(urls, site.port)
        by_curl, listener.heads = pick_asked(listener.heads), []
        for url in urls:
            outcome = await prober.probe(ProbeRequest(parse_target(url).url))
            assert outcome.code == 200, (url, outcome)
    assert len(by_curl) == len(urls)
    assert dict(zip(urls, pick_asked(listener.heads), strict=True)) == dict(zip(urls, by_curl, strict=True))


async def test_redirects_asked_as_curl_asks() -> None:
    """Every hop of a redirect asks for what its Location says, as curl does, with the password of its own origin."""
    locations = [
        b"/x%2Cy?a%3Db", b"../%7E?q", b"?only", b"//127.0.0.1:%d/x%%26y", b"http://localhost:%d/a", b"/a;b#f",
        b"/caf\xc3\xa9", b"/caf\xe9%%C3", b"http://v:w@127.0.0.1:%d/z", b"/last%%2F",
    ]  # fmt: skip
    heads: list[str] = []

    async def script(line: Line) -> None:
        while head := await line.read_head():
            hop = len(heads) % (len(locations) + 1)
            heads.append(head.decode())
            if hop == len(locations):
                await line.send(OK + EMPTY)
                continue
            location = locations[hop].replace(b"%d", str(site.port).encode()).replace(b"%%", b"%")
            await line.send(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\n" + EMPTY)

    async with Site(script) as site, Prober(timeout_s=3, policy="any") as prober:
        url = f"http://u:p@127.0.0.1:{site.port}/d/a%26b"
        await run_curl([url], site.port, "-L")
        by_curl = list(heads)
        assert (
            await prober.probe(ProbeRequest(parse_target(url).url, ProbeOptions(follow_redirects=True)))
        ).code == 200
    asked = pick_asked(heads[len(by_curl) :])
    assert len(by_curl) == len(asked) == len(locations) + 1
    for ours, theirs in zip(asked, pick_asked(by_curl), strict=True):
        assert ours[0].replace("%C3%A9", "%c3%a9").replace("%E9", "%e9") == theirs[0]  # curl writes small letters
        assert ours[1:] == theirs[1:]


@pytest.mark.parametrize(
    ("user", "target", "credentials"),
    [
        ("", "/", ""),
        ("", "/a%20b?c=d&e=%C3%A9", ""),
        ("user:pass@", "/", "Authorization: Basic dXNlcjpwYXNz\r\n"),
        ("us%C3%A9r:p%3Aw@", "/", "Authorization: Basic dXPDqXI6cDp3\r\n"),
        ("user@", "/?x", "Authorization: Basic dXNlcjo=\r\n"),
    ],
)
async def test_request(user: str, target: str, credentials: str) -> None:
    """The request is these bytes; a user and a password of the URL are sent as curl sends them."""
    async with Site(listener := Listener()) as site, Prober(timeout_s=3, policy="any") as prober:
        url = f"http://{user}127.0.0.1:{site.port}{target}"
        assert (await prober.probe(ProbeRequest(url))).code == 200
    assert listener.heads == [f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n{REST}{credentials}\r\n"]


async def test_headers() -> None:
    """Headers of a task come in place of our own, also on a redirect to the same origin, and never to another one."""
    heads: list[str] = []

    async def script(line: Line) -> None:
        while head := await line.read_head():
            heads.append(head.decode())
            where = b"Location: /b" if b"GET /a " in head else b"Location: http://localhost:%d/c" % site.port
            await line.send((OK if b"GET /c " in head else b"HTTP/1.1 302 X\r\n" + where + b"\r\n") + EMPTY)

    options = ProbeOptions(follow_redirects=True, headers={"user-agent": "mine", "X-Name": "\u00e9 x", "Cookie": "a=b"})
    async with Site(script, hosts=("127.0.0.1",)) as site, Prober(timeout_s=3, policy="any") as prober:
        outcome = await prober.probe(ProbeRequest(f"http://me:secret@127.0.0.1:{site.port}/a", options))
    assert outcome.code == 200
    own = "user-agent: mine\r\nX-Name: \u00e9 x\r\nCookie: a=b\r\n"
    assert [own in head for head in heads] == [True, True, False]
    assert ["gateway/" in head for head in heads] == [False, False, True]
    assert ["Authorization" in head for head in heads] == [True, True, False]


async def test_users_share_no_door() -> None:
    """The password of one URL is not sent with another of the same host, though both use one connection."""
    async with Site(listener := Listener()) as site, Prober(timeout_s=3, policy="any") as prober:
        for user in ("a:b@", "", "c:d@"):
            await prober.probe(ProbeRequest(f"http://{user}127.0.0.1:{site.port}/"))
    assert ["Authorization" in head for head in listener.heads] == [True, False, True]
    assert len(set(listener.heads)) == 3
    assert site.connections == 1


@asynccontextmanager
async def open_client() -> AsyncIterator[HttpClient]:
    """A client of any address."""
    client = HttpClient(policy="any")
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("path", ["/a b", "/\r\nX: y", "/a?\x00", "/\x7f", "/é"])
async def test_no_second_line(path: str) -> None:
    """A target that would end the request line, or that no URL has, is never sent."""
    async with Site(listener := Listener()) as site, open_client() as client:
        with pytest.raises(ValueError, match="cannot be sent"):
            await client.get(site.url + path)
    assert listener.heads == []


@pytest.mark.parametrize("stays", [True, False])
async def test_answer_before_the_request(stays: bool) -> None:  # noqa: FBT001
    """What a busy site sends to each connection at once is its answer; what is no HTTP is told as such."""

    async def refuse(line: Line) -> None:
        await line.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        if stays:
            await line.read_head()

    async def greet(line: Line) -> None:
        await line.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        await line.read_head()

    async with Site(refuse) as busy, Site(greet) as odd, Prober(timeout_s=5, policy="any") as prober:
        for site, end in ((busy, 503), (odd, "protocol")):
            requests = [ProbeRequest(f"{site.url}/{number}") for number in range(50)]
            outcomes = await asyncio.gather(*map(prober.probe, requests))
            assert {outcome.code or outcome.error for outcome in outcomes} == {end}


async def test_unread_body_ends_its_connection() -> None:
    """An answer that is closed before its body has come gives no connection to the next; a whole one does."""

    async def script(line: Line) -> None:
        while await line.read_head():
            await line.send(OK + b"Content-Length: 5\r\n\r\nhel")

    async with Site(script) as site, open_client() as client:
        for _ in range(2):
            answer = await client.get(f"{site.url}/")
            assert (answer.code, answer.finished) == (200, False)
            answer.close()
    assert site.connections == 2
