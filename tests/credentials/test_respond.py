"""PEP 3333 on the wire: applications of every kind under the server, and the exact bytes of their answers."""

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

import pytest

import credentials
from tests.credentials.rows import chunked, get, post
from tests.credentials.wire import GET, Running, serving, statuses

OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_LASTING = get(b"Connection: keep-alive", line=b"GET / HTTP/1.0", host=b"")
HEAD = get(line=b"HEAD / HTTP/1.1")
PLAIN = [("Content-Type", "text/plain")]
Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


def answer(application: Application, request: bytes = GET) -> bytes:
    """What the server sends for one request, without its Date."""
    with serving(application) as running:
        sent = running.ask(request, shut=True)
    undated, dates = re.subn(rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", b"", sent)
    assert dates == len(statuses(sent))
    return undated


def saying(*blocks: bytes, status: str = "200 OK", headers: Iterable[tuple[str, str]] = ()) -> Application:
    """An application that returns these blocks as a list."""

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        return list(blocks)

    return application


def yielding(*blocks: bytes, status: str = "200 OK", headers: Iterable[tuple[str, str]] = ()) -> Application:
    """An application that is a generator: start_response is called when the first block is asked for."""

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response(status, list(headers))
        yield from blocks

    return application


LENGTH_2 = [("content-length", "2")]


@pytest.mark.parametrize(
    ("application", "request_bytes", "expected"),
    [
        (saying(b"ok"), GET, b"Content-Length: 2\r\n\r\nok"),
        (saying(b"o", b"", b"k"), GET, b"Content-Length: 2\r\n\r\nok"),
        (saying(), GET, b"Content-Length: 0\r\n\r\n"),
        (saying(b""), GET, b"Content-Length: 0\r\n\r\n"),
        (saying(b"ok", headers=LENGTH_2), GET, b"Content-Length: 2\r\n\r\nok"),
        (saying(b"ok"), OLD, b"Content-Length: 2\r\nConnection: close\r\n\r\nok"),
        (saying(b"ok"), HEAD, b"\r\n"),
        (saying(b"ok", headers=LENGTH_2), HEAD, b"Content-Length: 2\r\n\r\n"),
        (saying(headers=LENGTH_2), HEAD, b"Content-Length: 2\r\n\r\n"),
        (yielding(), GET, b"Content-Length: 0\r\n\r\n"),
        (yielding(b"", b""), GET, b"Content-Length: 0\r\n\r\n"),
        (
            yielding(b"a" * 17, b"", b"b"),
            GET,
            b"Transfer-Encoding: chunked\r\n\r\n11\r\n" + b"a" * 17 + b"\r\n1\r\nb\r\n0\r\n\r\n",
        ),
        (
            yielding(b"ok", headers=PLAIN),
            GET,
            b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (yielding(b"o", b"k", headers=LENGTH_2), GET, b"Content-Length: 2\r\n\r\nok"),
        (yielding(b"o", b"k"), OLD, b"Connection: close\r\n\r\nok"),
        (yielding(b"o", b"k"), OLD_LASTING, b"Connection: close\r\n\r\nok"),
        (saying(b"ok"), OLD_LASTING, b"Content-Length: 2\r\nConnection: keep-alive\r\n\r\nok"),
        (yielding(b"o", b"k"), HEAD, b"\r\n"),
        (yielding(b"longer"), HEAD, b"\r\n"),
        (saying(b"no", headers=PLAIN), GET, b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"),
        (saying(headers=[("Date", "today"), ("X", "\xe9\t")]), GET, b"X: \xe9\t\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_a_body_is_framed_as_it_can_be(application: Application, request_bytes: bytes, expected: bytes) -> None:
    """By its length where that is known, in chunks for 1.1, by the end of the connection for 1.0."""
    assert answer(application, request_bytes) == b"HTTP/1.1 200 OK\r\n" + expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("204 No Content", b"\r\n"),
        ("304 Not Modified", b"Content-Length: 2\r\n\r\n"),
        ("103 Early Hints", b"Connection: close\r\n\r\n"),
    ],
)
def test_some_statuses_have_no_body(status: str, expected: bytes) -> None:
    """RFC 9110, 6.4.1 and 8.6: neither a body nor, for 204 and 1xx, a length; a final 1xx is the end."""
    head = b"HTTP/1.1 " + status.encode() + b"\r\n"
    assert answer(saying(b"ok", status=status, headers=LENGTH_2)) == head + expected
    assert statuses(answer(yielding(b"ok", b"ok", status=status), GET + GET))[0] == int(status[:3])


def test_the_date_is_that_of_the_answer(shipped: Running) -> None:
    """It goes on with the clock, though one is made for all the answers of a second."""
    dates = []
    for wait_s in (1.1, 0):
        match = re.search(rb"\r\nDate: ([^\r]+)\r\n", shipped.ask(GET, shut=True))
        assert match is not None
        dates.append(parsedate_to_datetime(match[1].decode()).timestamp())
        time.sleep(wait_s)
    assert dates[0] < dates[1] <= time.time() < dates[1] + 60


def test_what_is_not_sent_is_not_counted() -> None:
    """An application that gives a body to HEAD may give all of it; the log has the bytes that were sent."""
    with serving(saying(b"longer", headers=[("Content-Length", "6")])) as running:
        assert running.ask(HEAD, shut=True).endswith(b"Content-Length: 6\r\n\r\n")
        for _ in range(100):
            if running.log:
                break
            time.sleep(0.02)
        [line] = running.log
    assert '" 200 0 ' in line


def test_the_callable_that_start_response_returns_writes_too() -> None:
    """`write` sends at once and comes before what is returned."""

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"a")
        write(b"")
        write(b"bc")
        return [b"d"]

    assert answer(application).endswith(b"chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n")


def fails_at_once(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """Raises before start_response."""
    raise LookupError("secret")


def fails_later(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Raises after start_response, before the first block."""
    start_response("200 OK", [("X", "y")])
    raise LookupError("secret")


def fails_empty(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Raises after an empty block, which has sent nothing."""
    start_response("200 OK", [("X", "y"), ("Content-Length", "10")])
    yield b""
    raise LookupError("secret")


def starts_twice(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Calls start_response again without exc_info."""
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"ok"]


def never_starts(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """Returns a body and nothing else."""
    return [b"ok"]


def returns_nothing(_environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Forgets its body."""
    start_response("200 OK", [])


@pytest.mark.parametrize(
    ("application", "logged"),
    [
        (fails_at_once, "LookupError: secret"),
        (fails_later, "LookupError: secret"),
        (fails_empty, "LookupError: secret"),
        (starts_twice, "(500, 'start_response again, without exc_info')"),
        (never_starts, "(500, 'start_response was never called')"),
        (lambda _environ, _start_response: [], "(500, 'start_response was never called')"),
        (returns_nothing, "TypeError: 'NoneType'"),
        (saying("text"), "(500, 'a block is bytes')"),  # type: ignore[arg-type]
        (yielding("text"), "(500, 'a block is bytes')"),  # type: ignore[arg-type]
        (yielding(""), "(500, 'a block is bytes')"),  # type: ignore[arg-type]
        (saying(status="200"), "(500, 'a malformed status')"),
        (saying(status="200 OK\r\nX: y"), "(500, 'a malformed status')"),
        (saying(status="099 Low"), "(500, 'a malformed status')"),
        (saying(headers=[("X", "a\r\nY: b")]), "(500, 'X')"),
        (saying(headers=[("X", "a\n")]), "(500, 'X')"),
        (saying(headers=[("X", "\0")]), "(500, 'X')"),
        (saying(headers=[("X\r\nY", "a")]), r"(500, 'X\r\nY')"),
        (saying(headers=[("X ", "a")]), "(500, 'X ')"),
        (saying(headers=[("X", "\u65e5")]), "(500, 'X')"),
        (saying(headers=[("X", b"a")]), "TypeError: "),  # type: ignore[list-item]
        (saying(headers=[("Connection", "close")]), "(500, 'Connection')"),
        (saying(headers=[("Transfer-Encoding", "chunked")]), "(500, 'Transfer-Encoding')"),
        (saying(b"ok", headers=[("Content-Length", "two")]), "ValueError: "),
        (saying(b"long", headers=LENGTH_2), "(500, 'the body is over its length')"),
        (saying(b"s", headers=[("Content-Length", "0")]), "(500, 'the body is over its length')"),
        (saying(headers=LENGTH_2), "(500, 'the body is short of its length')"),
    ],
)
def test_a_broken_application_is_500(application: Application, logged: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing of what it said before is sent, the traceback with the reason goes to the log, and the server goes on."""
    sent = answer(application)
    assert sent.startswith(b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n")
    assert sent.endswith(b"Content-Length: 22\r\nConnection: close\r\n\r\nInternal Server Error\n")
    [traceback] = capfd.readouterr().err.split("Traceback (most recent call last):")[1:]
    assert logged in traceback.splitlines()[-1]


def test_an_application_may_say_where_its_errors_go() -> None:
    """The traceback is written to the wsgi.errors that a middleware has put into the environ."""
    errors = io.StringIO()

    def application(environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.errors"] = errors
        raise LookupError("secret")

    assert statuses(answer(application)) == [500]
    assert errors.getvalue().endswith("LookupError: secret\n")


def test_only_a_full_server_is_to_be_asked_again() -> None:
    """Retry-After says when there may be room; to a request that is wrong time does not help."""
    with serving(room=0) as running:
        sent = running.ask(b"")
    assert statuses(sent) == [503]
    assert b"\r\nRetry-After: 1\r\n" in sent
    refused = answer(saying(b"ok"), get(host=b""))
    assert statuses(refused) == [400]
    assert b"Retry-After" not in refused


@pytest.mark.parametrize("headers", [[], [("Content-Length", "9")]])
def test_an_exception_in_the_body_ends_the_connection(
    headers: list[tuple[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    """After the head there is no second status; the client sees that the body is not whole."""

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", headers)
        yield b"part"
        raise LookupError("secret")

    sent = answer(application, GET + GET)
    assert statuses(sent) == [200]
    assert sent.endswith(b"\r\n\r\npart" if headers else b"\r\n\r\n4\r\npart\r\n")
    assert "LookupError: secret" in capfd.readouterr().err


@pytest.mark.parametrize("blocks", [(b"a", b"bc"), (b"a",)])
def test_a_body_that_breaks_its_length_ends_the_connection(
    blocks: tuple[bytes, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """More than promised is not sent, and less is not made up for."""
    sent = answer(yielding(*blocks, headers=LENGTH_2), GET + GET)
    assert sent == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"
    assert "its length" in capfd.readouterr().err


def test_exc_info_replaces_an_answer_that_has_not_begun(capfd: pytest.CaptureFixture[str]) -> None:
    """An application can change its mind as long as nothing is sent; afterwards its exception is raised again."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("X", "y"), ("Content-Length", "9")])
        if environ["REQUEST_METHOD"] == "POST":
            yield b"part"
        try:
            int("secret")
        except ValueError:
            start_response("503 Busy", [], sys.exc_info())
        yield b"later"

    expected = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlater\r\n0\r\n\r\n"
    assert answer(application) == expected
    assert answer(application, post()).endswith(b"\r\n\r\npart")
    traceback = capfd.readouterr().err.splitlines()
    assert traceback[-1] == "ValueError: invalid literal for int() with base 10: 'secret'"
    assert '    int("secret")' in traceback


class Closable:
    """A body that notes when it is closed."""

    def __init__(self, *blocks: bytes | Exception) -> None:
        self.blocks, self.closed = iter(blocks), 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            if isinstance(block, Exception):
                raise block
            yield block

    def close(self) -> None:
        """Notes it, and fails."""
        self.closed += 1
        raise LookupError("in close")


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (Closable(b"a"), [200]),
        (Closable(), [200]),
        (Closable(ValueError()), [500]),
        (Closable(b"a", ValueError()), [200]),
        (Closable("text"), [500]),  # type: ignore[arg-type]
    ],
)
def test_close_is_always_called(body: Closable, sent: list[int], capfd: pytest.CaptureFixture[str]) -> None:
    """Once, however the answer ended; what it raises is logged and is the end of the connection."""

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return body

    assert statuses(answer(application, GET + GET)) == sent
    assert body.closed == 1
    assert "in close" in capfd.readouterr().err


def test_the_environ_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key of PEP 3333, and nothing of the process's environment."""
    monkeypatch.setenv("SECRET", "x")
    seen: list[WSGIEnvironment] = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(dict(environ))
        start_response("200 OK", [])
        return []

    with serving(application) as running:
        running.ask(get(b"X: y", line=b"GET /a?b HTTP/1.1"), shut=True)
    [environ] = seen
    assert environ["wsgi.input"].read() == b""
    assert int(environ.pop("REMOTE_PORT")) > 0
    for key in ("wsgi.input", "wsgi.errors"):
        assert environ.pop(key) is not None
    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a",
        "QUERY_STRING": "b",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(running.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_X": "y",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    assert not set(environ) & set(os.environ)


@pytest.mark.parametrize(
    "request_bytes", [post(b"Content-Length: 5", body=b"hello"), chunked(b"5\r\nhello\r\n0\r\n\r\n")]
)
def test_the_body_can_be_read_and_ends(request_bytes: bytes) -> None:
    """wsgi.input gives the body of this request, then its end, never a byte of the next."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        stream = environ["wsgi.input"]
        start_response("200 OK", [("Content-Length", environ["CONTENT_LENGTH"])])
        return [stream.read(2), stream.readline(), stream.read(), stream.read(1)]

    sent = answer(application, request_bytes + request_bytes)
    assert sent == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" * 2


@pytest.mark.parametrize(
    "request_bytes", [GET, HEAD, OLD, post(b"Content-Length: 2", body=b"ok"), get(line=b"OPTIONS * HTTP/1.1")]
)
def test_the_server_keeps_its_side_of_the_bargain(request_bytes: bytes) -> None:
    """wsgiref.validate between the server and the application has nothing to complain of."""
    with serving(validator(credentials.app)) as running:
        assert statuses(running.ask(request_bytes, shut=True))[0] in (200, 204, 404, 405)
