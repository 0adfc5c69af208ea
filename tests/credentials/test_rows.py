"""Every row on the wire: what is accepted, and that what is refused is never taken for something else."""

import re
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

import credentials
from tests.credentials.rows import ACCEPTED, REFUSED, VALID
from tests.credentials.wire import GET, Running, ask, process, statuses


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_request_leaves_the_connection_open(shipped: Running, name: str) -> None:
    """It gets its status, and so does the next request: no byte of a body is taken for one."""
    request, status = ACCEPTED[name]
    once = b" HTTP/1.0\r\n" in request
    assert statuses(shipped.ask(request + GET, shut=True)) == ([status] if once else [status, 200])


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request_is_the_last(shipped: Running, name: str) -> None:
    """It gets its status at once and a few words, though the client says no more; what follows is not answered."""
    request, status = REFUSED[name]
    answer = shipped.ask(request)
    assert statuses(answer) == [status]
    assert re.search(rb"\r\n\r\n\w[\w-]* [^\r\n]+\n\Z", answer)
    assert b"\r\nConnection: close\r\n" in answer
    assert statuses(shipped.ask(GET + request + GET)) == [200, status]


def test_a_refused_head_has_no_body(shipped: Running) -> None:
    """HEAD is answered without a body even when it is refused."""
    answer = shipped.ask(b"HEAD / HTTP/1.1\r\n\r\n")
    assert statuses(answer) == [400]
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("size", [1, 7])
def test_the_rows_hold_in_small_pieces(size: int) -> None:
    """The parser comes to the same verdict when the bytes trickle in."""
    for name, (request, status) in {**ACCEPTED, **REFUSED}.items():
        if len(request) < 4000:
            assert trickle(request, size) == (status if name in REFUSED else None), name


def trickle(request: bytes, size: int) -> int | None:
    """The status with which the parser refuses a request fed in pieces of that size, None if it does not."""
    parser = credentials.Parser()
    environ = None
    try:
        for start in range(0, len(request), size):
            assert environ is None
            parser.buffer += request[start : start + size]
            environ = next(parser.requests)
    except credentials.HTTPError as error:
        return int(error.args[0])
    assert environ is not None
    assert not parser.buffer
    assert not parser.pending
    return None


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_the_rows_hold_without_asserts(flag: str) -> None:
    """`python -O` changes nothing, nor does going without docstrings: the same rows against such a process."""
    with process("--quiet", flags=(flag,)) as running:
        for name, (request, status) in {**ACCEPTED, **REFUSED}.items():
            assert statuses(ask(running.port, request, shut=name in ACCEPTED)) == [status], name


class Silent(WSGIRequestHandler):
    """wsgiref's handler without its log."""

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def reference() -> Iterator[int]:
    """The port of the standard library's server, with the same application."""
    with make_server("127.0.0.1", 0, credentials.app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_is_answered_as_by_wsgiref(shipped: Running, reference: int, name: str) -> None:
    """The same status, type and body as the standard library's server gives for the same bytes."""
    request, _ = VALID[name]
    assert essence(shipped.ask(request, shut=True)) == essence(ask(reference, request, shut=True))


def essence(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status, the fields that the application gave, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = re.findall(rb"\r\n((?:Content-Type|Content-Length|Allow): [^\r]*)", head)
    return head.split(b" ", 1)[1].split(b"\r\n")[0], sorted(fields), body
