"""What a task looks like as a whole: how long answers took, and how each domain does. No I/O.

All rows are read, in turns with the event loop.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from anyio.lowlevel import checkpoint

from .selection import is_bad, read_domains
from .table import ProbeTable

TURN_ROWS = 1000


@dataclass(frozen=True, slots=True)
class DomainHealth:
    """How many URLs of a domain are known, and how many of them bad; `query` is a text that finds the bad ones."""

    domain: str
    bad: int
    total: int
    query: str


@dataclass(frozen=True, slots=True)
class Overview:
    """A task as a whole.

    `times` says how many answers took at most 2**n ms, and longer than half of that, by n; `percentiles_s` are the
    seconds within which 50 %, 95 % and all of them came, none without answers. Of `domains`, the worst come first.
    """

    times: Mapping[int, int]
    percentiles_s: Sequence[float]
    domains: Sequence[DomainHealth]


async def read_overview(table: ProbeTable) -> Overview:
    """The overview of what is known of a task by now."""
    await read_domains(table)
    times, seconds = Counter[int](), list[float]()
    totals, bad, queries = Counter[str](), Counter[str](), dict[str, str]()
    for count, place in enumerate(list(table.landed), 1):
        row, domain = table.rows[place], (table.domains or ())[place]
        if row is None:
            continue
        if row[1] and row[5] is not None:
            seconds.append(row[5])
            times[_find_exponent(row[5])] += 1
        if domain:
            totals[domain] += 1
            if is_bad(row):
                bad[domain] += 1
                query = _find_query(domain, table.urls[place])
                queries[domain] = _share_query(domain, queries.get(domain, query), query)
        if count % TURN_ROWS == 0:
            await checkpoint()
    worst = sorted(bad, key=lambda domain: (-bad[domain], -bad[domain] / totals[domain], domain))
    return Overview(
        times,
        _find_percentiles(sorted(seconds)),
        [DomainHealth(name, bad[name], totals[name], queries[name]) for name in worst],
    )


def _find_exponent(elapsed_s: float) -> int:
    return (max(1, ceil(elapsed_s * 1000)) - 1).bit_length()


def _find_percentiles(seconds: Sequence[float]) -> list[float]:
    return [seconds[ceil(share * len(seconds)) - 1] for share in (0.5, 0.95, 1)] if seconds else []


def _find_query(domain: str, url: str) -> str:
    """A text that finds a URL of a domain: `//a.example/`, or the domain as it is written, such as `münchen.de`."""
    text = url.casefold()
    if domain in text:
        found = text.find(f"//{domain}")
        return domain if found < 0 else text[found : found + len(domain) + 3]
    authority = url.partition("//")[2] or url
    for end in "/?#\\":
        authority = authority.partition(end)[0]
    return authority.rpartition("@")[2] or domain


def _share_query(domain: str, one: str, other: str) -> str:
    """A text that finds what two of `_find_query` find, such as `//a.example` of `//a.example/` and `//a.example:`."""
    return next((text for text in (one, f"//{domain}", domain) if text in other), one)
