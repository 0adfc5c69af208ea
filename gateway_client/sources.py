"""Bytes out of files and standard input: unpacked, decoded, cut into lines, and what kind of text they are.

Every size is bounded. Knows nothing of URLs beyond what they begin with.
"""

import codecs
import csv
import errno
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import PurePath
from typing import IO

from .terminal import UsageError, find_reason

MAX_LINE_BYTES = 512 * 1024
"""Of a longer line only the beginning is read. A byte becomes at most six in JSON, so that each line fits a task."""
ENDLESS_BYTES = 1024 * 1024 * 1024
MAX_DOCUMENT_BYTES = 50 * 1024 * 1024
"""The limit of sitemaps.org for an unpacked sitemap; for any document but a plain list, which is read line by line."""
HEAD_BYTES = 64 * 1024
"""How much of a text decides its kind."""
GZIP = b"\x1f\x8b"
DELIMITERS = ",;\t|"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Kind(Enum):
    """How URLs are found in a text."""

    LIST = auto()
    """One URL a line; a line that is not a URL is reported."""
    PROSE = auto()
    MARKDOWN = auto()
    HTML = auto()
    CSV = auto()
    SITEMAP = auto()


ENDINGS = {
    **dict.fromkeys((".md", ".mkd", ".mdx", ".mdown", ".mdwn", ".mkdn", ".mkdown", ".markdown"), Kind.MARKDOWN),
    **dict.fromkeys((".html", ".htm", ".xhtml"), Kind.HTML),
    **dict.fromkeys((".csv", ".tsv"), Kind.CSV),
}
_ROOT = re.compile(r"<(?:!doctype\s+(html)|(?:[\w.-]+:)?(html|urlset|sitemapindex))[\s>]", re.IGNORECASE)
_MARKDOWN = re.compile(r"\]\([^\s)]|^\[[^\]\n]+\]: ", re.MULTILINE)
_URL = re.compile("https?://", re.IGNORECASE)


@contextmanager
def open_bytes(path: str) -> Iterator[IO[bytes]]:
    """A file to read, `-` for standard input.

    :raises OSError: it cannot be opened.
    """
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
        yield file


def read_whole(chunks: Iterable[bytes]) -> bytes:
    """All bytes of a document.

    :raises UsageError: they are over `MAX_DOCUMENT_BYTES`.
    """
    whole = bytearray()
    for chunk in chunks:
        whole += chunk
        check_size(len(whole))
    return bytes(whole)


def check_size(size_bytes: int) -> None:
    """Refuse a document that is too large.

    :raises UsageError: it is over `MAX_DOCUMENT_BYTES`.
    """
    if size_bytes > MAX_DOCUMENT_BYTES:
        raise UsageError(f"it has over {MAX_DOCUMENT_BYTES >> 20} MiB")


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of a file, unpacked where they are gzip. The first chunk has `HEAD_BYTES` if there are so many.

    :raises UsageError: it is gzip, and damaged or too large.
    """
    head = file.read(HEAD_BYTES)
    rest = iter(partial(file.read, HEAD_BYTES), b"")
    if not head.startswith(GZIP):
        return chain([head], rest)
    whole = unpack(read_whole(chain([head], rest)))
    return (whole[start : start + HEAD_BYTES] for start in range(0, max(len(whole), 1), HEAD_BYTES))


def unpack(data: bytes) -> bytes:
    """The bytes in gzip data, also where they were packed twice: a `.gz` file under `Content-Encoding: gzip`.

    :raises UsageError: they are damaged, or over `MAX_DOCUMENT_BYTES`.
    """
    for _ in range(2):
        if data.startswith(GZIP):
            try:
                data = gzip.GzipFile(fileobj=BytesIO(data)).read(MAX_DOCUMENT_BYTES + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise UsageError(f"its gzip data are damaged: {find_reason(error)}") from None
            check_size(len(data))
    return data


def decode_text(data: bytes) -> str:
    """A text in UTF-8, or UTF-16 with a byte order mark, its lines ended by LF. Other bytes become surrogates."""
    if data.startswith(_UTF16):
        text = data.decode("utf-16", "replace")
    else:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encode_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a text without its byte order mark, in UTF-8 where they are UTF-16."""
    head = next(chunks, b"")
    if not head.startswith(_UTF16):
        yield head.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for chunk in chain([head], chunks):
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def cut_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines, ended by LF, CRLF or CR, each up to `MAX_LINE_BYTES`.

    :raises OSError: a line has no end.
    """
    line = b""
    length_bytes = 0
    after_cr = False
    for chunk in chunks:
        pieces = (chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk).splitlines(keepends=True)
        after_cr = chunk.endswith(b"\r")
        for piece in pieces:
            length_bytes += len(piece)
            if length_bytes > ENDLESS_BYTES:
                raise OSError(errno.EFBIG, f"a line of over {ENDLESS_BYTES} bytes")
            line += piece[: MAX_LINE_BYTES - len(line)]
            if piece.endswith((b"\n", b"\r")):
                yield line
                line = b""
                length_bytes = 0
    if length_bytes:
        yield line


def find_kind(name: str, head: bytes) -> Kind:
    """The kind of a text: by the ending of its name where that says it, else by how it begins."""
    ending = PurePath(name.lower().removesuffix(".gz")).suffix
    if ending in ENDINGS:
        return ENDINGS[ending]
    text = decode_text(head)
    if text.lstrip().startswith("<") and (root := _ROOT.search(text)):
        return Kind.SITEMAP if (root[2] or "html").lower() != "html" else Kind.HTML
    return Kind.SITEMAP if ending == ".xml" else _guess_kind(text)


def find_delimiter(line: str) -> str:
    """The delimiter of a CSV file: a tab if its first line has one, else the most frequent one."""
    return "\t" if "\t" in line else max(DELIMITERS, key=line.count)


def _guess_kind(text: str) -> Kind:
    """A list, unless URLs stand among words and most lines are not URLs by themselves; its first line may be CSV."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    header = next(csv.reader(lines[:1], delimiter=find_delimiter(lines[0])), []) if lines else []
    if len(header) > 1 and "url" in map(str.lower, header):
        return Kind.CSV
    among_words = sum(map(_has_url_among_words, lines))
    words = sum(len(line.split(maxsplit=1)) > 1 and not _URL.search(line) for line in lines)
    alone = sum(map(_is_alone, lines))
    if not among_words or among_words + words <= alone:
        return Kind.LIST
    return Kind.MARKDOWN if _MARKDOWN.search(text) else Kind.PROSE


def _has_url_among_words(line: str) -> bool:
    found = [match.start() for match in _URL.finditer(line)]
    return bool(found) and (line[0] in "<([\"'" or bool(re.search(r"\s", line[: found[-1]])))


def _is_alone(line: str) -> bool:
    """Whether a line may be a URL, or a host, and nothing else."""
    is_word = len(line.split(maxsplit=1)) == 1 and ("." in line or ":" in line)
    return is_word and line[-1] not in ".,;:!?)>" and not _has_url_among_words(line)
