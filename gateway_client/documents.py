"""URLs out of a text of each kind: lists, CSV, prose, Markdown, HTML."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from .formulas import remove_apostrophe
from .links import MAX_URL_CHARS, Links, Url, escape_bytes, is_web
from .markdown import read_markdown
from .markup import read_html
from .prose import find_urls, read_prose
from .sources import MAX_DOCUMENT_BYTES, Kind, cut_lines, decode_text, encode_utf8, find_delimiter
from .terminal import UsageError

READERS: dict[Kind, Callable[[str, str], Links]] = {
    Kind.HTML: read_html,
    Kind.MARKDOWN: read_markdown,
    Kind.PROSE: read_prose,
}


def read_document(kind: Kind, data: bytes, name: str) -> list[Url]:
    """The URLs of a document other than a list or a sitemap. One line on stderr says how many links are left out.

    :raises UsageError: it cannot be read.
    """
    text = decode_text(data)
    if kind is Kind.CSV:
        return list(read_csv(text, name))
    links = READERS[kind](text, name)
    links.tell_left_out("it has no absolute <base>" if kind is Kind.HTML else "they lead to other files")
    return links.urls


def read_list(chunks: Iterator[bytes], name: str) -> Iterator[Url]:
    """The URLs of a list, one a line, valid or not; blank lines and `#` comments are skipped.

    :raises OSError: a line has no end.
    """
    for number, line in enumerate(cut_lines(encode_utf8(chunks)), 1):
        text = line.strip().decode("utf-8", "surrogateescape")
        if text and not text.startswith("#"):
            yield Url(escape_bytes(text), f"{name}:{number}")


def read_csv(text: str, name: str) -> Iterator[Url]:
    """The cells of the column `url`, valid or not; without such a column all http and https URLs of the cells.

    :raises UsageError: it is no CSV.
    """
    # A quote that is never closed makes one cell of the rest: its URLs are found all the same.
    csv.field_size_limit(MAX_DOCUMENT_BYTES)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text.partition("\n")[0]))
    numbered = ((rows.line_num, row) for row in rows)
    try:
        number, header = next(numbered, (1, []))
        titles = [title.strip().lower() for title in header]
        if "url" in titles:
            yield from _read_column(numbered, titles.index("url"), name)
        else:
            yield from _read_cells(chain([(number, header)], numbered), name)
    except csv.Error as error:
        raise UsageError(f"line {rows.line_num}: {error}") from None


def _read_column(rows: Iterable[tuple[int, list[str]]], column: int, name: str) -> Iterator[Url]:
    for number, row in rows:
        if len(row) > column and (cell := row[column].strip()):
            yield Url(escape_bytes(remove_apostrophe(cell)[:MAX_URL_CHARS]), f"{name}:{number}")


def _read_cells(rows: Iterable[tuple[int, list[str]]], name: str) -> list[Url]:
    links = Links(name)
    for number, row in rows:
        for cell in map(str.strip, row):
            whole = is_web(cell) and len(cell.split(maxsplit=1)) == 1
            for url in [cell] if whole else [url for url, _ in find_urls(cell)]:
                links.add(url, number)
    return links.urls
