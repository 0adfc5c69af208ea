"""The peer of the task API: the same work as a competent developer writes it plainly. Served by uvicorn.

FastAPI, one aiohttp session with connections enough, codes cached in Redis, domains counted, tasks kept in Redis. All
of it is asynchronous, bounded and right as long as the process lives; a task dies with it.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field
from redis.asyncio import BlockingConnectionPool, Redis

CONCURRENCY = int(os.environ["CONCURRENCY"])
PER_HOST = 50
TIMEOUT_S = 3600
PROBE_TIMEOUT_S = 30


class Task(BaseModel):
    """A task as a client sees it."""

    id: UUID
    status: str
    result: list[int] | None = None


class Prober:
    """Asks URLs, at most CONCURRENCY at once."""

    def __init__(self, session: aiohttp.ClientSession, redis: Any) -> None:
        self._session = session
        self._redis = redis
        self._room = asyncio.Semaphore(CONCURRENCY)

    async def probe(self, url: str) -> int:
        """The code of a URL, from the cache or from its server; 0 without an answer."""
        async with self._room:
            await self._redis.zincrby("domains", 1, urlsplit(url).hostname)
            cached = await self._redis.get(f"code:{url}")
            if cached is not None:
                return int(cached)
            try:
                async with self._session.get(url, allow_redirects=False) as response:
                    code = response.status
            except (aiohttp.ClientError, TimeoutError, ValueError):
                return 0
            await self._redis.set(f"code:{url}", code, ex=TIMEOUT_S)
            return code

    async def run(self, task: Task, urls: list[str]) -> None:
        """Probe all URLs of a task and keep what became of them."""
        task.result = await asyncio.gather(*(self.probe(url) for url in urls))
        task.status = "ready"
        await self._redis.set(f"task:{task.id}", task.model_dump_json())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One session and one pool for all."""
    pool: Any = BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=100, timeout=None)
    redis: Any = Redis(connection_pool=pool)
    connector = aiohttp.TCPConnector(limit=CONCURRENCY, limit_per_host=PER_HOST)
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    async with redis, aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        app.state.redis, app.state.prober, app.state.running = redis, Prober(session, redis), set()
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/api/v1/tasks/", status_code=201)
async def post_task(urls: Annotated[list[str], Field(min_length=1, max_length=10_000)]) -> Task:
    """Take a list of URLs."""
    task = Task(id=uuid4(), status="running")
    await app.state.redis.set(f"task:{task.id}", task.model_dump_json())
    running = asyncio.create_task(app.state.prober.run(task, urls))
    app.state.running.add(running)
    running.add_done_callback(app.state.running.discard)
    return task


@app.get("/api/v1/tasks/{identity}")
async def get_task(identity: UUID) -> Task:
    """The task."""
    stored = await app.state.redis.get(f"task:{identity}")
    if stored is None:
        raise HTTPException(404)
    return Task.model_validate_json(stored)
