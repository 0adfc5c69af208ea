"""URLs of Markdown: links, images, definitions, autolinks, bare URLs and HTML; code and comments are skipped.

CommonMark with the autolinks of GitHub, as far as links need it.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .links import Links
from .markup import Tag, find_links, find_tags, unescape
from .prose import BARE, trim

_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]{1,4}(?![ \t])|(?=[ \t]|$))")
"""A marker of a list, and the blanks behind it as far as they belong to it."""
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_QUOTES = re.compile(r"[ \t>]*")
_BLOCK = re.compile(r"#{1,6}(?:[ \t]|$)|(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)|\|")
"""How a line begins that is no continuation of the one before."""
_CELL = re.compile(r"(?:[^|\\]|\\[\s\S])*+\|?")
_BACKTICKS = re.compile(r"\\[\s\S]|(`++)")
_COMMENT = re.compile(r"<!--(?:.*?-->|.*+)", re.DOTALL)
_NESTED = r"\((?:[^\s()\\]|\\.|\([^\s()]*+\))*+\)"
_DESTINATION = rf"((?!<)(?:[^\s()\\]|\\.|{_NESTED})++)"
"""Of a link: with brackets inside brackets, as long as they are balanced."""
_LINK = re.compile(
    rf"\]\(\s{{0,99}}(?:<([^<>\n]*+)>|{_DESTINATION})(?=\s{{0,99}}[)\"'(])"
    r"|^[ \t>]{0,99}\[(?!\^)[^\]\n]{1,999}\]:[ \t]{0,99}(?:<([^<>\n]*+)>|(\S++))"
    r"|<([a-z][a-z0-9+.-]{1,31}:[^\s<>]*+)>"
    rf"|({BARE})",
    re.IGNORECASE | re.MULTILINE,
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def read_markdown(text: str, name: str) -> Links:
    """The links of a Markdown text. Relative ones are left out: they lead to other files."""
    text = _blank(_COMMENT, _skip_code(text))
    found: list[tuple[int, str]] = []
    tags = [tag for tag in _find_tags(text) if tag.name != "base"]
    for tag in tags:
        found += ((tag.start, link) for link in find_links(tag))
    text = _blank_spans(text, [(tag.start, tag.end) for tag in tags])
    for match in _LINK.finditer(text):
        *written, bare = match.groups()
        if bare:
            found.append((match.start(), trim(bare.rstrip("\\"))))
        else:
            link = next(filter(None, written), "")
            found.append((match.start(), unescape(_ESCAPE.sub(r"\1", link))))
    links = Links(name)
    line = 1
    last = 0
    for place, link in sorted(found, key=lambda each: each[0]):
        line += text.count("\n", last, place)
        last = place
        links.add(link, line)
    return links


def _find_tags(text: str) -> Iterator[Tag]:
    """The tags of HTML. One that does not end in its paragraph is text (CommonMark, 6.6)."""
    start = 0
    for paragraph in re.split(r"(\n[ \t]*+(?=\n))", text):
        for tag in find_tags(paragraph):
            if paragraph[tag.end - 1] == ">":
                yield tag._replace(start=start + tag.start, end=start + tag.end)
        start += len(paragraph)


class _Fence(NamedTuple):
    """The opening of a fenced code block: its run of marks, and the container that it ends with."""

    marks: str
    quoted: bool
    column: int

    def holds(self, line: str) -> bool:
        """Whether a line is in the same block quote or list item."""
        if self.quoted:
            return line.lstrip().startswith(">")
        return not line.strip() or _count_indent(line) >= self.column


def _skip_code(text: str) -> str:
    """The text with blanks in place of its code blocks and code spans."""
    lines = text.split("\n")
    fence: _Fence | None = None
    columns: list[int] = []  # where the content of each open list item begins
    is_code, may_begin = False, True  # an indented line does not interrupt a paragraph
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if fence and fence.holds(line):
            lines[number] = ""
            if match and match[1].startswith(fence.marks) and not match[2].strip():
                fence = None
            continue
        fence = None
        if not line.strip():
            may_begin = True
            continue
        indent, item = _count_indent(line), _ITEM.match(line)
        while columns and indent < columns[-1] and (item or may_begin):
            columns.pop()
        is_code = indent >= 4 + (columns[-1] if columns else 0) and (is_code or may_begin)
        if is_code:
            lines[number] = ""
            continue
        if item:
            columns.append(len(item[0].expandtabs(4)))
        if match and not (match[1][0] == "`" and "`" in match[2]):
            before = line[: match.start(1)]
            fence = _Fence(match[1], ">" in before, len(before.expandtabs(4)) if item else 0)
            lines[number] = ""
        may_begin = bool(fence or _HEADING.match(line))
    return "".join(_skip_spans(part) if "`" in part else part for part in _cut_blocks(lines))


def _count_indent(line: str) -> int:
    spaced = line.expandtabs(4)
    return len(spaced) - len(spaced.lstrip(" "))


def _cut_blocks(lines: Iterable[str]) -> Iterator[str]:
    """The text in parts that a code span cannot leave: paragraphs, headings, list items, cells of tables."""
    part: list[str] = []
    was_quoted = False
    for line in lines:
        quotes = _QUOTES.match(line)
        inner = line[quotes.end() :] if quotes else line
        quoted = quotes is not None and ">" in quotes[0]
        if quoted != was_quoted or not inner.strip() or _BLOCK.match(inner):
            yield "".join(part)
            part = []
        was_quoted = quoted
        if inner.startswith("|"):
            yield from _CELL.findall(f"{line}\n")
        else:
            part.append(f"{line}\n")
            if _HEADING.match(inner):
                yield "".join(part)
                part = []
    yield "".join(part)


def _skip_spans(text: str) -> str:
    """Blank out code spans: from a run of backticks that is not escaped to the next run of the same length."""
    closers: dict[int, deque[int]] = {}
    for match in re.finditer("`++", text):
        closers.setdefault(len(match[0]), deque()).append(match.start())
    spans = []
    place = 0
    while opener := _BACKTICKS.search(text, place):
        place = opener.end()
        length = len(opener[1] or "")
        later = closers.get(length, deque())
        while later and later[0] < place:
            later.popleft()
        if later:
            place = later.popleft() + length
            spans.append((opener.start(), place))
    return _blank_spans(text, spans)


def _blank(pattern: re.Pattern[str], text: str) -> str:
    return _blank_spans(text, [match.span() for match in pattern.finditer(text)])


def _blank_spans(text: str, spans: list[tuple[int, int]]) -> str:
    """The text, as long as before and with the same lines, with blanks in these places."""
    pieces: list[str] = []
    last = 0
    for start, end in spans:
        pieces += text[last:start], re.sub(r"[^\n]", " ", text[start:end])
        last = end
    return "".join([*pieces, text[last:]])
