"""The pictures of a task: what is in them, and that they need no style."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID
from xml.etree import ElementTree

import pytest

from gateway.tasks.chips import count_bad, count_kinds, list_chips
from gateway.tasks.models import ProbeError, ProbeOutcome, ProbeResult, Task, TaskStatus
from gateway.tasks.pictures import draw_bar, draw_task
from gateway.tasks.progress import describe_task
from gateway.tasks.results.overview import Overview, read_overview
from gateway.tasks.results.rows import read_chunk, write_rows
from gateway.tasks.results.selection import Selection
from gateway.tasks.results.table import ProbeTable
from gateway.tasks.words import RUSSIAN
from gateway.web.i18n import Translator

NOW = datetime(2026, 11, 29, tzinfo=UTC)
ENGLISH = Translator("en")


def make_task(counts: dict[str, int], total: int, status: TaskStatus = TaskStatus.READY, seconds: float = 4) -> Task:
    """A task of these codes that took so long."""
    begun = NOW - timedelta(seconds=seconds)
    ended = None if status is TaskStatus.RUNNING else NOW
    done = sum(counts.values())
    return Task(
        id=UUID(int=1), status=status, result=None, total=total, done=done, counts=counts, verdicts={},
        created_at=begun, finished_at=ended,
    )  # fmt: skip


def read_widths(svg: str) -> dict[str, float]:
    """The width of each kind in a bar, in per cent."""
    rects = [part.attrib for part in ElementTree.fromstring(svg).iter("rect")]
    return {rect["class"]: float(rect["width"].rstrip("%")) for rect in rects if "class" in rect}


def test_bar() -> None:
    """A part is as wide as its share, a small one can be seen, and what is not known yet is left free."""
    widths = read_widths(draw_bar({"2xx": 5000, "4xx": 1}, 10_000, 'say "1 < 2"'))
    assert widths["k2xx"] == 50
    assert 0.5 < widths["k4xx"] < 1
    crowded = read_widths(draw_bar({"2xx": 9_996, "3xx": 1, "4xx": 1, "5xx": 1, "none": 1}, 10_000, ""))
    assert sum(crowded.values()) == pytest.approx(100, abs=0.01)


def test_chips() -> None:
    """Each chip counts what its filter finds."""
    task = make_task({"200": 5, "204": 1, "301": 2, "404": 3, "503": 1, "999": 1, "timeout": 2}, 20)
    assert {chip.show: chip.count for chip in list_chips(task)} == {
        "": 20, "bad": 7, "2xx": 6, "3xx": 2, "4xx": 3, "5xx": 2, "none": 2,
    }  # fmt: skip
    assert count_kinds(task.counts) == {"2xx": 6, "3xx": 2, "4xx": 3, "5xx": 2, "none": 2}
    assert count_bad(task.counts) == 7


async def make_overview() -> Overview:
    """Of a table with answers after 1, 3, 4 and 600 ms and a failure, on two domains."""
    urls = [
        "http://a.example/",
        "http://a.example/2",
        "https://MÜNCHEN.example/x",
        "http://a.example/3",
        "http://b.example/",
    ]
    outcomes = [
        ProbeOutcome(200, elapsed_s=0.001), ProbeOutcome(404, elapsed_s=0.003), ProbeOutcome(500, elapsed_s=0.004),
        ProbeOutcome(200, elapsed_s=0.6), ProbeOutcome(0, ProbeError.TIMEOUT, elapsed_s=3),
    ]  # fmt: skip
    table = ProbeTable(b"", urls, 0)
    landings = [ProbeResult(place, outcome, cached=False) for place, outcome in enumerate(outcomes)]
    table.add_rows(read_chunk(write_rows(landings)), 0)
    return await read_overview(table)


@pytest.mark.anyio
async def test_overview() -> None:
    """Times are counted by powers of two, domains by what is bad of them; a failure has no time to answer."""
    overview = await make_overview()
    assert overview.times == {0: 1, 2: 2, 10: 1}
    assert overview.percentiles_s == [0.003, 0.6, 0.6]
    assert [(each.domain, each.bad, each.total, each.query) for each in overview.domains] == [
        ("b.example", 1, 1, "//b.example/"),
        ("xn--mnchen-3ya.example", 1, 1, "MÜNCHEN.example"),
        ("a.example", 1, 3, "//a.example/"),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("urls", "query"),
    [
        (["http://a.example/", "HTTPS://A.example/2", "http://b.example/?u=a.example"], "//a.example/"),
        (["http://a.example/", "http://a.example:81/", "http://www.a.example/"], "//a.example"),
        (["http://a.example", "http://b.example"], "//a.example"),
        (["http://a.example/", "a.example/", "http://me@a.example/"], "a.example"),
        (["http://1.2.3.4/", "http://1.2.3.40/", "http://1.2.3.4/x"], "//1.2.3.4/"),
    ],
)
async def test_urls_of_a_domain(urls: list[str], query: str) -> None:
    """The filter of a domain finds its bad URLs, and no others that have its name in them."""
    table = ProbeTable(b"", urls, 0)
    landings = [ProbeResult(place, ProbeOutcome(404, elapsed_s=1), cached=False) for place in range(len(urls))]
    table.add_rows(read_chunk(write_rows(landings)), 0)
    domain = next(each for each in (await read_overview(table)).domains if query.strip("/") == each.domain)
    assert domain.query == query
    assert len(await Selection(show="bad", query=query).find_places(table)) == domain.bad


@pytest.mark.anyio
async def test_histogram() -> None:
    """The histogram has a column for each power of two, its sentence, and no style."""
    drawn = draw_task(make_task({"200": 2, "404": 1, "500": 1, "timeout": 1}, 5), await make_overview(), ENGLISH)
    svg = ElementTree.fromstring(drawn["histogram"])
    assert svg.attrib["aria-label"].startswith("Time to answer: half within 3 ms, 95 % within 0.6 s")
    assert len([*svg.iter("rect")]) == 3
    assert len([*svg.iter("text")]) <= 7
    assert not re.search(r"\bstyle\b", drawn["histogram"] + drawn["bar"])
    assert [count for _, count, _ in drawn["columns"]] == [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (make_task({}, 10, TaskStatus.RUNNING), "queued: none of 10 is known yet"),
        (make_task({"200": 4000}, 10_000, TaskStatus.RUNNING), "4,000 of 10,000 · 1,000 a second · 6.0 s left"),
        (make_task({"200": 1}, 100, TaskStatus.RUNNING), "1 of 100 · 7 min left"),
        (make_task({"200": 312}, 312), "All 312 answer · in 4.0 s"),
        (make_task({"404": 20}, 20), "All 20 are bad · in 4.0 s"),
        (make_task({"200": 1}, 1), "It answers · in 4.0 s"),
        (make_task({"dns": 1}, 1), "It is bad · in 4.0 s"),
        (make_task({"200": 3, "404": 1}, 4), "1 of 4 are bad · in 4.0 s"),
        (make_task({"200": 3}, 4, TaskStatus.CANCELLED), "stopped at 3 of 4"),
    ],
)
def test_sentences(task: Task, words: str) -> None:
    """The sentence says where a task stands."""
    assert describe_task(task, ENGLISH, NOW) == words


@pytest.mark.parametrize(
    ("counts", "words"), [({"404": 20}, "Все 20 плохие"), ({"404": 1}, "Ссылка плохая"), ({"200": 2}, "Отвечают все 2")]
)
def test_sentences_in_russian(counts: dict[str, int], words: str) -> None:
    """In Russian too a URL that answers 404 is bad, and not one that does not answer."""
    said = describe_task(make_task(counts, sum(counts.values())), Translator("ru", RUSSIAN), NOW)
    assert said.partition(" · ")[0] == words
