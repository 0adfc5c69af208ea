"""Whose request it is behind proxies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.proxy_headers import TrustedProxies

INNER = ("10.0.0.0/8", "fd00::/8", "unix")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [("192.0.2.1", [], "192.0.2.1"), ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
     ("10.0.0.1", [], "10.0.0.1"), ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
     ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
     ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
     ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"), ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
     ("10.0.0.1", ["198.51.100.7:5555"], "198.51.100.7"), ("10.0.0.1", ["[2001:db8::1]:5555"], "2001:db8::1"),
     ("fd00::1", ["2001:DB8:0::1"], "2001:db8::1"), ("10.0.0.1", ["198.51.100.7, unknown"], "10.0.0.1"),
     ("10.0.0.1", ["_hidden"], "10.0.0.1"), ("10.0.0.1", [""], "10.0.0.1"), (None, [], "unix"),
     (None, ["198.51.100.7"], "198.51.100.7")],
)  # fmt: skip
def test_client(peer: str | None, forwarded: list[str], client: str) -> None:
    """The first address from the right that no trusted proxy has; nothing that an untrusted peer says counts."""
    assert TrustedProxies(INNER).find_client(peer, forwarded) == client


def test_nobody_is_trusted() -> None:
    """Without the setting the peer is the client, whatever it says."""
    assert TrustedProxies().find_client("127.0.0.1", ["198.51.100.7"]) == "127.0.0.1"
    assert TrustedProxies().find_client(None, ["198.51.100.7"]) == "unix"


@given(st.lists(st.text(max_size=40), max_size=4), st.ip_addresses().map(str))
def test_forgery(forged: list[str], client: str) -> None:
    """Whatever a client writes before the hop of the proxy, it is known by the address that the proxy saw."""
    if not any(client.startswith(inner) for inner in ("10.", "fd")):
        assert TrustedProxies(INNER).find_client("10.0.0.1", [*forged, client]) == TrustedProxies().find_client(
            client, []
        )


def test_bad_network() -> None:
    """A proxy that is neither an address nor a network is refused."""
    with pytest.raises(ValueError, match="proxy"):
        TrustedProxies(["proxy"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "scheme"),
    [("10.0.0.1", ["https"], "https"), ("10.0.0.1", ["HTTPS, http"], "https"), (None, ["https"], "https"),
     ("::ffff:10.0.0.1", ["http"], "http"), ("10.0.0.1", [], None), ("10.0.0.1", ["ftp"], None),
     ("192.0.2.1", ["https"], None)],
)  # fmt: skip
def test_scheme(peer: str | None, forwarded: list[str], scheme: str | None) -> None:
    """The scheme is what a trusted proxy says it is."""
    assert TrustedProxies(INNER).find_scheme(peer, forwarded) == scheme
