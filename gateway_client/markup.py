"""Tags and links of HTML, in time linear in its length (html.parser of older Pythons is quadratic).

The grammar is that of the HTML standard's tokenizer, as far as links need it.
"""

import html
import re
from collections.abc import Iterator
from html.entities import html5
from typing import NamedTuple

from .links import Links

LINKS = {
    "a": ("href",), "area": ("href",), "audio": ("src",), "blockquote": ("cite",), "body": ("background",),
    "del": ("cite",), "embed": ("src",), "frame": ("src",), "iframe": ("src",), "image": ("href", "xlink:href"),
    "img": ("src", "srcset", "longdesc"), "input": ("src",), "ins": ("cite",), "link": ("href", "imagesrcset"),
    "object": ("data",), "q": ("cite",), "script": ("src",), "source": ("src", "srcset"), "track": ("src",),
    "video": ("src", "poster"),
}  # fmt: skip
"""The attributes that hold a URL which a browser gets. Not the action of a form: that asks for what it must not."""
HINTS = frozenset({"preconnect", "dns-prefetch"})
"""A <link> of these relations names a server and not a page."""
_NAME = r"[\s/]*+([^\s/>][^\s/>=]*+)"
_VALUE = r"\s*+=\s*+(?:\"([^\"]*+)(?:\"|\Z)|'([^']*+)(?:'|\Z)|([^\s>\"'][^\s>]*+)|(?=>|\Z))"
_ATTRIBUTES = re.compile(rf"{_NAME}(?:{_VALUE})?")
# Python 3.11 may fail on groups inside of possessive repeats: there are none.
_SKIPPED = re.sub(r"\((?!\?)", "(?:", rf"(?:{_NAME}(?:{_VALUE})?+)*+")
_TOKEN = re.compile(
    rf"<!--(?:-?>|.*?--!?>|.*+)|<[!?/][^>]*+|<([a-zA-Z][^\s/>]*+)({_SKIPPED})[\s/]*+(?:>|\Z)", re.DOTALL
)
"""A comment, another declaration, or a start tag; each reaches to the end where it has no end of its own."""
_RAW = frozenset({"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"})
_REFERENCE = re.compile(r"&(#(?:[0-9]{1,7}|[xX][0-9a-fA-F]{1,6});?|[a-zA-Z0-9]++(?:;|(?!=)))")
_SRCSET = re.compile(r"[\s,]*+(\S++)([^,]*+)")


class Tag(NamedTuple):
    """A start tag, its name and attributes in lower case, and where it is in the text."""

    name: str
    attributes: dict[str, str]
    start: int
    end: int


def find_tags(text: str) -> Iterator[Tag]:
    """The start tags of elements that can have links. Comments and the text of scripts are skipped."""
    place = 0
    while token := _TOKEN.search(text, place):
        place = token.end()
        name = (token[1] or "").lower()
        if name in LINKS or name == "base":
            yield Tag(name, _read_attributes(token[2]), token.start(), place)
        if name in _RAW:
            closing = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(text, place)
            place = closing.end() if closing else len(text)


def find_links(tag: Tag) -> Iterator[str]:
    """The links of a tag, as they are written."""
    if tag.name == "link" and HINTS & set(tag.attributes.get("rel", "").lower().split()):
        return
    for name in LINKS.get(tag.name, ()):
        value = tag.attributes.get(name, "")
        if name.endswith("srcset"):
            yield from split_srcset(value)
        elif value:
            yield value


def split_srcset(value: str) -> list[str]:
    """The URLs of a `srcset`: a comma inside of one is a part of it, one at its end is not."""
    urls = []
    place = 0
    while match := _SRCSET.match(value, place):
        urls.append(match[1].rstrip(","))
        place = match.end(1) if match[1].endswith(",") else match.end()
    return urls


def unescape(value: str) -> str:
    """The value of an attribute: `&copy=` in it is no character reference, `&amp;` is."""
    return _REFERENCE.sub(_read_reference, value) if "&" in value else value


def read_html(text: str, name: str) -> Links:
    """The links of a page, relative ones resolved against its `<base>`."""
    tags = list(find_tags(text))
    base = next((tag.attributes["href"] for tag in tags if tag.name == "base" and tag.attributes.get("href")), "")
    links = Links(name, base.strip())
    line = 1
    place = 0
    for tag in tags:
        line += text.count("\n", place, tag.start)
        place = tag.start
        for link in find_links(tag):
            links.add(link, line)
    return links


def _read_attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, *values in _ATTRIBUTES.findall(text):
        attributes.setdefault(name.lower(), unescape("".join(values)))
    return attributes


def _read_reference(match: re.Match[str]) -> str:
    name = match[1]
    return html.unescape(match[0]) if name.startswith("#") else html5.get(name, match[0])
