"""URLs of Markdown: links, images, definitions, autolinks, bare URLs and HTML; code and comments are skipped.

CommonMark with the autolinks of GitHub, as far as links need it.
"""

import re
from collections import deque

from .links import Links
from .markup import find_links, find_tags, unescape
from .prose import BARE, trim

_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)")
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
    tags = [tag for tag in find_tags(text) if tag.name != "base"]
    for tag in tags:
        found += ((tag.start, link) for link in find_links(tag))
    text = _blank_spans(text, [(tag.start, tag.end) for tag in tags])
    for match in _LINK.finditer(text):
        *written, bare = match.groups()
        if bare:
            found.append((match.start(), trim(bare)))
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


def _skip_code(text: str) -> str:
    """The text with blanks in place of its code blocks and code spans."""
    lines = text.split("\n")
    fence = ""
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if fence:
            lines[number] = ""
            if match and match[1].startswith(fence) and not match[2].strip():
                fence = ""
        elif match and not (match[1][0] == "`" and "`" in match[2]):
            fence = match[1]
            lines[number] = ""
    return _skip_spans("\n".join(lines))


def _skip_spans(text: str) -> str:
    """Blank out code spans: from a run of backticks to the next run of the same length in the same paragraph."""
    return "".join(_skip_spans_of(part) if "`" in part else part for part in re.split(r"(\n[ \t]*+(?=\n))", text))


def _skip_spans_of(paragraph: str) -> str:
    runs = [match.span() for match in re.finditer("`++", paragraph)]
    closers: dict[int, deque[int]] = {}
    for start, end in runs:
        closers.setdefault(end - start, deque()).append(end)
    spans = []
    last = 0
    for start, end in runs:
        later = closers[end - start]
        while later and later[0] <= end:
            later.popleft()
        if start >= last and later:
            last = later.popleft()
            spans.append((start, last))
    return _blank_spans(paragraph, spans)


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
