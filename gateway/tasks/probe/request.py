"""What a task asks of one URL: the value that the worker, single flight, the cache and the prober hand on. Pure.

A new option is a field of `ProbeOptions`: a client may send it and Redis keeps it with the task. Beyond that
`ProbeRequest.key` decides whether it makes another answer, and `prober` acts on it.
"""

import re
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

KEY_CHARS = 512
"""The key of a longer URL has its first half and a hash."""
MAX_HEADERS = 32
MAX_VALUE_CHARS = 4_096
MAX_S = 31_536_000
MAX_RETRIES = 10
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_RESERVED = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)
"""Headers that a task may not set: they frame a request, or say which site is asked."""
_RESERVED_SCHEMA = "|".join(
    re.sub("[a-z]", lambda char: f"[{char[0].upper()}{char[0]}]", name) for name in sorted(_RESERVED)
)
_END = r"(?![\s\S])"
"""The end of a text, in a JSON schema: `$` also matches before a last line end, in Python."""
_NAME_SCHEMA = f"^(?!(?:{_RESERVED_SCHEMA}){_END}){_NAME.pattern}{_END}"
_VALUE_SCHEMA: JsonDict = {"type": "string", "maxLength": MAX_VALUE_CHARS, "pattern": f"^{_VALUE.pattern}{_END}"}


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("it is not the name of a header")
    if name.lower() in _RESERVED:
        raise ValueError("this header is set by the gateway alone")
    return name


def _check_value(value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise ValueError("a header has no line end and no control character")
    return value.strip(" \t")


def _take_whole(value: object) -> object:
    """Read 1.0 as 1, which are one integer in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = Annotated[int, BeforeValidator(_take_whole)]
HeaderName = Annotated[str, AfterValidator(_check_name)]
HeaderValue = Annotated[str, Field(max_length=MAX_VALUE_CHARS), AfterValidator(_check_value)]


class ProbeOptions(BaseModel):
    """What a task asks of each of its URLs. Every field has a default, so that tasks stored without it can be read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    follow_redirects: bool = Field(default=False, description="Whether redirects are followed, at most ten.")
    headers: dict[HeaderName, HeaderValue] = Field(
        {},
        max_length=MAX_HEADERS,
        json_schema_extra={"propertyNames": {"pattern": _NAME_SCHEMA}, "additionalProperties": _VALUE_SCHEMA},
        description=(
            "Headers of each request, as `User-Agent`; a redirect to another origin does not get them. They are "
            "forgotten when the task has ended."
        ),
    )
    timeout_s: float | None = Field(None, gt=0, le=MAX_S, description="Seconds for one URL, at most `PROBE_TIMEOUT`.")
    retries: WholeNumber = Field(
        1,
        ge=0,
        le=MAX_RETRIES,
        description=(
            "How often a URL is asked again: some seconds after no answer or a 5xx, or after the wait that its site "
            "asked for by Retry-After. The seconds count for `timeout_s`, the wait does not."
        ),
    )
    max_age_s: float | None = Field(
        None,
        ge=0,
        le=MAX_S,
        description="How old an answer of the cache may be, at most `TIMEOUT`; 0: every URL is asked anew.",
    )

    @cached_property
    def variant(self) -> str:
        """The part of a key by options that change the answer; empty for the defaults."""
        if not self.headers and self.timeout_s is None:
            return ""
        asked = self.model_dump_json(include={"headers", "timeout_s"})
        return f"#{blake2b(asked.encode(), digest_size=16).hexdigest()}"


class ProbeRequest(NamedTuple):
    """One URL, in the normal form of `urls`, and what is asked of it."""

    url: str
    options: ProbeOptions = ProbeOptions()

    @property
    def key(self) -> str:
        """Requests with the same key get the same answer: they share a probe and an entry of the cache."""
        url = self.url
        if len(url) > KEY_CHARS:
            url = f"{url[: KEY_CHARS // 2]}#{blake2b(url.encode(), digest_size=16).hexdigest()}"
        return f"{'L' if self.options.follow_redirects else ''}{url}{self.options.variant}"
