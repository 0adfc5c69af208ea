"""The hash of one task in Redis: its fields, the scripts that change it, and how it is read.

status, total, done, follow, urls, created_at, finished_at, result: what the API shows and the runner needs
entry         the entry of the queue through which the task is worked on; alone in the hash of one that was given up
digest        of the body that came with an Idempotency-Key
probes:<n>    JSON lists of rows; the last row of a place counts

What Redis holds is read as strictly as a request: anyone who can write to Redis may have changed it. A field of another
form is a ValueError, which the datastore reports as KeySpoiled. A chunk of probes that cannot be read is left out:
a running task asks for those URLs again. Nothing here talks to Redis.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from gateway.errors import NotFound

from .models import MAX_URLS, Probe, ProbeError, ProbeOutcome, ProbeResult, Task, TaskStatus

SUMMARY = ("status", "total", "done", "created_at", "finished_at")
CHUNK = "probes:"
"""How the name of a field begins that holds some probes; a number follows."""

logger = logging.getLogger("gateway.tasks")

T = TypeVar("T")
V = TypeVar("V")
Code = Annotated[int, Field(ge=0, le=999)]
Row = tuple[int, Code, ProbeError | None, str | None, bool, float | None, str | None]
"""Place, code, error, detail, cached, elapsed_s, location."""

_ROWS = TypeAdapter(list[Row], config=ConfigDict(strict=True, allow_inf_nan=False))
_CODES = TypeAdapter(list[Code], config=ConfigDict(strict=True))
_URLS = TypeAdapter(list[str], config=ConfigDict(strict=True))
_TIME = TypeAdapter(AwareDatetime)


CREATE = """
local status, entry = unpack(redis.call('HMGET', KEYS[1], 'status', 'entry'))
if status then return entry == ARGV[2] and 'made' or 'there' end
if entry == ARGV[2] then return 'given up' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV))
return 'made'
"""

TAKE = """
local status, entry = unpack(redis.call('HMGET', KEYS[1], 'status', 'entry'))
if status == 'running' and (not entry or entry == ARGV[1]) then return redis.call('HGETALL', KEYS[1]) end
if status or entry then return false end
if ARGV[2] == '0' then return 'unmade' end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'entry', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return false
"""

SAVE = """
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 0 end
redis.call('PERSIST', KEYS[1])
local chunks = redis.call('HLEN', KEYS[1])
while redis.call('HSETNX', KEYS[1], ARGV[3] .. chunks, ARGV[2]) == 0 do chunks = chunks + 1 end
local done = string.match(redis.call('HGET', KEYS[1], 'done') or '', '^%d+$')
if not done or tonumber(ARGV[1]) > tonumber(done) then redis.call('HSET', KEYS[1], 'done', ARGV[1]) end
return 1
"""

END = """
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 0 end
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""

EXPIRE = """
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'running' or redis.call('TTL', KEYS[1]) >= 0 then return end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


class _Summary(BaseModel):
    status: TaskStatus
    total: int = Field(ge=1, le=MAX_URLS)
    done: int = Field(ge=0, le=MAX_URLS)
    created_at: AwareDatetime
    finished_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class TaskWork:
    """What a task asks for, and what of it is saved already, by this gateway or one before it."""

    urls: list[str]
    follow_redirects: bool
    saved: list[ProbeResult]
    created_at: datetime


def read_summary(identity: UUID, values: Sequence[bytes | None]) -> Task:
    """A task without its result, from the fields `SUMMARY`.

    :raises NotFound: there is none.
    :raises ValueError: a field is missing or of another form.
    """
    if values[0] is None:
        raise NotFound(f"There is no task {identity}.")
    strings = {name: value.decode() for name, value in zip(SUMMARY, values, strict=True) if value is not None}
    summary = _parse(_Summary.model_validate_strings, strings)
    return Task(id=identity, result=None, **summary.model_dump())


def read_result(result: bytes | None, task: Task) -> list[int] | None:
    """The codes of a task that is ready, else None.

    :raises ValueError: they are missing, or not one for each URL.
    """
    if task.status is not TaskStatus.READY:
        return None
    codes = _parse(_CODES.validate_json, result or b"")
    if len(codes) != task.total:
        raise ValueError(f"result: {len(codes)} codes for {task.total} URLs")
    return codes


def read_job(fields: Mapping[bytes, bytes]) -> TaskWork:
    """The work of a running task, from all its fields.

    :raises ValueError: its URLs, or when it was created, cannot be read.
    """
    created_at = _parse(_TIME.validate_strings, fields.get(b"created_at", b"").decode())
    urls = _read_urls(fields)
    saved = [
        ProbeResult(place, ProbeOutcome(code, error, detail, elapsed_s, location), cached)
        for place, code, error, detail, cached, elapsed_s, location in _read_rows(fields)
        if 0 <= place < len(urls)
    ]
    return TaskWork(urls, fields.get(b"follow") == b"1", saved, created_at)


def read_probes(fields: Mapping[bytes, bytes], page: range) -> list[Probe]:
    """What is known of the URLs at the places `page`, from all fields of a task.

    :raises ValueError: the URLs cannot be read, or a probe is missing of a task that is ready.
    """
    urls = _read_urls(fields)
    known = {row[0]: row for row in _read_rows(fields) if row[0] in page}
    places = range(len(urls))[page.start : page.stop]
    if fields.get(b"status") == TaskStatus.READY.value.encode() and not known.keys() >= set(places):
        raise ValueError("probes of a task that is ready are missing")
    return [_probe(urls[place], known.get(place)) for place in places]


def write_rows(landings: Iterable[ProbeResult]) -> bytes:
    """One chunk of probes."""
    return to_json(
        [
            (place, outcome.code, outcome.error, outcome.detail, cached, outcome.elapsed_s, outcome.location)
            for place, outcome, cached in landings
        ]
    )


def _read_urls(fields: Mapping[bytes, bytes]) -> list[str]:
    urls = _parse(_URLS.validate_json, fields.get(b"urls", b""))
    if str(len(urls)).encode() != fields.get(b"total"):
        raise ValueError(f"urls: there are {len(urls)}, not {shorten(repr(fields.get(b'total')), 40)}")
    return urls


def _read_rows(fields: Mapping[bytes, bytes]) -> Iterator[Row]:
    """All rows in the order in which they were saved: the last of a place counts."""
    prefix = CHUNK.encode()
    names = (name for name in fields if name.startswith(prefix) and name[len(prefix) :].isdigit())
    for name in sorted(names, key=lambda name: (len(name), name)):
        try:
            yield from _parse(_ROWS.validate_json, fields[name])
        except ValueError as error:
            logger.warning("probes of a task cannot be read: %s: %s", name.decode(), error)


def _parse(validate: Callable[[V], T], value: V) -> T:
    try:
        return validate(value)
    except ValidationError as error:
        raise _odd(error) from None


def _odd(error: ValidationError) -> ValueError:
    """The first fault, in one line and without the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ValueError(shorten(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 200))


def _probe(url: str, row: Row | None) -> Probe:
    if row is None:
        return Probe(url, None, None, None, cached=False, elapsed_s=None, location=None)
    _, code, error, detail, cached, elapsed_s, location = row
    return Probe(url, code, error, detail, cached=cached, elapsed_s=elapsed_s, location=location)
