"""Who may call: the token, the Host, the origin of a write; and the headers that tell browsers what is allowed.

- Host must be one of ours, else a page elsewhere could reach this server under a name of its own (DNS rebinding).
- A write from another site is refused by what browsers say of themselves (Sec-Fetch-Site, Origin); a command line
  says neither and is let through.
- With a token set, every call needs it but /healthz.
"""

import hmac
import re
from base64 import b64decode
from ipaddress import ip_address

from quart import Quart, Response, request

from .errors import GatewayError

OPEN_PATHS = frozenset({"/healthz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
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
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{0,5})?", re.IGNORECASE)


class Unauthorized(GatewayError):
    """The call needs the token."""

    status, code = 401, "unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        """Both ways to send it; a browser asks its user when it sees Basic."""
        return {"WWW-Authenticate": 'Basic realm="gateway", charset="UTF-8", Bearer realm="gateway"'}


class CrossSite(GatewayError):
    """A write that another site made a browser send."""

    status, code = 403, "cross-site"


class HostRefused(GatewayError):
    """A name that is not this server's (RFC 9110, 15.5.20)."""

    status, code = 421, "host-refused"


def install_guard(app: Quart, *, api_token: str | None, allowed_hosts: tuple[str, ...]) -> None:
    """Put every route of `app` behind the three checks, and the headers on every answer."""

    @app.before_request
    async def check_call() -> None:
        check_host(request.headers.get("Host", ""), allowed_hosts)
        if api_token is not None and request.path not in OPEN_PATHS:
            check_token(request.headers.get("Authorization", ""), api_token)
        if request.method not in SAFE_METHODS:
            site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
            check_origin(site, origin, request.headers.get("Host", ""))

    @app.after_request
    async def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def list_refusals(method: str, path: str, *, needs_token: bool) -> tuple[type[GatewayError], ...]:
    """The refusals that a call can meet here before any view sees it."""
    refusals: list[type[GatewayError]] = [HostRefused]
    if needs_token and path not in OPEN_PATHS:
        refusals.append(Unauthorized)
    if method not in SAFE_METHODS:
        refusals.append(CrossSite)
    return tuple(refusals)


def check_host(value: str, allowed_hosts: tuple[str, ...]) -> None:
    """Let an IP address, `localhost`, a name without a dot or an allowed name through; no Host at all is HTTP/1.0.

    :raises HostRefused: it is another name.
    """
    match = _HOST.fullmatch(value)
    name = match["name"].lower().removesuffix(".") if match else ""
    if not value or name in allowed_hosts or (name and "." not in name.strip("[]") and ":" not in name):
        return
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        raise HostRefused(f"This server is not {value[:100]!r}; ALLOWED_HOSTS says which names it has.") from None


def check_token(authorization: str, api_token: str) -> None:
    """Let the token through, as Bearer (RFC 6750) or as the password of Basic (RFC 7617).

    :raises Unauthorized: it is not there, or not right.
    """
    scheme, _, value = authorization.partition(" ")
    given = value.strip().encode("latin-1", "replace")  # the bytes as they came
    if scheme.lower() == "basic":
        try:
            given = b64decode(given, validate=True).partition(b":")[2]
        except ValueError:
            given = b""
    elif scheme.lower() != "bearer":
        given = b""
    if not hmac.compare_digest(given, api_token.encode()):
        raise Unauthorized("This call needs the token of this server.")


def check_origin(site: str | None, origin: str | None, host: str) -> None:
    """Refuse what a browser says comes from another site: `site` is Sec-Fetch-Site. A command line says neither.

    :raises CrossSite: it comes from elsewhere.
    """
    foreign_site = site is not None and site.lower() not in ("same-origin", "none")
    if foreign_site or (origin is not None and origin.partition("://")[2].lower() != host.lower()):
        raise CrossSite("Writes from another site are refused.")
