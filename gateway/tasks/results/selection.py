"""Filters and sorts the URLs of a task. No I/O.

Filtering and sorting 10,000 URLs takes some ms. Finding their domains can take longer, and yields to the event loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError
from gateway.tasks.models import ProbeError, Verdict
from gateway.tasks.probe.targets import read_targets

from .rows import Row
from .table import ProbeTable

BAD_CODE = 400
"""A code from this one on is bad, and so is no answer."""

_SORTS = ("sent", "code", "time", "url", "domain", "bad")
SHOW = rf"(?:bad|none|[2-5]xx|[1-9][0-9][0-9]|{'|'.join([*Verdict, *ProbeError])})?"
SORT = rf"(?:-?(?:{'|'.join(_SORTS)}))?"
"""Patterns of `Selection.show` and `Selection.sort`; both may be empty."""


class NothingSelected(GatewayError):
    """No URL of the task is as it was asked for."""

    status, code = 409, "nothing-selected"


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a task that is asked for.

    `show` is `bad` (no answer, or a code of 400 and over), a class of codes as `name_class` has them, a code, an error
    or a verdict; `query` is a text that is in the URL, in any case; `sort` names an order, with `-` the other way
    round.
    """

    show: str = ""
    query: str = ""
    sort: str = ""

    async def find_places(self, table: ProbeTable) -> Sequence[int]:
        """The places of these URLs in the list sent, in this order; URLs without the key of the order come last."""
        places: Sequence[int] = range(len(table.urls))
        if self.show:
            shows = _choose_filter(self.show)
            places = [place for place in places if (row := table.rows[place]) is not None and shows(row)]
        if self.query:
            text = self.query.casefold()
            places = [place for place in places if text in table.urls[place].casefold()]
        return await self._sort(places, table)

    async def _sort(self, places: Sequence[int], table: ProbeTable) -> Sequence[int]:
        name, backwards = self.sort.removeprefix("-"), self.sort.startswith("-")
        if name in ("", "sent"):
            return places[::-1] if backwards else places
        if name == "domain":
            await read_domains(table)
        find_key = _choose_key(name, table)
        keys = {place: key for place in places if (key := find_key(place)) is not None}
        unknown = [place for place in places if place not in keys]
        return [*sorted(keys, key=keys.__getitem__, reverse=backwards), *unknown]


def name_class(code: int | None) -> str:
    """The class of a code: `2xx` to `5xx`, `none` without an answer, empty while nothing is known.

    Codes of 600 and over, such as 999 of LinkedIn, count as 5xx (RFC 9110, 15); 101 counts as 2xx.
    """
    if code is None:
        return ""
    return f"{min(max(code // 100, 2), 5)}xx" if code else "none"


def is_bad(row: Row) -> bool:
    """Whether there was no answer, or one with a code of `BAD_CODE` and over."""
    return row[1] == 0 or row[1] >= BAD_CODE


def _choose_filter(show: str) -> Callable[[Row], bool]:
    """The filter for `show`, which is not empty."""
    if show == "bad":
        return is_bad
    if show == "none" or show.endswith("xx"):
        return lambda row: name_class(row[1]) == show
    if show.isdigit():
        return lambda row: row[1] == int(show)
    return lambda row: show in (row[2], row[7])


def _choose_key(name: str, table: ProbeTable) -> Callable[[int], Any]:
    """The sort key of a place, as a function; it returns None where the key is not known."""
    rows, urls, domains = table.rows, table.urls, table.domains or ()
    keys: dict[str, Callable[[int], Any]] = {
        "code": lambda place: None if (row := rows[place]) is None else (row[1], row[2] or ""),
        "time": lambda place: None if (row := rows[place]) is None else row[5],
        "url": lambda place: urls[place],
        "domain": lambda place: domains[place] or None,
        "bad": lambda place: None if (row := rows[place]) is None else not is_bad(row),
    }
    return keys[name]


async def read_domains(table: ProbeTable) -> None:
    """Find the domain of each URL, empty where it has none, once for a table."""
    if table.domains is not None:
        return
    table.domains = [target.domain or "" async for target in read_targets(table.urls)]
