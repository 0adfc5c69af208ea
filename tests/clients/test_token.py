"""The token and the passwords that both command lines are given: sent without blanks at their ends, and never shown."""

import pytest

from tests.clients.commands import Run
from tests.clients.wire import Call, serve_calls
from tests.fast import first_fast

pytestmark = pytest.mark.anyio

COMMANDS = [["crawl.py", "http://127.0.0.1:1/"], ["screwdriver.py", "list"]]
each_command = pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])


async def refuse(call: Call) -> None:
    """Say no, and repeat what was sent."""
    await call.read_body()
    await call.answer(401, {"detail": f"{call.headers['authorization']} is wrong"})


@each_command
@pytest.mark.parametrize(("before", "behind"), first_fast([("", "\n"), (" \t\n", " \r\n")]))
async def test_blanks_are_not_sent(run: Run, command: list[str], before: str, behind: str) -> None:
    """Blanks and line ends round a token, from the environment or the arguments, are no part of it."""
    seen: list[str] = []

    async def handler(call: Call) -> None:
        seen.append(call.headers["authorization"])
        await refuse(call)

    token = f"{before}s3cret voilà{behind}"
    async with serve_calls(handler) as url:
        outcomes = [
            await run(*command, GATEWAY_URL=url, API_TOKEN=token),
            await run(*command, "--token", token, GATEWAY_URL=url),
        ]
    assert seen == ["Bearer s3cret voilà"] * 2
    for outcome in outcomes:
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.lines == [f"{command[0]}: Bearer … is wrong"]


@each_command
@pytest.mark.parametrize(
    "token", [" ", "\n", "s3cret\x01x", "s3cret\nX: y", "s3cret\x7f", "s3cret\udcff", "s3cret\x85x"]
)
async def test_token_that_cannot_be(run: Run, command: list[str], token: str) -> None:
    """A blank token, or one with control characters, is refused in words that do not repeat it."""
    outcome = await run(*command, GATEWAY_URL="http://127.0.0.1:1", API_TOKEN=token)
    assert (outcome.code, outcome.out, len(outcome.lines)) == (2, "", 1)
    assert "token" in outcome.err
    assert "s3cret" not in outcome.err


@each_command
@pytest.mark.parametrize(
    "server",
    first_fast(["http://user:s3cret@127.0.0.1:99999", "http://user:s3/cret@127.0.0.1", "ftp://user:s3cret@127.0.0.1",
     "http://user:s3cret@[::1", "http://user:s3cret@127.0.0.1:1", "user:s3cret@127.0.0.1:1", "http://s3cret@/",
     f"http://user:s3cret@{'a' * 70}.b"]),
)  # fmt: skip
async def test_password_of_a_server(run: Run, command: list[str], server: str) -> None:
    """A user and a password in the URL of the server stand in no error."""
    outcome = await run(*command, "--timeout", "0.1", GATEWAY_URL=server)
    assert outcome.code == (3 if server.endswith("127.0.0.1:1") else 2)
    for part in ("s3cret", "s3", "cret"):
        assert part not in outcome.err


@each_command
async def test_help_shows_no_password(run: Run, command: list[str]) -> None:
    """The help shows the default of the server, not the one of the environment."""
    outcome = await run(command[0], "--help", GATEWAY_URL="http://user:s3cret@127.0.0.1:1")
    assert (outcome.code, outcome.err) == (0, "")
    assert "s3cret" not in outcome.out
    assert "http://127.0.0.1:8888" in outcome.out
