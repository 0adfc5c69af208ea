"""Access control: the token, the Host header, CSRF; and the security headers of every answer.

- Host must be a name of this server: protection against DNS rebinding.
- CSRF: a write is refused when Sec-Fetch-Site or Origin say that another site sent it. A command line sends neither.
- With a token set, every call needs it but /healthz. A right token is never refused, so that one client behind a shared
  address cannot lock out another; the rate limit of wrong ones slows guessing, and the length of the token defeats it.
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
from urllib.parse import unquote, urlsplit

from quart import Quart, request

from gateway.errors import GatewayError

from .rate_limit import RateLimiter
from .request_context import find_context
from .target import read_target

OPEN_PATHS = frozenset({"/healthz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    # without it caches use a heuristic lifetime (RFC 9111, 4.2.2)
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # no-referrer would make browsers send `Origin: null` with our own forms
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
"""A shorter token is warned of at the start: 10,000 guesses a second find one of 8 hexadecimal digits in a week."""
WRONG_TOKENS = 10
"""So many wrong tokens an address may send at once, then one every `WRONG_EVERY_S`; of `MAX_ADDRESSES` it is known."""
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
    """The call needs the token, and has none or a wrong one."""

    status, code = 401, "unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        """Both ways to send it; a browser asks its user when it sees Basic."""
        return {"WWW-Authenticate": 'Basic realm="gateway", charset="UTF-8", Bearer realm="gateway"'}


class TooManyWrongTokens(GatewayError):
    """Wrong tokens come from this address, and have for a while."""

    status, code = 429, "too-many-wrong-tokens"


class CrossSite(GatewayError):
    """A write that another site made a browser send."""

    status, code = 403, "cross-site"


class HostRefused(GatewayError):
    """A name that is not this server's (RFC 9110, 15.5.20)."""

    status, code = 421, "host-refused"


class Security:
    """The three checks of one gateway. `api_token` None: no token is needed."""

    def __init__(self, *, api_token: str | None, allowed_hosts: tuple[str, ...]) -> None:
        self._api_token = api_token
        self._allowed_hosts = allowed_hosts
        self._wrong = RateLimiter(burst=WRONG_TOKENS, every_s=WRONG_EVERY_S, max_keys=MAX_ADDRESSES)
        self._told = RateLimiter(burst=1, every_s=60, max_keys=MAX_ADDRESSES)

    def screen(self, app: ASGI) -> ASGI:
        """ASGI middleware: Quart sees no target and no Host that it cannot read; `install` refuses such a request."""

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            await app(self._screen(scope) if scope["type"] == "http" else scope, receive, send)

        return serve

    def _screen(self, scope: Any) -> Any:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        others = [header for header in scope["headers"] if header[0] != b"host"]
        try:
            target, authority = read_target(scope["method"], scope["raw_path"])
            check_host((authority or b"".join(hosts)).decode("latin-1"), self._allowed_hosts)
        except GatewayError as refused:  # passed on as values: the exception itself would close a reference cycle
            path = scope["path"] if scope["raw_path"].startswith(b"/") else _NOWHERE
            return {**scope, "path": path, "headers": others, _REFUSED: (type(refused), refused.detail)}
        if authority is None:
            return scope
        path = unquote(target.decode("ascii"))
        return {**scope, "path": path, "raw_path": target, "headers": [(b"host", authority), *others]}

    def install(self, app: Quart) -> None:
        """Put every route of `app` behind the checks, those that are not there too."""

        @app.before_request
        async def check_call() -> None:
            try:
                self._check()
            except (HostRefused, CrossSite, TooManyWrongTokens) as refused:
                self._tell(refused)
                raise

    def describe(self) -> str:
        """Who may call, in a line for the log of the start."""
        if self._api_token is None:
            return "API_TOKEN is not set: everybody who reaches this server may use it"
        if len(self._api_token) < SHORT_TOKEN_CHARS:
            return f"calls need the token, which is short: under {SHORT_TOKEN_CHARS} characters it can be guessed"
        return "calls need the token"

    def _check(self) -> None:
        error, detail = cast(dict[str, Any], request.scope).get(_REFUSED, (None, ""))
        if error:
            raise error(detail)
        if self._api_token is not None and request.path not in OPEN_PATHS:
            self._check_token(self._api_token)
        if request.method not in SAFE_METHODS:
            host = request.headers.get("Host", "")
            check_origin(request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin"), host)

    def _check_token(self, api_token: str) -> None:
        authorization = request.headers.get("Authorization", "")
        try:
            check_token(authorization, api_token)
        except Unauthorized:
            if not authorization:  # a browser asks without first
                raise
            wait_s = self._wrong.take(name_source(find_context(request.scope).client), time.monotonic())
            if wait_s:
                detail = "Wrong tokens come from this address; a right one is taken at any time."
                raise TooManyWrongTokens(detail, retry_after_s=math.ceil(wait_s)) from None
            raise

    def _tell(self, refused: GatewayError) -> None:
        """A line in the log, at most one a minute for each address and kind."""
        client = find_context(request.scope).client
        if not self._told.take(f"{refused.code} {name_source(client)}", time.monotonic()):
            logger.warning("refused %s: %s (%s)", client, refused.detail, refused.code)


def name_source(client: str) -> str:
    """What counts as one source: an address of IPv4, a /64 of IPv6, which is what one customer has at the least."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else client


def list_refusals(method: str, path: str, *, needs_token: bool) -> tuple[type[GatewayError], ...]:
    """The refusals that a call can meet here before any view sees it."""
    refusals: list[type[GatewayError]] = [HostRefused]
    if needs_token and path not in OPEN_PATHS:
        refusals += [Unauthorized, TooManyWrongTokens]
    if method not in SAFE_METHODS:
        refusals.append(CrossSite)
    return tuple(refusals)


def check_host(value: str, allowed_hosts: tuple[str, ...]) -> None:
    """Let an IP address, `localhost`, a name without a dot or an allowed name through; no Host at all is HTTP/1.0.

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
    """Let the token through, as Bearer (RFC 6750) or as the password of Basic (RFC 7617).

    :raises Unauthorized: it is not there, or not right.
    """
    scheme, _, value = authorization.partition(" ")
    given = value.encode("latin-1", "replace").strip()  # the bytes as they came: those of UTF-8 are no blanks
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
    """Refuse what a browser says comes from another site: `site` is Sec-Fetch-Site. A command line says neither.

    The scheme of an origin decides nothing but its port: behind a proxy that ends TLS, a page of https://host sends
    its writes to `Host: host` as well, and the gateway does not know which scheme it was.

    :raises CrossSite: it comes from elsewhere.
    """
    foreign_site = site is not None and site.lower() not in ("same-origin", "none")
    if foreign_site or (origin is not None and not _is_own(origin, host)):
        raise CrossSite("Writes from another site are refused.")


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin (RFC 6454, 6.2) is that of `host`; the default port may be written or left out."""
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
