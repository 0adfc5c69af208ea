"""What a command line shows and how it ends: safe text, exit codes, quiet pipes and signals.

Knows nothing of HTTP.
"""

import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TextIO
from urllib.parse import quote

UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (C0, C1), line separators, bidirectional overrides, bytes that were not UTF-8."""
REASON_CHARS = 300
_MAX_CAUSES = 16


class Exit(IntEnum):
    """Exit codes. A command ended by a signal gives 128 + its number: 130 for Ctrl-C, 143 for SIGTERM."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    BROKEN = 3


class CommandError(Exception):
    """The end of a command; the text is one line for a person."""

    exit_code = Exit.REFUSED


class UsageError(CommandError):
    """An option or an argument that cannot be used."""

    exit_code = Exit.USAGE


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived: running work is cancelled on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def escape_text(text: str) -> str:
    """Text of others, safe on a terminal and in one line: control characters become `\\x1b`."""
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_url(text: str) -> str:
    """A URL, safe on a terminal and in one line: control characters are percent-encoded."""
    return UNSAFE.sub(lambda match: _escape_char(match[0]), text)


@cache
def _escape_char(char: str) -> str:
    return quote(char.encode("utf-8", "surrogateescape"))


def print_error(text: str) -> None:
    """One line on stderr. Never fails: there is nowhere left to report it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def print_failure(name: str, error: OSError | CommandError) -> Exit:
    """One line on stderr for what happened to a file; the exit code that this gives."""
    told = isinstance(error, CommandError)
    print_error(f"{escape_text(name)}: {error if told else find_reason(error)}")
    return error.exit_code if isinstance(error, CommandError) else Exit.REFUSED


def can_draw(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can move its cursor and change its colour."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether text on a stream may be coloured: on a terminal that can, unless NO_COLOR (no-color.org) is set."""
    return can_draw(stream) and not os.environ.get("NO_COLOR")


def find_reason(error: BaseException | None) -> str:
    """The reason deepest inside an exception: `Connection refused`, not `All connection attempts failed`."""
    words = str(error) or type(error).__name__
    for _ in range(_MAX_CAUSES):  # a chain of causes can be a circle
        if error is None:
            break
        if isinstance(error, OSError) and error.strerror:
            own = error.strerror.startswith("Connect call failed")  # asyncio's words for an errno
            words = os.strerror(error.errno or 0) if own else error.strerror
        error = error.__cause__ or error.__context__
    return escape_text(words.rstrip("."))[:REASON_CHARS]


def run_command(command: Callable[[], int]) -> int:
    """The exit code of a command line. A closed pipe is quiet; a signal ends it in order."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # started with `>&-` or `2>&-`
            setattr(sys, stream, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    _raise_signals()
    try:
        return _run(command)
    except Interrupted as signalled:
        _discard_output()  # a frozen pipe, or a terminal that was closed, takes no more of it
        return signalled.exit_code
    except OSError as error:
        _discard_output()
        if isinstance(error, BrokenPipeError):
            return Exit.DONE
        print_error(f"{name_program()}: standard output: {find_reason(error)}")
        return Exit.REFUSED


def _run(command: Callable[[], int]) -> int:
    try:
        code = command()
    except CommandError as error:
        sys.stdout.flush()
        print_error(f"{name_program()}: {error}")
        return error.exit_code
    sys.stdout.flush()
    return code


def _discard_output() -> None:
    """Discard what stdout still holds: the interpreter would try to write it at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def name_program() -> str:
    """The name under which the command was called: `crawl.py`, `gateway-crawl`."""
    return escape_text(Path(sys.argv[0]).name)


def _raise_signals() -> None:
    def interrupt(number: int, _: FrameType | None) -> None:
        for each in handled:
            signal.signal(each, signal.SIG_IGN)  # a second one must not cut the cancelling short
        raise Interrupted(number)

    handled = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        handled.append(signal.SIGHUP)
    for number in handled:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has set it
            signal.signal(number, interrupt)
