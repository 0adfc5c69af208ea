"""The URLs of a task that are asked for, and their order."""

import pytest

from gateway.errors import Unprocessable
from gateway.tasks.models import ProbeError, Verdict
from gateway.tasks.operations import read_selection
from gateway.tasks.results.rows import Row
from gateway.tasks.results.table import ProbeTable

pytestmark = pytest.mark.anyio

URLS = [
    "http://b.example/Old", "http://a.example/%20x", "http://A.example:81/y", "http://c.example/", "no scheme at all",
    "http://b.example/new", "http://b.example/unknown",
]  # fmt: skip
KNOWN: list[tuple[int, ProbeError | None, float | None, Verdict]] = [
    (404, None, 0.5, Verdict.BROKEN), (200, None, 0.1, Verdict.OK), (301, None, None, Verdict.MOVED),
    (0, ProbeError.TIMEOUT, 30.0, Verdict.UNSURE), (0, ProbeError.INVALID_URL, None, Verdict.INVALID),
    (503, None, 0.2, Verdict.BROKEN),
]  # fmt: skip


@pytest.fixture
def table() -> ProbeTable:
    """A running task: all but the last of its URLs are known."""
    table = ProbeTable(b"now", URLS, 0)
    rows: list[Row] = [
        (place, code, error, None, False, seconds, None, verdict, 1)
        for place, (code, error, seconds, verdict) in enumerate(KNOWN)
    ]
    table.add_rows(reversed(rows), 0)
    return table


@pytest.mark.parametrize(
    ("show", "places"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6]), ("bad", [0, 3, 4, 5]), ("none", [3, 4]), ("2xx", [1]), ("3xx", [2]), ("4xx", [0]),
        ("5xx", [5]), ("404", [0]), ("418", []), ("timeout", [3]), ("invalid_url", [4]), ("dns", []),
        ("ok", [1]), ("moved", [2]), ("unsure", [3]), ("broken", [0, 5]), ("invalid", [4]),
    ],
)  # fmt: skip
async def test_show(table: ProbeTable, show: str, places: list[int]) -> None:
    """A class, a code, an error, a verdict or what is bad; what is not known yet is none of these."""
    assert list(await read_selection({"show": show}).find_places(table)) == places


@pytest.mark.parametrize(
    ("show", "places"), [("2xx", [0, 1]), ("5xx", [2, 3, 4]), ("bad", [2, 3, 4, 5]), ("none", [5]), ("999", [4])]
)
async def test_codes_without_class(show: str, places: list[int]) -> None:
    """A code of 600 and over counts as 5xx, 101 as 2xx."""
    codes = [101, 200, 500, 600, 999, 0]
    table = ProbeTable(b"now", ["http://a.example/"] * len(codes), 0)
    rows: list[Row] = [(place, code, None, None, False, 0.1, None, Verdict.OK, 1) for place, code in enumerate(codes)]
    table.add_rows(rows, 0)
    assert list(await read_selection({"show": show}).find_places(table)) == places


@pytest.mark.parametrize(("query", "places"), [("old", [0]), ("EXAMPLE/", [0, 1, 3, 5, 6]), ("%20", [1]), ("zzz", [])])
async def test_query(table: ProbeTable, query: str, places: list[int]) -> None:
    """A text anywhere in the URL as it was sent, in any case."""
    assert list(await read_selection({"q": query}).find_places(table)) == places


@pytest.mark.parametrize(
    ("sort", "places"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6]), ("sent", [0, 1, 2, 3, 4, 5, 6]), ("-sent", [6, 5, 4, 3, 2, 1, 0]),
        ("code", [4, 3, 1, 2, 0, 5, 6]), ("-code", [5, 0, 2, 1, 3, 4, 6]),
        ("time", [1, 5, 0, 3, 2, 4, 6]), ("-time", [3, 0, 5, 1, 2, 4, 6]),
        ("url", [2, 1, 0, 5, 6, 3, 4]), ("-url", [4, 3, 6, 5, 0, 1, 2]),
        ("domain", [1, 2, 0, 5, 6, 3, 4]), ("-domain", [3, 0, 5, 6, 1, 2, 4]),
        ("bad", [0, 3, 4, 5, 1, 2, 6]), ("-bad", [1, 2, 0, 3, 4, 5, 6]),
    ],
)  # fmt: skip
async def test_sort(table: ProbeTable, sort: str, places: list[int]) -> None:
    """Equal ones are in the order sent, either way round, and what is not known is behind all."""
    assert list(await read_selection({"sort": sort}).find_places(table)) == places


async def test_together(table: ProbeTable) -> None:
    """All three at once."""
    selection = read_selection({"show": "bad", "q": "b.example", "sort": "-code"})
    assert list(await selection.find_places(table)) == [5, 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("show", "worse"), ("show", "099"), ("show", "0"), ("show", "6xx"), ("show", "BAD"), ("show", "bad,none"),
        ("sort", "size"), ("sort", "--code"), ("sort", "-"), ("sort", "code\n"),
    ],
)  # fmt: skip
def test_wrong_words(name: str, value: str) -> None:
    """Another word is refused in a sentence that names those there are."""
    with pytest.raises(Unprocessable, match=f"{name} must be `") as refused:
        read_selection({name: value})
    assert refused.value.fields == {"field": name}
