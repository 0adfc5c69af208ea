"""URLs out of a text that was pasted: a list, prose, Markdown, HTML, a sitemap, CSV; and the form that sends it. Pure.

In any text the URLs of http and https are found, without the punctuation behind them. A line of a list may also be a
URL without its scheme, such as `example.com/path`.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from io import BytesIO

from anyio import to_thread
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from gateway.errors import Unprocessable

from .models import MAX_URLS
from .probe.urls import MAX_URL_CHARS, UrlRefused, parse_target

MAX_PARTS = 1000
"""A form has at most so many parts, most of them files."""
TABLE_LINES = 5
"""So many lines with as many cells each are the beginning of a table."""
_CHAR = r"[^\s<>\"`|\]\0-\x1f\x7f-\x9f，。、；：！？（）「」『』《》【】“”„«»]"
_URL = re.compile(rf"(?<![a-z0-9+.-])https?://(?:{_CHAR}|\](?!\()){{1,{MAX_URL_CHARS}}}+", re.IGNORECASE)
"""A URL with what may be punctuation at its end; `](` of Markdown ends it."""
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_NOT_LAST = frozenset(".,:;!?'*_~‘’…")
_MARKUP = re.compile(r"<(?:\?xml|!doctype|!--|/?[a-z][a-z0-9:-]*[\s/>])", re.IGNORECASE)
_NAMESPACE = re.compile(
    r"(?:\bxmlns(?::\w+)?|\bxsi:schemaLocation)\s*=\s*(?:\"[^\"]*\"|'[^']*')|<!doctype[^<>]*>", re.IGNORECASE
)
_LINE_END = re.compile("\r\n|\r|\n")
_HOST_FIRST = re.compile(r"(?:[^\s/?#]*[.:][^\s/?#]+|localhost)(?:[/?#]\S*)?", re.IGNORECASE)


@dataclass
class PastedUrls:
    """The URLs of a text, each once, in order."""

    urls: list[str] = field(default_factory=list)
    doubles: int = 0
    """How many more times they are there."""
    unreadable: list[int] = field(default_factory=list)
    """The numbers of lines that have something like a URL that is none, or in a list no URL at all."""


@dataclass
class PastedForm:
    """What the form of the page sends: a text, whether redirects are followed; and the URLs of the text."""

    text: str = ""
    follow: bool = False
    found: PastedUrls = field(default_factory=PastedUrls)


async def read_form(body: bytes, content_type: str) -> PastedForm:
    """The form in a body; a file that came with it is read after the text.

    :raises Unprocessable: it has over `MAX_PARTS` parts.
    """
    return await to_thread.run_sync(_parse_form, body, content_type)


def _parse_form(body: bytes, content_type: str) -> PastedForm:
    mimetype, options = parse_options_header(content_type)
    parser = FormDataParser(lambda *_, **__: BytesIO(), max_form_memory_size=len(body), max_form_parts=MAX_PARTS)
    try:
        _, form, files = parser.parse(BytesIO(body), mimetype, len(body), options)
    except RequestEntityTooLarge:
        raise Unprocessable("These are too many files at once.") from None
    texts = [form.get("text", ""), *(file.read().decode("utf-8-sig", "replace") for file in files.getlist("file"))]
    text = "\n".join(filter(None, texts))
    return PastedForm(text, "follow" in form, read_pasted(text))


def read_pasted(text: str) -> PastedUrls:
    """The URLs of a text of any kind."""
    is_markup = _MARKUP.search(text) is not None
    if is_markup:
        text = _NAMESPACE.sub(lambda match: "\n" * len(_LINE_END.findall(match[0])), text)
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    found, lines_without, lines_with = PastedUrls(), list[int](), 0
    seen: set[str] = set()
    for number, urls in _read_lines(lines):
        bad = 0
        for url in urls:
            clean = unescape(url) if is_markup else url
            if clean in seen:
                found.doubles += 1
            elif len(seen) > MAX_URLS or _is_readable(clean):  # of too many only the number is told
                seen.add(clean)
                found.urls.append(clean)
            else:
                bad += 1
        if bad:
            found.unreadable.append(number)
        elif not urls:
            lines_without.append(number)
        lines_with += bool(urls)
    if not is_markup and lines_with >= len(lines_without):  # a list: each of its lines should have one
        found.unreadable = sorted(found.unreadable + lines_without)
    return found


def find_urls(text: str) -> list[str]:
    """The URLs of http and https in a text; `https://…` alone is none."""
    urls = (_trim(match[0]) for match in _URL.finditer(text))
    return [url for url in urls if not url.endswith("//")]


def _trim(text: str) -> str:
    """A URL without the punctuation behind it, up to a bracket that it does not open: `/wiki/Foo_(bar)` is whole."""
    opened = dict.fromkeys(_BRACKETS.values(), 0)
    end = 0
    for place, char in enumerate(text, 1):
        if char in _BRACKETS:
            if not opened[_BRACKETS[char]]:
                break
            opened[_BRACKETS[char]] -= 1
            end = place
        elif char in opened:
            opened[char] += 1
        elif char not in _NOT_LAST:
            end = place
    return text[:end]


def _read_lines(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The number and the URLs of each line that is neither blank nor a comment nor the head of a table."""
    table = _find_table(lines)
    column = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if table is None:
            yield number, _read_line(text)
            continue
        cells = [cell.strip() for cell in _split(text, table)]
        names = [cell.lower() for cell in cells]
        if column is None and not _URL.search(text):
            column = names.index("url") if "url" in names else -1
            continue
        if column is not None and 0 <= column < len(cells):
            url = cells[column].removeprefix("'")
            yield number, [url] if url else []
        else:
            yield number, [url for cell in cells for url in find_urls(cell)]


def _read_line(text: str) -> list[str]:
    if len(text.split(maxsplit=1)) == 1 and not _URL.search(text) and _HOST_FIRST.fullmatch(text):
        return [text]
    return [text] if text.lower().startswith(("http://", "https://")) and _is_one(text) else find_urls(text)


def _is_one(text: str) -> bool:
    """Whether a line is one URL from its first to its last character, with any punctuation."""
    match = _URL.fullmatch(text)
    return match is not None and not _NOT_LAST.intersection(text[-1]) and _trim(text) == text


def _find_table(lines: Sequence[str]) -> str | None:
    """The delimiter of a text that is a table of CSV; None for any other text."""
    first = [line for line in map(str.strip, lines[:100]) if line][:TABLE_LINES]
    for delimiter in ",;\t":
        widths = {len(_split(line, delimiter)) for line in first}
        if len(first) > 1 and len(widths) == 1 and widths.pop() > 1:
            return delimiter
    return None


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _is_readable(url: str) -> bool:
    try:
        parse_target(url)
    except UrlRefused:
        return False
    return True
