"""URLs as people write them."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks.probe.urls import (
    MAX_URL_CHARS,
    UNREADABLE,
    SchemeUnsupported,
    Target,
    UrlRefused,
    follow_location,
    parse_target,
    split_url,
)


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
        ("http://loc%61lhost/%61", "http://localhost/%61", "localhost"),
        ("http://%e3%81%82.example/", "http://xn--l8j.example/", "xn--l8j.example"),
        ("http://0251.0376.0251.0376/", "http://169.254.169.254/", "169.254.169.254"),
        ("http://169.254.43518/", "http://169.254.169.254/", "169.254.169.254"),
        ("http://0/", "http://0.0.0.0/", "0.0.0.0"),
        ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/", "::ffff:7f00:1"),
        ("http://[::ffff:7f00:1]/", "http://[::ffff:7f00:1]/", "::ffff:7f00:1"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/", "::1"),
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
        ("http://good.example\\@evil.example/", "http://good.example/@evil.example/", "good.example"),
        ("http:\\\\example.com\\a?b\\c", "http://example.com/a?b\\c", "example.com"),
        ("\\\\example.com\\a", "http://example.com/a", "example.com"),
        ("localhost:8000\\a", "http://localhost:8000/a", "localhost"),
        ("ht\ntp://exa\tmple.com/a\r\nb", "http://example.com/ab", "example.com"),
        ("http:foo", "http://foo/", "foo"),
        ("http:///foo", "http://foo/", "foo"),
        ("http://loc\u00adal\u200bhost/", "http://localhost/", "localhost"),
        ("http://☕.example/", "http://xn--53h.example/", "xn--53h.example"),
        ("http://faß.de/", "http://xn--fa-hia.de/", "xn--fa-hia.de"),
        ("http://example.com./", "http://example.com./", "example.com."),
        ("http://a_b.example/", "http://a_b.example/", "a_b.example"),
        ("http://u:@example.com/", "http://u@example.com/", "example.com"),
        ("http://u@:p@example.com/", "http://u%40:p@example.com/", "example.com"),
    ],
)
def test_normal_form(text: str, url: str, domain: str) -> None:
    """Every spelling comes to one form, and its domain is the host alone."""
    assert parse_target(text) == Target(url, domain)


@pytest.mark.parametrize(
    ("rest", "asked"),
    [
        ("/a%26b", "/a%26b"), ("/a&b", "/a&b"), ("/x%2Cy", "/x%2Cy"), ("/%2f%2F", "/%2f%2F"), ("/%7Ea/~b", "/%7Ea/~b"),
        ("/smart/http%3A%2F%2Fx.y", "/smart/http%3A%2F%2Fx.y"), ("/%c3%A9", "/%c3%A9"), ("/%41", "/%41"),
        ("?a%3Db=%26%2B+", "/?a%3Db=%26%2B+"), ("?q=%zz%", "/?q=%zz%"), ("/%", "/%"), ("/%2", "/%2"), ("/%25", "/%25"),
        ("/%FF%fe%00", "/%FF%fe%00"), ("?", "/?"), ("/a?", "/a?"), ("/a?#b", "/a?"), ("/a#?b", "/a"),
        ("/a%23b", "/a%23b"),
        ("/a/%2e%2E/b", "/b"), ("/a/%2e/b", "/a/b"), ("/a/.%2e", "/"), ("/a//b", "/a//b"), ("/...", "/..."),
        ("/a|[b]", "/a|[b]"), ("/^`{}\"<> x", "/%5E%60%7B%7D%22%3C%3E%20x"), ("?^`{}|[]\\", "/?^`{}|[]\\"),
        ("?'\"<> x", "/?%27%22%3C%3E%20x"), ("/a'b", "/a'b"), ("/é?é", "/%C3%A9?%C3%A9"), ("/\0a", "/%00a"),
    ],
)  # fmt: skip
def test_request_target(rest: str, asked: str) -> None:
    """What is asked for is what was written, as browsers ask for it: no percent-escape is decoded or rewritten."""
    assert split_url(parse_target(f"http://example.com:81{rest}").url) == ("http", "example.com:81", asked)


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        ("http://h/a/b?c", "%2e%2e/x%2Cy?z%26", "http://h/x%2Cy?z%26"),
        ("http://h/a/b?c", "?%27", "http://h/a/b?%27"),
        ("http://h/a/b", "//i:80\\x", "http://i/x"),
        ("http://h/a/b", " /x\ty#z ", "http://h/xy"),
        ("http://h/a/b", "http:x", "http://h/a/x"),
        ("http://h/a/b", "example.com/x", "http://h/a/example.com/x"),
        ("http://u:p@h/a", "/b", "http://u:p@h/b"),
        ("http://u:p@h/a", "http://h:80/b", "http://u:p@h/b"),
        ("http://u%C3%A9:%40@h/a", "//h/b", "http://u%C3%A9:%40@h/b"),
        ("http://u:p@h/a", "http://v@h/b", "http://v@h/b"),
        ("http://u:p@h/a", "https://h/b", "https://h/b"),
        ("http://u:p@h/a", "http://h:81/b", "http://h:81/b"),
        ("http://u:p@h/a", "//i/b", "http://i/b"),
    ],
)
def test_location(base: str, location: str, url: str) -> None:
    """A Location is resolved as browsers do; a user and a password stay with their origin."""
    assert follow_location(base, location).url == url


@pytest.mark.parametrize(
    "text",
    ["", " ", "http://", "/path", "\\path", "?a", "#a", "\t", "//", "http://[fe80::1%25eth0]/",
     "http://[::1", "http://a b/", "http://h:99999/", "http://h:0/",
     "http://\x00/", "\ud800", "http://\ud800.example/", "http://h/\ud800",
     f"http://h/{UNREADABLE}",
     "[]@", "http://[]@", "-[]@", "http://[:::::]", "[a:é]", "[mailto:é]", "http://[data:]\x00",
     "http://" + "a" * 300 + ".example/", "http://" + "\ufdfa" * 8000,
     "http://1.2.3.4.5/", "http://256.1.1.1/", "http://a.1/", "http://0xg.0x/", "http://4294967296/", "http://127..1/",
     "http://127.0.0.08/", "http://[127.0.0.1]/", "http://[v1.x]/", "http://[::ffff:127.1]/",
     "http://[[::1]]/", "http://[::1]]/", "http://::1/", "http://[::1]x/", "http://%5b::1%5d/", "http://127.0.0.1%00/",
     "http://127.0.0.1%2f/", "http://a%20b/", "http://%ff/", "http://%zz/", "http://%2500/", "http://a%40b/",
     "http://127.0.0.1:+80/", "http://127.0.0.1:8_0/", "http://127.0.0.1:８０/", "http://127.0.0.1:-1/",
     "http://a／b.example/", "http://a：80/", "http://a＠b/", "http://a％41/", "http://a<b/", "http://a|b/", "http://℀.x/",
     "http://" + "%EF%B7%BA" * 85 + "/",
     "http://a" + "\u0301\u0327" * 4000 + "/", "http://" + "%41" * 2_000 + "/",
     "http://h:65536/", "HTTP://h:65536/", "http://" + ".".join(["e\u0301" * 100] * 4) + "/",
     "http://" + "@" * 8_000 + "/", "x" * 8_193, "http://h/" + "x" * 8_184],
)  # fmt: skip
def test_no_url(text: str) -> None:
    """What is no URL is refused with a sentence."""
    with pytest.raises(UrlRefused) as caught:
        parse_target(text)
    assert caught.value.detail == str(caught.value)
    assert caught.value.detail
    assert not isinstance(caught.value, SchemeUnsupported)


@pytest.mark.parametrize(
    "text",
    ['"http://example.com', '"http://example.com"', "'http://example.com'", "(http://example.com)", "`example.com`",
     "“http://example.com”", "«example.com»", "„example.com“", "example.com—", "【example.com】", "http://example.com…",
     "http", "HTTPS", "http//example.com", "http://http://example.com", "https://https//example.com", "http:", "http:/",
     "<a href=http://example.com>", "<http://example.com>", "[x](http://example.com)", "href='http://example.com'",
     "foo@bar", "foo@example.com", "foo@example.com/x", "a b", "see http://example.com", "it's", "hello,", "(see",
     "example.com)", "example.com,", "example.com;", "example.com!", "http://example.com,/", "http://a'b.example/x",
     "*", "*.example.com", "$HOME", "http://{host}/", "${URL}/x", "a=b", "a&b", "a+b", "&amp;", "1,234", "~u/x",
     "-", "--", "_", ".", "..", "...", "./a", "../a.html", ".hidden", "a..b", "http://a..b/", "http://.a/", "a..",
     "a" * 64 + ".example", "http://%22x/", "http://%28x%29/", "http://xn--http-996a/"],
)  # fmt: skip
def test_no_host(text: str) -> None:
    """Quotes, brackets, words and file names round or in place of a URL are no URL, and have no domain."""
    with pytest.raises(UrlRefused) as caught:
        parse_target(text)
    assert type(caught.value) is UrlRefused
    assert caught.value.domain is None


@pytest.mark.parametrize(
    "host",
    ["localhost", "intranet", "redis", "www", "my_host", "_dmarc.example.com", "_a_", "a", "1a", "a-", "-a", "a-b--c",
     "foo-.example.com", "a.-.b", "2024-01-01", "http.example.com", "https.", "ftp", "example.com.", "e.g.",
     "xn--53h.example", "xn--ll-0ea.example", "a" * 63, "readme.md", "127.0.0.1"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", "http://{}/", "{}:8080", "https://{}:8080/x", "HTTP://{}", "//{}"])
def test_host(host: str, form: str) -> None:
    """A single label, underscores, and hyphens anywhere are hosts, with and without scheme and port."""
    assert parse_target(form.format(host)).domain == host


@pytest.mark.parametrize(
    ("text", "domain"),
    [("ftp://example.com/x", "example.com"), ("file:///etc/passwd", None), ("mailto:a@example.com", None),
     ("javascript:alert(1)", None), ("data:text/plain,x", None), ("gopher://EX%41mple.com:70/_x", "example.com"),
     ("ftp://[/", None), ("ftp://(x", None), ("wss://EXAMPLE.com", "example.com"), ("ftp://" + "a" * 300, None)],
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
        ("http://h:99999/", "the host or its port cannot be read", None),
        ("/about.html", "the URL has no host", None),
        ("http://" + "a" * 261, "longer than a host can be", None),
        ("http://h/\ud800", "no character", None),
        ("data:," + "x" * 9_000, "over 8,192 characters", None),
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
    scheme, authority, asked = split_url(target.url)
    assert f"{scheme}://{authority}{asked}" == target.url
    assert target.url.isascii()
    assert asked.isprintable()
    assert " " not in asked
    assert authority.rpartition("@")[2].removeprefix("[").startswith(target.domain)


@given(
    st.from_regex(r"https?://(xn--|0x|[0-9.]{0,4})?[a-z0-9.-]{1,8}(\.[a-z]{2,5})?(:[0-9]{1,5})?", fullmatch=True),
    st.from_regex(
        r"(/[a-zA-Z0-9._~!$&'()*+,;=:@%/-]{0,20})?(\?[a-zA-Z0-9._~!$'()*,;=:@%/?&+-]{0,20})?", fullmatch=True
    ),
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


@pytest.mark.parametrize(
    "text",
    ["http://a" + "\u0301\u0327" * 4_000, "http://" + "%CC%81%CC%A7" * 680, "http://" + "@" * 8_000 + "h/",
     "http://h/" + "a/../" * 1_600, "http://h/" + "\U0001f600" * 8_000, "http://xn--" + "9" * 8_000, "a:" * 4_000,
     "//" + "\\" * 8_000, "ftp://a" + "\u0301\u0327" * 4_000, "http://[" + ":" * 8_000 + "]/", "\t" * 8_000 + "h",
     "https:" + "%" * 60_000, "https:a" + "%日" * 30_000, "//" + "%CC%81" * 10_000],
)  # fmt: skip
def test_cost(text: str) -> None:
    """No text, of the greatest length as a URL or longer as a Location, costs more than a few milliseconds of CPU."""
    spent_s = []
    for _ in range(5):
        start = time.thread_time()
        with suppress(UrlRefused):
            parse_target(text[:MAX_URL_CHARS])
        with suppress(UrlRefused):
            follow_location("http://h/", text)
        spent_s.append(time.thread_time() - start)
    assert min(spent_s) < 0.01
