"""What the task API speaks of: the JSON in, the JSON out, and the limits on both.

Pydantic stands at the edge (`NewTask`, `Task`, `Domain`); what is counted in tens of thousands inside
(`ProbeOutcome`, `Probe`) is a plain frozen dataclass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field

from gateway.tasks.probe.request import ProbeOptions

MAX_URLS = 10_000
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


class Verdict(StrEnum):
    """What a probe means for a page that has the URL as a link; `probe.verdict` has the rules."""

    OK = "ok"
    MOVED = "moved"
    UNSURE = "unsure"
    BROKEN = "broken"
    INVALID = "invalid"


UrlList = Annotated[list[str], Field(min_length=1, max_length=MAX_URLS)]
"""Any texts: one that is no URL, by its length or otherwise, is a probe that says so."""


class NewTask(ProbeOptions):
    """What a client posts: this, or the bare list of URLs."""

    urls: UrlList

    @property
    def options(self) -> ProbeOptions:
        """What is asked of each URL."""
        return ProbeOptions.model_validate(self.model_dump(exclude={"urls"}))


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
    counts: dict[str, int] = Field(
        description="How many of those have each HTTP code, or each `error` where there was no answer."
    )
    verdicts: dict[Verdict, int] = Field(description="How many of those have each verdict.")
    created_at: datetime
    finished_at: datetime | None


class Domain(BaseModel):
    """How many URLs of one domain were sent, cached or not."""

    domain: str = Field(description="The host in lower case, IDNA, without the port.")
    requests: int


@dataclass(frozen=True, slots=True)
class Hop:
    """An answer on the way that redirected: its code, 301 and 308 for good, and the URL that gave it."""

    code: int
    url: str


@dataclass(slots=True)
class ProbeOutcome:
    """What became of one URL; not changed any more once it is handed on.

    `code` is 0 when there was no HTTP answer; then `error` says why. `location` is that of the last answer. `hops` are
    the redirects that were followed, `final_url` is where they led. `attempts` is how often the URL was asked: 0 for an
    answer of the cache, but for a 5xx, with which the cache keeps it. `verdict` is set by `probe.verdict.judge`.

    Three fields are not stored. `bot_protection` names the service that answered in place of the site, if one did.
    `retry_after_s` is for how long its origin asked to be left alone. `has_retry_after`: this answer, or one that
    redirected to it, has a Retry-After of any kind.
    """

    code: int
    error: ProbeError | None = None
    detail: str | None = None
    elapsed_s: float | None = None
    location: str | None = None
    hops: tuple[Hop, ...] = ()
    final_url: str | None = None
    attempts: int = 0
    verdict: Verdict = Verdict.OK
    bot_protection: str | None = None
    retry_after_s: float | None = None
    has_retry_after: bool = False


class ProbeResult(NamedTuple):
    """One URL of a task, known: its place in the list and what became of it."""

    place: int
    outcome: ProbeOutcome
    cached: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """One URL of a task as a client sees it: its place in the list sent; `code` is null while it is not known."""

    index: int
    url: str
    code: int | None
    error: ProbeError | None
    verdict: Verdict | None
    detail: str | None
    cached: bool
    elapsed_s: float | None
    attempts: int | None
    location: str | None
    hops: Sequence[Hop] | None
    final_url: str | None


@dataclass(frozen=True, slots=True)
class Tasks:
    """Some tasks, without their results."""

    tasks: list[Task]


@dataclass(frozen=True, slots=True)
class Probes:
    """Some URLs of a task; `total` is how many match the filter, on all pages."""

    total: int
    probes: list[Probe]


@dataclass(frozen=True, slots=True)
class Domains:
    """Some domains, the most requested first."""

    domains: list[Domain]
