"""URLs out of arguments, files, sitemaps and standard input, packed into tasks that the server takes."""

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from .documents import read_document, read_list
from .fetcher import Fetcher
from .links import Url, escape_bytes
from .server import hide_user
from .sitemaps import SitemapReader
from .sources import Kind, find_kind, open_bytes, read_chunks, read_whole
from .terminal import CommandError, UsageError, escape_url, find_reason

MAX_TASK_URLS = 10_000
MAX_TASK_BYTES = 4 * 1024 * 1024 - 1


@dataclass(frozen=True)
class TaskBatch:
    """The URLs of one task, and its JSON body."""

    urls: Sequence[Url]
    body: bytes


def read_urls(arguments: Sequence[str], files: Sequence[str], sitemaps: Sequence[str], timeout_s: float) -> list[Url]:
    """The URLs of the command line (`-` reads standard input), then those of the files, then of the sitemaps at URLs.

    A byte that was not UTF-8 becomes `%FF`. `timeout_s`: how long the server of a sitemap may be silent.

    :raises UsageError: a file or a sitemap cannot be read, has no lines, or an argument is a file.
    :raises ApiError: a sitemap cannot be fetched.
    """
    fetcher = Fetcher(timeout_s)
    reader = SitemapReader(fetcher.fetch)
    urls: list[Url] = []
    try:
        for text in arguments:
            urls += read_file("-", reader) if text == "-" else [check_argument(text)]
        for path in files:
            urls += read_file(path, reader)
        for url in sitemaps:
            urls += _name_errors(hide_user(url), reader.fetch(url))
    finally:
        fetcher.close()
    return urls


def check_argument(text: str) -> Url:
    """An argument as a URL.

    :raises UsageError: it is the name of a file: `-f` is missing.
    """
    if "://" not in text and os.path.isfile(text):  # noqa: PTH113 - Path raises for a name that is too long
        raise UsageError(f"{escape_url(text)} is a file: did you mean -f {escape_url(text)}?")
    return Url(escape_bytes(text))


def has_piped_input() -> bool:
    """Whether standard input is a pipe, a socket or a file: neither a terminal nor `/dev/null`."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # closed by the shell
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def read_file(path: str, sitemaps: SitemapReader) -> Iterator[Url]:
    """The URLs of a file, `-` for standard input, whatever kind of text it is.

    :raises UsageError: it cannot be read, or a line has no end.
    """
    name = escape_url(path)
    return _name_errors(name, _read_any(path, name, sitemaps))


def _read_any(path: str, name: str, sitemaps: SitemapReader) -> Iterator[Url]:
    with open_bytes(path) as file:
        chunks = read_chunks(file)
        head = next(chunks, b"")
        kind = find_kind(path, head)
        chunks = chain([head], chunks)
        if kind is Kind.LIST:
            yield from read_list(chunks, name)
        elif kind is Kind.SITEMAP:
            yield from sitemaps.read(read_whole(chunks), name)
        else:
            yield from read_document(kind, read_whole(chunks), name)


def _name_errors(name: str, urls: Iterator[Url]) -> Iterator[Url]:
    try:
        yield from urls
    except OSError as error:
        raise UsageError(f"{name}: {find_reason(error)}") from None
    except CommandError as error:
        raise type(error)(f"{name}: {error}") from None


def pack_tasks(urls: Sequence[Url], options: Mapping[str, object]) -> Iterator[TaskBatch]:
    """The URLs in tasks with these options, of at most `MAX_TASK_URLS` and `MAX_TASK_BYTES`, in order."""
    for start in range(0, len(urls), MAX_TASK_URLS):
        waiting = [urls[start : start + MAX_TASK_URLS]]
        while waiting:
            part = waiting.pop()
            sent = [url.text for url in part]
            body = json.dumps({"urls": sent, **options}).encode()
            if len(body) <= MAX_TASK_BYTES or len(part) == 1:
                yield TaskBatch(part, body)
            else:
                middle = len(part) // 2
                waiting += part[middle:], part[:middle]
