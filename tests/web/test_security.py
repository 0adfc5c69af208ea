"""Who may call, over HTTP."""

import base64
import re
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from werkzeug.routing import Rule

from gateway.factory import create_app
from gateway.settings import Settings
from gateway.web.security import (
    HEADERS,
    OPEN_PATHS,
    WRONG_EVERY_S,
    WRONG_TOKENS,
    CrossSite,
    HostRefused,
    Security,
    Unauthorized,
    check_host,
    check_origin,
    check_token,
    name_source,
)
from tests.conftest import OpenGateway, open_client
from tests.serving import serve

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
     ("evil.example#localhost", False), ("localhost/x", False), ("\u0000", False), ("[a.b]", False), ("..", False),
     (".localhost.evil", False), ("a" * 63, True), ("a" * 64, False), ("localhost:65535", True),
     ("localhost:65536", False), ("[1.2.3.4]", False), ("audio..example.com", False), ("gate_way", True)],
)  # fmt: skip
def test_host(value: str, *, allowed: bool) -> None:
    """Addresses, localhost, names without a dot and the allowed names are ours, and nothing else is."""
    if allowed:
        check_host(value, ("audio.example.com",))
    else:
        with pytest.raises(HostRefused):
            check_host(value, ("audio.example.com",))


NEW_TASK = b'["http://127.0.0.1:1/"]'
SITES = ["same-origin", "same-site", "cross-site", "none"]
ORIGINS = ["absent", "own", "foreign"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("site", SITES)
async def test_sites(client: httpx.AsyncClient, site: str, origin: str, method: str) -> None:
    """The 24 things that a browser can say of a call: reads pass, writes pass from our own pages alone."""
    headers = {"Sec-Fetch-Site": site}
    if origin != "absent":
        headers["Origin"] = str(client.base_url) if origin == "own" else "http://evil.example"
    answer = await client.request(
        method, "/api/v1/tasks/", headers=headers, content=NEW_TASK if method == "POST" else b""
    )
    ours = site in ("same-origin", "none") and origin != "foreign"
    expected = {"GET": 200, "POST": 201 if ours else 403}[method]
    assert answer.status_code == expected
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [("http://localhost:8888", "localhost:8888", True), ("http://LOCALHOST:8888", "localhost:8888", True),
     ("https://audio.example.com", "audio.example.com", True),
     ("https://audio.example.com", "audio.example.com:443", True),
     ("https://audio.example.com:443", "audio.example.com", True),
     ("http://audio.example.com", "audio.example.com", True),
     ("http://audio.example.com", "audio.example.com:80", True), ("http://[::1]:8888", "[::1]:8888", True),
     ("https://audio.example.com:8443", "audio.example.com:8443", True),
     ("https://audio.example.com", "audio.example.com:80", False), ("http://localhost", "localhost:8888", False),
     ("https://audio.example.com:8443", "audio.example.com", False), ("http://localhost:8889", "localhost:8888", False),
     ("http://audio.example.com", "gateway:8888", False), ("http://evil.example", "localhost:8888", False),
     ("null", "localhost:8888", False), ("", "localhost:8888", False), ("http://[::", "localhost:8888", False),
     ("http://localhost:x", "localhost:8888", False), ("localhost:8888", "localhost:8888", False),
     ("ftp://localhost:8888", "localhost:8888", False), ("http://evil@localhost:8888", "localhost:8888", False),
     ("http://localhost:8888/x", "localhost:8888", False),
     ("http://localhost:8888 http://evil", "localhost:8888", False),
     ("http://localhost:99999", "localhost:8888", False),
     ("chrome-extension://localhost:8888", "localhost:8888", False)],
)  # fmt: skip
def test_origin(origin: str, host: str, *, allowed: bool) -> None:
    """An origin is ours by its name and port, default ports written or not; the scheme is the proxy's affair."""
    if allowed:
        check_origin(None, origin, host)
    else:
        with pytest.raises(CrossSite):
            check_origin(None, origin, host)


def test_no_browser() -> None:
    """A command line says nothing of itself, and is let through; an empty word is no good one."""
    check_origin(None, None, "localhost:8888")
    with pytest.raises(CrossSite):
        check_origin("", None, "localhost:8888")


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


@pytest.mark.parametrize("token", ["voilà", "a b", "à", "\u2028x", "日本"])
def test_token_of_any_letters(token: str) -> None:
    """A token may end in any letter, also in one whose last byte Latin-1 has for a blank; blanks round it are none."""
    sent = token.encode().decode("latin-1")
    for authorization in (f"Bearer {sent}", f"Bearer  {sent} \t", basic("", token), basic("x", f" {token}\n")):
        check_token(authorization, token)
    for wrong in (f"Bearer {sent[:-1]}", f"Bearer x{sent}", basic("", token[:-1]), basic(token, "")):
        with pytest.raises(Unauthorized):
            check_token(wrong, token)


async def test_wrong_tokens(open_gateway: OpenGateway) -> None:
    """Who sends wrong tokens is told to wait; the right one is taken from the same address all the while."""
    right, wrong = {"Authorization": "Bearer right"}, {"Authorization": "Bearer wrong"}
    async with open_gateway(api_token=SecretStr("right")) as client:
        codes = [(await client.get("/api/v1/tasks/", headers=wrong)).status_code for _ in range(WRONG_TOKENS + 3)]
        assert codes == [401] * WRONG_TOKENS + [429] * 3
        answer = await client.get("/api/v1/tasks/", headers=wrong)
        assert 0 < int(answer.headers["Retry-After"]) <= WRONG_EVERY_S
        assert answer.json()["type"].endswith("too-many-wrong-tokens")
        assert (await client.get("/api/v1/tasks/", headers=right)).status_code == 200
        assert (await client.get("/api/v1/tasks/")).status_code == 401  # so that a browser still asks its user


@pytest.mark.slow
@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
async def test_wrong_tokens_behind_a_proxy(open_gateway: OpenGateway, trusted: tuple[str, ...]) -> None:
    """Behind a trusted proxy each client has its own limit; behind another, all that it forwards share one."""
    async with open_gateway(api_token=SecretStr("right"), trusted_proxies=trusted) as client:
        codes = []
        for number in range(WRONG_TOKENS + 2):
            headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": f"forged, 192.0.2.{number}"}
            codes.append((await client.get("/api/v1/tasks/", headers=headers)).status_code)
    assert codes == [401] * (WRONG_TOKENS + 2 if trusted else WRONG_TOKENS) + [429] * (0 if trusted else 2)


def test_source() -> None:
    """One customer of IPv6 has a /64 at the least, and is one source; what is no address stands for itself."""
    assert name_source("2001:db8:1:2:3:4:5:6") == name_source("2001:db8:1:2::") == "2001:db8:1:2::"
    assert name_source("192.0.2.1") == "192.0.2.1"
    assert name_source("unix") == "unix"


async def test_refusals_are_logged(open_gateway: OpenGateway, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is a line in the log, the second of its kind from the same address within a minute is none."""
    caplog.set_level("INFO", "gateway")
    async with open_gateway() as client:
        for _ in range(3):
            await client.get("/", headers={"Host": "evil.example"})
            await client.post("/", headers={"Origin": "http://evil.example"})
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.security"]
    assert lines == [
        "refused 127.0.0.1: This server is not 'evil.example'; ALLOWED_HOSTS says which names it has. (host-refused)",
        "refused 127.0.0.1: Writes from another site are refused. (cross-site)",
    ]


@pytest.mark.parametrize(
    ("token", "words"), [(None, "API_TOKEN is not set"), ("short", "can be guessed"), ("0123456789abcdef", "need the")]
)
def test_description(token: str | None, words: str) -> None:
    """The start says who may call, and warns of a token that can be guessed."""
    assert words in Security(api_token=token, allowed_hosts=()).describe()


VALUES = {"name": "none.mp3", "identity": "5f0c1a9e-0000-4000-8000-000000000000", "filename": "none.css", "key": "none"}


def fill_route(rule: Rule) -> str:
    """An address of a route; a route with a part of a new kind has to be given a value in `VALUES`."""
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", lambda match: VALUES[match[1]], rule.rule)


async def ask(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    """How an answer begins; some have no end."""
    async with client.stream(method, path, **more) as answer:
        return answer


async def test_every_route_is_guarded(settings: Settings, open_gateway: OpenGateway) -> None:
    """Every route but /healthz wants the token, none takes a foreign Host, no write one from another site."""
    rules = list(create_app(settings).url_map.iter_rules())
    assert len(rules) > 15
    right = {"Authorization": "Bearer right"}
    async with open_gateway(api_token=SecretStr("right")) as client:
        for rule in rules:
            path = fill_route(rule)
            for method in rule.methods or ():
                call = f"{method} {path}"
                bare = await ask(client, method, path)
                assert (bare.status_code == 401) == (path not in OPEN_PATHS), call
                foreign = await ask(client, method, path, headers=right | {"Host": "evil.example"})
                assert foreign.status_code == 421, call
                crossed = await ask(client, method, path, headers=right | {"Sec-Fetch-Site": "cross-site"})
                assert (crossed.status_code == 403) == (method not in {"GET", "HEAD", "OPTIONS"}), call
                for answer in (bare, foreign, crossed):
                    assert_headers(answer)
    assert {"/healthz"} == OPEN_PATHS


def assert_headers(answer: httpx.Response) -> None:
    """An answer has every header for browsers, and its id."""
    for name in (*HEADERS, "X-Request-ID"):
        assert name in answer.headers, f"{answer.request.method} {answer.url} {answer.status_code} has no {name}"


async def test_caches(client: httpx.AsyncClient) -> None:
    """No cache makes up a lifetime: what has a validator is asked for again, and the rest is not kept."""
    for path in ("/api/v1/audio/", "/api/v1/tasks/", "/nowhere", "/healthz"):
        assert (await client.get(path)).headers["Cache-Control"] == "no-store"
    style = await client.get("/static/audio/audio.css")
    assert style.headers["Cache-Control"] == "no-cache"
    again = await client.get("/static/audio/audio.css", headers={"If-None-Match": style.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    endless = {"If-Modified-Since": f"Mon, {'9' * 20} Jan 2020 00:00:00 GMT"}
    assert (await client.get("/static/audio/audio.css", headers=endless)).content == style.content
    listed = [("If-None-Match", '"other"'), ("If-None-Match", style.headers["ETag"])]
    assert (await client.get("/static/audio/audio.css", headers=listed)).status_code == 304
    assert (await client.get("/static/audio/audio.css", headers={"If-Match": '"other"'})).status_code == 412


@pytest.mark.parametrize("name", ["", "..", "%2e%2e/views.py", "..%2fviews.py", "%00", "audio.css/x", "x" * 300])
async def test_no_static_file(client: httpx.AsyncClient, name: str) -> None:
    """What is no file of a page, or one of another folder, is not there."""
    assert (await client.get(f"/static/audio/{name}")).status_code == 404


STATUSES = [
    (200, "GET", "/", {}, b""), (200, "GET", "/healthz", {}, b""), (200, "HEAD", "/", {}, b""),
    (200, "OPTIONS", "/api/v1/tasks/", {}, b""), (200, "GET", "/static/audio/audio.css", {}, b""),
    (201, "POST", "/api/v1/tasks/", {}, NEW_TASK), (308, "GET", "/api/v1//tasks/", {}, b""),
    (400, "POST", "/api/v1/tasks/", {}, b"["), (403, "POST", "/", {"Origin": "null"}, b""),
    (404, "GET", "/nowhere", {}, b""), (404, "GET", "/audio/none.mp3", {}, b""),
     (404, "GET", "/static/audio/x", {}, b""),
    (405, "PATCH", "/api/v1/tasks/", {}, b""), (405, "TRACE", "/", {}, b""),
    (413, "POST", "/api/v1/tasks/", {}, b" " * (5 * 1024 * 1024)),
    (415, "POST", "/api/v1/tasks/", {"Content-Type": "text/xml"}, b"[]"), (415, "POST", "/", {}, b""),
    (421, "GET", "/", {"Host": "evil.example"}, b""), (422, "POST", "/api/v1/tasks/", {}, b"[1]"),
    (500, "GET", "/broken", {}, b""),
]  # fmt: skip


async def test_headers(settings: Settings) -> None:
    """Every answer bears the security headers, also those of errors that nobody expected."""
    app = create_app(settings)

    @app.get("/broken")
    async def break_down() -> str:
        raise RuntimeError("a secret of ours")

    async with serve(app) as url:
        for status, method, path, headers, body in STATUSES:
            async with open_client(url) as client:
                answer = await client.request(method, path, headers=headers, content=body)
            assert answer.status_code == status, (method, path)
            assert_headers(answer)
            assert "secret" not in answer.text
