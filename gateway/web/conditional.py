"""Which part of a file an HTTP request asks for: preconditions and ranges (RFC 9110, sections 13 and 14).

Pure: validators and header values in, a plan out. Knows no file and no framework.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from werkzeug.datastructures import Headers
from werkzeug.http import http_date, parse_etags

from gateway.errors import GatewayError

from .http_date import read_date

_MAX_RANGES = 16
_RANGE_SET = re.compile(
    r"bytes=[ \t]*(?:,[ \t]*)*([0-9]*-[0-9]*(?:[ \t]*,[ \t]*(?:[0-9]*-[0-9]*)?)*)[ \t]*", re.IGNORECASE
)
_MAX_DIGITS = 20


@dataclass(frozen=True)
class Span:
    """Bytes from `start` to before `end`."""

    start: int
    end: int

    def describe(self, size_bytes: int) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{size_bytes}"


@dataclass(frozen=True)
class Validators:
    """What tells one state of a file from another: a strong entity tag and the time of its last change."""

    etag: str
    modified: datetime

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry them; a time to come is not told (RFC 9110, 8.8.2.1)."""
        return {"ETag": f'"{self.etag}"', "Last-Modified": http_date(min(self.modified, datetime.now(UTC)))}

    @property
    def modified_s(self) -> datetime:
        """The time as a header can say it: in whole seconds."""
        return self.modified.replace(microsecond=0)


class PreconditionFailed(GatewayError):
    """The file is not, or no longer, the one the request is meant for."""

    status, code = 412, "precondition-failed"


class RangeNotSatisfiable(GatewayError):
    """The file has none of the bytes asked for."""

    status, code = 416, "range-not-satisfiable"

    @property
    def headers(self) -> dict[str, str]:
        """The size of the file, as the answer must tell it."""
        return {"Content-Range": f"bytes */{self.fields['size_bytes']}"}


@dataclass(frozen=True)
class Plan:
    """The answer to a request for a file: its status, and which spans of the file its body has, in order."""

    status: int
    spans: tuple[Span, ...] = ()


def plan_answer(headers: Headers, validators: Validators, size_bytes: int, *, is_get: bool) -> Plan:
    """200, 206 or 304, in the order of precedence of 13.2.2. `Range` counts with GET alone (14.2).

    :raises PreconditionFailed: `If-Match` or `If-Unmodified-Since` names another state.
    :raises RangeNotSatisfiable: no range lies in the file.
    """
    if not _is_matched(headers, validators):
        raise PreconditionFailed("The file has changed.")
    if not _is_modified(headers, validators):
        return Plan(304)
    asked = headers.get("Range") if is_get else None
    if asked is None or not _is_range_current(headers.get("If-Range"), validators):
        return Plan(200, (Span(0, size_bytes),))
    spans = parse_range(asked, size_bytes)
    if spans is None:
        return Plan(200, (Span(0, size_bytes),))
    if not spans:
        raise RangeNotSatisfiable("The file has none of these bytes.", size_bytes=size_bytes)
    return Plan(206, spans)


def _is_matched(headers: Headers, validators: Validators) -> bool:
    if "If-Match" in headers:
        return bool(parse_etags(headers["If-Match"]).contains(validators.etag))
    limit = read_date(headers.get("If-Unmodified-Since"))
    return limit is None or validators.modified_s <= limit


def _is_modified(headers: Headers, validators: Validators) -> bool:
    if "If-None-Match" in headers:
        return not parse_etags(headers["If-None-Match"]).contains_weak(validators.etag)
    limit = read_date(headers.get("If-Modified-Since"))
    return limit is None or validators.modified_s > limit


def _is_range_current(if_range: str | None, validators: Validators) -> bool:
    """Whether the part asked for belongs to the file as it is now (13.1.5): only a strong validator says so."""
    if if_range is None:
        return True
    date = read_date(if_range)
    if date is None:
        return if_range.strip() == f'"{validators.etag}"'
    # A date is strong once no second change could have fallen into the same second (8.8.2.2).
    settled = datetime.now(UTC) - validators.modified_s > timedelta(seconds=1)
    return settled and date == validators.modified_s


def parse_range(value: str, size_bytes: int) -> tuple[Span, ...] | None:
    """The spans a Range header asks for, in its order; `()` if none of them exists; None if it is to be ignored.

    Ignored, as 14.2 allows, are other units, bad syntax, and ranges that are many or ask for more than the file
    has: an answer of the whole file is never longer than what they ask for.
    """
    found = _RANGE_SET.fullmatch(value.strip())
    if found is None:
        return None
    spans: list[Span] = []
    for spec in re.split(r"[ \t]*,[ \t]*", found[1]):
        if not spec:
            continue
        first, _, last = spec.partition("-")
        if not first and not last:
            return None
        if first and last and _to_int(last) < _to_int(first):
            return None
        if first:
            span = Span(_to_int(first), min(_to_int(last) + 1, size_bytes) if last else size_bytes)
        else:
            span = Span(max(size_bytes - _to_int(last), 0), size_bytes)
        if span.start < span.end:
            spans.append(span)
    if len(spans) > 1 and (len(spans) > _MAX_RANGES or sum(s.end - s.start for s in spans) > size_bytes):
        return None
    return tuple(spans)


def _to_int(digits: str) -> int:
    """A number of any length: past 20 digits it is larger than every file."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def encode_disposition(kind: str, name: str) -> str:
    """A Content-Disposition with a file name for old and new clients (RFC 6266, appendix D; RFC 8187)."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    encoded = "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "!#$&+-.^_`|~") else f"%{byte:02X}"
        for byte in name.encode()
    )
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
