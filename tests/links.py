"""Links as pages have them, and a site that answers them: bot protection, flaps, logins, and links that are dead.

`ALIVE` are those whose page a person with a browser finds.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tests.hosting import Host, listen

SILENT = b""
"""In place of an answer: none."""
CUT = b"cut"
"""In place of an answer: the end of the connection."""


def answer(status: str, *fields: str) -> bytes:
    """An answer with a short body."""
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "Content-Length: 2", "", "ok"]).encode()


OK = answer("200 OK")


@dataclass(frozen=True)
class Link:
    """A link: its path, what each request of it gets, of which the last is repeated, and what is to be said of it.

    `verdict` is for redirects that are followed, as a browser does.
    """

    path: str
    answers: Sequence[bytes]
    verdict: str


def redirect(code: int, location: str) -> bytes:
    """A redirect."""
    return answer(f"{code} Elsewhere", f"Location: {location}")


ALIVE = [
    Link("/page", [OK], "ok"),
    Link("/empty", [b"HTTP/1.1 204 No Content\r\n\r\n"], "ok"),
    Link("/for-now", [redirect(302, "/page")], "ok"),
    Link("/see-other", [redirect(303, "/page")], "ok"),
    Link("/moved", [redirect(301, "/page")], "moved"),
    Link("/moved/for/good", [redirect(308, "/page")], "moved"),
    Link("/moved-twice", [redirect(302, "/moved")], "moved"),
    # bot protection
    Link("/cloudflare", [answer("403 Forbidden", "Server: cloudflare", "cf-mitigated: challenge")], "unsure"),
    Link("/under-attack", [answer("503 Unavailable", "Server: cloudflare", "CF-RAY: 1")], "unsure"),
    Link("/bot-fight", [answer("429 Too Many", "Server: cloudflare", "CF-Mitigated: challenge")], "unsure"),
    Link("/aws", [answer("202 Accepted", "x-amzn-waf-action: challenge")], "unsure"),
    Link("/aws-captcha", [answer("405 Not Allowed", "x-amzn-waf-action: captcha")], "unsure"),
    Link("/vercel", [answer("429 Too Many", "x-vercel-mitigated: challenge")], "unsure"),
    Link("/datadome", [answer("403 Forbidden", "X-DataDome: protected", "X-DD-B: 2")], "unsure"),
    Link("/ddos-guard", [answer("503 Unavailable", "Server: ddos-guard")], "unsure"),
    Link("/akamai", [answer("503 Unavailable", "Server: AkamaiGHost")], "unsure"),
    Link("/sucuri", [answer("500 Blocked", "X-Sucuri-Block: EVA079")], "unsure"),
    Link("/anubis", [answer("200 OK", "Set-Cookie: techaro.lol-anubis-cookie-verification=1")], "unsure"),
    Link("/linkedin", [answer("999 Request denied")], "unsure"),
    Link("/datadome-open", [answer("200 OK", "X-DataDome: protected")], "ok"),
    Link("/cloudflare-open", [answer("200 OK", "Server: cloudflare", "CF-RAY: 1")], "ok"),
    # refusals of a robot, and of a stranger
    Link("/forbidden", [answer("403 Forbidden")], "unsure"),
    Link("/members", [answer("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"')], "unsure"),
    Link("/not-acceptable", [answer("406 Not Acceptable")], "unsure"),
    Link("/rate", [answer("429 Too Many Requests")], "unsure"),
    Link("/rate-long", [answer("429 Too Many Requests", "Retry-After: 3600")], "unsure"),
    # logins
    Link("/inbox", [redirect(302, "/login?next=/inbox")], "unsure"),
    Link("/repo/settings", [redirect(302, "/users/sign_in")], "unsure"),
    Link("/wiki", [redirect(301, "/wp-login.php?redirect_to=/wiki")], "unsure"),
    Link("/intranet", [redirect(302, "/saml2/start")], "unsure"),
    Link("/profile", [redirect(302, "/authwall?trk=x")], "unsure"),
    Link("/login", [OK], "ok"),
    Link("/login/old", [redirect(301, "/login")], "moved"),
    # failures that pass
    Link("/flap-502", [answer("502 Bad Gateway"), OK], "ok"),
    Link("/flap-500", [answer("500 Oops"), OK], "ok"),
    Link("/flap-503", [answer("503 Unavailable"), OK], "ok"),
    Link("/flap-cut", [CUT, OK], "ok"),
    Link("/flap-garbage", [b"\x00\x01\x02 nonsense\r\n\r\n", OK], "ok"),
    Link("/flap-moved", [answer("502 Bad Gateway"), redirect(301, "/page")], "moved"),
    Link("/flap-behind", [redirect(302, "/flap-502-behind")], "ok"),
    Link("/later", [answer("429 Too Many Requests", "Retry-After: 1"), OK], "ok"),
    Link("/later-503", [answer("503 Unavailable", "Retry-After: 0.5"), OK], "ok"),
    Link("/later-now", [answer("503 Unavailable", "Retry-After: 0"), OK], "ok"),
    Link("/busy", [answer("503 Unavailable", "Retry-After: 1")], "unsure"),
    Link("/slow", [SILENT], "unsure"),
]
DEAD = [
    Link("/gone", [answer("410 Gone")], "broken"),
    Link("/not-found", [answer("404 Not Found")], "broken"),
    Link("/teapot", [answer("418 Teapot")], "broken"),
    Link("/moved-and-gone", [redirect(301, "/gone")], "broken"),
    Link("/dead-500", [answer("500 Oops")], "broken"),
    Link("/dead-502", [answer("502 Bad Gateway")], "broken"),
    Link("/dead-522", [answer("522 Origin Timed Out", "Server: cloudflare")], "broken"),
    Link("/dead-cut", [CUT], "broken"),
    Link("/dead-garbage", [b"\x00\x01\x02 nonsense\r\n\r\n"], "broken"),
    Link("/loop", [redirect(302, "/loop")], "broken"),
    Link("/nowhere", [redirect(302, "file:///etc/passwd")], "broken"),
    Link("/old/article/7", [redirect(301, "/")], "unsure"),
    Link("/old/article/8", [redirect(302, "/")], "unsure"),
    Link("/soft-404", [OK], "ok"),  # its body alone says that the page is not there
]
LINKS = ALIVE + DEAD
BEHIND = {
    "/": [OK],
    "/users/sign_in": [OK],
    "/wp-login.php": [OK],
    "/saml2/start": [OK],
    "/authwall": [OK],
    "/flap-502-behind": [answer("502 Bad Gateway"), OK],
}
"""Where some of the links lead."""


class LinkSite(Host):
    """A site that answers `LINKS`, on one address of loopback for each: what holds one host holds no other."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self._answers = {link.path: link.answers for link in LINKS} | BEHIND

    async def __aenter__(self) -> Self:
        listeners = listen([f"127.0.1.{number + 1}" for number in range(len(LINKS))])
        self.port: int = listeners[0].getsockname()[1]
        await self._open(listeners)
        return self

    @property
    def urls(self) -> list[str]:
        """The URL of each link."""
        return [f"http://127.0.1.{number + 1}:{self.port}{link.path}" for number, link in enumerate(LINKS)]

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
            answers = self._answers[path]
            answer = answers[min(self.requests[path], len(answers) - 1)]
            self.requests[path] += 1
            if answer == SILENT:
                await asyncio.sleep(3600)
            if answer == CUT:
                raise ConnectionResetError
            writer.write(answer)
            await writer.drain()
