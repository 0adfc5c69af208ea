"""Reads what is known of the URLs of tasks. The tasks read last are kept in memory, so that each chunk is read once.

A task is kept as a `ProbeTable`. To read it again costs one call to Redis, which gives the chunks that have come since.
"""

import logging
from collections import OrderedDict
from uuid import UUID
from weakref import WeakValueDictionary

import anyio

from gateway.datastore.client import Datastore
from gateway.errors import NotFound
from gateway.tasks import record
from gateway.tasks.models import TaskStatus

from .rows import read_chunk
from .table import ProbeTable

KEPT_BYTES = 64 * 1024 * 1024
"""How much memory the tables of all tasks take at most, about; a task of 10,000 short URLs takes 5 MiB."""
READ_BYTES = 256 * 1024
"""How much of a task one call to Redis reads; a larger chunk comes alone."""

logger = logging.getLogger("gateway.tasks")

# The number of a chunk is that of the fields that were there before it: all numbers are below that of the fields now.
# If there are fewer fields than were read, Redis has lost some in a crash, and all is read anew.
_READ = """
local status, created_at = unpack(redis.call('HMGET', KEYS[1], 'status', 'created_at'))
if not status then return false end
local chunk, size, fields = tonumber(ARGV[2]), 0, redis.call('HLEN', KEYS[1])
local found = {status, created_at or '', false, false, 0, fields}
if found[2] ~= ARGV[1] or chunk > fields then
    chunk, found[3], found[4] = 0, unpack(redis.call('HMGET', KEYS[1], 'urls', 'total'))
end
while chunk < fields and size < tonumber(ARGV[4]) do
    local rows = redis.call('HGET', KEYS[1], ARGV[3] .. chunk)
    if rows then
        found[#found + 1] = rows
        size = size + #rows
    end
    chunk = chunk + 1
end
found[5] = chunk
return found
"""


class ProbeReader:
    """The tables of the tasks that were read last, at most `kept_bytes` of them."""

    def __init__(self, datastore: Datastore, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._datastore = datastore
        self._kept_bytes = kept_bytes
        self._tables: OrderedDict[UUID, ProbeTable] = OrderedDict()
        self._locks: WeakValueDictionary[UUID, anyio.Lock] = WeakValueDictionary()

    async def read(self, identity: UUID) -> ProbeTable:
        """What is known of the URLs of a task by now. Later calls add rows to the same table.

        :raises NotFound: there is no such task.
        :raises RedisUnavailable: it cannot be read for now.
        """
        async with self._locks.setdefault(identity, anyio.Lock()):
            table = await self._read_on(identity, self._tables.pop(identity, None))
            self._tables[identity] = table
        self._drop_old()
        return table

    async def _read_on(self, identity: UUID, table: ProbeTable | None) -> ProbeTable:
        """Read the chunks that a table lacks. A new table is made if there is none, or if it is of an earlier task."""
        while True:
            known = (table.created_at, table.next_chunk) if table else ("", 0)
            arguments = [*known, record.CHUNK, READ_BYTES]
            with self._datastore.open():
                found = await self._datastore.eval(_READ, [record.name_key(identity)], arguments)
                if found is None:
                    raise NotFound(f"There is no task {identity}.")
                status, created_at, urls, total, next_chunk, fields, *chunks = found
                if urls is not None or table is None:
                    text = urls or b""
                    table = ProbeTable(created_at, record.read_urls(text, total or b""), len(text))
                for chunk in chunks:
                    table.add_rows(read_chunk(chunk), len(chunk))
                table.next_chunk = next_chunk
                if next_chunk < fields:
                    continue
                if status == TaskStatus.READY.value.encode() and len(table.landed) < len(table.urls):
                    raise ValueError("probes of a task that is ready are missing")
                return table

    def _drop_old(self) -> None:
        """Drop the tables that were read longest ago, but for the last."""
        size_bytes = sum(table.size_bytes for table in self._tables.values())
        while size_bytes > self._kept_bytes and len(self._tables) > 1:
            size_bytes -= self._tables.popitem(last=False)[1].size_bytes
