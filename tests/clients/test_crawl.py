"""crawl.py as a process: against the real gateway, and against servers that fall over or mean harm."""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway_client.summary import Summary
from tests.clients.commands import Run, Start, finish, log_in, run_in_shell, run_on_terminal, start_unread
from tests.clients.wire import Call, Handler, never_end, reset, sends, serve_calls
from tests.fast import first_fast
from tests.processes import ROOT, Gateway, free_port
from tests.target import Target
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

SCRIPT = "crawl.py"
TELL_PEAK = """import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)"""
"""Runs a command and tells the most memory that it held, in KiB."""


@dataclass
class Tasks:
    """A task API in memory, as 5.3 has it. A URL's code is its last path segment, 0 where there is none.

    A task is ready after `polls` polls; until then its first `known` URLs are known. `verdicts`: whether the server
    tells verdicts, as the gateways of earlier versions do not.
    """

    polls: int = 1
    known: int = 0
    verdicts: bool = False
    calls: list[Call] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tasks: dict[str, list[str]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    polled: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, call: Call) -> None:
        """Answer one request."""
        self.calls.append(call)
        body = await call.read_body()
        name = call.path.removeprefix("/api/v1/tasks/").partition("/")[0]
        if call.method == "POST":
            self.bodies.append(body)
            name = call.headers["idempotency-key"]
            self.tasks[name] = json.loads(body)["urls"]
            await call.answer(201, self.state(name, "running"))
        elif call.method == "DELETE":
            self.cancelled.append(name)
            await call.answer(200, self.state(name, "cancelled"))
        elif "/probes?" in call.path:
            offset, limit = map(int, re.findall(r"=(\d+)", call.path))
            known = len(self.tasks[name]) if self.asked.get(name, 0) >= self.polls else self.known
            probes = [self.probe(url, known=place < known) for place, url in enumerate(self.tasks[name])]
            await call.answer(200, {"probes": probes[offset : offset + limit]})
        else:
            self.asked[name] = self.asked.get(name, 0) + 1
            self.polled.set()
            await call.answer(200, self.state(name, "ready" if self.asked[name] >= self.polls else "running"))

    def state(self, name: str, status: str) -> dict[str, Any]:
        """A task, as the API shows it."""
        urls = self.tasks[name]
        codes = [self.probe(url, known=True)["code"] for url in urls]
        done = len(urls) if status == "ready" else self.known
        state: dict[str, Any] = {
            "id": name,
            "status": status,
            "result": codes if status == "ready" else None,
            "done": done,
        }
        if self.verdicts:
            state["verdicts"] = Counter(self.probe(url, known=True)["verdict"] for url in urls[:done])
        return state

    def probe(self, url: str, *, known: bool) -> dict[str, Any]:
        """What became of one URL."""
        last = url.rpartition("/")[2]
        code = int(last) if last.isdigit() else 0
        error = None if code else "dns"
        detail = None if code else f"no such\nhost: {last}"
        probe = {"url": url, "code": code if known else None, "error": error, "detail": detail, "cached": False}
        if self.verdicts:
            probe["verdict"] = "broken" if code >= 400 else ("ok" if 0 < code < 300 else "unsure")
        return probe

    def count(self, method: str, part: str = "") -> int:
        """How many calls there were."""
        return sum(call.method == method and part in call.path for call in self.calls)


def urls_of(*codes: int | str) -> list[str]:
    """URLs that answer so."""
    return [f"http://site/{code}" for code in codes]


def lines_of(urls: list[str]) -> str:
    """What is printed for them."""
    return "".join(f"{url.rpartition('/')[2]}\t{url}\n" for url in urls)


# --- The real gateway ---------------------------------------------------------------------------------------


async def test_codes_in_order(gateway: str, run: Run, target: Target) -> None:
    """One line a URL, in the order given, duplicates kept; a URL without an answer is 000 and told on stderr."""
    urls = [f"{target.url}/code/{code}" for code in (404, 200, 500, 404)]
    dead = f"http://127.0.0.1:{free_port()}/"
    outcome = await run(SCRIPT, *urls[:2], dead, *urls[2:], GATEWAY_URL=gateway)
    assert outcome.out.splitlines() == [
        f"404\t{urls[0]}",
        f"200\t{urls[1]}",
        f"000\t{dead}",
        f"500\t{urls[2]}",
        f"404\t{urls[3]}",
    ]
    assert outcome.code == 0
    assert len(outcome.lines) == 1
    assert outcome.err.startswith(f"{dead}: ")


async def test_redirects_fail_and_json(gateway: str, run: Run, target: Target) -> None:
    """-L follows redirects, --fail turns bad codes into exit 1, --json prints the probes."""
    hop = f"{target.url}/hop/2"
    assert (await run(SCRIPT, hop, GATEWAY_URL=gateway)).out == f"302\t{hop}\n"
    assert (await run(SCRIPT, "-L", "--fail", hop, GATEWAY_URL=gateway)).out == f"200\t{hop}\n"
    bad = await run(SCRIPT, "--fail", "--json", f"{target.url}/code/503", "no-such-scheme://x", GATEWAY_URL=gateway)
    assert bad.code == 1
    probes = [json.loads(line) for line in bad.out.splitlines()]
    assert [probe["code"] for probe in probes] == [503, 0]
    assert (probes[1]["error"], bad.err) == ("unsupported_scheme", "")


@pytest.mark.slow
async def test_one_bad_url_harms_no_other(gateway: str, run: Run, target: Target) -> None:
    """Control characters, broken bytes and nonsense are codes of 0 among good lines."""
    good = f"{target.url}/code/410"
    bad = [
        "http://",
        "http://a\tb/",
        "http://\x1b[31m/",
        b"http://127.0.0.1:1/\xff\xfe",
        "",
        "::::",
        "http://[",
        "x" * 3000,
    ]
    outcome = await run(SCRIPT, good, *bad, good, GATEWAY_URL=gateway)
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    assert [line.split("\t")[0] for line in lines] == ["410"] + ["000"] * len(bad) + ["410"]
    assert all(line.count("\t") == 1 for line in lines)
    assert "000\thttp://127.0.0.1:1/%FF%FE" in lines
    assert len(outcome.lines) == len(bad)
    assert "\x1b" not in outcome.out + outcome.err


async def test_one_bad_line_harms_no_other(gateway: str, run: Run, target: Target, tmp_path: Path) -> None:
    """A line that is no URL, whatever its length and its bytes, is a 000 in its place; stderr names file and line."""
    good = f"{target.url}/code/410".encode()
    bad = [
        b"data:image/png;base64," + b"A" * 9_000,
        b"x" * 70_009,
        b"http://\x00/",
        b"\xff\xfeh\x00t\x00t\x00p\x00",
        b"ftp://127.0.0.1/",
        b"[" * 600_000,
    ]
    (tmp_path / "list").write_bytes(b"\n".join([b"# comment", b"", good, *bad, good + b"?\xff\x00z", b""]))
    outcome = await run(SCRIPT, "-f", "list", "http://", GATEWAY_URL=gateway)
    lines = [line.split("\t") for line in outcome.out.splitlines()]
    assert outcome.code == 0
    assert [code for code, _ in lines] == ["000", "410", *["000"] * len(bad), "410"]
    assert [lines[place][1] for place in (2, 3, 4)] == [*(line.decode() for line in bad[:2]), "http://%00/"]
    assert len(lines[7][1]) == 512 * 1024
    assert lines[8][1] == f"{good.decode()}?%FF%00z"
    assert [line.partition(" ")[0] for line in outcome.lines] == ["http://:", *(f"list:{n}:" for n in range(4, 10))]
    assert [line.rpartition(": ")[2] for line in outcome.lines][1:3] == ["the URL has over 8,192 characters"] * 2
    assert max(map(len, outcome.lines)) < 1_000


@pytest.mark.slow
async def test_place_of_a_bad_line_beside_json(gateway: str, run: Run, target: Target) -> None:
    """With --json only what the JSON does not have is told on stderr: the line of a text that is no URL."""
    urls = ["", "http://no-such-name.invalid/", f"{target.url}/code/200", "no-such-scheme://x"]
    outcome = await run(SCRIPT, "--json", "-", stdin="\n".join(urls).encode(), GATEWAY_URL=gateway)
    assert [json.loads(line)["url"] for line in outcome.out.splitlines()] == urls[1:]
    assert [line.partition(" no-such")[0] for line in outcome.lines] == ["-:4:"]


@pytest.mark.slow
async def test_longest_lines_fit_their_tasks(run: Run, tmp_path: Path) -> None:
    """Lines that JSON makes six times as long go in tasks of at most 4 MiB, whole."""
    (tmp_path / "list").write_bytes(b"\n".join([b"x" + b"\x01" * (360 * 1024)] * 2 + [b"http://site/201"]))
    tasks = Tasks()
    async with serve_calls(tasks) as url:
        outcome = await run(SCRIPT, "-f", "list", GATEWAY_URL=url)
    assert [line.split("\t")[0] for line in outcome.out.splitlines()] == ["000"] * 2 + ["201"]
    assert max(map(len, tasks.bodies)) <= 4 * 1024 * 1024
    assert [len(urls) for urls in tasks.tasks.values()] == [1, 2]
    assert len(json.loads(tasks.bodies[0])["urls"][0]) == 1 + 360 * 1024


@pytest.mark.slow
async def test_thousands_of_urls(gateway: str, run: Run, target: Target) -> None:
    """More URLs than one task takes come out in order."""
    urls = [f"{target.url}/code/{400 + number % 99}?{number}" for number in range(10_500)]
    outcome = await run(SCRIPT, "-", stdin="\n".join(urls).encode(), GATEWAY_URL=gateway)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [f"{400 + number % 99}\t{url}" for number, url in enumerate(urls)]


@pytest.mark.slow
async def test_gateway_restart_in_the_middle(start: Start, tmp_path: Path, target: Target) -> None:
    """A gateway that is killed and comes back costs one line on stderr, and no code."""
    urls = [f"{target.url}/delay/1.5/{number}" for number in range(5)]
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = Gateway(folder)
    await anyio.to_thread.run_sync(gateway.start)
    try:
        process = await start(SCRIPT, *urls, GATEWAY_URL=gateway.url)
        await wait_until(lambda: target.requests)
        gateway.kill()
        await anyio.to_thread.run_sync(gateway.start)
        outcome = await finish(process)
    finally:
        await anyio.to_thread.run_sync(gateway.stop)
    assert (outcome.code, outcome.out) == (0, "".join(f"200\t{url}\n" for url in urls))
    assert len(outcome.lines) == 1
    assert "trying again" in outcome.err


# --- What is sent and what is printed -----------------------------------------------------------------------


async def test_url_files(run: Run, tmp_path: Path) -> None:
    """Arguments, standard input and files: blank lines, comments, CR and a byte order mark are no URLs."""
    (tmp_path / "list").write_bytes(
        b"\xef\xbb\xbfhttp://site/201\r\n\n  # comment\n#\n\t http://site/202#x/202 \nhttp://site/203"
    )
    tasks = Tasks()
    async with serve_calls(tasks) as url:
        outcome = await run(
            SCRIPT, "http://site/200", "-", "#/205", "-f", "list", stdin=b"http://site/204\n#\n", GATEWAY_URL=url
        )
    expected = [
        "http://site/200",
        "http://site/204",
        "#/205",
        "http://site/201",
        "http://site/202#x/202",
        "http://site/203",
    ]
    assert (outcome.code, outcome.out, outcome.err) == (0, lines_of(expected), "")
    assert json.loads(tasks.bodies[0]) == {"urls": expected, "follow_redirects": False}


async def test_empty_file_is_no_work(run: Run, tmp_path: Path) -> None:
    """No URL in a file: nothing is asked and nothing printed."""
    async with serve_calls(tasks := Tasks()) as url:
        outcome = await run(SCRIPT, "-f", "/dev/null", GATEWAY_URL=url)
    assert (outcome.code, outcome.out, outcome.err, tasks.calls) == (0, "", "", [])


@pytest.mark.slow
async def test_tasks_stay_under_the_limits(run: Run, tmp_path: Path) -> None:
    """25,000 URLs, some very long, go in tasks of at most 10,000 URLs and 4 MiB, in order."""
    urls = [f"http://site/{'x' * (2000 if number > 20_000 else 1)}/{200 + number % 99}" for number in range(25_000)]
    (tmp_path / "list").write_text("\n".join(urls))
    tasks = Tasks()
    async with serve_calls(tasks) as url:
        outcome = await run(SCRIPT, "-f", "list", GATEWAY_URL=url)
    assert (outcome.code, outcome.out, outcome.err) == (0, lines_of(urls), "")
    assert max(map(len, tasks.bodies)) <= 4 * 1024 * 1024
    assert max(map(len, tasks.tasks.values())) <= 10_000
    assert len(tasks.bodies) <= 8


@pytest.mark.slow
async def test_a_hundred_thousand_urls(tmp_path: Path) -> None:
    """100,000 URLs come out in order, in tasks of 10,000, and cost little memory."""
    urls = [f"http://site/{number}/{200 + number % 99}" for number in range(100_000)]
    (tmp_path / "list").write_text("\n".join(urls))
    command = [sys.executable, "-c", TELL_PEAK, sys.executable, str(ROOT / SCRIPT), "-f", str(tmp_path / "list")]
    async with serve_calls(tasks := Tasks()) as url:
        outcome = await run_in_shell(shlex.join(command), GATEWAY_URL=url)
    assert (outcome.code, outcome.out) == (0, lines_of(urls))
    assert len(tasks.tasks) == 10
    assert int(outcome.err) < 100 * 1024


async def test_reasons_of_silent_urls(run: Run) -> None:
    """The server is asked why only where it must be; each reason is one line."""
    urls = urls_of(*([200] * 2500), "a", 404, *([200] * 1500), "b")
    async with serve_calls(tasks := Tasks()) as url:
        outcome = await run(SCRIPT, "-", stdin="\n".join(urls).encode(), GATEWAY_URL=url)
    codes = [line.split("\t") for line in outcome.out.splitlines()]
    assert [code for code, _ in codes] == ["200"] * 2500 + ["000", "404"] + ["200"] * 1500 + ["000"]
    assert [url for _, url in codes] == urls
    assert outcome.lines == ["http://site/a: no such%0Ahost: a", "http://site/b: no such%0Ahost: b"]
    assert (outcome.code, tasks.count("GET", "/probes")) == (0, 2)


@pytest.mark.parametrize(
    ("codes", "expected"),
    first_fast([((200, 400), 1), ((200, 399), 0), ((599,), 1), (("x",), 1), ((302, "x", 200), 1)]),
)
async def test_fail(codes: tuple[int | str, ...], expected: int, run: Run) -> None:
    """With --fail, codes of 400 and over and URLs without an answer are exit code 1."""
    async with serve_calls(Tasks()) as url:
        assert (await run(SCRIPT, "--fail", *urls_of(*codes), GATEWAY_URL=url)).code == expected
        assert (await run(SCRIPT, "--fail", "--json", *urls_of(*codes), GATEWAY_URL=url)).code == expected
        assert (await run(SCRIPT, *urls_of(*codes), GATEWAY_URL=url)).code == 0


@pytest.mark.slow
async def test_polls_wait_and_are_rare(run: Run) -> None:
    """A running task is asked for with Prefer: wait, never twice within a second."""
    async with serve_calls(tasks := Tasks(polls=3)) as url:
        outcome = await run(SCRIPT, *urls_of(200), "--token", "secret", "-L", GATEWAY_URL=url)
    assert (outcome.code, outcome.out) == (0, "200\thttp://site/200\n")
    polls = [call for call in tasks.calls if call.method == "GET" and "/probes" not in call.path]
    assert len(polls) == 3
    assert all(later.at_s - sooner.at_s > 0.5 for sooner, later in pairwise(polls))
    assert all(int(call.headers["prefer"].removeprefix("wait=")) in range(1, 31) for call in polls)
    assert all(call.headers["authorization"] == "Bearer secret" for call in tasks.calls)
    assert json.loads(tasks.bodies[0])["follow_redirects"] is True


@pytest.mark.slow
async def test_task_options(run: Run) -> None:
    """Headers, age and retries go to the server with the task; what cannot be is an error of usage."""
    options = "-H", "User-Agent: me: too", "-H", "Cookie:a=b", "--max-age", "0", "--retries", "3"
    async with serve_calls(tasks := Tasks()) as url:
        assert (await run(SCRIPT, *urls_of(200), *options, GATEWAY_URL=url)).code == 0
    sent = json.loads(tasks.bodies[0])
    assert (sent["headers"], sent["max_age_s"], sent["retries"]) == ({"User-Agent": "me: too", "Cookie": "a=b"}, 0, 3)
    headers, ages, retries = ("no colon", ": x"), ("-1", "nan", "x"), ("-1", "11", "x", "1.5")
    for wrong in (*product(["-H"], headers), *product(["--max-age"], ages), *product(["--retries"], retries)):
        outcome = await run(SCRIPT, *urls_of(200), *wrong)
        assert (outcome.code, outcome.out) == (2, "")


@pytest.mark.slow
async def test_polls_are_rare_whatever_happens(run: Run) -> None:
    """Several tasks, and a server that stumbles over a poll: still no two polls within a second."""
    tasks = Tasks(polls=2)
    polls: list[float] = []

    async def handler(call: Call) -> None:
        polls.extend([call.at_s] * (call.method == "GET" and "/probes" not in call.path))
        await (be_unavailable if len(polls) == 2 else tasks)(call)

    urls = urls_of(*[200] * 20_001)
    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "-", stdin="\n".join(urls).encode(), GATEWAY_URL=url)
    assert (outcome.code, outcome.out) == (0, lines_of(urls))
    assert len(polls) == 3 * 2 + 1
    assert all(later - sooner > 0.5 for sooner, later in pairwise(polls))


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--json"]])
async def test_known_lines_come_early(options: list[str], start: Start) -> None:
    """Lines that are known are printed while the rest of the task still runs, and only once."""
    tasks = Tasks(polls=3, known=2)
    async with serve_calls(tasks) as url:
        process = await start(SCRIPT, "--fail", *options, *urls_of(200, "x", 301), GATEWAY_URL=url)
        assert process.stdout is not None
        early = [await process.stdout.readline() for _ in range(2)]
        assert list(tasks.asked.values()) < [3]
        outcome = await finish(process)
    assert (outcome.code, len(outcome.out.splitlines())) == (1, 1)
    if not options:
        assert early == [b"200\thttp://site/200\n", b"000\thttp://site/x\n"]
        assert outcome.lines == ["http://site/x: no such%0Ahost: x"]


async def test_output_is_escaped(run: Run) -> None:
    """No URL, whatever its bytes, breaks a line, a column or the terminal."""
    urls = [
        "http://s/\t/200",
        "http://s/\n/201",
        "http://s/\x1b[2J/202",
        "http://s/\u202e/203",
        b"http://s/\xff\xe6/204",
        "日本/205",
    ]
    tasks = Tasks()
    async with serve_calls(tasks) as url:
        outcome = await run(SCRIPT, *urls, GATEWAY_URL=url)
        ascii_only = await run(SCRIPT, *urls, GATEWAY_URL=url, PYTHONIOENCODING="ascii")
    shown = ["%09", "%0A", "%1B[2J", "%E2%80%AE", "%FF%E6"]
    assert outcome.out.splitlines() == [f"{200 + i}\thttp://s/{text}/{200 + i}" for i, text in enumerate(shown)] + [
        "205\t日本/205"
    ]
    assert (outcome.code, outcome.err, ascii_only.code, ascii_only.err) == (0, "", 0, "")
    assert json.loads(tasks.bodies[0])["urls"] == [*urls[:4], "http://s/%FF%E6/204", "日本/205"]


# --- Servers that fall over ---------------------------------------------------------------------------------


def stumble(tasks: Tasks, when: Callable[[Call], bool], times: int, how: Handler) -> Handler:
    """`tasks`, which for the first calls that `when` picks does `how` instead."""
    left = [times]

    async def handler(call: Call) -> None:
        if left[0] and when(call):
            left[0] -= 1
            await how(call)
        else:
            await tasks(call)

    return handler


async def be_unavailable(call: Call) -> None:
    """Redis is away."""
    await call.read_body()
    await call.answer(503, {"detail": "No Redis for now."}, "Retry-After: 1")


async def break_off(call: Call) -> None:
    """An answer that ends too soon."""
    await call.read_body()
    await call.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id": ')
    call.writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", [reset, be_unavailable, break_off])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_server_that_stumbles(how: Handler, method: str, run: Run) -> None:
    """Two failures in a row, of whatever kind, cost one line on stderr and nothing else."""
    tasks = Tasks()
    async with serve_calls(stumble(tasks, lambda call: call.method == method, 2, how)) as url:
        outcome = await run(SCRIPT, *urls_of(200, 404), GATEWAY_URL=url)
    assert (outcome.code, outcome.out) == (0, lines_of(urls_of(200, 404)))
    assert len(outcome.lines) == 1
    assert "trying again for " in outcome.err


@pytest.mark.slow
async def test_lost_answer_is_no_second_task(run: Run) -> None:
    """A POST whose answer was lost is repeated under the same Idempotency-Key; each task has its own."""
    tasks = Tasks()
    keys = []

    async def lose_answer(call: Call) -> None:
        keys.append(call.headers["idempotency-key"])
        await call.read_body()
        call.writer.close()

    async with serve_calls(stumble(tasks, lambda call: call.method == "POST", 1, lose_answer)) as url:
        urls = urls_of(*[200] * 10_001)
        outcome = await run(SCRIPT, "-", stdin="\n".join(urls).encode(), GATEWAY_URL=url)
    assert (outcome.code, outcome.out) == (0, lines_of(urls))
    assert len(tasks.tasks) == 2
    assert keys[0] in tasks.tasks


@pytest.mark.slow
@pytest.mark.parametrize("how", [reset, be_unavailable])
async def test_server_that_stays_away(how: Handler, run: Run) -> None:
    """A server that does not come back in time ends the run with its last words and exit code 3."""
    async with serve_calls(stumble(Tasks(), lambda call: call.method == "GET", 99, how)) as url:
        outcome = await run(SCRIPT, *urls_of(200), "--timeout", "1.5", GATEWAY_URL=url)
    assert (outcome.code, outcome.out, len(outcome.lines)) == (3, "", 2)
    if how is be_unavailable:
        assert outcome.lines[1] == "crawl.py: No Redis for now."


async def test_refusal_in_the_servers_words(run: Run) -> None:
    """A problem's detail is shown, escaped, with exit code 1; what was running is cancelled."""
    tasks = Tasks(polls=99)

    async def handler(call: Call) -> None:
        if call.method == "POST" and tasks.bodies:
            await call.read_body()
            await call.answer(422, {"detail": "URL 0: too\x1b long."})
        else:
            await tasks(call)

    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "-", stdin=b"x\n" * 10_001, GATEWAY_URL=url)
    assert (outcome.code, outcome.err) == (1, "crawl.py: URL 0: too\\x1b long.\n")
    assert tasks.cancelled == list(tasks.tasks)


async def test_task_cancelled_by_others(run: Run) -> None:
    """A task that somebody cancels: what is known is printed, then one line and exit code 1."""
    tasks = Tasks(polls=99, known=1)

    async def handler(call: Call) -> None:
        if call.method == "GET" and "/probes" not in call.path:
            await call.answer(200, {"id": "x", "status": "cancelled", "result": None, "done": 1})
        else:
            await tasks(call)

    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, *urls_of(200, 404), GATEWAY_URL=url)
    assert (outcome.code, outcome.out, outcome.err) == (
        1,
        "200\thttp://site/200\n",
        "crawl.py: the task was cancelled\n",
    )


# --- Servers that mean harm ---------------------------------------------------------------------------------


async def speak_no_http(call: Call) -> None:
    """A peer of another protocol."""
    await call.read_body()
    await call.send(b"-ERR unknown command\r\n")
    call.writer.close()


READY = '{"id": "x", "status": "ready", "result": %s, "probes": %s}'
HARM = {
    "html-500": sends(b"<html>", b"500 Oh\x1b No"),
    "list": sends(b"[1]"),
    "endless": never_end,
    "html-200": sends(b"<html>"),
    "redirect": sends(b"", b"307 Temporary Redirect"),
    "deep": sends(b"[" * 200_000),
    "empty-object": sends(b"{}"),
    "too-few": sends((READY % ([], [])).encode()),
    "too-many": sends((READY % ([200] * 5, [])).encode()),
    "words": sends((READY % ('["200"]', [])).encode()),
    "truth": sends((READY % ("[true]", [])).encode()),
    "negative": sends((READY % ("[-5]", [])).encode()),
    "huge": sends((READY % ("[1000]", [])).encode()),
    "nested": sends((READY % ("[[]]", [])).encode()),
    "silent-without-reasons": sends((READY % ("[0]", "[1]")).encode()),
    "odd-id": sends(b'{"id": {"x": "../.."}, "status": 7, "result": "200"}'),
}


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("name", first_fast(HARM, 2))
async def test_hostile_server(name: str, options: list[str], run: Run) -> None:
    """Whatever a server says, the run ends in one clear line and exit code 3."""
    async with serve_calls(HARM[name]) as url:
        outcome = await run(SCRIPT, *options, "--timeout", "8", "http://x/", GATEWAY_URL=url)
    assert (outcome.code, outcome.out, len(outcome.lines)) == (3, "", 1)
    assert outcome.err.startswith(f"crawl.py: {url} ")
    assert "\x1b" not in outcome.err
    assert ("sent too much" in outcome.err) is (name == "endless")


@pytest.mark.slow
async def test_peer_of_another_protocol(run: Run) -> None:
    """It may be a gateway that is going down: a second line, some time later, says that it is none."""
    async with serve_calls(speak_no_http) as url:
        outcome = await run(SCRIPT, "--timeout", "1", "http://x/", GATEWAY_URL=url)
    assert (outcome.code, outcome.out, len(outcome.lines)) == (3, "", 2)


# --- Pipes, terminals, signals, usage -----------------------------------------------------------------------


SIGNALS = pytest.mark.parametrize("number", first_fast([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))


@SIGNALS
async def test_interrupt_cancels_tasks(number: signal.Signals, start: Start) -> None:
    """Ctrl-C, SIGTERM and SIGHUP cancel what still runs, quietly; the exit code is 128 + the signal's number."""
    tasks = Tasks(polls=99)
    async with serve_calls(tasks) as url:
        process = await start(SCRIPT, *urls_of(200), GATEWAY_URL=url)
        await tasks.polled.wait()
        process.send_signal(number)
        outcome = await finish(process)
    assert (outcome.code, outcome.out, outcome.err) == (128 + number, "", "")
    assert tasks.cancelled == list(tasks.tasks)


@SIGNALS
async def test_interrupt_before_the_task_is_known(number: signal.Signals, start: Start) -> None:
    """A task that the server has made, its answer still on the way, is cancelled too, and no other is made."""
    tasks = Tasks(polls=99)
    made = anyio.Event()

    async def handler(call: Call) -> None:
        if call.method == "POST" and not tasks.tasks:
            tasks.tasks[call.headers["idempotency-key"]] = json.loads(await call.read_body())["urls"]
            made.set()
            await asyncio.sleep(3600)
        await tasks(call)

    async with serve_calls(handler) as url:
        process = await start(SCRIPT, *urls_of(200), GATEWAY_URL=url)
        await made.wait()
        process.send_signal(number)
        outcome = await finish(process)
    assert (outcome.code, outcome.out, outcome.err) == (128 + number, "", "")
    assert len(tasks.tasks) == 1
    assert tasks.cancelled == list(tasks.tasks)


async def test_closed_terminal_cancels_tasks(tmp_path: Path) -> None:
    """A terminal that is closed while the bar is on it ends the run by SIGHUP, and its task is cancelled."""
    tasks = Tasks(polls=99)
    async with serve_calls(tasks) as url:
        process, terminal = log_in([ROOT / SCRIPT, *urls_of(200)], tmp_path, GATEWAY_URL=url)
        seen = b""
        while b"0/1" not in seen:
            seen += await anyio.to_thread.run_sync(os.read, terminal, 65536)
        os.close(terminal)
        code = await anyio.to_thread.run_sync(process.wait)
    assert code == 128 + signal.SIGHUP
    assert tasks.cancelled == list(tasks.tasks)


@pytest.mark.slow
async def test_interrupt_while_the_reader_is_frozen(tmp_path: Path) -> None:
    """SIGTERM ends a run whose lines nothing reads any more, and its task is cancelled."""
    (tmp_path / "list").write_text("\n".join(urls_of(*[200] * 10_000)))
    tasks = Tasks(polls=99, known=9999)
    async with serve_calls(tasks) as url:
        with start_unread([ROOT / SCRIPT, "-f", "list"], tmp_path, GATEWAY_URL=url) as process:
            await wait_until(lambda: "pipe" in Path(f"/proc/{process.pid}/wchan").read_text())
            process.send_signal(signal.SIGTERM)
            code = await anyio.to_thread.run_sync(process.wait)
    assert code == 128 + signal.SIGTERM
    assert tasks.cancelled == list(tasks.tasks)


@pytest.mark.slow
async def test_interrupt_of_a_silent_server(start: Start) -> None:
    """Ctrl-C ends the run soon even if the server does not answer any more."""
    tasks = Tasks(polls=99)
    silent = anyio.Event()

    async def handler(call: Call) -> None:
        if call.method == "POST":
            await tasks(call)
        else:
            silent.set()
            await asyncio.sleep(3600)

    async with serve_calls(handler) as url:
        process = await start(SCRIPT, *urls_of(200), GATEWAY_URL=url)
        await silent.wait()
        process.send_signal(signal.SIGINT)
        outcome = await asyncio.wait_for(finish(process), 5)
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


async def test_interrupt_while_reading_stdin(start: Start) -> None:
    """Ctrl-C at a standard input that gives nothing exits 130 too."""
    process = await start(SCRIPT, "-", stdin=subprocess.PIPE)
    stat = anyio.Path(f"/proc/{process.pid}/wchan")
    for _ in range(100):
        if "pipe" in await stat.read_text():
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert (await process.wait(), process.stderr and await process.stderr.read()) == (130, b"")


@pytest.mark.slow
async def test_closed_pipe_is_quiet(start: Start) -> None:
    """A reader that leaves early is no error, and the tasks left are cancelled."""
    tasks = Tasks(polls=2)
    urls = urls_of(*[200] * 30_000)
    async with serve_calls(tasks) as url:
        process = await start(SCRIPT, "-", stdin=subprocess.PIPE, GATEWAY_URL=url)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("\n".join(urls).encode())
        process.stdin.close()
        assert await process.stdout.readline() == b"200\thttp://site/200\n"
        process.stdout._transport.close()  # type: ignore[attr-defined]
        assert await process.stderr.read() == b""
        assert await process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("where", ["file", "terminal"])
async def test_progress_on_a_terminal_only(where: str, tmp_path: Path) -> None:
    """A terminal sees a bar, uncoloured under NO_COLOR, none if dumb; the lines are whole, beside it or in a file."""
    command: list[str | Path] = [ROOT / SCRIPT, *urls_of(200, 404)]
    for colour in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        async with serve_calls(Tasks(polls=2, known=1)) as url:
            run = partial(run_on_terminal, command, tmp_path, stdout=where == "terminal", GATEWAY_URL=url)
            code, out, seen = await anyio.to_thread.run_sync(partial(run, **colour))
        assert code == 0
        assert (b"1/2" in seen) is ("TERM" not in colour)
        assert seen.count(b"\r\n") == (2 if where == "terminal" else 0) or "TERM" not in colour
        assert (b"\x1b[3" in seen) is not bool(colour)
        if where == "terminal":
            red, plain = (b"", b"") if colour else (b"\x1b[31m", b"\x1b[m")
            assert red + b"404" + plain + b"\thttp://site/404\r\n" in seen
        else:
            assert out.decode() == lines_of(urls_of(200, 404))


@pytest.mark.slow
async def test_progress_counts_all_tasks(tmp_path: Path) -> None:
    """The bar counts what is done of the tasks behind the oldest, too."""
    (tmp_path / "list").write_text("\n".join(urls_of(*[200] * 10_001)))
    async with serve_calls(tasks := Tasks(polls=3, known=1)) as url:
        code, out, seen = await anyio.to_thread.run_sync(
            lambda: run_on_terminal([ROOT / SCRIPT, "-f", "list"], tmp_path, GATEWAY_URL=url)
        )
    assert (code, out.count(b"\n"), list(tasks.asked.values())) == (0, 10_001, [3, 3])
    assert b"1/10001" in seen
    assert b"2/10001" in seen


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--json"]])
async def test_summary_on_a_terminal_only(options: list[str], run: Run, tmp_path: Path) -> None:
    """The last line on a terminal counts the verdicts of all tasks; it is neither on stdout nor in a file of stderr."""
    (tmp_path / "list").write_text("\n".join(urls_of(*[200] * 10_000, 404, "x", 404)))
    command = [SCRIPT, "-f", "list", *options]
    async with serve_calls(Tasks(verdicts=True)) as url:
        code, out, seen = await anyio.to_thread.run_sync(
            lambda: run_on_terminal([ROOT / command[0], *command[1:]], tmp_path, GATEWAY_URL=url)
        )
        quiet = await run(*command, GATEWAY_URL=url)
    words = "10,003 checked: 10,000 ok, 1 unsure, 2 broken"
    assert code == 0
    assert seen.decode().splitlines()[-1] == words
    assert "checked" not in out.decode() + quiet.out + quiet.err


@pytest.mark.parametrize(
    ("options", "outside", "coloured"),
    first_fast([
        ([], {}, True), ([], {"NO_COLOR": "0"}, False), ([], {"NO_COLOR": ""}, True), ([], {"TERM": "dumb"}, False),
        (["--json"], {}, False), (["--format", "csv"], {}, False),
    ], 2),
)  # fmt: skip
async def test_colour_on_a_terminal_only(
    options: list[str], outside: dict[str, str], tmp_path: Path, *, coloured: bool
) -> None:
    """Codes are coloured on a terminal that can, unless NO_COLOR is set and not empty; other formats never are."""
    command: list[str | Path] = [ROOT / SCRIPT, *options, *urls_of(200, 302, 404, "x")]
    async with serve_calls(Tasks(verdicts=True)) as url:
        to_file = partial(run_on_terminal, command, tmp_path, GATEWAY_URL=url)
        to_terminal = partial(to_file, stdout=True)
        _, seen_out, seen = await anyio.to_thread.run_sync(partial(to_terminal, **outside))
        _, out, _ = await anyio.to_thread.run_sync(partial(to_file, **outside))
    assert seen_out == b""
    assert re.findall(rb"\x1b\[(3\d)m(\d+)", seen) == (
        [(b"32", b"200"), (b"33", b"302"), (b"31", b"404"), (b"33", b"000")] if coloured else []
    )
    assert b"\x1b" not in out


async def test_no_summary_without_verdicts(tmp_path: Path) -> None:
    """A server that tells no verdicts, or not all, leads to no summary."""
    for urls, verdicts in ((0, {}), (2, None), (2, {"ok": 1}), (2, {"ok": "2"}), (1, {"ok": True}), (1, [1])):
        summary = Summary()
        summary.add(urls, verdicts)
        assert not str(summary)


async def test_quick_run_shows_no_progress(tmp_path: Path) -> None:
    """A task that is ready at once costs no bar, even on a terminal."""
    async with serve_calls(Tasks()) as url:
        _, _, seen = await anyio.to_thread.run_sync(
            lambda: run_on_terminal([ROOT / SCRIPT, "http://x/200"], tmp_path, GATEWAY_URL=url)
        )
    assert seen == b""
