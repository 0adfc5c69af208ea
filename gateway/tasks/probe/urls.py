"""URLs as people write them, brought to one form: pure, knows no network.

The form is the one that browsers ask for (WHATWG URL, read by ada): case, default port, empty path, dot segments, IDNA
and the spellings of an IPv4 address become one, so that such URLs share one request and one cache entry. A
percent-escape stays as it was written: `/a%26b` and `/a&b` are two resources (RFC 3986, 2.2). A fragment never reaches
a server and is dropped.
"""

import re
import socket
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from ada_url import URL

from .hosts import is_host

MAX_URL_CHARS = 8_192
MAX_HOST_CHARS = 260
"""A name has at most 253 (RFC 1035, 2.3.4), a port six more."""
MAX_HOST_BYTES = 4 * MAX_HOST_CHARS
"""The same before IDNA, in UTF-8: to put 8,000 combining marks in order takes 22 ms."""
HOSTS_KNOWN = 4_096
"""Of so many hosts it is remembered whether they are in normal form."""
DETAIL_CHARS = 300
UNREADABLE = "\uffff"
"""The replacement of what is not a character, such as half of a surrogate pair. No URL has it (WHATWG URL, 4.3)."""

_PLAIN = re.compile(
    r"(https?)://([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$()*,;=:@%/?&+-]*)?"
)
"""A URL in normal form already, save for what `_take_plain` checks: no need to take it apart (1 µs, not 8)."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_PORT_AND_REST = re.compile(r"[0-9]{1,5}(?:[/\\?#].*)?", re.DOTALL)
_AUTHORITY = re.compile(
    r"(?:(?:https?|ftp|wss?|file):[/\\]*|[/\\]{2,})(?:[^/\\?#]*@)?(?P<host>[^/\\?#@]*)", re.IGNORECASE
)
"""The host of a text that names one, as far as its length goes; the port counts too."""
_EMAIL = re.compile(r"[^/\\?#]*@")
"""How a text without a scheme begins that has a user before its host."""
_NO_CHARACTER = re.compile(f"[\ud800-\udfff{UNREADABLE}]")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_NUMBER_LAST = re.compile(r"(?:[^:]*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""A host that is an IPv4 address, or nothing (WHATWG URL, 3.5: "ends in a number")."""
_EDGES = "".join(map(chr, range(0x21)))
"""C0 controls and space: leading and trailing ones are not part of a URL (WHATWG URL, 4.4)."""


class Target(NamedTuple):
    """A URL that can be asked: its normal form and its domain (host in lower case, IDNA, without the port)."""

    url: str
    domain: str


class Site(NamedTuple):
    """Where a request goes: its host in lower case, and its origin, as `https://example.com:8443`."""

    host: str
    origin: str


class UrlRefused(ValueError):
    """A text that is no URL we can ask; `domain` is there when a host could be read all the same."""

    def __init__(self, detail: str, domain: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.domain = domain


class SchemeUnsupported(UrlRefused):
    """A URL of another scheme than http and https."""

    def __init__(self, scheme: str, domain: str | None = None) -> None:
        super().__init__(f"{scheme}: only http and https are supported"[:DETAIL_CHARS], domain)


def parse_target(text: str) -> Target:
    """The URL in `text`; `http://` is put before one without a scheme.

    :raises UrlRefused: it is no URL, or has over `MAX_URL_CHARS`.
    :raises SchemeUnsupported: its scheme is neither http nor https.
    """
    if len(text) > MAX_URL_CHARS:
        raise UrlRefused(f"the URL has over {MAX_URL_CHARS:,} characters")
    return _take_plain(text) or _read_url(_add_scheme(_strip(text)))


def follow_location(base: str, location: str) -> Target:
    """The URL that the Location of an answer of `base`, a normal form, names (RFC 9110, 10.2.2).

    A user and a password of `base` go with it as long as the origin stays the same, as with curl.

    :raises UrlRefused: it is no URL.
    :raises SchemeUnsupported: its scheme is neither http nor https.
    """
    return _read_url(_strip(location), URL(base))


def split_url(url: str) -> tuple[str, str, str]:
    """The scheme, the authority and the request target (RFC 9112, 3.2.1) of a normal form."""
    scheme, _, rest = url.partition("://")
    authority, _, target = rest.partition("/")
    return scheme, authority, f"/{target}"


def find_site(url: str, host: str) -> Site:
    """The site of a normal form of this host; its origin is without a user (RFC 6454)."""
    scheme, authority, _ = split_url(url)
    return Site(host, f"{scheme}://{authority.rpartition('@')[2]}")


def _take_plain(text: str) -> Target | None:
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    scheme, host, port, path, query = match.groups()
    if not _is_plain_host(host) or (port is not None and (port == _DEFAULT_PORTS[scheme] or int(port) > 65_535)):
        return None
    if path is None:
        return Target(f"{scheme}://{host}{':' + port if port else ''}/{query or ''}", host)
    return None if "/." in path or "/%2" in path else Target(text, host)  # dots can be spelled %2e


@lru_cache(HOSTS_KNOWN)
def _is_plain_host(host: str) -> bool:
    """Whether a host is in normal form."""
    if len(host) > MAX_HOST_CHARS or "xn--" in host or not is_host(host):
        return False
    return not _NUMBER_LAST.fullmatch(host) or _is_ipv4(host)


def _is_ipv4(host: str) -> bool:
    """Whether `host` is an address in the one spelling that it has in a normal form."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) == host
    except OSError:
        return False


def _strip(text: str) -> str:
    """A text without its edges, and without tabs and newlines, which are not part of a URL either (WHATWG URL, 4.4)."""
    return text.strip(_EDGES).replace("\t", "").replace("\n", "").replace("\r", "")


def _add_scheme(text: str) -> str:
    match = _SCHEME.match(text)
    if match is not None and (match[1].lower() in _DEFAULT_PORTS or not _PORT_AND_REST.fullmatch(match[2])):
        return text
    if text[:2].replace("\\", "/") == "//":
        return f"http:{text}"
    if not text or text[0] in "/\\?#":
        raise UrlRefused("the URL has no host")
    if _EMAIL.match(text):
        raise UrlRefused("an e-mail address is no URL")
    return f"http://{text}"  # example.com/path, localhost:8000


def _read_url(text: str, base: URL | None = None) -> Target:
    if not text.isascii() and _NO_CHARACTER.search(text):
        raise UrlRefused("the URL has something in it that is no character")
    named = _AUTHORITY.match(text)
    if named is not None and _count_bytes(named["host"]) > MAX_HOST_BYTES:
        raise UrlRefused("the host is longer than a host can be")
    try:
        url = URL(text) if base is None else URL(text, base.href)
    except ValueError:
        other = _SCHEME.match(text)
        if other is not None and other[1].lower() not in _DEFAULT_PORTS:
            raise SchemeUnsupported(other[1].lower()) from None
        raise UrlRefused("the host or its port cannot be read") from None
    scheme = url.protocol.removesuffix(":")
    if scheme not in _DEFAULT_PORTS:
        raise SchemeUnsupported(scheme, _read_domain(url.hostname))
    host = url.hostname.strip("[]")
    if len(host) > MAX_HOST_CHARS:
        raise UrlRefused("the host is longer than a host can be")
    if not is_host(host):
        raise UrlRefused(f"{host} is not the name of a host")
    if url.port == "0":
        raise UrlRefused("port 0 cannot be asked", host)
    if base is not None and base.origin == url.origin and not (url.username or url.password):
        url.username, url.password = base.username, base.password
    return Target(url.href.partition("#")[0], host)


def _count_bytes(host: str) -> int:
    """How long a host is once its percent-escapes are read; of one that is too long anyway, how long it is written."""
    return len(host) if len(host) > 3 * MAX_HOST_BYTES else len(unquote_to_bytes(host))


def _read_domain(host: str) -> str | None:
    """The domain of a URL of another scheme, whose host WHATWG leaves as it was written."""
    with suppress(UrlRefused):
        return _read_url(f"http://{host}/").domain if host else None
    return None
