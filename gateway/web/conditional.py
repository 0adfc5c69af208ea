"""Conditional requests and ranges of a file (RFC 9110, sections 13 and 14).

Pure: validators and header values in, a plan out. Knows no file and no framework.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from werkzeug.datastructures import ETags, Headers
from werkzeug.http import http_date, parse_date, parse_etags

from gateway.errors import GatewayError

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
    """A strong entity tag and, where it is known, the time of the last change."""

    etag: str
    modified: datetime | None = None

    @property
    def headers(self) -> dict[str, str]:
        """ETag and Last-Modified, which is never in the future (RFC 9110, 8.8.2.1)."""
        headers = {"ETag": f'"{self.etag}"'}
        if self.modified:
            headers["Last-Modified"] = http_date(min(self.modified, datetime.now(UTC)))
        return headers

    @property
    def modified_s(self) -> datetime | None:
        """The time of the last change in whole seconds, as headers have it."""
        return self.modified and self.modified.replace(microsecond=0)


class PreconditionFailed(GatewayError):
    """The file is not, or no longer, the one that the request is meant for."""

    status, code = 412, "precondition-failed"


class RangeNotSatisfiable(GatewayError):
    """The file has none of the bytes asked for."""

    status, code = 416, "range-not-satisfiable"

    @property
    def headers(self) -> dict[str, str]:
        """Content-Range with the size of the file."""
        return {"Content-Range": f"bytes */{self.fields['size_bytes']}"}


@dataclass(frozen=True)
class Plan:
    """The response to a request for a file: its status, and the spans of the file in its body, in order."""

    status: int
    spans: tuple[Span, ...] = ()


def plan_answer(headers: Headers, validators: Validators, size_bytes: int, *, is_get: bool) -> Plan:
    """200, 206 or 304, in the order of precedence of 13.2.2. `Range` counts with GET alone (14.2).

    :raises PreconditionFailed: `If-Match` or `If-Unmodified-Since` names another state.
    :raises RangeNotSatisfiable: no range lies in the file.
    """
    if not _meets_preconditions(headers, validators):
        raise PreconditionFailed("The file has changed.")
    if not _is_modified(headers, validators):
        return Plan(304)
    spans = None
    if is_get and "Range" in headers and _is_range_current(headers.get("If-Range"), validators):
        spans = parse_range(headers["Range"], size_bytes)
    if spans is None:
        return Plan(200, (Span(0, size_bytes),))
    if not spans:
        raise RangeNotSatisfiable("The file has none of these bytes.", size_bytes=size_bytes)
    return Plan(206, spans)


def check_change(headers: Headers, validators: Validators | None) -> None:
    """The conditions of a request that changes or removes the file; `validators` is None where there is no file.

    `If-Modified-Since` is for reading alone (13.1.3), and no date is compared without a file (13.1.4).

    :raises PreconditionFailed: one of them is false.
    """
    if validators is None:
        met = "If-Match" not in headers
    else:
        unwanted = _read_etags(headers, "If-None-Match")
        met = _meets_preconditions(headers, validators) and not unwanted.contains_weak(validators.etag)
    if not met:
        raise PreconditionFailed("The file is not in the state that the request names.")


def _meets_preconditions(headers: Headers, validators: Validators) -> bool:
    if "If-Match" in headers:
        return bool(_read_etags(headers, "If-Match").contains(validators.etag))
    limit, modified_s = _read_date(headers.get("If-Unmodified-Since")), validators.modified_s
    return limit is None or modified_s is None or modified_s <= limit


def _is_modified(headers: Headers, validators: Validators) -> bool:
    if "If-None-Match" in headers:
        return not _read_etags(headers, "If-None-Match").contains_weak(validators.etag)
    limit, modified_s = _read_date(headers.get("If-Modified-Since")), validators.modified_s
    return limit is None or modified_s is None or modified_s > limit


def _read_etags(headers: Headers, name: str) -> ETags:
    """The entity tags of a header; several lines of one name are one list (5.3)."""
    return parse_etags(", ".join(headers.getlist(name)))


def _is_range_current(if_range: str | None, validators: Validators) -> bool:
    """Whether If-Range has a strong validator of the current file (13.1.5)."""
    if if_range is None:
        return True
    date = _read_date(if_range)
    if date is None:
        return if_range.strip() == f'"{validators.etag}"'
    if validators.modified_s is None:
        return False
    # A date is strong once no other change can fall into the same second (8.8.2.2).
    settled = datetime.now(UTC) - validators.modified_s > timedelta(seconds=1)
    return settled and date == validators.modified_s


def _read_date(value: str | None) -> datetime | None:
    """The date of a header; None without one, or if it is malformed: then the header is ignored (13.1.3)."""
    try:
        return parse_date(value)
    except OverflowError:  # werkzeug, for a number of 20 digits
        return None


def parse_range(value: str, size_bytes: int) -> tuple[Span, ...] | None:
    """The spans that a Range header asks for, in its order; `()` if the file has none of them; None: ignore the header.

    Other units, bad syntax, more than 16 ranges, and ranges that add up to more than the file are ignored (14.2).
    """
    found = _RANGE_SET.fullmatch(value.strip())
    if found is None:
        return None
    spans: list[Span] = []
    for spec in re.split(r"[ \t]*,[ \t]*", found[1]):
        if not spec:
            continue
        first, _, last = spec.partition("-")
        if (not first and not last) or (first and last and _to_int(last) < _to_int(first)):
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
    """A number of any length; over 20 digits it is only larger than every file."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def encode_disposition(kind: str, name: str) -> str:
    """A Content-Disposition with the file name for old and new clients (RFC 6266, appendix D; RFC 8187)."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    encoded = quote(name, safe="!#$&+-.^_`|~")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
