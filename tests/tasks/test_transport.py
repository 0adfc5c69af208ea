"""What is sent for a URL, and what becomes of its connection."""

import pytest
from yarl import URL

from gateway.tasks.probe import Prober
from gateway.tasks.resolve import DirectConnector
from gateway.tasks.transport import Client
from tests.site import Line, Site
from tests.tasks.answers import EMPTY, OK

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
        assert (await prober.probe(url, follow_redirects=False)).code == 200
    assert listener.heads == [f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n{REST}{credentials}\r\n"]


async def test_users_share_no_door() -> None:
    """The password of one URL is not sent with another of the same host, though both use one connection."""
    async with Site(listener := Listener()) as site, Prober(timeout_s=3, policy="any") as prober:
        for user in ("a:b@", "", "c:d@"):
            await prober.probe(f"http://{user}127.0.0.1:{site.port}/", follow_redirects=False)
    assert ["Authorization" in head for head in listener.heads] == [True, False, True]
    assert len(set(listener.heads)) == 3
    assert site.connections == 1


@pytest.mark.parametrize("path", ["/a b", "/\r\nX: y", "/a?\x00", "/\x7f"])
async def test_no_second_line(path: str) -> None:
    """A target that would end the request line, or that no URL has, is never sent."""
    async with Site(listener := Listener()) as site, DirectConnector(policy="any") as connector:
        url = URL.build(scheme="http", host="127.0.0.1", port=site.port, path=path, encoded=True)
        with pytest.raises(ValueError, match="cannot be sent"):
            await Client(connector).get(url)
    assert listener.heads == []


async def test_unread_body_ends_its_connection() -> None:
    """An answer that is closed before its body has come gives no connection to the next; a whole one does."""

    async def script(line: Line) -> None:
        while await line.read_head():
            await line.send(OK + b"Content-Length: 5\r\n\r\nhel")

    async with Site(script) as site, DirectConnector(policy="any") as connector:
        client = Client(connector)
        for _ in range(2):
            answer = await client.get(URL(f"{site.url}/"))
            assert (answer.code, answer.length_bytes, answer.body.is_eof()) == (200, 5, False)
            answer.close()
    assert site.connections == 2
