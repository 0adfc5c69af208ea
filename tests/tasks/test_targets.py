"""Which addresses may be probed."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks.targets import refuse_address

NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "100.100.100.200", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2001:0:808:808::", "::169.254.169.254",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.0.8",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "::1", "fc00::1", "fd12::1", "fec0::1",
    "2001:db8::1", "3fff::1", "100::1", "2001:20::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    "2001:0:7f00:1:0:0:80ff:fffe", "64:ff9b:1::a00:1", "4000::1", "5f00::1", "::127.0.0.1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.0.3.1", "198.20.0.1",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


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
