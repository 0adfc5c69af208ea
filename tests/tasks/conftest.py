"""An embedded Redis that the tests of a module share, empty at the beginning of each."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.datastore.client import Datastore
from tests.datastore.running import running
from tests.waiting import wait_until


@pytest.fixture(scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Datastore]:
    """An embedded Redis that the tests of a module share."""
    async with running(tmp_path_factory.mktemp("redis")) as datastore:
        yield datastore


@pytest.fixture
async def datastore(embedded: Datastore) -> Datastore:
    """An empty Redis."""

    async def empty() -> bool:
        with embedded.translated():
            return await embedded.client().flushall()

    await wait_until(empty)
    return embedded


@pytest.fixture
async def redis(datastore: Datastore) -> AsyncIterator[Redis]:
    """A client of that Redis for what a test itself writes and reads: unlike a gateway, it has time."""
    async with Redis(unix_socket_path=str(datastore._server.socket), protocol=2) as redis:
        yield redis
