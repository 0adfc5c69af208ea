"""The list of recent tasks in Redis. Owns this key:

gateway:recent           sorted set of task ids by the ms of their creation
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from gateway.datastore.client import Datastore, KeyCorrupted
from gateway.errors import NotFound

from .models import Task
from .record import SUMMARY, name_key, read_summary

RECENT_TASKS = 10_000
"""How many tasks the list goes back."""

logger = logging.getLogger("gateway.tasks")

_RECENT = "gateway:recent"

_ADD = """
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[3])
"""


class RecentTasks:
    """The last tasks of all gateways. Every method can raise RedisUnavailable."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    async def add_task(self, identity: UUID, created_at: datetime) -> None:
        """Put a task on the list, once. A list that is corrupted is logged: the task does not depend on it."""
        try:
            await self._datastore.eval(_ADD, [_RECENT], [RECENT_TASKS, created_at.timestamp() * 1000, str(identity)])
        except KeyCorrupted as error:
            logger.error("task %s is not listed: %s", identity, error.__cause__)  # noqa: TRY400

    async def list_tasks(self, offset: int, limit: int) -> list[Task]:
        """Tasks without their results, newest first, and without those that cannot be read."""
        with self._datastore.open() as redis:
            names = await redis.zrevrange(_RECENT, offset, offset + limit - 1)
            listed = {name: identity for name in names if (identity := _read_id(name))}
            summaries = redis.pipeline(transaction=False)
            for identity in listed.values():
                summaries.hmget(name_key(identity), SUMMARY)
            answers = await summaries.execute(raise_on_error=False) if listed else ()
            found = dict(zip(listed.values(), answers, strict=True))
            gone = [name for name in names if name not in listed or _is_gone(found[listed[name]])]
            if gone:
                await redis.zrem(_RECENT, *gone)
        tasks = (self._read_listed(identity, values) for identity, values in found.items())
        return [task for task in tasks if task]

    def _read_listed(self, identity: UUID, values: Sequence[bytes | None] | Exception) -> Task | None:
        with suppress(KeyCorrupted, NotFound), self._datastore.open():
            if isinstance(values, Exception):
                raise values
            return read_summary(identity, values)
        return None


def _read_id(name: bytes) -> UUID | None:
    with suppress(ValueError):
        identity = UUID(name.decode())
        return identity if str(identity).encode() == name else None
    return None


def _is_gone(values: object) -> bool:
    return isinstance(values, list) and values[0] is None
