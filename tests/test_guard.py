"""Who may call, over HTTP."""

import base64

import httpx
import pytest
from pydantic import SecretStr

from gateway.guard import HEADERS, CrossSite, HostRefused, check_host, check_origin
from tests.conftest import OpenGateway

pytestmark = pytest.mark.anyio


def basic(user: str, password: str) -> str:
    """An Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("127.0.0.1:8888", True), ("127.0.0.1", True), ("[::1]:8888", True), ("[::1]", True), ("localhost:8888", True),
     ("LOCALHOST", True), ("gateway", True), ("web:8888", True), ("audio.example.com", True), ("10.1.2.3", True),
     ("Audio.Example.Com.:443", True), ("", True), ("evil.example", False), ("127.0.0.1.evil.example", False),
     ("example.com", False), ("a b", False), ("localhost:8888@evil.example", False), ("[::1", False), ("::1", False),
     ("evil.example#localhost", False), ("localhost/x", False), ("\u0000", False), ("[a.b]", False)],
)  # fmt: skip
def test_host(value: str, *, allowed: bool) -> None:
    """Addresses, localhost, names without a dot and the allowed names are ours, and nothing else is."""
    if allowed:
        check_host(value, ("audio.example.com",))
    else:
        with pytest.raises(HostRefused):
            check_host(value, ("audio.example.com",))


@pytest.mark.parametrize(
    ("site", "origin", "allowed"),
    [(None, None, True), ("same-origin", None, True), ("none", None, True), ("same-site", None, False),
     ("cross-site", None, False), ("", None, False), (None, "http://localhost:8888", True),
     (None, "http://LOCALHOST:8888", True), (None, "https://localhost:8888", True), (None, "http://localhost", False),
     (None, "http://localhost:8889", False), (None, "null", False), (None, "", False), (None, "http://[::", False),
     (None, "http://evil.example", False), ("same-origin", "http://localhost:8888", True),
     ("same-origin", "http://evil.example", False), ("cross-site", "http://localhost:8888", False)],
)  # fmt: skip
def test_origin(site: str | None, origin: str | None, *, allowed: bool) -> None:
    """A write is let through from our own pages and from command lines only."""
    if allowed:
        check_origin(site, origin, "localhost:8888")
    else:
        with pytest.raises(CrossSite):
            check_origin(site, origin, "localhost:8888")


async def test_foreign_host(client: httpx.AsyncClient) -> None:
    """A call under a foreign name is refused with 421, reads too."""
    answer = await client.get("/api/v1/domains/", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_cross_site_write(client: httpx.AsyncClient, method: str) -> None:
    """A browser's write from another site is refused whatever the route is, its reads are not."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = await client.request(method, "/api/v1/tasks/", headers=headers, content=b"[]")
    assert answer.status_code in (403, 405)
    assert answer.status_code == 403 or method in ("PUT", "PATCH", "DELETE")
    assert (await client.get("/api/v1/tasks/", headers=headers)).status_code == 200


async def test_token(open_gateway: OpenGateway) -> None:
    """With a token set, every call but /healthz needs it, as Bearer or as the password of Basic."""
    async with open_gateway(api_token=SecretStr("sécret")) as client:
        right = ["Bearer sécret", "bearer sécret", basic("", "sécret"), basic("anybody", "sécret")]
        wrong = ["", "Bearer", "Bearer secret", "Basic sécret", "Basic !!!", basic("sécret", ""), "Digest sécret"]
        for value in right:
            answer = await client.get("/api/v1/domains/", headers={b"Authorization": value.encode()})
            assert answer.status_code == 200, value
        for value in wrong:
            answer = await client.get("/api/v1/domains/", headers={b"Authorization": value.encode()})
            assert answer.status_code == 401, value
            assert "Basic" in answer.headers["WWW-Authenticate"]
        assert (await client.get("/healthz")).status_code == 200
        for path in ("/", "/readyz", "/metrics", "/api/v1/audio/", "/audio/x.mp3", "/nowhere"):
            assert (await client.get(path)).status_code == 401, path


@pytest.mark.parametrize("path", ["/", "/api/v1/tasks/", "/healthz", "/nowhere", "/audio/none.mp3", "/api/v1/tasks/x"])
async def test_headers(client: httpx.AsyncClient, path: str) -> None:
    """Every answer bears the security headers, errors too, and no policy allows inline script."""
    answer = await client.get(path)
    for name in HEADERS:
        assert name in answer.headers
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "Server" not in answer.headers or "hypercorn" in answer.headers["Server"]
