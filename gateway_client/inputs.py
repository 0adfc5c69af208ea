"""URLs out of arguments, files and standard input, packed into tasks that the server takes. Knows no HTTP."""

import errno
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple

from .terminal import UsageError, escape_url, find_reason

MAX_TASK_URLS = 10_000
MAX_TASK_BYTES = 4 * 1024 * 1024 - 1
MAX_LINE_BYTES = 512 * 1024
"""Of a longer line only the beginning is read. A byte becomes at most six in JSON, so that each line fits a task."""
ENDLESS_BYTES = 1024 * 1024 * 1024


class Url(NamedTuple):
    """A URL as it was given, and where: `list.txt:14`, empty for an argument."""

    text: str
    place: str = ""


@dataclass(frozen=True)
class TaskBatch:
    """The URLs of one task, and its JSON body."""

    urls: Sequence[Url]
    body: bytes


def read_urls(arguments: Sequence[str], files: Sequence[str]) -> list[Url]:
    """The URLs of the command line (`-` reads standard input), then those of the files.

    A byte that was not UTF-8 becomes `%FF`.

    :raises UsageError: a file cannot be read, or has no lines.
    """
    urls: list[Url] = []
    for text in arguments:
        urls += read_lines("-") if text == "-" else [Url(_escape_bytes(text))]
    for path in files:
        urls += read_lines(path)
    return urls


def read_lines(path: str) -> Iterator[Url]:
    """The URLs of a file, `-` for standard input, one a line; blank lines and `#` comments are skipped.

    :raises UsageError: it cannot be read, or a line has no end.
    """
    name = escape_url(path)
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            for number, line in enumerate(cut_lines(file), 1):
                text = line.removeprefix(b"\xef\xbb\xbf").strip().decode("utf-8", "surrogateescape")
                if text and not text.startswith("#"):
                    yield Url(_escape_bytes(text), f"{name}:{number}")
    except OSError as error:
        raise UsageError(f"{name}: {find_reason(error)}") from None


def cut_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, each up to `MAX_LINE_BYTES`.

    :raises OSError: it cannot be read, or has a line without an end.
    """
    while line := file.readline(MAX_LINE_BYTES):
        rest = line
        length_bytes = len(line)
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES)
            length_bytes += len(rest)
            if length_bytes > ENDLESS_BYTES:
                raise OSError(errno.EFBIG, f"a line of over {ENDLESS_BYTES} bytes")
        yield line


def pack_tasks(urls: Sequence[Url], *, follow_redirects: bool) -> Iterator[TaskBatch]:
    """The URLs in tasks of at most `MAX_TASK_URLS` and `MAX_TASK_BYTES`, in order."""
    for start in range(0, len(urls), MAX_TASK_URLS):
        waiting = [urls[start : start + MAX_TASK_URLS]]
        while waiting:
            part = waiting.pop()
            sent = [url.text for url in part]
            body = json.dumps({"urls": sent, "follow_redirects": follow_redirects}).encode()
            if len(body) <= MAX_TASK_BYTES or len(part) == 1:
                yield TaskBatch(part, body)
            else:
                middle = len(part) // 2
                waiting += part[middle:], part[:middle]


def _escape_bytes(text: str) -> str:
    if text.isascii():
        return text
    return re.sub("[\ud800-\udfff]", lambda byte: escape_url(byte[0]), text)
