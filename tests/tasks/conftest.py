"""A Redis of its own for a test that needs no gateway round it."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from gateway.datastore.client import Datastore


@pytest.fixture
async def datastore(tmp_path: Path) -> AsyncIterator[Datastore]:
    """An embedded Redis."""
    datastore = Datastore(redis_url=None, data_dir=tmp_path)
    async with anyio.create_task_group() as group:
        await group.start(datastore.run)
        yield datastore
        group.cancel_scope.cancel()
