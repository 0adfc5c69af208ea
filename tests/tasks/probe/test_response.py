"""Answers of every kind, however they are cut into packets."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeRequest
from tests.programs import need
from tests.site import Line, Site, always
from tests.tasks.probe.answers import ANSWERS, EMPTY, NOT_AS_CURL, NOT_FOUND, OK

pytestmark = pytest.mark.anyio

AT_ONCE = 20


async def send_whole(line: Line, answer: bytes) -> None:
    """In as few packets as there can be."""
    await line.send(answer)


async def send_head_first(line: Line, answer: bytes) -> None:
    """What follows the first blank line comes later."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    await line.send(head + blank)
    await asyncio.sleep(0.02)
    await line.send(body)


async def send_in_pieces(line: Line, answer: bytes) -> None:
    """Byte by byte, or a long answer in about 200 pieces."""
    await line.send(answer, pause_s=0.0005, piece_bytes=len(answer) // 200 + 1)


@pytest.mark.parametrize("send", [send_whole, send_head_first, send_in_pieces])
async def test_answers(send: Callable[[Line, bytes], Awaitable[None]]) -> None:
    """An answer comes to the same whatever packets it arrives in."""
    answers = list(ANSWERS)

    async def script(line: Line) -> None:
        number = int((await line.read_head()).split(b" ")[1].strip(b"/"))
        await send(line, answers[number])
        await asyncio.sleep(0.05)

    places = asyncio.Semaphore(AT_ONCE)
    async with Site(script, hosts=("0.0.0.0",)) as site, Prober(timeout_s=5, policy="any") as prober:

        async def ask(number: int) -> int | str:
            async with places:  # each from a host of its own, so that no connection serves twice
                url = f"http://127.0.{number // 200 + 1}.{number % 200 + 1}:{site.port}/{number}"
                outcome = await prober.probe(ProbeRequest(url))
                assert (outcome.code == 0) == bool(outcome.detail)
                return outcome.code or str(outcome.error)

        ends = await asyncio.gather(*map(ask, range(len(answers))))
    assert {answer[:200]: end for answer, end in zip(answers, ends, strict=True) if end != ANSWERS[answer]} == {}
    assert site.connections == len(answers)


@pytest.mark.slow
async def test_as_curl() -> None:
    """Our code is the one that curl prints, but where there is a reason."""
    curl = need("curl")
    differing = set[bytes]().union(*NOT_AS_CURL.values())
    places = asyncio.Semaphore(4)

    async def ask(answer: bytes) -> int:
        async def script(line: Line) -> None:
            await line.read_head()
            await line.send(answer)
            await asyncio.sleep(0.05)

        async with places, Site(script) as site:
            process = await asyncio.create_subprocess_exec(
                curl, "-q", "-s", "-o", "/dev/null", "-m", "3", "-w", "%{http_code}", site.url,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            return int((await process.communicate())[0])

    codes = await asyncio.gather(*map(ask, ANSWERS))
    ours = [end if isinstance(end, int) else 0 for end in ANSWERS.values()]
    different = {answer: code for answer, code, our in zip(ANSWERS, codes, ours, strict=True) if code != our}
    assert {answer[:200]: code for answer, code in different.items() if answer not in differing} == {}


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 204 No\r\n\r\nhello", b"HTTP/1.1 304 No\r\n\r\nhello", OK + EMPTY + NOT_FOUND,
     b"HTTP/1.1 101 S\r\n\r\n", OK + b"Content-Length: 2\r\n\r\nok!",
     OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"],
)  # fmt: skip
async def test_doubtful_connection(answer: bytes) -> None:
    """A connection on which more came than was asked for does not serve the next URL."""
    async with Site(always(answer)) as site, Prober(timeout_s=3, policy="any") as prober:
        first, second = [await prober.probe(ProbeRequest(f"{site.url}/{i}")) for i in range(2)]
    assert first.code == second.code == int(answer.split(b" ")[1])
    assert site.connections == 2


async def test_late_answer() -> None:
    """An answer that comes after the one that was asked for is not taken for the answer to the next URL."""

    asked, late = asyncio.Event(), asyncio.Event()

    async def script(line: Line) -> None:
        while await line.read_head():
            await line.send(OK + EMPTY)
            await asked.wait()
            await line.send(NOT_FOUND)
            late.set()

    async with Site(script) as site, Prober(timeout_s=3, policy="any") as prober:
        codes = []
        for i in range(3):
            asked.clear()
            late.clear()
            codes.append((await prober.probe(ProbeRequest(f"{site.url}/{i}"))).code)
            asked.set()
            await late.wait()
            await asyncio.sleep(0.05)
    assert codes == [200] * 3
    assert site.connections == 3


async def test_kept_connection() -> None:
    """Good answers share a connection; when the site has closed it meanwhile, the next URL has another."""
    served = 0

    async def script(line: Line) -> None:
        nonlocal served
        for _ in range(3):
            await line.read_head()
            served += 1
            await line.send(OK + b"Content-Length: 2\r\n\r\nok\r\n" if served == 2 else OK + EMPTY)
        await line.read_head()  # and cuts the connection instead of an answer

    async with Site(script) as site, Prober(timeout_s=3, policy="any") as prober:
        outcomes = [await prober.probe(ProbeRequest(f"{site.url}/{i}")) for i in range(8)]
    assert [outcome.code for outcome in outcomes] == [200] * 8
    assert site.connections < 5


async def test_one_request() -> None:
    """A URL whose site cuts the connection is asked once, not again."""
    async with Site(always(b"")) as silent, Prober(timeout_s=0.3, policy="any") as prober:
        assert (await prober.probe(ProbeRequest(f"{silent.url}/"))).error == "timeout"

    async def cut(line: Line) -> None:
        await line.read_head()

    async with Site(cut) as site, Prober(timeout_s=3, policy="any") as prober:
        outcome = await prober.probe(ProbeRequest(f"{site.url}/"))
    assert (outcome.error, outcome.detail) == ("reset", "the connection ended before the answer")
    assert site.connections == 1
