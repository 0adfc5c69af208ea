"""Which addresses may be probed: pure, judges one address at a time.

It is asked about the address being connected to, at every connection, so that no spelling of a URL, no redirect and
no DNS answer that changes gets round it. `ipaddress.is_global` is not enough: it lets multicast, 64:ff9b::/96,
2002::/16, fec0::/10 and a dozen more through. Tables: IANA IPv4 and IPv6 Special-Purpose Address Registries.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Policy = Literal["public", "any"]
Address = IPv4Address | IPv6Address

_NEVER_V4 = {
    "0.0.0.0/8": "unspecified address",
    "169.254.0.0/16": "link-local address",
    "100.100.100.200/32": "cloud metadata address",
    "168.63.129.16/32": "cloud metadata address",
    "224.0.0.0/4": "multicast address",
    "240.0.0.0/4": "reserved address",
}
_NEVER_V6 = {
    "::/128": "unspecified address",
    "fe80::/10": "link-local address",
    "fd00:c1::/32": "cloud metadata address",
    "fd00:ec2::/32": "cloud metadata address",
    "fd20:ce::/32": "cloud metadata address",
    "ff00::/8": "multicast address",
}
_NOT_PUBLIC_V4 = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")

_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
"""RFC 2765."""
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""The first half of an interface identifier whose second half is an IPv4 address (RFC 5214, 6.1)."""
_never_v4 = [(IPv4Network(net), name) for net, name in _NEVER_V4.items()]
_never_v6 = [(IPv6Network(net), name) for net, name in _NEVER_V6.items()]
_not_public_v4 = [IPv4Network(net) for net in _NOT_PUBLIC_V4]
_not_public_v6 = [IPv6Network(net) for net in _NOT_PUBLIC_V6]


def describe_policy(policy: Policy) -> str:
    """One line for the log of the start: which addresses tasks may reach, and which setting decides."""
    if policy == "public":
        return "globally reachable addresses only (PROBE_TARGETS=public)"
    return "any address, also loopback and private networks (PROBE_TARGETS=any): not for a server of strangers"


@lru_cache(maxsize=4096)
def refuse_address(text: str, policy: Policy) -> str | None:
    """Why `text`, an IP address, may not be probed, and which setting says so; None if it may be.

    `public` lets globally reachable addresses through; `any` loopback and private networks too. Link-local (cloud
    metadata among them), multicast, reserved and unspecified addresses are refused in both. An IPv4 address inside
    an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) is judged in its stead.
    """
    try:
        addresses = _unwrap(ip_address(text))
    except ValueError:
        return "no address"
    kind = next(filter(None, map(_never, addresses)), None)
    if kind is not None:
        return f"{kind}: never probed"
    if policy == "public" and not all(map(_is_public, addresses)):
        return "not a public address (PROBE_TARGETS=public)"
    return None


def _unwrap(address: Address) -> list[Address]:
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:  # the server and the client
        return list(address.teredo)
    tail = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return [tail]
    # these count themselves too: they are not global, whatever they lead to (RFC 8215)
    if address in _LOCAL_NAT64 or address in _TRANSLATED or int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return [tail, address]
    return [address]


def _never(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((kind for net, kind in _never_v4 if address in net), None)
    return next((kind for net, kind in _never_v6 if address in net), None)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _not_public_v4)
    return address in _PUBLIC_V6 and not any(address in net for net in _not_public_v6)
