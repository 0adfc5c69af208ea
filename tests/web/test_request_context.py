"""One request and its answer: the id, the end in every case, what is told of it."""

import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from gateway.process.shutdown import Shutdown
from gateway.web.proxy_headers import TrustedProxies
from gateway.web.request_context import RequestContext, RequestContexts
from tests.conftest import OpenGateway
from tests.processes import Gateway, running
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

HEADERS = {"X-Ours": "yes"}


@asynccontextmanager
async def answering(app: Any, *, grace_s: float = 1) -> AsyncIterator[tuple[Any, Shutdown, list[RequestContext]]]:
    """`call(**scope)` sends a request to `app` and gives the messages of its answer."""
    shutdown, ended = Shutdown(), list[RequestContext]()
    contexts = RequestContexts(
        app, shutdown, proxies=TrustedProxies(), headers=HEADERS, observers=[ended.append], grace_s=grace_s
    )

    async def call(**more: Any) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"1234", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "http_version": "1.1", "method": "GET", "raw_path": b"/x", "query_string": b"a=1",
                 "headers": [], "client": ("192.0.2.1", 1)}  # fmt: skip
        await contexts(scope | more, receive, send)
        return sent

    async with anyio.create_task_group() as group:
        group.start_soon(contexts.run)
        yield call, shutdown, ended
        group.cancel_scope.cancel()


async def test_figures() -> None:
    """Who sent what, how much came in and went out, and that it went whole."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 201, "headers": [(b"X-Ours", b"no")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"de"})

    async with answering(app) as (call, _, ended):
        sent = await call(headers=[(b"x-request-id", b"abc-1"), (b"user-agent", b"me")])
    assert dict(sent[0]["headers"]) == {b"X-Ours": b"no", b"x-request-id": b"abc-1"}
    [context] = ended
    assert (context.request_id, context.client, context.method) == ("abc-1", "192.0.2.1", "GET")
    assert (context.target, context.status, context.user_agent) == (b"/x?a=1", 201, "me")
    assert (context.received_bytes, context.sent_bytes, context.whole) == (4, 5, True)
    assert 0 < context.answered_s <= context.ended_s


async def test_bytes_of_head() -> None:
    """Of an answer to HEAD the server sends no body: its bytes do not count."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc"})

    async with answering(app) as (call, _, ended):
        await call(method="HEAD")
    [context] = ended
    assert (context.sent_bytes, context.whole) == (0, True)


@pytest.mark.parametrize("begun", [False, True])
async def test_exception(*, begun: bool, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody caught is logged, and a 500 in the one shape; an answer that had begun does not look whole."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200})
        raise RuntimeError("a secret of ours")

    async with answering(app) as (call, _, ended):
        sent = await call()
    assert "a secret of ours" in caplog.text
    assert "a secret of ours" not in str(sent)
    assert not ended[0].whole or not begun
    if begun:
        assert [message["type"] for message in sent] == ["http.response.start"]
        return
    assert sent[0]["status"] == ended[0].status == 500
    assert (b"x-ours", b"yes") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["request_id"] == ended[0].request_id


async def test_client_gone() -> None:
    """A request whose client left before there was an answer ends with 499."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async with answering(app) as (call, _, ended):
        assert await call() == []
    assert (ended[0].status, ended[0].whole) == (499, False)


async def test_other_protocols() -> None:
    """A WebSocket is refused without the application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    async with answering(app) as (call, _, _):
        assert (await call(type="websocket"))[0]["type"] == "websocket.close"


async def test_end_of_the_process() -> None:
    """What is going on when the end begins has its time; what is still going on then is told to come again."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0.2 if scope["raw_path"] == b"/short" else 60)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b""})

    statuses: dict[bytes, int] = {}

    async def note(call: Any, path: bytes) -> None:
        statuses[path] = (await call(raw_path=path))[0]["status"]

    async with answering(app, grace_s=0.6) as (call, shutdown, _), anyio.create_task_group() as group:
        group.start_soon(note, call, b"/short")
        group.start_soon(note, call, b"/long")
        await anyio.sleep(0.05)
        shutdown.begin()
    assert statuses == {b"/short": 200, b"/long": 503}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a", True), ("0f8e-11/7+x=@:.", True), ("x" * 128, True), ("", False), ("x" * 129, False), ("a b", False),
     ('a"b', False), ("a\u001b[0m", False), ("日本", False), ("a,b", False)],
)  # fmt: skip
async def test_request_id(client: httpx.AsyncClient, given: str, *, kept: bool) -> None:
    """A sane X-Request-ID is kept, any other is replaced; it stands in the answer and in a problem."""
    answer = await client.get("/nowhere", headers={b"X-Request-ID": given.encode()})
    request_id = answer.headers["X-Request-ID"]
    assert (request_id == given) == kept
    assert kept or re.fullmatch("[0-9a-f]{32}", request_id)
    assert answer.json()["request_id"] == request_id
    assert (await client.get("/api/v1/tasks/?limit=x")).json()["request_id"] != request_id


async def test_cut_answer(open_gateway: OpenGateway, caplog: pytest.LogCaptureFixture) -> None:
    """The access log says of an answer that its client did not take to the end that it was cut short."""
    caplog.set_level("INFO", "gateway.access")
    async with open_gateway() as client, client.stream("GET", "/api/v1/audio/events") as answer:
        await anext(answer.aiter_raw())
        await answer.aclose()
        await wait_until(lambda: caplog.records)
    assert re.search(r'"GET /api/v1/audio/events" 200 \d+ [\d.]+ ms, cut short$', caplog.records[-1].getMessage())


HOSTILE = b'GET /%0Ax?"q"=%1B[31m HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a"b\r\nConnection: close\r\n\r\n'


def send_raw(gateway: Gateway, request: bytes) -> bytes:
    """The whole answer to raw bytes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.slow
def test_json_log(tmp_path: Path) -> None:
    """With LOG_FORMAT=json every line is an object, those of the server too; a request's bear its id and its fields."""
    with running(tmp_path, LOG_FORMAT="json") as gateway:
        httpx.put(f"{gateway.url}/api/v1/audio/a.mp3?x=1", content=b"no audio", headers={"X-Request-ID": "mine"})
        send_raw(gateway, HOSTILE)
        assert gateway.stop() == 0
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    for line in lines:
        assert {"time", "level", "logger", "message"} <= set(line)
    [put] = [line for line in lines if line.get("request_id") == "mine" and line["logger"] == "gateway.access"]
    target = "/api/v1/audio/a.mp3?x=1"
    expected = {"client": "127.0.0.1", "method": "PUT", "target": target, "status": 415, "whole": True,
                "route": "/api/v1/audio/<name>", "received_bytes": 8, "message": f"PUT {target} 415"}  # fmt: skip
    assert expected.items() <= put.items()
    assert put["sent_bytes"] > 0
    assert put["duration_ms"] > 0
    assert any(line["logger"] == "hypercorn.error" for line in lines)
    words = " ".join(line["message"] for line in lines if line["logger"] == "gateway")
    order = (
        r"audio folder: /",
        "redis: embedded",
        "access: API_TOKEN is not set",
        "probes: ",
        r"stopping: \d+ requests",
    )
    assert re.search(".*".join([*order, "stopped"]), words)


@pytest.mark.slow
def test_text_log(tmp_path: Path) -> None:
    """A line of the text log is one line whatever a client sends, and ends with the id of its request."""
    with running(tmp_path) as gateway:
        send_raw(gateway, HOSTILE.replace(b"Connection", b"X-Request-ID: mine\r\nConnection"))
        gateway.stop()
    lines = [line for line in gateway.log.read_text().splitlines() if "[mine]" in line]
    [line] = lines
    assert re.search(
        r'INFO gateway\.access: 127\.0\.0\.1 "GET /%0Ax\?%22q%22=%1B\[31m" 404 \d+ [\d.]+ ms \[mine\]$', line
    )
