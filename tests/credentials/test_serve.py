"""Connections: how long they last, who waits for whom, and how many there may be."""

import asyncio
import errno
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

import credentials
from tests.credentials.rows import get, post
from tests.credentials.wire import (
    GET,
    Running,
    connect,
    has_ipv6,
    process,
    read_all,
    read_answer,
    serving,
    statuses,
    wait_for,
)

CLOSE = get(b"Connection: close")


@pytest.mark.parametrize(
    ("line", "fields", "header", "stays"),
    [
        (b"HTTP/1.1", [], None, True),
        (b"HTTP/1.1", [b"Connection: keep-alive"], None, True),
        (b"HTTP/1.1", [b"Connection: close"], b"close", False),
        (b"HTTP/1.1", [b"Connection: Foo, CLOSE"], b"close", False),
        (b"HTTP/1.1", [b"Connection: foo", b"Connection: close"], b"close", False),
        (b"HTTP/1.1", [b"Connection: closed"], None, True),
        (b"HTTP/1.1", [b"Connection: \xa0close"], None, True),
        (b"HTTP/1.1", [b"Connection: foo,\t close\t, bar"], b"close", False),
        (b"HTTP/1.0", [], b"close", False),
        (b"HTTP/1.0", [b"Connection: Keep-Alive"], b"keep-alive", True),
        (b"HTTP/1.0", [b"Connection: keep-alive, close"], b"close", False),
    ],
)
def test_a_connection_lasts_as_both_sides_agree(
    shipped: Running, line: bytes, fields: list[bytes], header: bytes | None, *, stays: bool
) -> None:
    """RFC 9112, 9.3: 1.1 unless told otherwise, 1.0 only when asked for."""
    request = get(*fields, line=b"GET /?species=Dalek " + line)
    sent = shipped.ask(request + GET, shut=True)
    assert statuses(sent) == ([200, 200] if stays else [200])
    found = re.search(rb"\r\nConnection: ([a-z-]+)\r\n", sent)
    assert (found[1] if found else None) == header


def test_a_thousand_pipelined_requests_are_answered_in_order() -> None:
    """All in one write, each answered once, in the order sent."""

    def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [environ["QUERY_STRING"].encode()]

    requests = [get(line=b"GET /?<%d> HTTP/1.1" % number) for number in range(1000)]
    with serving(echo) as running:
        sent = running.ask(b"".join(requests), shut=True)
    assert [int(number) for number in re.findall(rb"<(\d+)>", sent)] == list(range(1000))
    assert statuses(sent) == [200] * 1000


def test_a_request_may_arrive_in_single_bytes(shipped: Running) -> None:
    """Each byte in a segment of its own; the connection serves on."""
    with shipped.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in (GET, post(b"Content-Length: 5", body=b"hello")):
            for byte in request:
                client.send(bytes([byte]))
            assert statuses(read_answer(client))[0] in (200, 405)


def test_a_pipeline_does_not_hold_up_others() -> None:
    """While one client's thousands are answered, another gets its answer in between."""
    order: list[str] = []

    def note(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        order.append(environ["QUERY_STRING"])
        time.sleep(0.001)
        start_response("204 No Content", [])
        return []

    with serving(note) as running, running.connect() as greedy, running.connect() as other:
        greedy.sendall(get(line=b"GET /?many HTTP/1.1") * 400)
        other.sendall(get(b"Connection: close", line=b"GET /?one HTTP/1.1"))
        read_all(other)
        greedy.shutdown(socket.SHUT_WR)
        assert statuses(read_all(greedy)) == [204] * 400
    assert order.index("one") < 300


def test_expectation_of_100_is_met_before_the_body(shipped: Running) -> None:
    """The client that waits for 100 is told to go on, once; then it has its answer."""
    request = post(b"Expect: 100-continue", b"Content-Length: 4")
    with shipped.connect() as client:
        client.sendall(request)
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"bo")
        time.sleep(0.05)
        client.sendall(b"dy")
        assert statuses(read_answer(client)) == [405]


def test_each_expectation_of_a_pipeline_is_met(shipped: Running) -> None:
    """A request that follows the end of a body in one segment gets its own 100."""
    request = post(b"Expect: 100-continue", b"Content-Length: 4")
    with shipped.connect() as client:
        client.sendall(request)
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body" + request)
        sent = b""
        while b" 100 Continue\r\n\r\n" not in sent:
            sent += client.recv(65536)
        assert statuses(sent) == [405, 100]
        client.sendall(b"body")
        assert statuses(read_answer(client)) == [405]


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"Expect: 100-continue", b"Content-Length: 4", body=b"body"),
        post(b"Expect: 100-continue"),
        post(b"Expect: 100-continue", b"Content-Length: 9999999"),
    ],
)
def test_no_100_where_no_body_is_awaited(shipped: Running, request_bytes: bytes) -> None:
    """Neither for a body that is here, nor for none, nor for one that is refused."""
    assert statuses(shipped.ask(request_bytes, shut=True))[0] in (405, 413)


def test_no_100_for_http_1_0(shipped: Running) -> None:
    """RFC 9110, 10.1.1: the expectation of a 1.0 client is ignored."""
    with shipped.connect() as client:
        client.sendall(get(b"Expect: 100-continue", b"Content-Length: 4", line=b"POST / HTTP/1.0"))
        time.sleep(0.05)
        client.sendall(b"body")
        assert statuses(read_all(client)) == [405]


def test_a_refused_upload_still_gets_its_answer(shipped: Running) -> None:
    """What the client is still sending is read and dropped, so that no reset destroys the 413."""
    with shipped.connect() as client:
        client.sendall(post(b"Content-Length: 3000000"))
        for _ in range(30):
            client.sendall(b"a" * 100_000)
        assert statuses(read_all(client)) == [413]


def test_what_follows_the_last_answer_is_not_kept() -> None:
    """Bytes after the end of a connection are dropped as they come."""
    with serving() as running, running.connect() as client:
        client.sendall(CLOSE + GET * 1000)
        assert statuses(read_all(client)) == [200]
        [connection] = running.server.connections
        client.sendall(GET * 10_000)
        assert wait_for(lambda: connection.state is credentials.State.CLOSING)
        assert len(connection.parser.buffer) == 0


@pytest.mark.parametrize("begun", [b"G", GET[:-2], post(b"Content-Length: 5", body=b"hell")])
def test_a_request_that_breaks_off_is_refused(shipped: Running, begun: bytes) -> None:
    """The end of the client's bytes in the middle of a request is 400; between requests it is just the end."""
    answer = shipped.ask(GET + begun, shut=True)
    assert statuses(answer) == [200, 400]
    assert answer.endswith(b"\r\n\r\nthe request breaks off\n")
    assert statuses(shipped.ask(GET, shut=True)) == [200]
    assert shipped.ask(b"", shut=True) == b""


def test_a_client_that_vanishes_harms_nobody(shipped: Running) -> None:
    """A reset in the middle of a pipeline, or before the accept, leaves the server as it was."""
    for request in (b"", GET[:9], GET * 2000):
        with shipped.connect() as client:
            client.sendall(request)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert statuses(shipped.ask(CLOSE)) == [200]


def test_nothing_is_done_for_who_has_gone(caplog: pytest.LogCaptureFixture) -> None:
    """The rest of a pipeline is not put before the application once nobody can be answered."""
    calls: list[str] = []

    def note(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        calls.append(environ["PATH_INFO"])
        time.sleep(0.02)
        start_response("200 OK", [])
        return [b"ok"]

    with serving(note) as running:
        with running.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(GET * 40)
            client.recv(1)
        assert wait_for(lambda: not running.server.connections)
    assert 0 < len(calls) < 40
    assert caplog.records == []


def test_what_is_no_fault_of_an_application_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """What is not for a server to catch ends the connection and is in the log; the next client is served."""

    def cancel(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            raise asyncio.CancelledError
        return credentials.application(environ, start_response)

    with serving(cancel) as running:
        assert running.ask(post()) == b""
        assert statuses(running.ask(CLOSE)) == [200]
    assert [record.message.split("\n")[0] for record in caplog.records] == [
        "Fatal error: protocol.data_received() call failed."
    ]


def test_beyond_the_limit_a_connection_gets_503() -> None:
    """It is told so at once, with Retry-After; when there is room again it is served."""
    with serving(room=2) as running:
        with running.connect() as first, running.connect() as second:
            for client in (first, second):
                client.sendall(GET)
                assert statuses(read_answer(client)) == [200]
            refused = running.ask(GET)
            assert statuses(refused) == [503]
            assert b"\r\nRetry-After: 1\r\n" in refused
            assert refused.endswith(b"\r\n\r\ntoo many connections\n")
            assert wait_for(lambda: any(line.startswith('127.0.0.1 "" 503 21 ') for line in running.log))
            first.sendall(GET)
            assert statuses(read_answer(first)) == [200]
        assert wait_for(lambda: statuses(running.ask(CLOSE)) == [200])


def test_bodies_in_flight_are_bounded() -> None:
    """The bodies on their way are held in memory: one too many is 503, and a GET is served all the same."""
    begun = post(b"Content-Length: 10", body=b"hello")
    with serving(bodies=2) as running, running.connect() as first, running.connect() as second:
        first.sendall(begun)
        second.sendall(begun)
        assert wait_for(lambda: len(running.server.bodies) == 2)
        with running.connect() as third:
            third.sendall(begun)
            refused = read_answer(third)
            assert statuses(refused) == [503]
            assert refused.endswith(b"\r\n\r\ntoo many bodies\n")
            assert statuses(running.ask(CLOSE)) == [200]
            for client in (first, second):
                client.sendall(b"wor")
                time.sleep(0.05)
                client.sendall(b"ld")
                assert statuses(read_answer(client)) == [405]


def test_a_generator_is_read_to_its_end_for_a_slow_reader() -> None:
    """An answer larger than all buffers arrives whole and in order."""

    def count(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(300 * 40_000))])
        for number in range(300):
            yield b"%039d\n" % number * 1000

    with serving(count) as running, running.connect(receive_bytes=4096) as client:
        client.sendall(CLOSE)
        time.sleep(0.1)
        body = read_all(client).partition(b"\r\n\r\n")[2]
    assert body == b"".join(b"%039d\n" % number * 1000 for number in range(300))


def test_localhost_is_both_loopbacks() -> None:
    """One port in both address families, where there are both, whichever a client tries first."""
    with process("--quiet") as running:
        for host in ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]:
            with connect(running.port, host) as client:
                client.sendall(CLOSE)
                assert statuses(read_all(client)) == [200]


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_localhost_is_one_loopback_without_ipv6(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel knows no IPv6, or no ::1, the other loopback serves alone."""
    create_server = socket.create_server

    def create_ipv4(address: tuple[str, int], **options: Any) -> socket.socket:
        if options["family"] == socket.AF_INET6:
            raise OSError(code, os.strerror(code))
        return create_server(address, **options)

    monkeypatch.setattr(socket, "create_server", create_ipv4)
    [listener] = credentials.bind("localhost", 0)
    with listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_no_host_is_every_address() -> None:
    """An empty name listens on all addresses, with the same port in each family."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in credentials.bind("", 0)]
        assert {listener.getsockname()[0] for listener in listeners} == (
            {"0.0.0.0", "::"} if has_ipv6() else {"0.0.0.0"}
        )
        assert len({listener.getsockname()[1] for listener in listeners}) == 1


def test_little_is_sent_ahead() -> None:
    """Every listener limits what the kernel holds for a client that does not read."""
    with ExitStack() as stack:
        limited = stack.enter_context(socket.socket())
        limited.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, credentials.Limits.unsent_bytes)
        sizes = [
            stack.enter_context(one).getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            for one in credentials.bind("localhost", 0)
        ]
        assert set(sizes) == {limited.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)}
        assert len(sizes) == (2 if has_ipv6() else 1)


def test_it_serves_many_threads_of_clients(shipped: Running) -> None:
    """Twenty clients at once, a hundred requests each, and every answer the right one."""
    wrong: list[bytes] = []

    def ask_often(species: str, name: str) -> None:
        with shipped.connect() as client:
            for _ in range(100):
                client.sendall(get(line=b"GET /?species=%b HTTP/1.1" % species.replace(" ", "+").encode()))
                sent = read_answer(client)
                if not sent.endswith(b'{"credentials": "%b"}' % name.encode()):
                    wrong.append(sent)

    threads = [threading.Thread(target=ask_often, args=item) for item in credentials.CREDENTIALS.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
