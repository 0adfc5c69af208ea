"""Which requests share a probe and an entry of the cache."""

import pytest
from pydantic import ValidationError

from gateway.tasks.probe.request import KEY_CHARS, ProbeOptions, ProbeRequest

FOLLOWED = ProbeOptions(follow_redirects=True)


def test_key() -> None:
    """Requests of one URL with the same options have one key, others have another; of a short URL it is the URL."""
    url = "http://a/"
    assert ProbeRequest(url).key == ProbeRequest(url, ProbeOptions(follow_redirects=False)).key == url
    assert ProbeRequest(url, FOLLOWED).key == "Lhttp://a/"


def test_key_of_a_long_url() -> None:
    """Long URLs have short keys, each its own."""
    urls = ["http://a/" + "x" * size for size in (KEY_CHARS, KEY_CHARS + 1, 8_000)]
    keys = {ProbeRequest(url, options).key for url in urls for options in (FOLLOWED, ProbeOptions())}
    assert len(keys) == 6
    assert max(map(len, keys)) < KEY_CHARS


def test_key_of_options() -> None:
    """What changes the answer is in the key: headers and the timeout, but not how old an answer may be."""
    one, other = {"headers": {"A": "b"}}, {"headers": {"A": "c"}}
    asked = [{}, one, other, {"timeout_s": 1}, {**one, "timeout_s": 1}]
    keys = [ProbeRequest("http://a/", ProbeOptions.model_validate(options)).key for options in asked]
    assert len(set(keys)) == len(asked)
    assert ProbeRequest("http://a/", ProbeOptions(max_age_s=0)).key == "http://a/"


@pytest.mark.parametrize(
    "headers",
    [{"Host": "x"}, {"content-length": "5"}, {"Transfer-Encoding": "chunked"}, {"Connection": "x"}, {"Upgrade": "h2c"},
     {"Expect": "100-continue"}, {"": "x"}, {"A B": "x"}, {"A:": "x"}, {"A\r\nB": "x"}, {"\u00e9": "x"},
     {"A": "x\r\nB: y"}, {"A": "x\ny"}, {"A": "\x00"}, {"A": "\ud800"}, {"A": "x" * 5_000}, {"A": 5},
     {"A": None}, ["A: x"],
     {f"A{number}": "x" for number in range(33)}],
)  # fmt: skip
def test_refused_headers(headers: object) -> None:
    """Headers that frame a request, or could end one, are refused."""
    with pytest.raises(ValidationError):
        ProbeOptions.model_validate({"headers": headers})
