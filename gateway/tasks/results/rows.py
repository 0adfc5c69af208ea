"""What is known of one URL as a row in Redis: writes it, reads it, and makes a `Probe` of it for clients.

Rows are validated strictly: anyone who can write to Redis may have changed them.
"""

import logging
from collections.abc import Callable, Iterable
from textwrap import shorten
from typing import Annotated, Any, TypeVar, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from gateway.tasks.models import Hop, Probe, ProbeError, ProbeOutcome, ProbeResult, Verdict
from gateway.tasks.probe.verdict import judge

logger = logging.getLogger("gateway.tasks")

T = TypeVar("T")
V = TypeVar("V")
Code = Annotated[int, Field(ge=0, le=999)]
Redirects = tuple[str | None, list[tuple[Code, str]], str]
"""Location, (code, URL) of each hop, final URL: of a probe that followed redirects."""
_Row7 = tuple[int, Code, ProbeError | None, str | None, bool, float | None, str | Redirects | None]
"""A row as the version before wrote it."""
Row = tuple[int, Code, ProbeError | None, str | None, bool, float | None, str | Redirects | None, Verdict, int]
"""Place, code, error, detail, cached, elapsed_s, location or redirects, verdict, attempts: the fields of `Probe`."""

_ROWS = TypeAdapter(list[Row | _Row7], config=ConfigDict(strict=True, allow_inf_nan=False))


def write_rows(results: Iterable[ProbeResult]) -> bytes:
    """One chunk of probes."""
    return to_json(
        [
            (
                *(place, outcome.code, outcome.error and outcome.error.value, outcome.detail, cached),
                *(outcome.elapsed_s, write_redirects(outcome), outcome.verdict.value, outcome.attempts),
            )
            for place, outcome, cached in results
        ]
    )


def read_chunk(chunk: bytes) -> list[Row]:
    """The rows of one chunk of probes; none if it cannot be read, which the log says."""
    try:
        return list(map(_complete_row, parse_value(_ROWS.validate_json, chunk)))
    except ValueError as error:
        logger.warning("probes of a task cannot be read: %s", error)
        return []


def read_probe(index: int, url: str, row: Row | None) -> Probe:
    """What is known of the URL at the place `index`, as a client sees it."""
    if row is None:
        return Probe(index, url, None, None, None, None, False, None, None, None, None, None)  # noqa: FBT003
    _, code, error, detail, cached, elapsed_s, redirects, verdict, attempts = row
    location, hops, final_url = read_redirects(redirects)
    return Probe(
        index, url, code, error, verdict, detail, cached, elapsed_s, attempts, location, hops or None, final_url
    )


def write_redirects(outcome: ProbeOutcome) -> str | Redirects | None:
    """The location of an answer, with its redirects if it has some, as a row and an entry of the cache have them."""
    if not outcome.hops:
        return outcome.location
    return outcome.location, [(hop.code, hop.url) for hop in outcome.hops], outcome.final_url or ""


def read_redirects(redirects: str | Redirects | None) -> tuple[str | None, tuple[Hop, ...], str | None]:
    """Location, hops and final URL, from what `write_redirects` wrote."""
    if not isinstance(redirects, tuple):
        return redirects, (), None
    location, hops, final_url = redirects
    return location, tuple(Hop(code, url) for code, url in hops), final_url


def parse_value(validate: Callable[[V], T], value: V) -> T:
    """What a validator of pydantic gives.

    :raises ValueError: it is of another form: the first fault, in one line and without the value.
    """
    try:
        return validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(shorten(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 200)) from None


def _complete_row(row: tuple[Any, ...]) -> Row:
    """Complete a row of the version before, which had no verdict and asked each URL once."""
    if len(row) == 7:
        _, code, error, _, cached, _, redirects = row
        location, hops, final_url = read_redirects(redirects)
        attempts = 0 if cached else 1
        outcome = ProbeOutcome(code, error, location=location, hops=hops, final_url=final_url, attempts=attempts)
        row = (*row, judge("", outcome).verdict, attempts)
    return cast(Row, row)
