"""Bodies from strangers: each is refused at once, and nobody else waits meanwhile."""

import asyncio
import json
import time
from collections.abc import Iterator

import anyio
import httpx
import pytest

from tests.conftest import OpenGateway
from tests.tasks.probe.bodies import Body, make_bodies

pytestmark = pytest.mark.anyio

HELD_S = 0.5
"""The most CPU for which a body may hold the event loop: ten times what any needs, as the processor is shared."""
SPENT_S = 10.0
"""And in all, with that of looking at the loop: five times what the body of 20,000 pieces needs on a slow machine."""
GIVE_UP_S = 60.0
NOBODY = b"3f2504e0-4f89-11d3-9a0c-0305e82c3301"


async def post(url: httpx.URL, body: Body) -> tuple[int, bytes]:
    """The status and the body of the answer to this body."""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body.data)), **body.headers}
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1") + b"\r\n"
    return await send(url, b"POST /api/v1/tasks/", body.raw if body.raw is not None else fields + body.data)


async def send(url: httpx.URL, call: bytes, rest: bytes) -> tuple[int, bytes]:
    """The status and the body of the answer, over a connection of its own; 0 if there is none."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(call + b" HTTP/1.1\r\nHost: localhost\r\n" + rest)
        async with asyncio.timeout(GIVE_UP_S):
            return await read_answer(reader, with_body=not call.startswith(b"HEAD"))
    except (asyncio.IncompleteReadError, ConnectionError, IndexError, TimeoutError):
        return 0, b""
    finally:
        writer.transport.abort()


class LoopWatch:
    """Measures how long the event loop is held, by the CPU of its thread; `held_s` is the longest hold so far."""

    def __init__(self) -> None:
        self.held_s = 0.0

    async def run(self) -> None:
        """Look at each turn of the loop."""
        seen_s = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now_s = time.thread_time()
            self.held_s, seen_s = max(self.held_s, now_s - seen_s), now_s


async def read_answer(reader: asyncio.StreamReader, *, with_body: bool) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    status_line = await reader.readline()
    fields = await reader.readuntil(b"\r\n\r\n")
    size = fields.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return int(status_line.split(b" ")[1]), await reader.readexactly(int(size)) if size and with_body else b""


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_hostile_bodies(open_gateway: OpenGateway) -> None:
    """Hundreds of bodies that no task can be made of: a 4xx each, at little CPU: the loop is not held."""
    bodies = list(make_bodies())
    assert len(bodies) >= 600
    assert len({body.name for body in bodies}) == len(bodies)
    wrong: dict[str, object] = {}
    held: dict[str, float] = {}
    spent: dict[str, float] = {}
    watch = LoopWatch()
    async with open_gateway() as client, anyio.create_task_group() as group:
        group.start_soon(watch.run)
        for body in bodies:
            watch.held_s, started_s = 0.0, time.thread_time()
            status, text = await post(client.base_url, body)
            spent[body.name] = time.thread_time() - started_s
            held[body.name] = watch.held_s
            if body.raw is not None and b"Transfer-Encoding: gzip" in body.raw and status == 501:
                continue  # RFC 9112, 6.1
            if not 400 <= status < 500:
                wrong[body.name] = (status, text[:100])
            elif body.raw is None and json.loads(text)["status"] != status:
                wrong[body.name] = text
        tasks = (await client.get("/api/v1/tasks/")).json()["tasks"]
        group.cancel_scope.cancel()
    assert wrong == {}
    assert tasks == []
    assert {name: held_s for name, held_s in held.items() if held_s > HELD_S} == {}
    assert {name: spent_s for name, spent_s in spent.items() if spent_s > SPENT_S} == {}


IDS = [
    b"x", b"%00", b"%ff", b"..%2f..", b"00000000-0000-0000-0000-000000000000",
    b"{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", b"3f2504e04f8911d39a0c0305e82c3301",
    b"urn:uuid:3f2504e0-4f89-11d3-9a0c-0305e82c3301", b"%20", b"*", b"'",
    b"3f2504e0-4f89-11d3-9a0c-0305e82c330" + "１".encode(), b"a" * 5_000, b"%7B%7D", b"-1", b"{}:task",
]  # fmt: skip
NUMBERS = [
    b"", b"-1", b"+1", b"1.5", b"1e3", b"0x1", b"%00", b"%ff", b"%D9%A1", b"%C2%B2", b"999999999999999999999", b"NaN",
    b"1%0A", b"1&limit=2", b"1&offset=-1", b"[]", b"9" * 5_000, b"%2500", b"1%20", b"null",
]  # fmt: skip
FIELDS = [
    b"Prefer: wait=", b"Prefer: wait=-1", b"Prefer: wait=x", b"Prefer: wait=\xff", b"Prefer: wait=0",
    b"Prefer: wait=99999999999", b"Prefer: wait=0;wait=0,wait=0", b"Prefer: " + b"a," * 5_000,
    b"Prefer: wait=" + b"9" * 5_000, b"Last-Event-ID: \xff", b"Idempotency-Key: ", b"Idempotency-Key: \"",
    b"Idempotency-Key: \"\"", b"Idempotency-Key: \xff\xfe", b"Last-Event-ID: -1", b"Idempotency-Key: " + b"k" * 5_000,
    b"Idempotency-Key: a\tb", b"Idempotency-Key: {x}:task", b"Content-Type: \xff", b"Accept: \xff/\xff;q=x",
    b"If-None-Match: \xff", b"If-Modified-Since: x", b"Range: bytes=9-1", b"Cookie: \xff=\xff;;", b"Origin: \xff",
    b"Authorization: Basic \xff", b"Authorization: Basic ====", b"Sec-Fetch-Site: \xff", b"Expect: x",
    b"X-Forwarded-For: \xff", b"Upgrade: websocket\r\nConnection: upgrade",
    b"Upgrade: h2c\r\nConnection: upgrade, HTTP2-Settings",
    b"Content-Length: 0\r\nContent-Type: multipart/form-data; boundary=" + b"b" * 1_000, b"Accept-Encoding: \xff;q=9",
]  # fmt: skip


def make_calls() -> Iterator[tuple[bytes, bytes]]:
    """(method and path, fields) of calls that make no sense."""
    for name in IDS:
        for call in (b"GET %s", b"DELETE %s", b"HEAD %s", b"GET %s/probes", b"GET %s/events"):
            yield call % (b"/api/v1/tasks/" + name), b""
    for number in NUMBERS:
        for call in (b"GET /api/v1/tasks/?limit=%s", b"GET /api/v1/tasks/?offset=%s", b"GET /api/v1/domains/?limit=%s",
                     b"GET /api/v1/tasks/" + NOBODY + b"/probes?offset=%s"):  # fmt: skip
            yield call % number, b""
    for field in FIELDS:
        for call in (b"GET /api/v1/tasks/" + NOBODY, b"GET /api/v1/tasks/", b"POST /api/v1/tasks/"):
            yield call, field + b"\r\n"
    for method in (b"PUT", b"PATCH", b"TRACE", b"CONNECT", b"OPTIONS", b"get", b"\xff", b"A" * 5_000):
        yield method + b" /api/v1/tasks/", b""
    for path in (
        b"*",
        b"//api/v1/tasks/",
        b"/api/v1/tasks//",
        b"/api/v1/./tasks/",
        b"/api/v1/tasks/?%ff=%ff",
        b"http://x/",
        b"/%",
    ):
        yield b"GET " + path, b""


@pytest.mark.slow
async def test_hostile_calls(open_gateway: OpenGateway) -> None:
    """Ids, numbers, fields and methods of every kind: an answer each, and never one that blames us."""
    calls = list(make_calls())
    async with open_gateway() as client:
        statuses = {call: (await send(client.base_url, call[0], call[1] + b"\r\n"))[0] for call in calls}
    assert len(statuses) > 250
    assert {call: status for call, status in statuses.items() if not 100 < status < 500} == {}
