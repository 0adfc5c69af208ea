"""URLs and codes as people read them."""

import pytest

from gateway.tasks.models import Hop, Probe, ProbeError
from gateway.tasks.shown import MAX_SHOWN_CHARS, find_link, show_code, show_span, show_url
from gateway.web.i18n import Translator


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://xn--mnchen-3ya.example/xn--a", "http://münchen.example/xn--a"),
        ("xn--mnchen-3ya.example", "münchen.example"),
        ("XN--mnchen-3YA.example", "münchen.example"),
        ("http://xn--a.example/", "http://xn--a.example/"),
        ("http://a.example/\x07\u202egnp.exe", "http://a.example/\\u0007\\u202egnp.exe"),
        ("http://שלום.example/", "http://שלום.example/"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    """IDNA is shown in its letters, and nothing that cannot be seen stays hidden."""
    assert show_url(url) == shown


def test_long_url() -> None:
    """A URL of 8,192 characters is shown by its beginning and its end."""
    shown = show_url("http://a.example/" + "x" * 8_000 + "/end")
    assert len(shown) <= MAX_SHOWN_CHARS + 1
    assert shown.startswith("http://a.example/")
    assert shown.endswith("/end")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://a/", "a.example", "http://a/ b", "http://a/\u202e", "data:,x", ""]
)
def test_no_link(url: str) -> None:
    """Only http and https become links."""
    assert find_link(url) is None


def test_link() -> None:
    """A URL of http or https is a link, in any case."""
    assert find_link("HTTPS://a.example/ü?x=1&y=[2]") == "HTTPS://a.example/ü?x=1&y=[2]"


def test_codes() -> None:
    """A code is shown with where its redirects began; no answer by its reason; nothing known by dots."""
    probe = Probe(0, "", 200, None, None, None, False, None, 1, None, [Hop(301, "")], "x")  # noqa: FBT003
    none = Probe(0, "", 0, ProbeError.INVALID_URL, None, None, False, None, 1, None, None, None)  # noqa: FBT003
    unknown = Probe(0, "", None, None, None, None, False, None, None, None, None, None)  # noqa: FBT003
    assert [show_code(each) for each in (probe, none, unknown)] == ["301 → 200", "invalid url", "…"]


def test_spans() -> None:
    """How long tasks are kept is told in the largest unit without a rest."""
    words = Translator("en")
    assert [show_span(words, each) for each in (86_400, 129_600, 5_400, 61)] == [
        "1 day",
        "36 hours",
        "90 minutes",
        "61 seconds",
    ]
