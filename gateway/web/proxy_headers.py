"""The client address and the scheme behind trusted proxies: X-Forwarded-For, X-Forwarded-Proto. Pure.

Every proxy appends the address of its peer, so only what trusted proxies wrote is true: read from the right, the first
address that is no trusted proxy is the client. The scheme is that of the absolute URLs in the podcast and in the API
document. Other X-Forwarded-* headers are ignored: a proxy passes Host on.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address, ip_network

UNIX = "unix"
"""The name of a client on a unix socket."""


class TrustedProxies:
    """The trusted proxies: addresses, networks, and `unix` for a unix socket.

    :raises ValueError: one of them is none of these.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        names = set(trusted)
        self._unix = UNIX in names
        self._networks = [ip_network(name) for name in sorted(names - {UNIX})]

    def find_client(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """The address of the client behind `peer` (None: a unix socket), by the values of X-Forwarded-For."""
        client = _name_peer(peer)
        for hop in reversed(",".join(forwarded).split(",")):
            if not self._trusts(client):
                break
            address = _normalize(_strip_port(hop.strip()))
            if address is None:  # no trusted proxy wrote this, nor anything left of it
                break
            client = address
        return client

    def find_scheme(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """The scheme that the client has used, by the values of X-Forwarded-Proto; None: as the connection is."""
        scheme = ",".join(forwarded).partition(",")[0].strip().lower()
        return scheme if scheme in ("http", "https") and self._trusts(_name_peer(peer)) else None

    def _trusts(self, client: str) -> bool:
        if client == UNIX:
            return self._unix
        try:
            return any(ip_address(client) in network for network in self._networks)
        except ValueError:
            return False


def _name_peer(peer: str | None) -> str:
    return UNIX if peer is None else _normalize(peer) or peer


def _normalize(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _strip_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
