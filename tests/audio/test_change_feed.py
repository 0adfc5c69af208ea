"""The list as a stream of events: who hears what, when, and that nobody is held by it."""

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import httpx
import pytest
from quart import Quart

from gateway.audio.change_feed import ChangeFeed
from gateway.audio.library import Library
from gateway.audio.views import blueprint
from gateway.process.shutdown import Shutdown
from gateway.settings import Settings
from tests.audio.formats.corpus import make_wave
from tests.conftest import OpenGateway, open_client
from tests.processes import running
from tests.serving import serve
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio
API = "/api/v1/audio/"
EVENTS = API + "events"
WAVE = make_wave(10_000)


@pytest.fixture
def client(own_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a gateway whose folder nobody else has changed."""
    return own_client


class Listener:
    """One open stream, read event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def hear(self) -> dict[str, str]:
        """The fields of the next event, within 5 s; an empty one at the end of the stream."""
        fields: dict[str, str] = {}
        with anyio.fail_after(60):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "event" in fields:
                    return fields
        return {}


@asynccontextmanager
async def listening(client: httpx.AsyncClient, since: str = "", **headers: str) -> AsyncIterator[Listener]:
    """A listener of the list of a gateway."""
    async with client.stream("GET", EVENTS, params={"since": since}, headers=headers) as answer:
        assert answer.status_code == 200
        yield Listener(answer)


async def test_upload_and_delete(client: httpx.AsyncClient) -> None:
    """The state of the list is told at once, and then each change of it, with another name each time."""
    async with listening(client) as listener:
        assert listener.answer.headers["Content-Type"].startswith("text/event-stream")
        assert listener.answer.headers["Cache-Control"] == "no-store"
        first = await listener.hear()
        assert (await client.put(API + "a.wav", content=WAVE)).status_code == 201
        added = await listener.hear()
        assert (await client.delete(API + "a.wav")).status_code == 204
        deleted = await listener.hear()
    assert [event["event"] for event in (first, added, deleted)] == ["changed"] * 3
    assert added["data"] == f'{{"revision":"{added["id"]}"}}'
    assert first["id"] == deleted["id"] != added["id"]


async def test_changes_made_elsewhere(client: httpx.AsyncClient, open_gateway: OpenGateway, folder: Path) -> None:
    """A file put there by hand, one changed in place, and one uploaded to another gateway on the folder are heard."""
    async with open_gateway() as other, listening(client) as listener:
        heard = [await listener.hear()]
        (folder / "by-hand.wav").write_bytes(WAVE)
        heard.append(await listener.hear())
        (folder / "by-hand.wav").write_bytes(make_wave(20_000))
        heard.append(await listener.hear())
        await other.put(API + "other.wav", content=WAVE)
        heard.append(await listener.hear())
    assert len({event["id"] for event in heard}) == 4


@pytest.mark.slow
async def test_not_audio_is_no_change(client: httpx.AsyncClient, folder: Path) -> None:
    """A file that is not listed is not told."""
    async with listening(client) as listener:
        await listener.hear()
        (folder / "notes.txt").write_text("words")
        with pytest.raises(TimeoutError), anyio.fail_after(2):
            await listener.hear()


@pytest.mark.slow
async def test_coming_back(client: httpx.AsyncClient, open_gateway: OpenGateway) -> None:
    """Whoever comes back with the name of the state he saw hears only what is new, also from another gateway."""
    async with listening(client) as listener:
        seen = (await listener.hear())["id"]
    for known in ({"since": seen}, {"Last-Event-ID": seen}):
        async with listening(client, **known) as listener:
            with pytest.raises(TimeoutError), anyio.fail_after(1.5):
                await listener.hear()
    await client.put(API + "a.wav", content=WAVE)
    async with open_gateway() as other:
        async with listening(other, **{"Last-Event-ID": seen}) as listener:
            new = (await listener.hear())["id"]
        assert new != seen
        page = (await other.get("/")).text
    assert re.findall(r'data-revision="(\w+)"', page) == [new]


@pytest.mark.slow
async def test_many_listeners(settings: Settings) -> None:
    """Two hundred listeners hear one upload; once they have left, in whatever way, nobody is counted."""
    library = Library(settings.audio_dir, max_upload_bytes=100_000)
    feed = ChangeFeed(library, shutdown := Shutdown())
    app = Quart("gateway", static_folder=None)
    app.register_blueprint(blueprint(library, feed))
    heard: list[dict[str, str]] = []

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        async with anyio.create_task_group() as group:
            group.start_soon(feed.run)
            yield
            group.cancel_scope.cancel()

    async def listen(client: httpx.AsyncClient, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with listening(client) as listener:
            await listener.hear()
            task_status.started()
            heard.append(await listener.hear())

    limits = httpx.Limits(max_connections=250)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client:
        async with anyio.create_task_group() as group:
            for _ in range(200):
                await group.start(listen, client)
            assert feed.listeners == 200
            await library.add("a.wav", send(WAVE))
        assert len(heard) == 200
        assert len({event["id"] for event in heard}) == 1
        await wait_until(lambda: not feed.listeners)
        shutdown.begin()


async def send(data: bytes) -> AsyncIterator[bytes]:
    """A body in one chunk."""
    yield data


async def test_head_and_name(client: httpx.AsyncClient, folder: Path) -> None:
    """HEAD has no stream; a file called `events` is described to who asks for JSON, and deleted like any other."""
    head = await client.head(EVENTS)
    assert (head.status_code, head.headers["Content-Type"]) == (200, "text/event-stream")
    (folder / "events").write_bytes(WAVE)
    answer = await client.get(EVENTS, headers={"Accept": "application/json"})
    assert answer.json()["name"] == "events"
    assert (await client.delete(EVENTS)).status_code == 204


async def test_heartbeat(settings: Settings) -> None:
    """In silence there is a sign of life now and then."""
    feed = ChangeFeed(Library(settings.audio_dir, max_upload_bytes=1000), Shutdown(), heartbeat_s=0.1)
    told: list[str | None] = []
    async with anyio.create_task_group() as group, aclosing(feed.follow(None)) as stream:
        group.start_soon(feed.run)
        with anyio.fail_after(60):
            while told.count(None) < 3 or len(told) == told.count(None):
                told.append(await anext(stream))
        group.cancel_scope.cancel()
    assert len(told) - told.count(None) == 1


async def test_life(settings: Settings) -> None:
    """After its life a stream ends by itself."""
    feed = ChangeFeed(Library(settings.audio_dir, max_upload_bytes=1000), Shutdown(), life_s=0.5)
    begun_at = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        with anyio.fail_after(60):
            told = [revision async for revision in feed.follow(None)]
        group.cancel_scope.cancel()
    assert anyio.current_time() - begun_at >= 0.5
    assert told.count(None) <= 1
    assert feed.listeners == 0


@pytest.mark.slow
async def test_folder_away(settings: Settings) -> None:
    """A folder that cannot be read ends no stream, and what is new is told once it is back."""
    folder = settings.audio_dir
    feed = ChangeFeed(Library(folder, max_upload_bytes=100_000), Shutdown())
    async with anyio.create_task_group() as group, aclosing(feed.follow(None)) as told:
        group.start_soon(feed.run)
        with anyio.fail_after(60):
            first = await anext(told)
            folder.rename(folder.with_name("gone"))
            await anyio.sleep(1.5)
            folder.with_name("gone").rename(folder)
            (folder / "a.wav").write_bytes(WAVE)
            assert await anext(told) != first
        group.cancel_scope.cancel()


@pytest.mark.slow
async def test_shutdown(tmp_path: Path) -> None:
    """SIGTERM ends an open stream in order, and is not held by it."""
    with running(tmp_path) as gateway:
        async with open_client(gateway.url) as client, listening(client) as listener:
            await listener.hear()
            async with anyio.create_task_group() as group:
                started = time.monotonic()
                group.start_soon(anyio.to_thread.run_sync, gateway.stop)
                assert await listener.hear() == {}
            assert time.monotonic() - started < 6  # hypercorn's own grace is 10 s
    assert gateway.process.returncode == 0
