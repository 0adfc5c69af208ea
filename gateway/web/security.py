"""Access control: the token, the Host header, CSRF; and the security headers of every response.

- Host must be a name of this server, against DNS rebinding.
- CSRF: a write is refused if Sec-Fetch-Site or Origin show that another site sent it. Command lines send neither.
- If a token is set, every call but /healthz needs it. A right token is never refused, so that one client cannot lock
  out another behind the same address; the rate limit of wrong tokens slows down guessing.
"""

import hmac
import logging
import math
import re
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, cast
from urllib.parse import urlsplit

from quart import Quart, request

from gateway.errors import GatewayError

from .rate_limit import RateLimiter
from .request_context import find_context
from .target import read_target

OPEN_PATHS = frozenset({"/healthz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    # prevents heuristic freshness (RFC 9111, 4.2.2)
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # with no-referrer browsers would send `Origin: null` with the forms of the pages
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
SHORT_TOKEN_CHARS = 16
"""A shorter token is reported at the start."""
WRONG_TOKENS = 10
"""How many wrong tokens an address may send at once; then one every `WRONG_EVERY_S`."""
WRONG_EVERY_S = 6.0
MAX_ADDRESSES = 4096
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_-]{1,63}"
_NAME = rf"\[[0-9a-f:.]+\]|{_LABEL}(?:\.{_LABEL})*\.?"
_HOST = re.compile(rf"(?P<name>{_NAME})(?::(?P<port>[0-9]{{0,5}}))?", re.IGNORECASE | re.ASCII)
_REFUSED = "gateway.refused"
_NOWHERE = "/*"
"""A path of no route."""

ASGI = Callable[[Any, Any, Any], Awaitable[None]]

logger = logging.getLogger("gateway.security")


class Unauthorized(GatewayError):
    """The call needs the token, and has no or a wrong one."""

    status, code = 401, "unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        """Both ways to send the token; for Basic a browser asks its user."""
        return {"WWW-Authenticate": 'Basic realm="gateway", charset="UTF-8", Bearer realm="gateway"'}


class TooManyWrongTokens(GatewayError):
    """This address has sent too many wrong tokens."""

    status, code = 429, "too-many-wrong-tokens"


class CrossSite(GatewayError):
    """A write that a browser sent for another site (CSRF)."""

    status, code = 403, "cross-site"


class HostRefused(GatewayError):
    """The Host is not a name of this server (RFC 9110, 15.5.20)."""

    status, code = 421, "host-refused"


class Security:
    """The three checks of one gateway. `api_token` None: no token is needed."""

    def __init__(self, *, api_token: str | None, allowed_hosts: tuple[str, ...]) -> None:
        self._api_token = api_token
        self._allowed_hosts = allowed_hosts
        self._wrong_tokens = RateLimiter(burst=WRONG_TOKENS, every_s=WRONG_EVERY_S, max_keys=MAX_ADDRESSES)
        self._logged = RateLimiter(burst=1, every_s=60, max_keys=MAX_ADDRESSES)

    def screen(self, app: ASGI) -> ASGI:
        """ASGI middleware: hides a target or Host that Quart cannot parse; `install` refuses the request."""

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            await app(self._screen(scope) if scope["type"] == "http" else scope, receive, send)

        return serve

    def _screen(self, scope: Any) -> Any:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        others = [header for header in scope["headers"] if header[0] != b"host"]
        try:
            target, authority = read_target(scope["method"], scope["raw_path"])
            check_host((authority or b"".join(hosts)).decode("latin-1"), self._allowed_hosts)
        except GatewayError as refused:  # the exception itself would make a reference cycle
            path = scope["path"] if scope["raw_path"].startswith(b"/") else _NOWHERE
            return {**scope, "path": path, "headers": others, _REFUSED: (type(refused), refused.detail)}
        return scope if authority is None else {**scope, "raw_path": target, "headers": [(b"host", authority), *others]}

    def install(self, app: Quart) -> None:
        """Check every request of `app`, also those without a route."""

        @app.before_request
        async def check_request() -> None:
            client = find_context(request.scope).client
            try:
                self._check(client)
            except (HostRefused, CrossSite, TooManyWrongTokens) as refused:  # logged once a minute for each source
                if not self._logged.take(f"{refused.code} {name_source(client)}", time.monotonic()):
                    logger.warning("refused %s: %s (%s)", client, refused.detail, refused.code)
                raise

    def describe(self) -> str:
        """Who has access, for the log."""
        if self._api_token is None:
            return "API_TOKEN is not set: calls need no token"
        if len(self._api_token) < SHORT_TOKEN_CHARS:
            return f"calls need the token; it has under {SHORT_TOKEN_CHARS} characters and can be guessed"
        return "calls need the token"

    def _check(self, client: str) -> None:
        error, detail = cast(dict[str, Any], request.scope).get(_REFUSED, (None, ""))
        if error:
            raise error(detail)
        headers = request.headers
        if self._api_token is not None and request.path not in OPEN_PATHS:
            self._check_token(headers.get("Authorization", ""), self._api_token, client)
        if request.method not in SAFE_METHODS:
            check_origin(headers.get("Sec-Fetch-Site"), headers.get("Origin"), headers.get("Host", ""))

    def _check_token(self, authorization: str, api_token: str, client: str) -> None:
        try:
            check_token(authorization, api_token)
        except Unauthorized:
            if not authorization:  # a browser sends its first request without
                raise
            if wait_s := self._wrong_tokens.take(name_source(client), time.monotonic()):
                detail = "Too many wrong tokens came from this address; the right one is always accepted."
                raise TooManyWrongTokens(detail, retry_after_s=math.ceil(wait_s)) from None
            raise


def name_source(client: str) -> str:
    """The source of a client for rate limits: an IPv4 address, or a /64 of IPv6, the least that one customer has."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else client


def list_refusals(method: str, path: str, *, needs_token: bool) -> tuple[type[GatewayError], ...]:
    """The errors of these checks that a call can get."""
    refusals: list[type[GatewayError]] = [HostRefused]
    if needs_token and path not in OPEN_PATHS:
        refusals += [Unauthorized, TooManyWrongTokens]
    if method not in SAFE_METHODS:
        refusals.append(CrossSite)
    return tuple(refusals)


def check_host(value: str, allowed_hosts: tuple[str, ...]) -> None:
    """Accept an IP address, a name without a dot, an allowed name, or no Host (HTTP/1.0).

    :raises HostRefused: it is another name.
    """
    match = _HOST.fullmatch(value)
    name = match["name"].lower().removesuffix(".") if match and int(match["port"] or 0) < 65_536 else ""
    if not value or (name and (name in allowed_hosts or not set(name) & set(".["))):
        return
    try:
        IPv6Address(name[1:-1]) if name[:1] == "[" else IPv4Address(name)
    except ValueError:
        raise HostRefused(f"This server is not {value[:100]!r}; ALLOWED_HOSTS says which names it has.") from None


def check_token(authorization: str, api_token: str) -> None:
    """Accept the token, as Bearer (RFC 6750) or as the password of Basic (RFC 7617).

    :raises Unauthorized: it is missing or wrong.
    """
    scheme, _, value = authorization.partition(" ")
    given = value.encode("latin-1", "replace").strip()  # as bytes, as str.strip would remove parts of UTF-8
    if scheme.lower() == "basic":
        try:
            given = b64decode(given, validate=True).partition(b":")[2]
        except ValueError:
            given = b""
    elif scheme.lower() != "bearer":
        given = b""
    if not hmac.compare_digest(given.strip(), api_token.encode()):
        raise Unauthorized("This call needs the token of this server.")


def check_origin(site: str | None, origin: str | None, host: str) -> None:
    """Refuse a write that a browser sent for another site; `site` is Sec-Fetch-Site.

    The scheme of the origin decides only its default port: behind a proxy that terminates TLS the gateway does not know
    the scheme of its own pages.

    :raises CrossSite: another site sent it.
    """
    foreign_site = site is not None and site.lower() not in ("same-origin", "none")
    if foreign_site or (origin is not None and not _is_own(origin, host)):
        raise CrossSite("Writes from another site are refused.")


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin (RFC 6454, 6.2) is that of `host`, with or without the default port."""
    scheme, found, authority = origin.lower().partition("://")
    if not found or scheme not in _DEFAULT_PORTS:
        return False
    default = _DEFAULT_PORTS[scheme]
    try:
        ours, theirs = urlsplit(f"//{host.lower()}"), urlsplit(f"//{authority}")
        same = (ours.hostname, ours.port or default) == (theirs.hostname, theirs.port or default)
    except ValueError:
        return False
    return same and theirs.netloc == authority and not theirs.username
