"""The codes of URLs seen lately, and the counters of requests by domain. Owns these keys of Redis:

gateway:{codes}:<flags><url>   "<code> <ms when seen>", bears an expiry as a backstop
gateway:{codes}                sorted set of the above by ms when seen: what the clearing coroutine walks
gateway:{domains}              sorted set of domains by requests
gateway:{domains}:<task>       set of the batches of a task that are counted already

Every age is measured by Redis' own clock, so that many gateways agree; what that clock, turned back, says is yet to
come is as good as old. The words in braces keep what one script
touches in one slot of a Cluster. Only lasting codes are kept here: never a failure, nor an answer that asks the client
to come again later.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b

import anyio

from gateway.datastore.client import Datastore, RedisFull, RedisUnavailable

from .models import Domain, ProbeOutcome

MOST_REQUESTS = 2**53
"""Beyond this Redis does not count by one."""
CLEAR_EVERY_S = 0.5
CLEAR_AT_ONCE = 1000
BACKSTOP_S = 60
"""How much longer than its age Redis itself lets an entry live, should every gateway be dead."""
COUNTED_S = 86_400
"""How long it is remembered which batches of a task are counted: longer than two batches can lie apart."""
KEY_CHARS = 512
"""The key of a longer URL has its first half and a hash."""
MAX_CODES_AT_ONCE = 1000
"""Lua's unpack takes under 8,000 values; a batch stays well below, and below a millisecond."""

TEMPORARY_CODES = frozenset({408, 425, 429, 503})
"""Request Timeout, Too Early, Too Many Requests (RFC 6585, 4: must not be stored), Service Unavailable."""

logger = logging.getLogger("gateway.cache")

_INDEX = "gateway:{codes}"
_DOMAINS = "gateway:{domains}"

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

_RECALL = (
    _NOW
    + """
local oldest, codes = now - tonumber(ARGV[1]), {}
for i, value in ipairs(redis.call('MGET', unpack(KEYS))) do
    local code, seen = 0, 0
    if value then code, seen = string.match(value, '^(%d%d%d) (%d+)$') end
    seen = tonumber(seen or 0)
    codes[i] = seen > oldest and seen <= now and tonumber(code) or 0
end
return codes
"""
)

_REMEMBER = (
    _NOW
    + """
local index, expiry = KEYS[1], ARGV[1]
for i = 2, #KEYS do
    local code, age = ARGV[2 * i - 2], ARGV[2 * i - 1]
    local seen = string.format('%.0f', now - age)
    redis.call('SET', KEYS[i], code .. ' ' .. seen, 'PX', expiry)
    redis.call('ZADD', index, seen, KEYS[i])
end
redis.call('PEXPIRE', index, expiry)
"""
)

_CLEAR = (
    _NOW
    + """
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'LIMIT', 0, ARGV[2])
if #old == 0 then old = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[2]) end
if #old == 0 then return 0 end
for _, name in ipairs(old) do
    if string.sub(name, 1, #KEYS[1] + 1) == KEYS[1] .. ':' then redis.call('UNLINK', name) end
end
redis.call('ZREM', KEYS[1], unpack(old))
return #old
"""
)

_COUNT = """
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 0 end
redis.call('EXPIRE', KEYS[2], ARGV[2])
for i = 3, #ARGV, 2 do redis.call('ZINCRBY', KEYS[1], ARGV[i + 1], ARGV[i]) end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
"""


class Cache:
    """The code cache and the domain counters. `timeout_s` is how long a code is good for."""

    def __init__(self, datastore: Datastore, *, timeout_s: float) -> None:
        self._datastore = datastore
        self._timeout_ms = max(1, round(timeout_s * 1000))

    async def recall(self, urls: Sequence[str], *, follow_redirects: bool) -> list[int]:
        """The codes of `urls` (normal forms, at most `MAX_CODES_AT_ONCE`) in order; 0 where none is known.

        A temporary code, which a gateway of another version may have kept, is not known.

        :raises RedisUnavailable: there is no Redis for now.
        """
        if not urls:
            return []
        keys = [_key(url, follow_redirects=follow_redirects) for url in urls]
        codes = await self._datastore.eval(_RECALL, keys, [self._timeout_ms])
        return [0 if code in TEMPORARY_CODES else code for code in codes]

    async def remember(self, seen: Iterable[tuple[str, bool, int, float]]) -> None:
        """Keep codes, as long as Redis has room for them.

        Each item: a URL in normal form, whether redirects were followed, its code, its age in seconds.

        :raises RedisUnavailable: there is no Redis for now.
        """
        keys: list[str] = [_INDEX]
        values: list[int] = [self._timeout_ms + BACKSTOP_S * 1000]
        for url, follow_redirects, code, age_s in seen:
            keys.append(_key(url, follow_redirects=follow_redirects))
            values += [code, round(age_s * 1000)]
        if len(keys) == 1:
            return
        with suppress(RedisFull):  # they are asked for again
            await self._datastore.eval(_REMEMBER, keys, values)

    async def clear(self) -> int:
        """Delete what is older than the timeout; how many entries that were.

        :raises RedisUnavailable: there is no Redis for now.
        """
        cleared = 0
        while True:
            gone = int(await self._datastore.eval(_CLEAR, [_INDEX], [self._timeout_ms, CLEAR_AT_ONCE]))
            cleared += gone
            if gone < CLEAR_AT_ONCE:
                return cleared

    async def run(self) -> None:
        """Clear for ever: the coroutine that keeps every entry from outliving the timeout by over a second."""
        while True:
            try:
                await self.clear()
            except RedisUnavailable:
                pass  # the datastore says so in the log
            except Exception:
                logger.exception("clearing failed; it goes on")
            await anyio.sleep(CLEAR_EVERY_S)

    async def count(self, task: str, batch: int, domains: Counter[str]) -> None:
        """Add the requests of one batch of a task, once, however often it is called for the same batch.

        :raises RedisUnavailable: there is no Redis for now.
        """
        pairs = [part for pair in domains.items() for part in pair]
        await self._datastore.eval(_COUNT, [_DOMAINS, f"{_DOMAINS}:{task}"], [batch, COUNTED_S, *pairs])

    async def list_domains(self, limit: int) -> list[Domain]:
        """The domains asked for most, most first; those with as many in the order of the alphabet, reversed.

        :raises RedisUnavailable: there is no Redis for now.
        """
        with self._datastore.open() as redis:
            rows = await redis.zrevrange(_DOMAINS, 0, limit - 1, withscores=True)
        counts = [
            Domain(domain=name.decode(), requests=int(score))
            for name, score in rows
            if name.isascii() and 0 < score < MOST_REQUESTS
        ]
        if len(counts) < len(rows):
            logger.warning("%s: %d rows are not counts of a domain", _DOMAINS, len(rows) - len(counts))
        return counts


def is_cacheable(outcome: ProbeOutcome) -> bool:
    """Whether an outcome may be kept: an HTTP answer, but none that is a failure or speaks of a later time."""
    answered = outcome.error is None and outcome.code > 0
    return answered and outcome.code not in TEMPORARY_CODES and not outcome.has_retry_after


def _key(url: str, *, follow_redirects: bool) -> str:
    if len(url) > KEY_CHARS:
        url = f"{url[: KEY_CHARS // 2]}#{blake2b(url.encode(), digest_size=16).hexdigest()}"
    return f"{_INDEX}:{'L' if follow_redirects else ''}{url}"
