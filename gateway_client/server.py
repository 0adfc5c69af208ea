"""Which gateway is called and how it is reached: its URL, the token, a proxy of the environment. Makes no call."""

import os
import re
import string
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from .terminal import UsageError, escape_text, find_reason

if TYPE_CHECKING:
    import httpx

_NOT_IN_TOKEN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and bytes that were not UTF-8. The gateway refuses the same."""


def read_url(server: str) -> "httpx.URL":
    """The URL of a server; `http://` is put before a bare `host:port`.

    :raises UsageError: it cannot be used; the message shows no user and no password.
    """
    import httpx

    try:
        url = httpx.URL(server if "://" in server else f"http://{server}")
        url.host.encode("idna")
    except (ValueError, httpx.InvalidURL) as error:
        reason = "it cannot be read" if "@" in server else find_reason(error)  # which may quote a part of a password
        raise UsageError(f"cannot use the server {hide_user(server)}: {reason}") from None
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65535:
        raise UsageError(f"the server must be http://HOST[:PORT], not {hide_user(server)}")
    return url


def read_token(token: str) -> str:
    """A token without the blanks and line ends round it; "" stays as it is.

    :raises UsageError: it is blank, or has a character that no token has; the message does not show it.
    """
    stripped = token.strip(string.whitespace)
    if token and not stripped:
        raise UsageError("the token is blank")
    if _NOT_IN_TOKEN.search(stripped):
        raise UsageError("the token has control characters, or is not UTF-8")
    return stripped


def hide_user(server: str) -> str:
    """A server for a message: without its user and password, wherever they end."""
    return escape_text(re.sub(".*@", "…@", server, flags=re.DOTALL))


def find_proxy(url: "httpx.URL") -> "httpx.Proxy | None":
    """The proxy that the environment names for a server; never one for this machine's own loopback.

    httpx could read the environment too, but stops at a NO_PROXY such as `::1,fe80::/10`, even without a proxy.

    :raises UsageError: the variable does not hold a proxy.
    """
    from urllib.request import getproxies  # 30 ms: not for --help

    import httpx

    proxies = getproxies()
    scheme = next((name for name in (url.scheme, "all") if proxies.get(name, "").strip()), None)
    is_local = url.host in ("localhost", "::1") or url.host.startswith("127.")
    port = url.port or (443 if url.scheme == "https" else 80)
    if scheme is None or is_local or is_bypassed(url.host, port, proxies.get("no", "")):
        return None
    text = proxies[scheme].strip()
    words = "is not a proxy: it must be http://HOST[:PORT], https:// or socks5://"
    with suppress(ValueError, httpx.InvalidURL):
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
        host = proxy.url.host.encode("idna")
        if re.fullmatch(rb"[\w.:-]+", host) and (proxy.url.port or 0) < 65536:
            if not proxy.url.scheme.startswith("socks") or find_spec("socksio"):
                return proxy
            words = "names a SOCKS proxy: the package socksio must be installed"
    variable = f"{scheme}_proxy" if os.environ.get(f"{scheme}_proxy") else f"{scheme.upper()}_PROXY"
    raise UsageError(f"{variable} {words}")


def is_bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names a server: `*`, a domain, an address or a network, with or without a port, as for curl."""
    host = host.lower().rstrip(".")
    address = None
    with suppress(ValueError):
        address = ip_address(host)
    for entry in no_proxy.lower().replace(",", " ").split():
        bare = entry.rpartition("://")[2]
        name, _, last = bare.rpartition(":")
        if not name or not last.isdecimal() or (":" in name and not name.endswith("]")):
            name = bare  # it has no port
        elif last.lstrip("0") != str(port):
            continue
        name = name.replace("[", "").replace("]", "")
        domain = name.lstrip("*").strip(".")
        if entry == "*" or (address is None and domain and f".{host}".endswith(f".{domain}")):
            return True
        with suppress(ValueError):
            if address is not None and address in ip_network(name, strict=False):
                return True
    return False
