"""The parser: the same requests however the bytes are cut, and no input that breaks or bloats it."""

import itertools
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credentials import HTTPError, Limits, Parser, parse_head
from tests.credentials.rows import ACCEPTED, REFUSED, chunked, get, post
from tests.credentials.wire import GET

SMALL = {name: request for name, (request, _) in ACCEPTED.items() if len(request) < 500}
SMALL_BODIES = Limits(body_bytes=100)
"""A limit at which it shows what the parser holds of a body."""
HELD_BYTES = 8192 + 16384 + 2 + 2 + 4  # an incomplete head at its limits, with all its line ends


def parse(pieces: Iterable[bytes]) -> tuple[list[dict[str, Any]], int | None]:
    """All requests out of the pieces, and the status that ended them, if one did."""
    parser, requests = Parser(SMALL_BODIES), []
    try:
        for piece in pieces:
            parser.buffer += piece
            while (environ := next(parser.requests)) is not None:
                requests.append({**environ, "wsgi.input": environ["wsgi.input"].read()})
            assert len(parser.buffer) <= HELD_BYTES
    except HTTPError as error:
        return requests, error.args[0]
    return requests, None


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes, cut at the places."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@pytest.mark.parametrize("name", SMALL)
def test_a_request_may_be_cut_anywhere(name: str) -> None:
    """Cut in two at every byte, and into single bytes, it is the same request, with the same end."""
    whole = parse([SMALL[name] + GET])
    assert len(whole[0]) == 2
    assert parse(cut(SMALL[name] + GET, range(10000))) == whole
    for place in range(len(SMALL[name])):
        assert parse(cut(SMALL[name] + GET, [place])) == whole


@given(st.lists(st.sampled_from(sorted(SMALL.values())), max_size=6), st.lists(st.integers(0, 5000), max_size=9))
def test_a_pipeline_may_be_cut_anywhere(requests: list[bytes], places: list[int]) -> None:
    """Any requests in a row, cut anywhere, are those requests in that order."""
    expected = [environ for request in requests for environ in parse([request])[0]]
    assert parse(cut(b"".join(requests), places)) == (expected, None)


fragments = st.sampled_from(
    [request for request, _ in [*ACCEPTED.values(), *REFUSED.values()] if len(request) < 500]
    + [b"\r\n", b"\n", b"\r", b" ", b":", b"\0", b"0\r\n\r\n", b"5\r\nhello", b"Content-Length: 5\r\n"]
    + [b"Transfer-Encoding: chunked\r\n", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n"]
)


@given(st.lists(fragments | st.binary(max_size=60), max_size=12), st.lists(st.integers(0, 5000), max_size=9))
@example([b"GET / HTTP/1.1\r\nA: " + b"a" * 20000], [])
@example([b"5" * 5000], [3])
def test_no_input_breaks_the_parser(parts: list[bytes], places: list[int]) -> None:
    """It gives requests, asks for more or refuses; it holds little; and how the bytes are cut changes nothing."""
    data = b"".join(parts)
    requests, status = parse(cut(data, places))
    assert status in (None, 400, 413, 414, 417, 431, 501, 505)
    whole_requests, whole_status = parse([data])
    assert requests == whole_requests
    assert (status is None) == (whole_status is None)


@given(st.sampled_from(sorted(SMALL)), st.integers(0, 5000), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_request_is_parsed_or_refused(name: str, place: int, inserted: bytes, removed: int) -> None:
    """A valid request with a few bytes changed never raises anything but HTTPError."""
    request = SMALL[name]
    place %= len(request)
    data = request[:place] + inserted + request[place + removed :]
    assert parse([data]) == parse(cut(data, range(len(data))))


@pytest.mark.parametrize(
    "data",
    [
        get(b"X:" + b" " * 16000 + b"y"),
        get(host=b"Host: " + b"a" * 16000 + b"@\r\n"),
        get(host=b"Host: " + b"%" * 16000 + b"\r\n"),
        get(line=b"GET http://" + b"a" * 8000 + b"@ HTTP/1.1"),
        get(line=b"GET /" + b"?" * 8000 + b"# HTTP/1.1"),
        get(line=b"A-" * 4000),
        chunked(b"5" + b" \t;" * 5000 + b"\0\r\n"),
    ],
)
def test_no_input_is_slow(data: bytes) -> None:
    """Nothing in the grammar backtracks: the worst heads take milliseconds."""
    started = time.perf_counter()
    parse([data])
    assert time.perf_counter() - started < 1


def test_what_is_consumed_leaves_the_buffer() -> None:
    """A request takes its own bytes and no more; what follows waits."""
    parser = Parser()
    parser.buffer += post(b"Content-Length: 5", body=b"hello") + b"GET /x"
    environ = next(parser.requests)
    assert environ is not None
    assert environ["wsgi.input"].read() == b"hello"
    assert parser.buffer == b"GET /x"
    assert next(parser.requests) is None
    assert parser.buffer == b"GET /x"


def test_a_request_says_its_part_of_the_environ() -> None:
    """Names, joined values, the decoded path as latin-1, the query as it came: PEP 3333 and RFC 3875."""
    line = b"PUT /a%2Fb/%C3%A9%00?x=%20+y?z HTTP/1.0"
    fields = [b"X-One: \t1\xa0 ", b"x-oNE:\x852", b"X-X: X:X ", b"Content-Type: a/b", b"Content-Length: 2"]
    [environ], _ = parse([get(*fields, line=line) + b"ok"])
    assert environ == {
        "REQUEST_METHOD": "PUT",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "PATH_INFO": "/a/b/\xc3\xa9\0",
        "QUERY_STRING": "x=%20+y?z",
        "HTTP_HOST": "localhost",
        "HTTP_X_ONE": "1\xa0, \x852",
        "HTTP_X_X": "X:X",
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "2",
        "wsgi.input": b"ok",
    }


def test_an_underscore_never_passes_for_a_hyphen() -> None:
    """A name with an underscore is not in the environ, before or after the real one or without it."""
    fields = [b"X_Real_Ip: evil", b"X-Real-Ip: good", b"X_Real-Ip: evil", b"Other_One: evil", b"Host_: evil"]
    [environ], _ = parse([get(*fields)])
    assert {key: value for key, value in environ.items() if key.startswith("HTTP_")} == {
        "HTTP_HOST": "localhost",
        "HTTP_X_REAL_IP": "good",
    }


@pytest.mark.parametrize(
    ("target", "host", "path", "query"),
    [
        (b"http://other:80/x?y", "other:80", "/x", "y"),
        (b"http://other", "other", "/", ""),
        (b"http://other?y", "other", "/", "y"),
        (b"HTTP://[::1]/", "[::1]", "/", ""),
        (b"//other/x", "localhost", "//other/x", ""),
        (b"/http://other/", "localhost", "/http://other/", ""),
    ],
)
def test_the_target_names_the_host_in_absolute_form(target: bytes, host: str, path: str, query: str) -> None:
    """RFC 9112, 3.2.2: its authority overrides Host; a path that looks like one does not."""
    [environ], _ = parse([get(line=b"GET " + target + b" HTTP/1.1")])
    assert (environ["HTTP_HOST"], environ["PATH_INFO"], environ["QUERY_STRING"]) == (host, path, query)


def test_the_asterisk_is_no_path() -> None:
    """What OPTIONS * is about is the server as a whole, so the application sees no path."""
    [environ], _ = parse([get(line=b"OPTIONS * HTTP/1.1")])
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("", "")


def test_a_chunked_body_becomes_a_body_of_known_length() -> None:
    """The application sees a length and no coding, and nothing of extensions and trailers."""
    [environ], _ = parse([chunked(b"5;x=y\r\nhello\r\n2\r\n, \r\n5\r\nworld\r\n0\r\nHost: evil\r\nX: y\r\n\r\n")])
    assert environ["wsgi.input"] == b"hello, world"
    assert environ["CONTENT_LENGTH"] == "12"
    assert environ["HTTP_HOST"] == "localhost"
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert "HTTP_X" not in environ


def test_a_chunk_line_is_refused_at_once() -> None:
    """It may be cut before its last byte, but who goes over the limit, or says nothing, hears of it without more."""
    longest = chunked(b"%016d;" % 5 + b"a" * 16383 + b"\r\nhello\r\n0\r\n\r\n")
    end = longest.rindex(b"hello") - 1
    assert len(parse([longest[:end], longest[end:]])[0]) == 1
    assert parse([longest[: end - 1], b"aa"]) == ([], 431)
    assert parse([chunked(b"\n")]) == ([], 400)


def test_heads_do_not_fill_the_memory() -> None:
    """The cache of heads is bounded, and what one request does to its environ is not seen by the next."""
    for number in range(1000):
        parse([get(b"X-%d: y" % number), get(b"(%d): y" % number)])
    assert parse_head.cache_info().currsize == parse_head.cache_info().maxsize == 64
    parser = Parser()
    for _ in range(2):
        parser.buffer += GET
        environ = next(parser.requests)
        assert environ is not None
        assert "mark" not in environ
        environ["mark"] = "x"
