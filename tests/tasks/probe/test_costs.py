"""One site cannot stop the gateway: whatever it answers, a URL costs about as little CPU as any other."""

import asyncio
import os

import pytest

from gateway.tasks.models import ProbeOutcome
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeRequest
from tests.site import Line, Site, always
from tests.tasks.probe.answers import CHUNKED, EMPTY, OK
from tests.tasks.probe.costs import COSTLY, LIMIT_MS, answer_all, make_answer, measure_urls, open_elsewhere

SEEDS = 2_000 if os.environ.get("TRIALS") == "full" else 40


def name_end(outcome: ProbeOutcome) -> int | str:
    """The code, or the word in its stead."""
    return outcome.code or str(outcome.error)


def test_costly_answers() -> None:
    """Answers made to cost CPU, each by another thing of which there is too much: known codes, at little cost."""
    answers = [answer for answer, _ in COSTLY.values()]
    with open_elsewhere(answer_all(answers)) as site:
        costs, outcomes = measure_urls([f"{site.url}/{number}" for number in range(len(answers))])
    assert {name: name_end(outcome) for name, outcome in zip(COSTLY, outcomes, strict=True)} == {
        name: end for name, (_, end) in COSTLY.items()
    }
    assert {name: cost for name, cost in zip(COSTLY, costs, strict=True) if cost > LIMIT_MS} == {}


@pytest.mark.slow
@pytest.mark.timeout(0 if SEEDS > 100 else 60)
def test_fuzzed_answers() -> None:
    """Answers of repeated pieces, drawn by chance: none costs much, a redirect twice as much."""
    answers = [make_answer(seed) for seed in range(SEEDS)]
    with open_elsewhere(answer_all(answers)) as site:
        costs, outcomes = measure_urls([f"{site.url}/{seed}" for seed in range(SEEDS)], timeout_s=0.2)
    assert len({name_end(outcome) for outcome in outcomes}) > 3
    assert {seed: (cost, answers[seed][:80]) for seed, cost in enumerate(costs) if cost > 2 * LIMIT_MS} == {}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "connections"),
    [(CHUNKED + (b"1000\r\n" + bytes(4096) + b"\r\n") * 15 + b"0\r\n\r\n", 1),
     (CHUNKED + b"64\r\n" + bytes(100) + b"\r\n" + b"0;a=b\r\nX: y\r\n\r\n", 1),
     (CHUNKED + b"1\r\nb\r\n" * 50 + b"0\r\n\r\n", 1), (CHUNKED + b"1\r\nb\r\n" * 500 + b"0\r\n\r\n", 3),
     (OK + b"X: y\r\n" * 100 + EMPTY, 1), (OK + b"X: y\r\n" * 200 + EMPTY, 3)],
)  # fmt: skip
async def test_kept_while_it_is_worth_it(answer: bytes, connections: int) -> None:
    """A usual answer leaves its connection to the next URL; one that costs more than a connection does not."""
    async with Site(always(answer)) as site, Prober(timeout_s=3, policy="any") as prober:
        outcomes = [await prober.probe(ProbeRequest(f"{site.url}/{i}")) for i in range(3)]
    assert {outcome.code for outcome in outcomes} == {200}
    assert site.connections == connections


@pytest.mark.anyio
async def test_head_in_many_packets() -> None:
    """A head that comes byte by byte (small devices send so) is read in few turns of the loop, and counts."""
    head = OK + b"X: " + b"y" * 300 + b"\r\n" + EMPTY

    async def script(line: Line) -> None:
        await line.read_head()
        await line.send(head, pause_s=0.002)
        await asyncio.sleep(1)

    async with Site(script) as site, Prober(timeout_s=5, policy="any") as prober:
        outcome = await prober.probe(ProbeRequest(f"{site.url}/"))
    assert outcome.code == 200


@pytest.mark.anyio
async def test_interim_answers() -> None:
    """Some interim answers are usual (103, 102), hundreds are none: it is said why."""
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    async with Prober(timeout_s=3, policy="any") as prober:
        for count, end in ((150, 200), (250, "protocol")):
            async with Site(always(interim * count + OK + EMPTY)) as site:
                outcome = await prober.probe(ProbeRequest(f"{site.url}/"))
            assert name_end(outcome) == end
    assert outcome.detail == "over 200 interim answers (1xx)"
