"""What the task API speaks of: the JSON in, the JSON out, and the limits on both.

Pydantic stands at the edge (`NewTask`, `Task`, `Domain`); what is counted in tens of thousands inside
(`ProbeOutcome`, `Probe`) is a plain frozen dataclass.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from gateway.errors import BadRequest, Unprocessable
from gateway.tasks.probe.urls import UNREADABLE

MAX_URLS = 10_000
MAX_ITEMS = MAX_URLS + 1_000
"""Past so many items the words about them are fewer."""
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_WAIT_S = 30


class TaskStatus(StrEnum):
    """Where a task stands."""

    RUNNING = "running"
    READY = "ready"
    CANCELLED = "cancelled"


class ProbeError(StrEnum):
    """Why a URL gave no HTTP answer: one stable word."""

    INVALID_URL = "invalid_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    BLOCKED = "blocked"
    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    REDIRECTS = "redirects"


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

UrlList = Annotated[list[str], Field(min_length=1, max_length=MAX_URLS)]
"""Any texts: one that is no URL, by its length or otherwise, is a probe that says so."""


class NewTask(BaseModel):
    """What a client posts: this, or the bare list of URLs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    urls: UrlList
    follow_redirects: bool = False


class Task(BaseModel):
    """A task as a client sees it."""

    id: UUID
    status: TaskStatus
    result: list[int] | None = Field(
        description=(
            "Null until the task is ready; then one integer a URL sent, in order, duplicates kept: the HTTP code, "
            "or 0 for a URL that gave no HTTP answer."
        )
    )
    total: int = Field(description="How many URLs were sent.")
    done: int = Field(description="How many of them are known.")
    created_at: datetime
    finished_at: datetime | None


class Domain(BaseModel):
    """How many URLs of one domain were sent, cached or not."""

    domain: str = Field(description="The host in lower case, IDNA, without the port.")
    requests: int


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What became of one URL. `code` is 0 when there was no HTTP answer; then `error` says why.

    `retry_after_s` is for how long its host asked to be left alone; `has_retry_after`: this answer, or one that
    redirected to it, has a Retry-After of any kind. Neither is stored.
    """

    code: int
    error: ProbeError | None = None
    detail: str | None = None
    elapsed_s: float | None = None
    location: str | None = None
    retry_after_s: float | None = None
    has_retry_after: bool = False


class ProbeResult(NamedTuple):
    """One URL of a task, known: its place in the list and what became of it."""

    place: int
    outcome: ProbeOutcome
    cached: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """One URL of a task as a client sees it; `url` is as sent, `code` is null while it is not known."""

    url: str
    code: int | None
    error: ProbeError | None
    detail: str | None
    cached: bool
    elapsed_s: float | None
    location: str | None


@dataclass(frozen=True, slots=True)
class Tasks:
    """Some tasks, without their results."""

    tasks: list[Task]


@dataclass(frozen=True, slots=True)
class Probes:
    """Some URLs of a task, in the order sent."""

    probes: list[Probe]


@dataclass(frozen=True, slots=True)
class Domains:
    """Some domains, the most requested first."""

    domains: list[Domain]


def parse_new_task(body: bytes) -> NewTask:
    """The task in a request body.

    :raises BadRequest: it is not JSON in UTF-8.
    :raises Unprocessable: it is JSON of another form, or has more in it than a task can have; `index` is the place of
        the first URL that is at fault.
    """
    _weigh(body)
    try:
        data = _load_json(body)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    fields = {"urls": data} if isinstance(data, list) else data
    try:
        return NewTask.model_validate(fields)
    except ValidationError as error:
        raise _unprocessable(error) from None


def _load_json(body: bytes) -> object:
    """What a body says. Half of a surrogate pair, which JSON can hold (RFC 8259, 8.2), becomes `UNREADABLE`.

    :raises ValueError: it is not JSON in UTF-8.
    """
    try:
        return from_json(body, cache_strings="none")
    except ValueError:
        if b"\\ud" not in body.lower():
            raise
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(body.decode()), ensure_ascii=False)
            return from_json(_LONE_SURROGATE.sub(UNREADABLE, text).encode(), cache_strings="none")
        raise


def _weigh(body: bytes) -> None:
    """Refuse a body before a parser makes a million objects of it (4 MiB of `[]` took 2.6 s, of deeper lists 4.6 s).

    Counted are strings, and the bytes outside strings: both as the parser sees them as far as it can read at all.
    """
    text = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes = text.count(b'"')
    if quotes <= 2 * MAX_ITEMS:
        outside = b"".join(text.split(b'"')[::2]).translate(None, b" \t\r\n")
        if len(outside) <= MAX_ITEMS:
            return
    raise Unprocessable(f"There is more in the body than a list of {MAX_URLS} URLs.")


def _unprocessable(error: ValidationError) -> Unprocessable:
    first = error.errors(include_url=False, include_input=False)[0]
    place = [part for part in first["loc"] if isinstance(part, int)]
    if place:
        return Unprocessable(f"URL {place[0]}: {first['msg']}.", index=place[0])
    field = ".".join(str(part) for part in first["loc"])
    return Unprocessable(f"{field}: {first['msg']}." if field else f"{first['msg']}.")
