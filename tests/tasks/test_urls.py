"""URLs as people write them."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.tasks.urls import SchemeUnsupported, Target, UrlRefused, parse_target

MAPPED = str(IPv6Address("::ffff:7f00:1"))
"""As this Python writes it: from 3.13 on with the IPv4 address in dots (RFC 5952, 5)."""


@pytest.mark.parametrize(
    ("text", "url", "domain"),
    [
        ("http://example.com", "http://example.com/", "example.com"),
        ("example.com", "http://example.com/", "example.com"),
        ("www.Google.com/search?q=a#top", "http://www.google.com/search?q=a", "www.google.com"),
        ("  https://example.com/ \n", "https://example.com/", "example.com"),
        ("localhost:8000", "http://localhost:8000/", "localhost"),
        ("localhost:8000/x?y", "http://localhost:8000/x?y", "localhost"),
        ("HTTP://EXAMPLE.com:80/a/../b#f", "http://example.com/b", "example.com"),
        ("https://example.com:443/", "https://example.com/", "example.com"),
        ("http://example.com?x=1", "http://example.com/?x=1", "example.com"),
        ("//example.com/x", "http://example.com/x", "example.com"),
        ("http://[::1]:8080/", "http://[::1]:8080/", "::1"),
        ("http://пример.рф/путь", "http://xn--e1afmkfd.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C", "xn--e1afmkfd.xn--p1ai"),
        ("http://user:pw@example.com/", "http://user:pw@example.com/", "example.com"),
        ("http://127.1/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://0x7f000001:80/x", "http://127.0.0.1/x", "127.0.0.1"),
        ("http://2130706433:8000", "http://127.0.0.1:8000/", "127.0.0.1"),
        ("0177.0.0.1", "http://127.0.0.1/", "127.0.0.1"),
        ("http://1.2.3.4/", "http://1.2.3.4/", "1.2.3.4"),
        ("http://example.com/a b", "http://example.com/a%20b", "example.com"),
        ("http://127.0.0.1./", "http://127.0.0.1/", "127.0.0.1"),
        ("http://127.0.0.1。/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://１２７。0．0｡①/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://%31%32%37.0.0.1/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://127%2e1/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://loc%61lhost/%61", "http://localhost/a", "localhost"),
        ("http://%e3%81%82.example/", "http://xn--l8j.example/", "xn--l8j.example"),
        ("http://0251.0376.0251.0376/", "http://169.254.169.254/", "169.254.169.254"),
        ("http://169.254.43518/", "http://169.254.169.254/", "169.254.169.254"),
        ("http://0/", "http://0.0.0.0/", "0.0.0.0"),
        ("http://[::FFFF:127.0.0.1]/", f"http://[{MAPPED}]/", MAPPED),
        ("http://[::ffff:7f00:1]/", f"http://[{MAPPED}]/", MAPPED),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/", "::1"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1]/", "fe80::1"),
        ("http://[fe80::1%eth0]:80/", "http://[fe80::1]/", "fe80::1"),
        ("http://good.example@127.1/", "http://good.example@127.0.0.1/", "127.0.0.1"),
        ("http://good.example:80@127.0.0.1/", "http://good.example:80@127.0.0.1/", "127.0.0.1"),
        ("http://a@b@127.0.0.1/", "http://a%40b@127.0.0.1/", "127.0.0.1"),
        ("http://good.example#@127.0.0.1/", "http://good.example/", "good.example"),
        ("http://good.example/@127.0.0.1/", "http://good.example/@127.0.0.1/", "good.example"),
        ("http://127.0.0.1:080/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://127.0.0.1:/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://example.com/a/../b/./c", "http://example.com/b/c", "example.com"),
        ("\x00\x1bhttp://example.com/\x08", "http://example.com/", "example.com"),
        ("http://loc%61lhost/?u=http://a.example/", "http://localhost/?u=http://a.example/", "localhost"),
        ("http://example.com:8080", "http://example.com:8080/", "example.com"),
        ("http://example.com:65535/", "http://example.com:65535/", "example.com"),
    ],
)
def test_normal_form(text: str, url: str, domain: str) -> None:
    """Every spelling comes to one form, and its domain is the host alone."""
    assert parse_target(text) == Target(url, domain)


@pytest.mark.parametrize(
    "text",
    ["", " ", "http://", "http:///path", "http://[::1", "http://a b/", "http://h:99999/", "http://h:0/",
     "http://good.example\\@evil.example/", "http://\x00/", "\ud800", "http://\ud800.example/", "http:foo",
     "[]@", "http://[]@", "-[]@", "http://[:::::]", "[a:é]", "[mailto:é]", "http://[data:]\x00",
     "http://" + "a" * 300 + ".example/", "http://" + "\ufdfa" * 8000,
     "http://1.2.3.4.5/", "http://256.1.1.1/", "http://a.1/", "http://0xg.0x/", "http://4294967296/", "http://127..1/",
     "http://127.0.0.08/", "http://[127.0.0.1]/", "http://[v1.x]/", "http://[::ffff:127.1]/",
     "http://[[::1]]/", "http://[::1]]/", "http://::1/", "http://[::1]x/", "http://%5b::1%5d/", "http://127.0.0.1%00/",
     "http://127.0.0.1%2f/", "http://a%20b/", "http://%ff/", "http://%zz/", "http://%2500/", "http://a%40b/",
     "http://127.0.0.1:+80/", "http://127.0.0.1:8_0/", "http://127.0.0.1:８０/", "http://127.0.0.1:-1/",
     "http://a／b.example/", "http://a：80/", "http://a＠b/", "http://a％41/", "http://a<b/", "http://a|b/", "http://℀.x/",
     "http://loc\u00adalhost/", "http://loc\u200balhost/", "http://" + "%EF%B7%BA" * 85 + "/",
     "http://a" + "\u0301\u0327" * 4000 + "/", "http://" + "%41" * 2_000 + "/",
     "http://h:65536/", "HTTP://h:65536/", "http://" + ".".join(["e\u0301" * 50] * 4) + "/"],
)  # fmt: skip
def test_no_url(text: str) -> None:
    """What is no URL is refused with a sentence."""
    with pytest.raises(UrlRefused) as caught:
        parse_target(text)
    assert caught.value.detail == str(caught.value)
    assert caught.value.detail
    assert not isinstance(caught.value, SchemeUnsupported)


@pytest.mark.parametrize(
    ("text", "domain"),
    [("ftp://example.com/x", "example.com"), ("file:///etc/passwd", None), ("mailto:a@example.com", None),
     ("javascript:alert(1)", None), ("data:text/plain,x", None), ("gopher://example.com:70/_x", "example.com")],
)  # fmt: skip
def test_other_schemes(text: str, domain: str | None) -> None:
    """Another scheme is refused as such, by its name; its domain is known where it has one."""
    with pytest.raises(SchemeUnsupported) as caught:
        parse_target(text)
    assert caught.value.detail.startswith(text.partition(":")[0])
    assert caught.value.domain == domain


@pytest.mark.parametrize(
    ("text", "part", "domain"),
    [
        ("http://h:0/", "port 0 cannot be asked", "h"),
        ("http://a.1/", "a.1 is no IPv4 address", "a.1"),
        ("http://h:99999/", "out of range", None),
    ],
)
def test_reason(text: str, part: str, domain: str | None) -> None:
    """The sentence says what is wrong; the domain of what is refused is known once its host has been read."""
    with pytest.raises(UrlRefused) as caught:
        parse_target(text)
    assert part in caught.value.detail
    assert caught.value.domain == domain


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_longest_host(scheme: str) -> None:
    """A host of 260 characters is one, one of 261 is none, whichever way it is read."""
    host = f"{'a.' * 129}aa"
    assert parse_target(f"{scheme}://{host}/") == Target(f"http://{host}/", host)
    with pytest.raises(UrlRefused):
        parse_target(f"{scheme}://{host}a/")


_PIECES = st.sampled_from(
    [
        "http:",
        "//",
        "[",
        "]",
        "@",
        ":",
        "/",
        "?",
        "#",
        "%",
        "..",
        "::",
        "é",
        "data:",
        "\x00",
        "1",
        "0x",
        ".",
        "%41",
        "%2e",
        "%25",
        "%ff",
        "%EF%B7%BA",
        "１",
        "。",
        "／",
        "％",
        "\u00ad",
        "xn--",
        "fe80::1%25lo",
        "127.1",
        "\\",
        "+80",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(st.one_of(_PIECES, st.text(max_size=3)), max_size=12).map("".join)))
def test_any_text(text: str) -> None:
    """Any text is a target or a UrlRefused, and a normal form is its own normal form."""
    try:
        target = parse_target(text)
    except UrlRefused:
        return
    assert parse_target(target.url) == target
    assert URL(target.url).raw_host == target.domain


@given(
    st.from_regex(r"https?://[a-z0-9]{1,8}(\.[a-z]{2,5})?(:[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"(/[a-zA-Z0-9._~!$&'()*+,;=:@/-]{0,20})?(\?[a-zA-Z0-9._~!$'()*,;=:@/?&-]{0,20})?", fullmatch=True),
)
def test_short_way(address: str, rest: str) -> None:
    """The short way for URLs in normal form gives what the long way gives (an upper-case scheme takes the long one)."""
    text = address + rest

    def parse(variant: str) -> Target | str:
        try:
            return parse_target(variant)
        except UrlRefused as refused:
            return type(refused).__name__

    assert parse(text) == parse("HTTP" + text[4:])
