"""Which addresses may be probed."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks.probe.address_policy import refuse_address

NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "100.100.100.200", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2001:0:808:808::", "::169.254.169.254",
    "::ffff:0:169.254.169.254", "2606:4700::5efe:169.254.169.254", "2606:4700::200:5efe:169.254.169.254",
    "fe80::5efe:10.0.0.1", "168.63.129.16", "fd00:c1::a9fe:a9fe", "fd20:ce::254", "ff0e::1", "febf::1", "::1:0",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.0.8",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "::1", "fc00::1", "fd12::1", "fec0::1",
    "2001:db8::1", "3fff::1", "100::1", "2001:20::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    "2001:0:7f00:1:0:0:80ff:fffe", "64:ff9b:1::a00:1", "4000::1", "5f00::1", "::127.0.0.1",
    "::ffff:0:8.8.8.8", "::ffff:0:127.0.0.1", "2606:4700::5efe:10.0.0.1", "64:ff9b:1::808:808", "::ffff",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.0.3.1", "198.20.0.1",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
    "2606:4700::5efe:8.8.8.8", "168.63.129.17",
]  # fmt: skip

NOT_GLOBAL = [
    "0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.170/31", "192.0.2.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32",
    "::1/128", "::/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:2::/48", "2001:db8::/32",
    "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
    "224.0.0.0/4", "ff00::/8", "fec0::/10",
]  # fmt: skip
"""What the IANA IPv4 and IPv6 Special-Purpose Address Registries call not globally reachable; multicast; site-local."""


@pytest.mark.parametrize("network", NOT_GLOBAL)
def test_registry(network: str) -> None:
    """No address of a block that IANA calls not globally reachable is public, and none next to it is held for it."""
    block = ipaddress.ip_network(network)
    for address in (block[0], block[-1], block[block.num_addresses // 2]):
        assert refuse_address(str(address), "public")
        assert address.version == 6 or refuse_address(f"::ffff:{address}", "public")
        assert address.version == 6 or refuse_address(f"64:ff9b::{address}", "public")
    for number in (int(block[0]) - 1, int(block[-1]) + 1):
        if 0 <= number < 1 << block.max_prefixlen and not _is_listed(next_to := type(block[0])(number)):
            assert refuse_address(str(next_to), "public") is None


def _is_listed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    outside = address.version == 6 and address not in ipaddress.ip_network("2000::/3")
    return outside or any(address in ipaddress.ip_network(network) for network in NOT_GLOBAL)


@given(st.ip_addresses(v=4))
def test_embedded(address: ipaddress.IPv4Address) -> None:
    """An IPv4 address inside an IPv6 one is judged no more kindly than by itself."""
    number = int(address)
    wrapped = [
        f"::ffff:{address}", f"::ffff:0:{address}", f"64:ff9b::{address}", f"64:ff9b:1::{address}",
        f"2606:4700::5efe:{address}", str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)),
        str(ipaddress.IPv6Address((0x20010000 << 96) | (0x08080808 << 64) | (number ^ 0xFFFF_FFFF))),
        str(ipaddress.IPv6Address((0x20010000 << 96) | (number << 64) | (0x08080808 ^ 0xFFFF_FFFF))),
    ]  # fmt: skip
    for policy in ("any", "public"):
        if refuse_address(str(address), policy):
            assert [text for text in wrapped if not refuse_address(text, policy)] == []


@pytest.mark.parametrize("address", NEVER)
def test_never(address: str) -> None:
    """Link-local, metadata, multicast, reserved and unspecified addresses are refused under both settings."""
    assert "never" in (refuse_address(address, "any") or "")
    assert "never" in (refuse_address(address, "public") or "")


@pytest.mark.parametrize("address", PRIVATE)
def test_private(address: str) -> None:
    """Addresses that are not global are refused as public, by a sentence that names the setting, and allowed as any."""
    assert "PROBE_TARGETS=public" in (refuse_address(address, "public") or "")
    assert refuse_address(address, "any") is None


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    """Global addresses are allowed under both settings."""
    assert refuse_address(address, "public") is None
    assert refuse_address(address, "any") is None


@given(st.ip_addresses(v=6))
def test_stricter_than_ipaddress(address: ipaddress.IPv6Address) -> None:
    """No IPv6 address outside 2000::/3 that embeds no global IPv4 one is public."""
    embedded = address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")
    compatible = address in ipaddress.ip_network("::/96")
    if not embedded and not compatible and address not in ipaddress.ip_network("2000::/3"):
        assert refuse_address(str(address), "public") is not None


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3", "1.2.3.4.5", "0x7f.1"])
def test_no_address(text: str) -> None:
    """What is no address is refused."""
    assert refuse_address(text, "any") is not None
