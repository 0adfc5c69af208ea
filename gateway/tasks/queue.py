"""The queue of tasks: a stream read by a consumer group. Owns these keys of Redis:

gateway:{queue}          stream of (task id, how many URLs)
gateway:{queue}:urls     how many URLs all its entries hold
gateway:{queue}:ended    sorted set of tasks that were taken off it, by the second in which they were
gateway:{queue}:beats    sorted set of gateways, by how often they have renewed their claims

An entry stays with the gateway that took it for as long as that one renews its claim; then any other may claim it.
It leaves the stream when it is acknowledged, so that the stream holds what is queued or worked on and nothing else.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from textwrap import shorten
from typing import NamedTuple
from uuid import UUID, uuid4

from gateway.datastore.client import Datastore
from gateway.errors import GatewayError

from .heartbeats import Heartbeats
from .models import MAX_URLS

MAX_QUEUED_URLS = 1_000_000
TAKE_BLOCK_MS = 2_000
RENEW_EVERY_S = 2.5
ABANDONED_S = 10.0
"""A claim not renewed for so long belongs to a dead gateway; four renewals would have to be missed."""
LOOKS = round(ABANDONED_S / RENEW_EVERY_S)
"""The same, counted by the looks of another gateway, for when the clock of Redis was set back."""
FORGET_CONSUMER_S = 3_600
ENDED_AT_ONCE = 100
COUNT_DIGITS = 16
"""A count has fewer; Lua knows no longer ones exactly."""

logger = logging.getLogger("gateway.tasks")

_GROUP = "gateways"
_BEGIN = b"0-0"
_STREAM = "gateway:{queue}"
_QUEUED = "gateway:{queue}:urls"
_ENDED = "gateway:{queue}:ended"
_BEATS = "gateway:{queue}:beats"

_PREPARE = """
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local found = {}
    for i = 1, #consumer, 2 do found[consumer[i]] = consumer[i + 1] end
    if found.pending == 0 and found.idle > tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], found.name)
    end
end
"""

# A count of another form is none, and is written anew.
_COUNT = f"""
local held = redis.pcall('GET', KEYS[2])
local queued = type(held) == 'string' and #held < {COUNT_DIGITS} and tonumber(string.match(held, '^%d+$')) or 0
"""

_ENQUEUE = (
    _COUNT
    + """
if queued + ARGV[2] > tonumber(ARGV[3]) then return false end
local entry = redis.call('XADD', KEYS[1], '*', 'task', ARGV[1], 'urls', ARGV[2])
redis.call('SET', KEYS[2], string.format('%d', queued + ARGV[2]))
return entry
"""
)

_ACKNOWLEDGE = (
    _COUNT
    + """
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
local now = redis.call('TIME')[1]
if type(redis.pcall('ZADD', KEYS[3], now, ARGV[4])) == 'table' then
    redis.call('DEL', KEYS[3])
    redis.call('ZADD', KEYS[3], now, ARGV[4])
end
if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then return end
local left = redis.call('XLEN', KEYS[1]) > 0 and math.max(queued - ARGV[3], 0) or 0
redis.call('SET', KEYS[2], string.format('%d', left))
"""
)

_LIST_ENDED = """
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1] - ARGV[1], 'LIMIT', 0, ARGV[2])
"""

_RENEW = """
if type(redis.pcall('ZADD', KEYS[2], ARGV[4], ARGV[2])) == 'table' then
    redis.call('DEL', KEYS[2])
    redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
end
local held = {}
for i = 5, #ARGV do
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
    local owner = pending[1] and pending[1][2] or ARGV[2]
    if owner == ARGV[2] then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'JUSTID')
        held[#held + 1] = ARGV[i]
    end
end
return held
"""

_LIST_BEATS = """
local beats = redis.pcall('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES')
return beats.err and {} or beats
"""

# A claim whose entry was deleted has no fields.
_ADOPT = """
local entries, fields = {}, {}
for i = 4, #ARGV do
    local ids = {}
    for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[i])) do
        ids[#ids + 1] = pending[1]
    end
    if #ids == 0 then
        redis.call('ZREM', KEYS[2], ARGV[i])
    else
        for _, entry in ipairs(redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(ids))) do
            if entry then fields[entry[1]] = entry[2] end
        end
        for _, id in ipairs(ids) do entries[#entries + 1] = {id, fields[id] or {}} end
    end
end
return entries
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
    abandoned: bool = False
    """Whether it was taken over from a gateway that did not renew it."""


class Load(NamedTuple):
    """How much the queue holds, of all gateways."""

    tasks: int
    urls: int


class Queue:
    """The queue as one gateway sees it. Every method raises RedisUnavailable while there is no Redis."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._consumer = uuid4().hex
        self._cursor = _BEGIN
        self._renewals = 0
        self._heartbeats = Heartbeats(LOOKS)

    async def prepare(self) -> None:
        """Make the consumer group, if it is not there (an empty Redis), and forget consumers long gone.

        In one step: an entry that a consumer took in between would be lost with it.
        """
        await self._datastore.eval(_PREPARE, [_STREAM], [_GROUP, FORGET_CONSUMER_S * 1000])

    async def put(self, task: str, total: int) -> bytes:
        """Add a task of `total` URLs: its entry.

        :raises QueueFull: the queue holds too many URLs already.
        """
        entry = await self._datastore.eval(_ENQUEUE, [_STREAM, _QUEUED], [task, total, MAX_QUEUED_URLS])
        if entry is None:
            raise QueueFull(f"The queue holds {MAX_QUEUED_URLS} URLs; try again later.", retry_after_s=10)
        return bytes(entry)

    async def take(self, *, wait: bool = True) -> list[Claim]:
        """The next task that is not taken, if there is one; `wait`: or comes within two seconds."""
        block_ms = TAKE_BLOCK_MS if wait else None
        with self._datastore.open(blocking=wait) as redis:
            streams = await redis.xreadgroup(_GROUP, self._consumer, {_STREAM: ">"}, count=1, block=block_ms)
        return await self._read_claims(streams[0][1]) if streams else []

    async def take_abandoned(self, count: int) -> list[Claim]:
        """Up to `count` tasks of gateways that have not renewed their claim for `ABANDONED_S`.

        XAUTOCLAIM looks at ten claims for each task it may give. So the search goes on to the end of the queue, and the
        next one where this one stopped. Call it every `RENEW_EVERY_S`: it counts the renewals of the others too.
        """
        dead = await self._find_dead()
        while True:
            with self._datastore.open() as redis:
                self._cursor, entries, *_ = await redis.xautoclaim(
                    _STREAM, _GROUP, self._consumer, round(ABANDONED_S * 1000), self._cursor, count
                )
            claims = await self._read_claims(entries, abandoned=True)
            if claims:
                return claims
            if self._cursor == _BEGIN:
                return await self._adopt(dead, count) if dead else []

    async def _find_dead(self) -> list[bytes]:
        flat = await self._datastore.eval(_LIST_BEATS, [_BEATS], [])
        counts = {name: float(count) for name, count in zip(flat[::2], flat[1::2], strict=True)}
        counts.pop(self._consumer.encode(), None)
        return self._heartbeats.look(counts)

    async def _adopt(self, dead: Sequence[bytes], count: int) -> list[Claim]:
        """Up to `count` tasks of each dead gateway, however new their claims seem."""
        arguments = [_GROUP, self._consumer, count, *dead]
        entries = await self._datastore.eval(_ADOPT, [_STREAM, _BEATS], arguments)
        pairs = [(entry, dict(zip(flat[::2], flat[1::2], strict=True))) for entry, flat in entries]
        return await self._read_claims(pairs, abandoned=True)

    async def renew(self, claims: Sequence[Claim], *, idle_s: float = 0.0) -> set[bytes]:
        """Say that the work went on `idle_s` ago; the entries still held, without those others have taken over."""
        self._renewals += 1
        entries = (claim.entry for claim in claims)
        arguments = [_GROUP, self._consumer, round(idle_s * 1000), self._renewals, *entries]
        return set(await self._datastore.eval(_RENEW, [_STREAM, _BEATS], arguments))

    async def release(self, claims: Sequence[Claim]) -> None:
        """Leave unfinished tasks to the next gateway that looks for abandoned ones."""
        await self.renew(claims, idle_s=2 * ABANDONED_S)

    async def acknowledge(self, claim: Claim) -> None:
        """Take a task off the queue; it is listed as ended from now on."""
        keys, arguments = [_STREAM, _QUEUED, _ENDED], [_GROUP, claim.entry, claim.total, claim.task]
        await self._datastore.eval(_ACKNOWLEDGE, keys, arguments)

    async def list_ended(self, ago_s: float) -> list[bytes]:
        """At most `ENDED_AT_ONCE` tasks that were taken off the queue `ago_s` ago or earlier."""
        return list(await self._datastore.eval(_LIST_ENDED, [_ENDED], [ago_s, ENDED_AT_ONCE]))

    async def forget_ended(self, tasks: Sequence[bytes]) -> None:
        """Take tasks off the list of those that ended."""
        if tasks:
            with self._datastore.open() as redis:
                await redis.zrem(_ENDED, *tasks)

    async def measure(self) -> Load:
        """How much is queued or worked on."""
        with self._datastore.open() as redis:
            tasks, urls = await redis.xlen(_STREAM), await redis.get(_QUEUED)
        counted = urls is not None and urls.isdigit() and len(urls) < COUNT_DIGITS
        return Load(tasks=int(tasks), urls=int(urls) if counted else 0)

    async def _read_claims(
        self, entries: Sequence[tuple[bytes, Mapping[bytes, bytes] | None]], *, abandoned: bool = False
    ) -> list[Claim]:
        claims = [_read_claim(entry, fields, abandoned=abandoned) for entry, fields in entries]
        strange = [entry for entry, claim in zip(entries, claims, strict=True) if claim is None]
        if strange:
            logger.warning("queue: %d entries that are no tasks removed: %s", len(strange), shorten(repr(strange), 200))
            with self._datastore.open() as redis:
                await redis.xack(_STREAM, _GROUP, *(entry for entry, _ in strange))
                await redis.xdel(_STREAM, *(entry for entry, _ in strange))
        return [claim for claim in claims if claim]


def _read_claim(entry: bytes, fields: Mapping[bytes, bytes] | None, *, abandoned: bool) -> Claim | None:
    """None for an entry that no gateway made, or that was deleted while it was pending (no fields in Redis 6.2)."""
    fields = fields or {}
    with suppress(ValueError, KeyError):
        task, total = UUID(fields[b"task"].decode()), int(fields[b"urls"])
        if 0 < total <= MAX_URLS:
            return Claim(entry, str(task), total, abandoned)
    return None
