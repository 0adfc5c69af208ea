"""Targets and Hosts that no framework can read: they are refused before one tries, and never with a 500."""

import re
from itertools import product

import anyio
import httpx
import pytest

from gateway.errors import BadRequest, Problem
from gateway.web.target import read_target
from tests.conftest import OpenGateway

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "target", "path", "authority"),
    [("GET", b"/", b"/", None), ("GET", b"//evil.example/", b"//evil.example/", None), ("GET", b"/%", b"/%", None),
     ("OPTIONS", b"*", b"*", None), ("GET", b"http://a", b"/", b"a"), ("GET", b"HTTPS://a:1/x/y", b"/x/y", b"a:1"),
     ("GET", b"http://a@b/", b"/", b"a@b"), ("GET", b"http://a//b", b"//b", b"a"), ("GET", b"http://[/", b"/", b"[")],
)  # fmt: skip
def test_forms(method: str, target: bytes, path: bytes, authority: bytes | None) -> None:
    """A path is taken as it is, and a URL is cut in two."""
    assert read_target(method, target) == (path, authority)


@pytest.mark.parametrize("target", [b"", b"*", b"x", b"a:1", b":", b"s://]u/:", b"http:/a", b"http://", b"http:///a"])
def test_no_target(target: bytes) -> None:
    """All else is refused."""
    with pytest.raises(BadRequest):
        read_target("GET", target)


async def ask(client: httpx.AsyncClient, method: str, target: bytes, host: bytes) -> tuple[int, bytes]:
    """The status and the body of an answer to those bytes."""
    head = b"%b %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % (
        method.encode(),
        target,
        host,
    )
    async with await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0) as connection:
        await connection.send(head)
        head, _, body = b"".join([part async for part in connection]).partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1.1 ([0-9]{3}) ", head)
    assert found, head
    return int(found[1]), body


FOREIGN = [
    b"..", b".", b".localhost.evil", b"a..b", b"localhost..", b"a" * 64, b"a." + b"b" * 64, b"..:80", b"[::1", b"[]",
    b"[zz]", b"[1.2.3.4]", b"[fe80::1%25eth0]", b"[::1].evil", b"[::1].", b"::1", b"1.2.3.4.5", b"localhost:x",
    b"localhost:+1", b"localhost:65536", b"localhost:80:80", b"a b", b"\xff", b"caf\xc3\xa9", b"\xe2\x84\xaa", b"%6c",
    b"user@localhost", b"localhost/x", b"localhost,evil.example", b"localhost\\@evil.example", b"xn--a.example",
]  # fmt: skip


async def test_unreadable_host(client: httpx.AsyncClient) -> None:
    """A Host that is none of ours is 421 for reads and writes, on a route and beside it, however it is spelt."""
    calls = [("GET", b"/healthz"), ("POST", b"/api/v1/tasks/"), ("GET", b"/api/v1//tasks/"), ("OPTIONS", b"*")]
    for host, (method, target) in product(FOREIGN, calls):
        status, body = await ask(client, method, target, host)
        assert (status, Problem.model_validate_json(body).type) == (421, "urn:gateway:problem:host-refused"), host


STATUSES = [
    ("GET", b"?", 400), ("GET", b"?x=1", 400), ("GET", b"s://]ufd/:", 400), ("GET", b"http://[", 421),
     ("GET", b"*", 400), ("OPTIONS", b"*", 404), ("CONNECT", b"localhost:80", 400), ("CONNECT", b"/", 405),
     ("GET", b"x", 400), ("POST", b"mailto:x", 400), ("DELETE", b"http:x", 400), ("PUT", b"http:///healthz", 400),
     ("GET", b"http://localhost/healthz", 200), ("GET", b"HTTPS://LOCALHOST/healthz?x", 200),
     ("GET", b"http://a?x", 200),
     ("GET", b"http://evil.example/healthz", 421), ("GET", b"http://u@localhost/healthz", 421),
     ("GET", b"//", 200), ("GET", b"//evil.example/", 404), ("GET", b"/%", 404), ("GET", b"/%ff%00%0a", 404),
     ("GET", b"/\xc3\xa9", 404), ("GET", b"/audio/\xff", 404), ("GET", b"/?q=%ff&sort=%00", 200), ("GET", b"/..", 404),
]  # fmt: skip


async def test_target(client: httpx.AsyncClient) -> None:
    """A target that is neither a path nor a URL of this server is refused, and none ends in a 500."""
    for method, target, status in STATUSES:
        assert (await ask(client, method, target, b"localhost"))[0] == status, (method, target)


@pytest.mark.slow
async def test_odd_names(open_gateway: OpenGateway) -> None:
    """A name of this server that is no IDNA of 2003 harms no page: pages and redirects name it as it was sent."""
    async with open_gateway(allowed_hosts=("xn--fa-hia.example",)) as client:
        for host in (b"xn--", b"xn--a", b"xn--fa-hia.example", b"-", b"_"):
            status, body = await ask(client, "GET", b"/docs", host)
            assert status == 200
            assert b"http://%b/" % host in body
            assert (await ask(client, "GET", b"/api/v1//tasks/", host))[0] == 308


async def test_url_overrides_host(client: httpx.AsyncClient) -> None:
    """The host that a URL names counts, and not the one beside it (RFC 9112, 3.2.2)."""
    assert (await ask(client, "GET", b"http://localhost/healthz", b"evil.example"))[0] == 200
