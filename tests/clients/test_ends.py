"""How both command lines end: in a line, with an exit code, whatever they are given and wherever their output goes."""

import re
import shlex
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from gateway_client.crawl_options import make_crawl_parser
from gateway_client.screwdriver import make_screwdriver_parser
from gateway_client.terminal import Exit
from tests.clients.commands import Outcome, Run, run_in_shell
from tests.clients.wire import be_gateway, serve_calls, stay_silent
from tests.fast import first_fast
from tests.processes import ROOT, free_port

pytestmark = pytest.mark.anyio

PRINTED = {"crawl.py http://x/200": "200\thttp://x/200\n", "screwdriver.py list": "a.mp3\n"}
each_script = pytest.mark.parametrize("script", ["crawl.py", "screwdriver.py"])
each_command = pytest.mark.parametrize("command", PRINTED)

USAGE = [
    ["crawl.py"], ["crawl.py", "-f", "missing\x1b[2J"], ["crawl.py", "-f", "."], ["crawl.py", "-f", "/dev/zero"],
    ["crawl.py", "-f", b"\xff"], ["crawl.py", "--frobnicate", b"\xff"], ["screwdriver.py"],
    ["screwdriver.py", "upload"], ["screwdriver.py", "frobnicate"], ["screwdriver.py", b"\xff"],
    *(
        [*command.split(), *options]
        for options in (
            ["--timeout", "0"], ["--server", "ftp://x"], ["--token", "a\nb"], ["--timeout", "nan"], ["--timeout", "-1"],
            ["--server", "http://"], ["--server", "http://x:99999"], ["--server", "http://[::1"],
            ["--server", "http://a..b"], ["--server", b"http://\xff\x1b"], ["--token", "a\x1b"],
        )
        for command in PRINTED
    ),
]  # fmt: skip


@pytest.mark.parametrize("arguments", first_fast(USAGE, 16))
async def test_usage_errors(arguments: list[str | bytes], run: Run) -> None:
    """A command line that cannot be is exit code 2, with words."""
    outcome = await run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.lines[-1].startswith(str(arguments[0]))
    assert "\x1b" not in outcome.err


@each_script
async def test_help_and_version(script: str, run: Run) -> None:
    """Both go to stdout and exit 0."""
    version = await run(script, "--version")
    assert (version.code, version.out.split()[0], version.err) == (0, script, "")
    for arguments in (["--help"], ["upload", "--help"] if script == "screwdriver.py" else ["--help"]):
        words = await run(script, *arguments)
        assert (words.code, words.err) == (0, "")
        assert "--server" in words.out


@pytest.mark.parametrize("parser", [make_crawl_parser(), make_screwdriver_parser()])
def test_help_ends_with_examples_and_exit_codes(parser: ArgumentParser) -> None:
    """Every example is a command line that the parser takes, and every exit code is told."""
    _, examples, codes = re.split("^examples:|^exit codes:", parser.format_help(), flags=re.MULTILINE)
    commands = [shlex.split(re.sub(r"[>|].*", "", line)) for line in examples.strip().splitlines()]
    assert len(commands) > 2
    for dollar, name, *arguments in commands:
        assert (dollar, name) == ("$", parser.prog)
        assert parser.parse_args(arguments)
    told = [int(code) for line in codes.strip().splitlines() for code in re.findall(r"\d+", line[:15])]
    assert told == [*Exit, 128 + signal.SIGHUP, 128 + signal.SIGINT, 128 + signal.SIGTERM]


@each_script
async def test_help_is_quick(script: str) -> None:
    """What takes long to import is not imported for --help."""
    outcome = await run_in_shell(f"{sys.executable} -X importtime {ROOT / script} --help")
    modules = {line.rpartition("|")[2].strip() for line in outcome.lines}
    assert "gateway_client.options" in modules
    assert not modules & {"httpx", "rich", "urllib.request", "ssl"}


@pytest.mark.parametrize(
    "arguments",
    first_fast(
        [
            "crawl.py x",
            "screwdriver.py list",
            "screwdriver.py upload a.mp3 b.mp3",
            "screwdriver.py download x y",
            "screwdriver.py delete x y",
        ],
        2,
    ),
)
async def test_server_that_is_not_there(arguments: str, run: Run, tmp_path: Path) -> None:
    """Nobody listens, and never did: one line and exit code 3 at once; other files are not tried."""
    for name in ("a.mp3", "b.mp3"):
        (tmp_path / name).touch()
    url = f"http://127.0.0.1:{free_port()}"
    outcome = await run(*arguments.split(), GATEWAY_URL=url)
    assert (outcome.code, outcome.out, len(outcome.lines)) == (3, "", 1)
    assert f"{url} cannot be reached: Connection refused" in outcome.err


@pytest.mark.slow
@each_command
async def test_silent_server(command: str, run: Run) -> None:
    """A server that takes the request and says nothing is given up."""
    async with serve_calls(stay_silent) as url:
        outcome = await run(*command.split(), "--timeout", "1", GATEWAY_URL=url)
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err == f"{command.split(maxsplit=1)[0]}: {url} gave no answer in 1 s\n"


@each_command
async def test_full_disk_is_one_line(command: str) -> None:
    """A stdout that takes nothing ends in one line and exit code 1."""
    async with serve_calls(be_gateway) as url:
        outcome = await run_in_shell(f"{sys.executable} {ROOT}/{command} > /dev/full", GATEWAY_URL=url)
    words = "standard output: No space left on device"
    assert (outcome.code, outcome.err) == (1, f"{command.split(maxsplit=1)[0]}: {words}\n")


@pytest.mark.slow
@each_command
@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-"])
async def test_closed_streams(command: str, closing: str) -> None:
    """A stream that the shell closed is neither a traceback nor a mix-up of the others."""
    line = f"{sys.executable} {ROOT}/{command} {closing}"
    async with serve_calls(be_gateway) as url:
        outcome = await run_in_shell(line, GATEWAY_URL=url)
    assert outcome == Outcome(0, "" if closing == ">&-" else PRINTED[command], "")
    away = await run_in_shell(line, GATEWAY_URL=url)
    assert (away.code, away.out, len(away.lines)) == (3, "", 0 if closing == "2>&-" else 1)
