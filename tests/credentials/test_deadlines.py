"""Deadlines: silent, dripping and deaf clients are let go, and cost the others nothing."""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest

import credentials
from tests.credentials.rows import get, post
from tests.credentials.wire import GET, read_all, read_answer, serving, statuses, wait_for

QUICK: dict[str, Any] = {
    "head_s": 0.5,
    "body_idle_s": 0.5,
    "body_s": 1.5,
    "keep_alive_s": 0.5,
    "send_s": 0.5,
    "linger_s": 0.5,
    "shutdown_s": 1,
}


def test_a_silent_client_is_let_go() -> None:
    """Without a byte there is nothing to answer: the connection just ends."""
    with serving(**{**QUICK, "keep_alive_s": 60, "linger_s": 60}) as running:
        assert running.ask(b"") == b""


def test_an_idle_connection_is_let_go() -> None:
    """After its answer a client may stay for the keep-alive time, and each request begins it anew."""
    with serving(**{**QUICK, "head_s": 60, "linger_s": 60}) as running, running.connect() as client:
        for _ in range(5):
            time.sleep(0.1)
            client.sendall(GET)
            read_answer(client)
        assert read_all(client) == b""


@pytest.mark.parametrize(
    "begun", [b"G", b"\r\n", GET[:-2], post(b"Content-Length: 5"), post(b"Content-Length: 5") + b"hell"]
)
def test_an_unfinished_request_is_408(begun: bytes) -> None:
    """Its head has a deadline, and its body too when nothing more comes."""
    with serving(**{**QUICK, "body_s": 60, "keep_alive_s": 60, "linger_s": 60}) as running:
        answer = running.ask(begun)
        assert statuses(answer) == [408]
        assert answer.endswith(b"\r\n\r\nthe request took too long\n")
        assert statuses(running.ask(GET + begun)) == [200, 408]


def test_the_first_byte_begins_the_deadline_of_a_head() -> None:
    """A request that begins on an idle connection has its own time, not what is left of the other's."""
    with serving(head_s=0.3, keep_alive_s=60) as running:
        with running.connect() as client:
            client.sendall(GET)
            read_answer(client)
            time.sleep(0.6)  # the wait for a request is not the time for its head
            client.sendall(GET[:5])
            time.sleep(0.1)
            client.sendall(GET[5:])
            assert statuses(read_answer(client)) == [200]
            client.sendall(b"G")
            assert statuses(read_all(client)) == [408]
        assert statuses(running.ask(GET + b"G")) == [200, 408]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (GET[:-2], b"\r\n"),
        (GET[:-2], b"X: " + b"y" * 12_000 + b"\r\n\r\n"),
        (post(b"Content-Length: 200000"), b"y" * 200_000),
        (post(b"Transfer-Encoding: chunked"), (b"64\r\n" + b"y" * 100 + b"\r\n") * 100 + b"0\r\n\r\n"),
    ],
)
def test_a_pause_of_the_server_is_no_delay_of_a_client(begun: bytes, rest: bytes) -> None:
    """What lies in the socket when a server wakes, in whatever number of pieces, is read before a deadline counts."""

    def hold(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/hold":
            time.sleep(1.2)
        return credentials.application(environ, start_response)

    with serving(hold, **{**QUICK, "body_s": 0.5}) as running, running.connect() as client, running.connect() as other:
        client.sendall(begun)
        time.sleep(0.1)
        other.sendall(GET.replace(b"/", b"/hold", 1))
        time.sleep(0.1)
        client.sendall(rest)
        assert statuses(read_answer(client)) in ([200], [404], [405])
        assert statuses(read_all(client)) == []  # and then it is let go as every idle one


@pytest.mark.parametrize(("begun", "drip"), [(b"GET / HTTP/1.1\r\nX: ", b"y"), (post(b"Content-Length: 9999"), b"y")])
def test_a_dripping_client_is_let_go(begun: bytes, drip: bytes) -> None:
    """A byte now and then does not buy another deadline: a head and a body have one in total."""
    with serving(**QUICK) as running, running.connect() as client:
        client.sendall(begun)
        client.settimeout(0.05)
        sent, started = b"", time.monotonic()
        while not sent and time.monotonic() - started < 5:
            try:
                sent = client.recv(65536)
            except TimeoutError:
                client.sendall(drip)
        assert statuses(sent) == [408]


def test_a_slow_body_has_the_time_it_needs() -> None:
    """As long as the next piece comes within the idle time, a body may take longer than that."""
    with serving(**QUICK) as running, running.connect() as client:
        client.sendall(post(b"Content-Length: 5"))
        for byte in b"hello":
            time.sleep(0.1)
            client.sendall(bytes([byte]))
        assert statuses(read_answer(client)) == [405]


def answer_at_length(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An answer that alone fills the buffers of a client that does not read."""
    start_response("200 OK", [])
    return [b"a" * 150_000]


@pytest.mark.parametrize("application", [credentials.app, answer_at_length])
def test_a_client_that_never_reads_is_let_go(application: WSGIApplication) -> None:
    """It gets no more than the buffers hold, is read no further, and is dropped; memory stays where it was."""
    with serving(application, **QUICK) as running, running.connect(receive_bytes=4096) as deaf:
        deaf.settimeout(0.2)
        sent_bytes = 0
        try:
            while sent_bytes < 200_000_000:
                sent_bytes += deaf.send(GET * 1000)
                for connection in list(running.server.connections):
                    assert connection.transport.get_write_buffer_size() < 400_000
                    assert len(connection.parser.buffer) < 40_000
        except (TimeoutError, ConnectionError):
            pass
        assert sent_bytes < 200_000_000
        assert wait_for(lambda: not running.server.connections)
        assert {line.split('" ')[1][:3] for line in running.log} == {"200"}


def test_a_client_that_reads_slowly_is_served() -> None:
    """A pipeline is answered whole though nothing is read before no more can be sent, and so is what follows."""
    with serving() as running, running.connect(receive_bytes=4096) as slow:
        slow.sendall(GET * 3000)
        assert wait_for(lambda: any(connection.unsent for connection in running.server.connections))
        slow.sendall(GET * 3000)
        slow.shutdown(socket.SHUT_WR)
        assert statuses(read_all(slow)) == [200] * 6000


def test_what_is_being_sent_when_it_stops_is_sent() -> None:
    """A connection whose answer is still to be read is not idle: it is let go once the client has it."""
    with serving(answer_at_length) as running, running.connect(receive_bytes=4096) as slow:
        slow.sendall(GET)
        assert wait_for(lambda: any(connection.unsent for connection in running.server.connections))
        running.server.stopping = True
        time.sleep(0.2)
        assert read_answer(slow).endswith(b"a" * 150_000)
        assert read_all(slow) == b""


@pytest.mark.slow
def test_who_was_let_in_last_is_heard_when_it_stops() -> None:
    """A client that came just before the end has the time of a sweep for its request; who was idle longer is let go."""
    with serving(sweep_s=1) as running, ExitStack() as stack:
        crowd = [stack.enter_context(running.connect())]
        assert wait_for(lambda: bool(running.server.connections))  # a sweep has begun
        running.server.stopping = True
        with pytest.raises(ConnectionError):
            while True:
                crowd.append(stack.enter_context(running.connect()))
                time.sleep(0.05)
        crowd[-2].sendall(GET)
        assert statuses(read_all(crowd[-2])) == [200]
        assert read_all(crowd[0]) == b""


@pytest.mark.slow
def test_a_large_answer_may_take_its_time() -> None:
    """As long as the client reads on, the deadline for deaf clients moves on too."""

    def stream(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "4000000")])
        for _ in range(40):
            yield b"a" * 100_000

    with serving(stream, **QUICK) as running, running.connect(receive_bytes=65536) as slow:
        slow.sendall(get(b"Connection: close"))
        got, pieces = 0, 0
        while part := slow.recv(65536):
            got += len(part)
            pieces += 1
            time.sleep(0.04 if pieces < 50 else 0)
        assert got > 4_000_000


def test_an_answer_nobody_fetches_does_not_hold_the_connection() -> None:
    """A client that says close and stays is let go as well."""
    with serving(**{**QUICK, "head_s": 60, "keep_alive_s": 60}) as running, running.connect() as client:
        client.sendall(get(b"Connection: close"))
        assert wait_for(lambda: not running.server.connections)
        assert statuses(read_all(client)) == [200]


@pytest.mark.slow
def test_a_thousand_silent_and_dripping_clients_cost_the_others_nothing() -> None:
    """With 1,000 idle and 200 dripping connections a request is answered as if they were not there."""

    def time_answer() -> float:
        started = time.perf_counter()
        assert statuses(running.ask(get(b"Connection: close"))) == [200]
        return time.perf_counter() - started

    with serving() as running, ExitStack() as stack:
        alone_s = min(time_answer() for _ in range(10))
        crowd = [stack.enter_context(running.connect()) for _ in range(1200)]
        times = []
        for turn in range(10):
            for client in crowd[1000:]:
                client.sendall(b"GET / HTTP/1.1\r\nX: "[turn : turn + 1])
            times.append(time_answer())
        assert len(running.server.connections) >= 1200
        assert sorted(times)[5] < 0.5
        assert min(times) < max(0.05, 10 * alone_s)  # the best of ten, as the machine may have other things to do
