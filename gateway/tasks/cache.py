"""The codes of URLs seen lately, and the counters of requests by domain. Owns these keys of Redis:

gateway:{codes}:<key>          "<code> <ms when seen>", and the JSON of its `Extras`, if any; expires as
                               a backstop; <key> is that of a `ProbeRequest`
gateway:{codes}                sorted set of the above by ms when seen: what the clearing coroutine walks
gateway:{domains}              sorted set of domains by requests
gateway:{domains}:<task>       set of the batches of a task that are counted already

Ages are measured by the clock of Redis, so that all gateways agree. When that clock is turned back, an entry may be
dated in the future: it counts as expired. The words in braces put all keys of one script into one slot of a Cluster.
Failures are not kept, nor answers that hold for now only, such as those with Retry-After or of bot protection.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

import anyio
from pydantic import ConfigDict, TypeAdapter
from pydantic_core import to_json

from gateway.datastore.client import Datastore, RedisFull, RedisUnavailable
from gateway.tasks.probe.hosts import is_host
from gateway.tasks.probe.request import ProbeRequest

from .models import Domain, ProbeOutcome
from .results.rows import Redirects, read_redirects, write_redirects

MOST_REQUESTS = 2**53
"""Beyond this Redis does not count by one."""
CLEAR_EVERY_S = 0.5
CLEAR_AT_ONCE = 1000
BACKSTOP_S = 60
"""How much longer than its age Redis itself lets an entry live, should every gateway be dead."""
COUNTED_S = 86_400
"""How long it is remembered which batches of a task are counted: longer than two batches can lie apart."""
MAX_CODES_AT_ONCE = 1000
"""Lua's unpack takes under 8,000 values; a batch stays well below, and below a millisecond."""
ENTRIES_READ = 1000
"""How many different entries are remembered as they were read: most are alike, "200" and no more."""
ROWS_AT_ONCE = 1000
"""How many counters are read at once: some may be left out."""

TEMPORARY_CODES = frozenset({408, 425, 429, 503})
"""Request Timeout, Too Early, Too Many Requests (RFC 6585, 4: must not be stored), Service Unavailable."""

logger = logging.getLogger("gateway.cache")

Extras = str | Redirects | tuple[int, str | Redirects | None]
"""Its location or redirects; of a server error also how often it was seen."""
_EXTRAS: TypeAdapter[Extras] = TypeAdapter(Extras, config=ConfigDict(strict=True))

_INDEX = "gateway:{codes}"
_DOMAINS = "gateway:{domains}"

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

_RECALL = (
    _NOW
    + """
local oldest, found = now - tonumber(ARGV[1]), {}
for i, value in ipairs(redis.call('MGET', unpack(KEYS))) do
    local code, seen, extras
    if value then code, seen, extras = string.match(value, '^(%d%d%d) (%d+)(.*)$') end
    seen = tonumber(seen or 0)
    found[i] = seen > oldest and seen <= now and code .. extras or ''
end
return found
"""
)

_REMEMBER = (
    _NOW
    + """
local index, expiry = KEYS[1], ARGV[1]
for i = 2, #KEYS do
    local code, age, extras = string.match(ARGV[i], '^(%d+) (%-?%d+)(.*)$')
    local seen = string.format('%.0f', now - age)
    redis.call('SET', KEYS[i], code .. ' ' .. seen .. extras, 'PX', expiry)
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
for domain, requests in pairs(cjson.decode(ARGV[3])) do redis.call('ZINCRBY', KEYS[1], requests, domain) end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
"""


class Cache:
    """The code cache and the domain counters. `timeout_s` is how long a code is good for."""

    def __init__(self, datastore: Datastore, *, timeout_s: float) -> None:
        self._datastore = datastore
        self._timeout_ms = max(1, round(timeout_s * 1000))

    async def recall(
        self, requests: Sequence[ProbeRequest], max_age_s: float | None = None
    ) -> list[ProbeOutcome | None]:
        """What is known of at most `MAX_CODES_AT_ONCE` requests in order: code, location and hops; None: nothing.

        `max_age_s` is None for all that the timeout allows. An answer that must not be
        kept, from a gateway of another version, is not known.

        :raises RedisUnavailable: there is no Redis for now.
        """
        age_ms = self._timeout_ms if max_age_s is None else min(self._timeout_ms, round(max_age_s * 1000))
        if not requests or not age_ms:
            return [None] * len(requests)
        keys = [_key(request) for request in requests]
        return [_read_entry(entry) for entry in await self._datastore.eval(_RECALL, keys, [age_ms])]

    async def remember(self, seen: Iterable[tuple[ProbeRequest, ProbeOutcome, float]]) -> None:
        """Keep answers, as long as Redis has room for them. Each item: a request, its answer, its age in seconds.

        :raises RedisUnavailable: there is no Redis for now.
        """
        keys: list[str] = [_INDEX]
        values: list[int | bytes] = [self._timeout_ms + BACKSTOP_S * 1000]  # then for each key a value
        for request, outcome, age_s in seen:
            keys.append(_key(request))
            values.append(b"%d %d%b" % (outcome.code, round(age_s * 1000), _write_extras(outcome)))
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
        await self._datastore.eval(_COUNT, [_DOMAINS, f"{_DOMAINS}:{task}"], [batch, COUNTED_S, to_json(domains)])

    async def list_domains(self, limit: int) -> list[Domain]:
        """The domains asked for most, most first; those with as many in the order of the alphabet, reversed.

        :raises RedisUnavailable: there is no Redis for now.
        """
        counts: list[Domain] = []
        place, strange = 0, 0
        while True:
            with self._datastore.open() as redis:
                rows = await redis.zrevrange(_DOMAINS, place, place + ROWS_AT_ONCE - 1, withscores=True)
            found = [
                Domain(domain=domain, requests=int(score))
                for name, score in rows
                if is_host(domain := name.decode("ascii", "replace")) and 0 < score < MOST_REQUESTS
            ]
            counts += found
            strange += len(rows) - len(found)
            place += len(rows)
            if len(rows) < ROWS_AT_ONCE or len(counts) >= limit:
                break
        if strange:
            logger.warning("%s: %d rows are not counts of a domain", _DOMAINS, strange)
        return counts[:limit]


def is_cacheable(outcome: ProbeOutcome) -> bool:
    """Whether an outcome may be kept: an answer of the site that does not say that it is temporary."""
    if outcome.error is not None or outcome.code == 0 or outcome.bot_protection is not None:
        return False
    return outcome.code not in TEMPORARY_CODES and not outcome.has_retry_after


@lru_cache(ENTRIES_READ)
def _read_entry(entry: bytes) -> ProbeOutcome | None:
    """An answer out of `_RECALL`; None where there is none, or what is kept is of another form."""
    code, _, text = entry.partition(b" ")
    if not code.isdigit():
        return None
    try:
        extras = _EXTRAS.validate_json(text) if text else None
    except ValueError:
        return None
    attempts, redirects = extras if isinstance(extras, tuple) and len(extras) == 2 else (0, extras)
    location, hops, final_url = read_redirects(redirects)
    outcome = ProbeOutcome(int(code), location=location, hops=hops, final_url=final_url, attempts=attempts)
    return outcome if is_cacheable(outcome) else None


def _write_extras(outcome: ProbeOutcome) -> bytes:
    """What an entry has behind its time; for most answers nothing."""
    redirects = write_redirects(outcome)
    extras = (outcome.attempts, redirects) if outcome.code >= 500 else redirects
    return b" " + to_json(extras) if extras else b""


def _key(request: ProbeRequest) -> str:
    return f"{_INDEX}:{request.key}"
