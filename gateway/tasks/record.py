"""The hash of one task in Redis: its fields, the scripts that change it, and how it is read.

status, total, done, urls, created_at, finished_at, result: what the API shows and the worker needs
tally         JSON of `TaskCounts`, written with `done`
options       JSON of `ProbeOptions` without its headers
headers       JSON of those, which may have a password: gone once the task has ended
follow        1 or 0: what the version before reads in place of `options`
entry         the entry of the queue through which the task is worked on; the only field if the entry was given up
digest        of the body that came with an Idempotency-Key
probes:<n>    JSON list of `rows`; of two rows of one URL that with the smaller <n> counts. <n> is how many fields there
              were before; the number of fields never falls, so each <n> is below it.

What Redis holds is read as strictly as a request: anyone who can write to Redis may have changed it. A field of another
form is a ValueError, which the datastore reports as KeyCorrupted. A chunk of probes that cannot be read is left out:
a running task asks for those URLs again. No I/O.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import shorten
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import to_json

from gateway.errors import NotFound
from gateway.tasks.probe.request import HeaderName, HeaderValue, ProbeOptions

from .models import MAX_URLS, ProbeError, Task, TaskStatus, Verdict
from .results.rows import Code, Row, parse_value, read_chunk

SUMMARY = ("status", "total", "done", "created_at", "finished_at", "tally")
CHUNK = "probes:"
"""How the name of a field begins that holds some probes; a number follows."""

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
if not done or tonumber(ARGV[1]) > tonumber(done) then
    redis.call('HSET', KEYS[1], 'done', ARGV[1], 'tally', ARGV[4])
end
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


@dataclass(slots=True)
class TaskCounts:
    """How many URLs of a task have each code or error, and each verdict."""

    counts: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)

    def add(self, code: int, error: ProbeError | None, verdict: Verdict) -> None:
        """Count one URL."""
        self.counts[error or str(code)] += 1
        self.verdicts[verdict] += 1


_COUNTS = TypeAdapter(TaskCounts)
_HEADERS: TypeAdapter[dict[HeaderName, HeaderValue]] = TypeAdapter(dict[HeaderName, HeaderValue])


class _Summary(BaseModel):
    status: TaskStatus
    total: int = Field(ge=1, le=MAX_URLS)
    done: int = Field(ge=0, le=MAX_URLS)
    created_at: AwareDatetime
    finished_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class TaskWork:
    """What a task asks for; `codes` and `counts` have what is saved already, by this gateway or one before it."""

    urls: list[str]
    options: ProbeOptions
    codes: list[int | None]
    counts: TaskCounts
    created_at: datetime


def name_key(identity: UUID | str) -> str:
    """The key of a task."""
    return f"gateway:{{{identity}}}:task"


def read_summary(identity: UUID, values: Sequence[bytes | None]) -> Task:
    """A task without its result, from the fields `SUMMARY`.

    :raises NotFound: there is none.
    :raises ValueError: a field is missing or of another form.
    """
    if values[0] is None:
        raise NotFound(f"There is no task {identity}.")
    *summary, counts = values
    strings = {name: value.decode() for name, value in zip(SUMMARY, summary, strict=False) if value is not None}
    known = parse_value(_Summary.model_validate_strings, strings)
    found = parse_value(_COUNTS.validate_json, counts) if counts else TaskCounts()
    return Task(id=identity, result=None, counts=found.counts, verdicts=found.verdicts, **known.model_dump())


def read_task(identity: UUID, values: Sequence[bytes | None]) -> Task:
    """A task, with its result once it is ready, from the fields `SUMMARY` and `result`.

    :raises NotFound: there is none.
    :raises ValueError: a field is missing or of another form.
    """
    *summary, result = values
    task = read_summary(identity, summary)
    if task.status is TaskStatus.READY:
        task.result = parse_value(_CODES.validate_json, result or b"")
        if len(task.result) != task.total:
            raise ValueError(f"result: {len(task.result)} codes for {task.total} URLs")
    return task


def read_work(flat: Sequence[bytes]) -> TaskWork:
    """The work of a running task, from the names and values of all its fields, as HGETALL gives them in a script.

    :raises ValueError: its URLs, its options, or when it was created, cannot be read.
    """
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    created_at = parse_value(_TIME.validate_strings, fields.get(b"created_at", b"").decode())
    urls = read_urls(fields.get(b"urls", b""), fields.get(b"total", b""))
    codes: list[int | None] = [None] * len(urls)
    counts = TaskCounts()
    for row in _read_rows(fields):
        if 0 <= row[0] < len(urls) and codes[row[0]] is None:
            codes[row[0]] = row[1]
            counts.add(row[1], row[2], row[7])
    return TaskWork(urls, read_options(fields), codes, counts, created_at)


def read_urls(text: bytes, total: bytes) -> list[str]:
    """The URLs of a task, from the fields `urls` and `total`.

    :raises ValueError: they cannot be read, or are not as many.
    """
    urls = parse_value(_URLS.validate_json, text)
    if str(len(urls)).encode() != total:
        raise ValueError(f"urls: there are {len(urls)}, not {shorten(repr(total), 40)}")
    return urls


def write_options(options: ProbeOptions) -> dict[str, str | bytes]:
    """The fields `options` and `headers`."""
    fields: dict[str, str | bytes] = {"options": options.model_dump_json(exclude={"headers"}, exclude_defaults=True)}
    return fields | {"headers": to_json(options.headers)} if options.headers else fields


def write_counts(counts: TaskCounts) -> bytes:
    """The field `tally`."""
    return to_json(counts)


def read_options(fields: Mapping[bytes, bytes]) -> ProbeOptions:
    """What a task asks of each URL.

    :raises ValueError: it cannot be read.
    """
    if b"options" in fields:
        options = parse_value(ProbeOptions.model_validate_json, fields[b"options"])
        headers = parse_value(_HEADERS.validate_json, fields.get(b"headers", b"{}"))
        return options.model_copy(update={"headers": headers}) if headers else options
    return ProbeOptions(follow_redirects=fields.get(b"follow") == b"1")


def _read_rows(fields: Mapping[bytes, bytes]) -> Iterator[Row]:
    """All rows in the order in which they were saved."""
    prefix = CHUNK.encode()
    names = (name for name in fields if name.startswith(prefix) and name[len(prefix) :].isdigit())
    for name in sorted(names, key=lambda name: (len(name), name)):
        yield from read_chunk(fields[name])
