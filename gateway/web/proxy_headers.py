"""Whose request it is when proxies stand between: what X-Forwarded-For says, as far as it can be trusted.

Every hop appends the address it was called from, so only what trusted proxies wrote is true: read from the right, the
first address that is none of theirs is the client's. Other X-Forwarded-* headers are not looked at: the gateway writes
no absolute URL, and a proxy passes Host on. Pure.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address, ip_network

UNIX = "unix"
"""The name of a client on a unix socket."""


class TrustedProxies:
    """The proxies that are trusted: addresses, networks, and `unix` for a unix socket.

    :raises ValueError: one of them is none of these.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        names = set(trusted)
        self._unix = UNIX in names
        self._networks = [ip_network(name) for name in sorted(names - {UNIX})]

    def find_client(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """The address of the client behind `peer` (None: a unix socket), by the values of X-Forwarded-For."""
        client = UNIX if peer is None else _normalize(peer) or peer
        if not (forwarded and self._trusts(client)):
            return client
        for hop in reversed(",".join(forwarded).split(",")):
            address = _normalize(_strip_port(hop.strip()))
            if address is None:  # what a trusted proxy cannot have written; what is left of it neither
                break
            client = address
            if not self._trusts(client):
                break
        return client

    def _trusts(self, client: str) -> bool:
        if client == UNIX:
            return self._unix
        try:
            address = ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


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
