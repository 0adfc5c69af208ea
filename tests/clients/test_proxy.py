"""The proxy that the environment names for the server of a command line."""

import os

import httpx
import pytest

from gateway_client.server import find_proxy, is_bypassed
from gateway_client.terminal import UsageError
from tests.clients.commands import Run
from tests.clients.wire import be_gateway, serve_calls
from tests.fast import first_fast
from tests.processes import free_port

SCRIPTS = ("crawl.py", "screwdriver.py")
ODD = "::1,fe80::/10, [::1]:80,[fe80::]/10 1.2.3.4/33,http://[,:,/,.,*.,a:b:c,[,0.0.0.0:99999999999999999999,\u0663:\u0663"
"""Each of these is a reason for some library to stop."""


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "bypassed"),
    [
        ("", "a.example", 80, False),
        ("*", "a.example", 80, True),
        ("x.example,*", "::1", 80, True),
        ("example", "a.example", 80, True),
        (".a.example", "a.example", 80, True),
        ("*.a.example", "b.a.example", 80, True),
        ("A.Example.", "a.example.", 80, True),
        ("a.example", "ba.example", 80, False),
        ("a.example:80", "a.example", 80, True),
        ("a.example:080", "a.example", 80, True),
        ("a.example:81", "a.example", 80, False),
        ("http://a.example", "a.example", 80, True),
        (" x.example  a.example ,", "a.example", 80, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.7/8:80", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "10.1.2.3.example", 80, False),
        ("10.1.2.3", "10.1.2.3", 80, True),
        ("fe80::/10", "fe80::7", 80, True),
        ("[fe80::]/10", "fe80::7", 80, True),
        ("fd00::1", "fd00:0::1", 80, True),
        ("[fd00::1]", "fd00::1", 80, True),
        ("[fd00::1]:80", "fd00::1", 80, True),
        ("[fd00::1]:81", "fd00::1", 80, False),
        ("fd00::80", "fd00::", 80, False),
        (ODD, "a.example", 80, False),
        (ODD, "10.1.2.3", 80, False),
        (f"{ODD},a.example", "a.example", 80, True),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int, *, bypassed: bool) -> None:
    """NO_PROXY is read as curl reads it; an entry that is nothing names nothing."""
    assert is_bypassed(host, port, no_proxy) is bypassed


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HTTP_PROXY", "http://user:secret@[", "HTTP_PROXY is not a proxy"),
        ("http_proxy", "http://user:sec#ret@host:1", "http_proxy is not a proxy"),
        ("HTTP_PROXY", "http://127.0.0.1:99999", "HTTP_PROXY is not a proxy"),
        ("ALL_PROXY", "ftp://secret", "ALL_PROXY is not a proxy"),
        ("ALL_PROXY", "no such secret", "ALL_PROXY is not a proxy"),
        ("all_proxy", "http://", "all_proxy is not a proxy"),
        ("HTTP_PROXY", "http://a..b:1", "HTTP_PROXY is not a proxy"),
        ("HTTP_PROXY", "http://\x1b[31m", "HTTP_PROXY is not a proxy"),
        ("HTTP_PROXY", "http://\udcff", "HTTP_PROXY is not a proxy"),
        ("ALL_PROXY", "socks5://secret:secret@127.0.0.1:1", "ALL_PROXY names a SOCKS proxy"),
        ("ALL_PROXY", " 127.0.0.1:3128 ", "http://127.0.0.1:3128"),
        ("HTTP_PROXY", "https://user:secret@proxy.example", "https://proxy.example"),
        ("HTTP_PROXY", "http://[::1]:3128", "http://[::1]:3128"),
        ("HTTP_PROXY", " ", "None"),
        ("HTTPS_PROXY", "http://[", "None"),
        ("FTP_PROXY", "x y", "None"),
    ],
)
def test_values(variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is used as it is written; one that is none is an error that names its variable and not its value."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("NO_PROXY", ODD)
    try:
        proxy = find_proxy(httpx.URL("http://gateway.example"))
        said = str(proxy and proxy.url)
    except UsageError as error:
        said = str(error)
    assert said.startswith(words)
    assert "sec" not in said
    assert find_proxy(httpx.URL("http://127.0.0.1")) is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"no_proxy": ODD, "HTTPS_PROXY": "http://["}, 0, ""),
        ({"NO_PROXY": f"{ODD},0.0.0.0/8", "HTTP_PROXY": "http://[", "ALL_PROXY": "http://127.0.0.1:1"}, 0, ""),
        ({"ALL_PROXY": "127.0.0.1:{closed}", "NO_PROXY": ODD}, 3, "cannot be reached"),
        ({"HTTP_PROXY": "http://user:secret@[", "NO_PROXY": ODD}, 2, "HTTP_PROXY is not a proxy"),
    ],
)
@pytest.mark.parametrize("script", first_fast(SCRIPTS))
async def test_environment(script: str, environment: dict[str, str], code: int, words: str, run: Run) -> None:
    """NO_PROXY never stops a command; a proxy is asked where it is set, and one that is none ends with exit code 2."""
    arguments = ["http://x/200"] if script == "crawl.py" else ["list"]
    async with serve_calls(be_gateway) as url:
        extra = {name: value.replace("{closed}", str(free_port())) for name, value in environment.items()}
        server = url.replace("127.0.0.1", "0.0.0.0")  # for loopback no proxy is asked
        outcome = await run(script, *arguments, "--timeout", "2", GATEWAY_URL=server, **extra)
    assert (outcome.code, bool(outcome.out)) == (code, code == 0), outcome.err
    assert words in outcome.err
    assert (outcome.err == "") is (code == 0)
    assert "secret" not in outcome.err
