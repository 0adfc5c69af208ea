"""The queue of tasks: a stream read by a consumer group. Owns these keys of Redis:

gateway:{queue}          stream of (task id, how many URLs)
gateway:{queue}:urls     how many URLs all its entries hold

An entry stays with the gateway that took it for as long as that one renews its claim; then any other may claim it.
It leaves the stream when it is acknowledged, so that the stream holds what is queued or worked on and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from ..datastore import Datastore
from ..errors import GatewayError

MAX_QUEUED_URLS = 1_000_000
TAKE_BLOCK_MS = 2_000
RENEW_EVERY_S = 2.5
ABANDONED_S = 10.0
"""A claim not renewed for so long belongs to a dead gateway; four renewals would have to be missed."""
FORGET_CONSUMER_S = 3_600

_GROUP = "gateways"
_STREAM = "gateway:{queue}"
_QUEUED = "gateway:{queue}:urls"

_PREPARE = """
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local found = {}
    for i = 1, #consumer, 2 do found[consumer[i]] = consumer[i + 1] end
    if found.pending == 0 and found.idle > tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], found.name)
    end
end
"""

_ENQUEUE = """
if tonumber(redis.call('GET', KEYS[2]) or 0) + ARGV[2] > tonumber(ARGV[3]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'task', ARGV[1], 'urls', ARGV[2])
redis.call('INCRBY', KEYS[2], ARGV[2])
return 1
"""

_ACKNOWLEDGE = """
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if redis.call('XDEL', KEYS[1], ARGV[2]) == 1 then redis.call('DECRBY', KEYS[2], ARGV[3]) end
"""

_RENEW = """
local held = {}
for i = 4, #ARGV do
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
    if pending[1] and pending[1][2] == ARGV[2] then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'JUSTID')
        held[#held + 1] = ARGV[i]
    end
end
return held
"""


class QueueFull(GatewayError):
    """The queue holds as many URLs as it may."""

    status, code = 429, "queue-full"


@dataclass(frozen=True, slots=True)
class Claim:
    """An entry of the queue that this gateway works on."""

    entry: bytes
    task: str
    total: int


class Load(NamedTuple):
    """How much the queue holds, of all gateways."""

    tasks: int
    urls: int


class Queue:
    """The queue as one gateway sees it. Every method raises RedisAway while there is no Redis."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._consumer = uuid4().hex

    async def prepare(self) -> None:
        """Make the consumer group, if it is not there (an empty Redis), and forget consumers long gone.

        In one step: an entry that a consumer took in between would be lost with it.
        """
        await self._datastore.eval(_PREPARE, [_STREAM], [_GROUP, FORGET_CONSUMER_S * 1000])

    async def put(self, task: str, total: int) -> None:
        """Add a task of `total` URLs.

        :raises QueueFull: the queue holds too many URLs already.
        """
        if not await self._datastore.eval(_ENQUEUE, [_STREAM, _QUEUED], [task, total, MAX_QUEUED_URLS]):
            raise QueueFull(f"The queue holds {MAX_QUEUED_URLS} URLs; try again later.", retry_after_s=10)

    async def take(self) -> list[Claim]:
        """The next task that nobody has taken; waits up to two seconds for one, and may return none."""
        return await self._take(TAKE_BLOCK_MS)

    async def take_left(self) -> list[Claim]:
        """A task that nobody has taken and nobody waits for, if there is one now."""
        return await self._take(None)

    async def _take(self, block_ms: int | None) -> list[Claim]:
        with self._datastore.open(blocking=block_ms is not None) as redis:
            streams = await redis.xreadgroup(_GROUP, self._consumer, {_STREAM: ">"}, count=1, block=block_ms)
        return _read_claims(streams[0][1]) if streams else []

    async def take_abandoned(self, count: int) -> list[Claim]:
        """Up to `count` tasks of gateways that have not renewed their claim for `ABANDONED_S`."""
        with self._datastore.open() as redis:
            _, entries, *_ = await redis.xautoclaim(
                _STREAM, _GROUP, self._consumer, min_idle_time=round(ABANDONED_S * 1000), count=count
            )
        return _read_claims(entries)

    async def renew(self, claims: Sequence[Claim]) -> set[bytes]:
        """Say that the work goes on; the entries still held, without those another gateway has taken over."""
        return await self._touch(claims, idle_s=0)

    async def release(self, claims: Sequence[Claim]) -> None:
        """Leave unfinished tasks to whoever looks next for abandoned ones."""
        await self._touch(claims, idle_s=2 * ABANDONED_S)

    async def acknowledge(self, claim: Claim) -> None:
        """Take a task that has ended off the queue."""
        await self._datastore.eval(_ACKNOWLEDGE, [_STREAM, _QUEUED], [_GROUP, claim.entry, claim.total])

    async def measure(self) -> Load:
        """How much is queued or worked on."""
        with self._datastore.open() as redis:
            tasks, urls = await redis.xlen(_STREAM), await redis.get(_QUEUED)
        return Load(tasks=int(tasks), urls=int(urls or 0))

    async def _touch(self, claims: Sequence[Claim], *, idle_s: float) -> set[bytes]:
        if not claims:
            return set()
        entries = [claim.entry for claim in claims]
        return set(
            await self._datastore.eval(_RENEW, [_STREAM], [_GROUP, self._consumer, round(idle_s * 1000), *entries])
        )


def _read_claims(entries: Sequence[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Claim]:
    """Redis 6.2 gives an entry that was deleted while it was pending without its fields."""
    return [
        Claim(entry=entry, task=fields[b"task"].decode(), total=int(fields[b"urls"]))
        for entry, fields in entries
        if fields
    ]
