"""URLs among words: where one begins, and where it ends."""

import re

from .links import MAX_URL_CHARS, Links

_CHAR = r"[^\s<>\"`|\]\0-\x1f\x7f-\x9f，。、；：！？（）「」『』《》【】“”„«»]"
BARE = rf"(?<![a-z0-9+.-])https?://(?:{_CHAR}|\](?!\())++"
"""A URL in a text, with what may be punctuation at its end. `](` of Markdown ends it. For `re.IGNORECASE`."""
_BARE = re.compile(BARE, re.IGNORECASE)
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_NOT_LAST = frozenset(".,:;!?'*_~‘’…")


def find_urls(text: str) -> list[tuple[str, int]]:
    """The URLs of a text, and where they begin in it; `https://…` alone is none."""
    found = ((trim(match[0]), match.start()) for match in _BARE.finditer(text))
    return [(url, place) for url, place in found if not url.endswith("//")]


def trim(text: str) -> str:
    """A URL without the punctuation behind it, up to a bracket that it does not open: `/wiki/Foo_(bar)` is whole."""
    opened = dict.fromkeys(_BRACKETS.values(), 0)
    end = 0
    for place, char in enumerate(text[:MAX_URL_CHARS], 1):
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


def read_prose(text: str, name: str) -> Links:
    """The http and https URLs of a text."""
    links = Links(name)
    line = 1
    last = 0
    for url, place in find_urls(text):
        line += text.count("\n", last, place)
        last = place
        links.add(url, line)
    return links
