"""URLs as people write them, brought to one form: pure, knows no network.

Two spellings of one URL have the same normal form (RFC 3986, 6.2.2: case, default port, empty path, dot segments,
IDNA), so that they share one request and one cache entry. A fragment never reaches a server and is dropped.
"""

import re
import socket
from ipaddress import IPv6Address
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from yarl import URL

MAX_HOST_CHARS = 260
"""A name has at most 253 (RFC 1035, 2.3.4), a port six more. Longer ones never reach IDNA, where 8,000 characters
take a second."""
DETAIL_CHARS = 300

_PLAIN = re.compile(
    r"(https?)://([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?(/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)?(\?[A-Za-z0-9._~!$'()*,;=:@/?&-]+)?"
)
"""A URL in normal form already, save for what `_take_plain` checks: no need to take it apart (1 µs, not 15)."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(.*@)?(\[[^\[\]]*\]|[^\[\]:]*)(:[0-9]{0,9})?", re.DOTALL)
_PORT_AND_REST = re.compile(r"[0-9]{1,5}(?:[/?#].*)?", re.DOTALL)
_NEVER_IN_AUTHORITY = re.compile(r"[\x00-\x20\x7f\\]")
_NEVER_IN_HOST = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|]")
"""Forbidden domain code points (WHATWG URL, 3.5)."""
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_NUMBER_LAST = re.compile(r"(?:[^:]*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""A host that is an IPv4 address, or nothing (WHATWG URL, 3.5: "ends in a number")."""
_EDGES = "".join(map(chr, range(0x21)))
"""C0 controls and space: leading and trailing ones are not part of a URL (WHATWG URL, 4.4)."""


class Target(NamedTuple):
    """A URL that can be asked: its normal form and its domain (host in lower case, IDNA, without the port)."""

    url: str
    domain: str


class UrlRefused(ValueError):
    """A text that is no URL we can ask; `domain` is there when a host could be read all the same."""

    def __init__(self, detail: str, domain: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.domain = domain


class SchemeUnsupported(UrlRefused):
    """A URL of another scheme than http and https."""


def parse_target(text: str) -> Target:
    """The URL in `text`; `http://` is put before one without a scheme.

    :raises UrlRefused: it is no URL.
    :raises SchemeUnsupported: its scheme is neither http nor https.
    """
    return _take_plain(text) or _take_apart(text)


def _take_plain(text: str) -> Target | None:
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    scheme, host, port, path, query = match.groups()
    if len(host) > MAX_HOST_CHARS or (port is not None and (port == _DEFAULT_PORTS[scheme] or int(port) > 65_535)):
        return None
    if _NUMBER_LAST.fullmatch(host) and _read_ipv4(host) != host:
        return None
    if path is None:
        return Target(f"{scheme}://{host}{':' + port if port else ''}/{query or ''}", host)
    return None if "/." in path else Target(text, host)


def _take_apart(text: str) -> Target:
    try:
        return _normalise(_add_scheme(text.strip(_EDGES)))
    except UrlRefused:
        raise
    except (ValueError, IndexError) as error:  # yarl raises an IndexError for `[]@`
        raise UrlRefused(str(error)[:DETAIL_CHARS] or "no URL") from None


def _normalise(text: str) -> Target:
    url = URL(text)
    host, port = url.raw_host, url.port
    if url.scheme not in _DEFAULT_PORTS:
        raise SchemeUnsupported(f"{url.scheme}: only http and https are supported"[:DETAIL_CHARS], host or None)
    if not host or len(host) > MAX_HOST_CHARS:
        raise UrlRefused("the URL has no host that could be")
    if port == 0:
        raise UrlRefused("port 0 cannot be asked", host)
    if ":" in host:
        IPv6Address(host)
    elif _NEVER_IN_HOST.search(host):  # IDNA can make a space of a letter
        raise UrlRefused("the host has a character that no host has")
    elif _NUMBER_LAST.fullmatch(host):
        address = _read_ipv4(host)
        if address is None:
            raise UrlRefused(f"{host} is no IPv4 address", host)
        url, host = url.with_host(address), address
    return Target(str(url.with_path(url.raw_path, encoded=True, keep_query=True)), host)


def _read_ipv4(host: str) -> str | None:
    """The address that `host` spells in one of the ways of inet_aton (127.1, 0x7f000001), as curl and browsers do."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
    except OSError:
        return None


def _add_scheme(text: str) -> str:
    if text.startswith("//"):
        text = f"http:{text}"
    match = _SCHEME.match(text)
    if match is None or _PORT_AND_REST.fullmatch(match[2]):  # example.com/path, localhost:8000
        text = f"http://{text}"
    scheme, mark, rest = text.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if _NEVER_IN_AUTHORITY.search(authority):
        raise UrlRefused("the host has a character that no host has")
    if scheme.lower() in _DEFAULT_PORTS:
        text = f"{scheme}{mark}{_decode_host(authority)}{rest[len(authority) :]}"
    return text


def _decode_host(authority: str) -> str:
    """The authority with its host as a person would write it, without %-escapes and zones."""
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise UrlRefused("the host or its port cannot be read")
    user, host, port = parts[1] or "", parts[2], parts[3] or ""
    if host.startswith("["):  # a zone is one of this machine's own networks, which are never probed (RFC 6874)
        host = f"[{IPv6Address(host[1:-1].partition('%')[0])}]"
    elif "%" in host:
        host = unquote(host, errors="strict")
        if _NEVER_IN_HOST.search(host):
            raise UrlRefused("the host has a character that no host has")
    if len(host) > MAX_HOST_CHARS or len(normalize("NFKC", host)) > MAX_HOST_CHARS:
        raise UrlRefused("the host is longer than a host can be")
    return f"{user}{host}{port}"
