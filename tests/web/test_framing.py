"""Request smuggling: no message whose end is in doubt is answered, and nothing behind it is looked at."""

import re
from collections.abc import Iterable, Iterator
from itertools import product

import anyio
import h11
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials import HTTPError, Parser
from gateway.web.framing import StrictConnection

BEHIND = b"GET /behind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
LIMIT_BYTES = 32_768

LENGTHS = [
    b"", b"Content-Length: 5\r\n", b"content-length:5\r\n", b"CONTENT-LENGTH: \t5 \t\r\n", b"Content-Length: 005\r\n",
    b"Content-Length : 5\r\n", b"Content-Length\t: 5\r\n", b"Content-Length: +5\r\n", b"Content-Length: -5\r\n",
    b"Content-Length: 5,5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: 5,\r\n", b"Content-Length: 0x5\r\n",
    b"Content-Length: 5\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\ncontent-length: 0\r\n",
    b"Content-Length: 0\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\nContent-Length:\r\n", b"Content-Length:\r\n",
    b"Content-Length:\r\n 5\r\n", b"Content-Length: 5\r\n 5\r\n", b"Content-Length: 5 5\r\n",
    b"Content-Length: 5_0\r\n", b"Content-Length: \xb25\r\n", b"Content-Length: 5\0\r\n", b"Content-Length: \x0b5\r\n",
    b"Content-Length: 5.0\r\n",
    b"Content-Length: 5;x\r\n", b"Content-Length: 5\r\r\n", b"Content-Length: 5\n", b"Content_Length: 5\r\n",
    b"X: y\nContent-Length: 5\r\n", b"X: y\rContent-Length: 5\r\n", b" Content-Length: 5\r\n",
]  # fmt: skip
CODINGS = [
    b"", b"Transfer-Encoding: chunked\r\n", b"TRANSFER-ENCODING: CHUNKED\r\n", b"transfer-encoding:Chunked\r\n",
    b"Transfer-Encoding:\tchunked\t\r\n", b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding\t: chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunkedx\r\n", b"Transfer-Encoding: chunk\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n", b"Transfer-Encoding: chunked,\r\n", b"Transfer-Encoding: ,chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: identity, chunked\r\n",
    b"Transfer-Encoding: chunked;q=1\r\n", b'Transfer-Encoding: "chunked"\r\n', b"Transfer-Encoding:\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: cow\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"Transfer-Encoding: \x0cchunked\r\n",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n", b"Transfer-Encoding:\r\n\tchunked\r\n", b"Transfer-Encoding: chun\rked\r\n",
    b"Transfer-Encoding: chunked\r\n \r\n", b"Transfer-Encoding: \0chunked\r\n", b"Transfer-Encoding: chunked\0\r\n",
    b"Transfer-Encoding: \xa0chunked\r\n", b"Transfer-Encoding: chunked\r\r\n", b"Transfer-Encoding: chunked\n",
    b"X: y\nTransfer-Encoding: chunked\r\n", b"X: y\rTransfer-Encoding: chunked\r\n",
    b" Transfer-Encoding: chunked\r\n",
    b"X: y\r\n\tTransfer-Encoding: chunked\r\n", b"Transfer_Encoding: chunked\r\n", b"X-Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding\0: chunked\r\n", b"Transfer\xadEncoding: chunked\r\n", b"\nTransfer-Encoding: chunked\r\n",
]  # fmt: skip
CHUNK_LINES = [
    b"5\r\n", b"05\r\n", b"5;a=b\r\n", b'5;a="b; c"\r\n', b"5 \r\n", b"5\t\r\n", b" 5\r\n", b"0x5\r\n", b"+5\r\n",
    b"5\n", b"5\r\r\n", b"5;a\rb\r\n", b"5;a\nb\r\n", b"5;\0\r\n", b"5;\r\r\n", b"5,\r\n", b"\r\n5\r\n", b"5\x0b\r\n",
    b"-5\r\n", b"5h\r\n", b"0000000000000000000005\r\n",
]  # fmt: skip
LAST_LINES = [
    b"0\r\n",
    b"000\r\n",
    b"0;x\r\n",
    b"0 \r\n",
    b"0\t\r\n",
    b"0;a\rb\r\n",
    b"0;\n\r\n",
    b"0\n",
    b"-0\r\n",
    b"\r\n",
]
TRAILERS = [
    b"",
    b"X: y\r\n",
    b"X : y\r\n",
    b"X\r\n",
    b"X: y\n",
    b"X: y\rz\r\n",
    b" X: y\r\n",
    b"X: y\r\n z\r\n",
    b"\n",
    b"\r",
]


def read_strictly(sent: bytes) -> list[int]:
    """How credentials.py answers these bytes: 404 a GET, 405 another method, and at last an error or nothing."""
    parser = Parser()
    parser.buffer += sent
    statuses = []
    try:
        while (environ := next(parser.requests)) is not None:
            statuses.append(404 if environ["REQUEST_METHOD"] == "GET" else 405)
    except HTTPError as error:
        statuses.append(int(error.args[0]))
    return statuses


async def exchange(client: httpx.AsyncClient, sent: bytes) -> bytes:
    """All answers of a gateway up to the end of the connection, which is its own doing."""
    async with await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0) as connection:
        await connection.send(sent)
        with anyio.fail_after(60):
            return b"".join([part async for part in connection])


def read_statuses(answers: bytes) -> list[int]:
    """The statuses of all answers."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([1-9][0-9]{2}) [A-Z][^\r\n]*\r\n", answers)]


async def compare(client: httpx.AsyncClient, requests: Iterable[bytes]) -> int:
    """Send each request with another behind it, on a connection of its own; how many of them were refused.

    What credentials.py refuses has to be refused, with one answer; all else has the same two answers.
    """
    refused = 0
    room, differing = anyio.CapacityLimiter(16), list[object]()

    async def try_one(sent: bytes) -> None:
        nonlocal refused
        expected = read_strictly(sent + BEHIND)
        async with room:
            statuses = read_statuses(await exchange(client, sent + BEHIND))
        if expected[0] in (400, 501):
            refused += 1
            right = statuses in ([400], [501])
        else:
            right = statuses in (expected, expected[:1] if b"HTTP/1.0" in sent else expected)
        if not right:
            differing.append((sent, expected, statuses))

    async with anyio.create_task_group() as group:
        for request in requests:
            group.start_soon(try_one, request)
    assert not differing
    return refused


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.timeout(120)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_pairs(client: httpx.AsyncClient, version: bytes) -> None:
    """Content-Length and Transfer-Encoding in every spelling, alone and together: credentials.py is no stricter."""
    head = b"POST /healthz HTTP/" + version + b"\r\nHost: localhost\r\n"
    pairs = [head + length + coding + b"\r\n0\r\n\r\n" for length, coding in product(LENGTHS, CODINGS)]
    assert len(pairs) > 1400
    assert await compare(client, pairs) > 1300


@pytest.mark.anyio
@pytest.mark.timeout(120)
async def test_chunks(client: httpx.AsyncClient) -> None:
    """Chunk lines, last chunks and trailers in every spelling: credentials.py is no stricter."""
    head = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    odd = [(line, b"0\r\n", b"") for line in CHUNK_LINES]
    odd += [(b"5\r\n", line, trailer) for line, trailer in product(LAST_LINES, TRAILERS)]
    bodies = [head + line + b"hello\r\n" + last + trailer + b"\r\n" for line, last, trailer in odd]
    assert await compare(client, bodies) > 90


def read_events(pieces: Iterable[bytes]) -> Iterator[object]:
    """What a connection says that came in those pieces: targets, whole bodies, and the status of a refusal."""
    connection, body = StrictConnection(LIMIT_BYTES), b""
    for piece in (*pieces, b""):
        connection.receive_data(piece)
        while (event := read_event(connection)) is not h11.NEED_DATA:
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.Request):
                yield event.target
            elif isinstance(event, h11.EndOfMessage):
                yield body, event.headers
                for answer in (h11.Response(status_code=200, headers=[("Content-Length", "0")]), h11.EndOfMessage()):
                    connection.send(answer)
                connection.start_next_cycle()
                body = b""
            else:
                yield event
                return


def read_event(connection: StrictConnection) -> object:
    """The next event, or the status of a refusal."""
    try:
        return connection.next_event()
    except h11.RemoteProtocolError as error:
        return error.error_status_hint


ONE_WAY = [
    b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\n",
    b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\nh\r\n4\r\nello\r\n0\r\nX: y\r\n\r\n",
    b"GET /c HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5 \r\n",
]


@given(st.lists(st.integers(1, 40), max_size=60))
def test_pieces(sizes: list[int]) -> None:
    """However the bytes are cut into packets, the same requests come of them, and the same refusal."""
    sent, pieces, at = b"".join(ONE_WAY), [], 0
    for size in sizes:
        pieces.append(sent[at : at + size])
        at += size
    pieces = [piece for piece in (*pieces, sent[at:]) if piece]
    whole = list(read_events([sent]))
    assert [event for event in whole if isinstance(event, bytes)] == [b"/a", b"/b", b"/c", b"/d", b"/e"]
    assert whole[-1] == 400
    assert list(read_events(pieces)) == whole


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("lines", [b"GET / HTTP/1.1\r\nX: ", CHUNKED + b"5;", CHUNKED + b"0\r\nX: "])
def test_incomplete_lines(lines: bytes) -> None:
    """A head, a chunk line or a trailer that is too long is refused with 431, one that breaks off with 400."""
    assert list(read_events([lines, b"x" * (LIMIT_BYTES + 1)]))[-1] == 431
    assert list(read_events([lines, b"x"]))[-1] == 400


def test_long_lines() -> None:
    """A whole head or chunk line that is too long is refused too, however it was cut into packets."""
    for size, end in ((LIMIT_BYTES - 40, b"/"), (LIMIT_BYTES, 431)):
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * size + b"\r\n\r\n"
        assert next(read_events([head])) == end
        assert next(read_events([head[:9], head[9:]])) == end
    line = CHUNKED + b"5;" + b"x" * LIMIT_BYTES + b"\r\nhello\r\n0\r\n\r\n"
    assert list(read_events([line]))[-1] == list(read_events([line[:99], line[99:]]))[-1] == 431


@pytest.mark.parametrize("first", [b" ", b"\0", b"\x16\x03\x01", b"\rG"])
def test_no_request(first: bytes) -> None:
    """Bytes that cannot begin a request are refused at once: a client of TLS does not wait for the idle timeout."""
    connection = StrictConnection(LIMIT_BYTES)
    connection.receive_data(first)
    assert read_event(connection) == 400


REASONS = {
    b"GET /healthz": b"200 OK", b"POST /api/v1/tasks/": b"400 Bad Request", b"PUT /docs": b"405 Method Not Allowed",
    b"GET /nowhere": b"404 Not Found", b"GET /api/v1//tasks/?q=1": b"308 Permanent Redirect", b"GET /a b": b"400 ",
}  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(("call", "line"), REASONS.items())
async def test_reasons(client: httpx.AsyncClient, call: bytes, line: bytes) -> None:
    """The first line of an answer has its reason phrase."""
    answer = await exchange(client, call + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + line)


@pytest.mark.anyio
async def test_redirect(client: httpx.AsyncClient) -> None:
    """A redirect names no server: behind a proxy it would be the wrong one."""
    answer = await client.get("/api/v1//tasks/?a=%2F%2F&b=%C3%A9")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/api/v1/tasks/?a=%2F%2F&b=%C3%A9")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("target", "line"),
    [("/api/v1/audio/?q=Песня", b"200 OK"), ("/?q=日本&sort=name", b"200 OK"), ("/audio/Песня.mp3", b"404 Not Found")],
)
async def test_target_beyond_ascii(client: httpx.AsyncClient, target: str, line: bytes) -> None:
    """A target is taken as if what is beyond ASCII in it were escaped; nothing else of the head may be so."""
    rest = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await exchange(client, b"GET " + target.encode() + rest)).startswith(b"HTTP/1.1 " + line)
    for bad in (
        b"G\xc3\x89T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.\xd9\xa1\r\nHost: localhost\r\n\r\n",
    ):
        assert (await exchange(client, bad)).startswith(b"HTTP/1.1 400 ")
