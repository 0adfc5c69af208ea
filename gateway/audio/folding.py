"""Texts as they are searched and sorted: without case, accents and presentation forms. Pure.

The one definition for the page, the API, the playlist and the feed: the page asks the server, so no script folds.
"""

import re
from unicodedata import normalize

_DROPPED = re.compile(
    "["
    "\u0300-\u036f\u0483-\u0487"  # accents of Latin, Greek and Cyrillic
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew points
    "\u0610-\u061a\u0640\u064b-\u065f\u0670"  # Arabic vowels and tatweel
    "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"  # characters without a glyph
    "]"
)
"""Marks of other scripts stay: in Devanagari, Thai or kana they make another letter."""
_REPLACED = str.maketrans(
    {
        "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th",
        "’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "‐": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
    }
)  # fmt: skip
"""Letters and signs that Unicode does not decompose, and that a keyboard may lack."""
_NUMBER = re.compile(r"\d+")


def fold(text: str) -> str:
    """The text in lower case, without accents: ß is ss, ﬁ is fi, full width is ASCII, ё is е, Björk is bjork."""
    if text.isascii():
        return text.lower()
    text = normalize("NFKD", normalize("NFKD", text).casefold())
    return normalize("NFC", _DROPPED.sub("", text).translate(_REPLACED))


def make_natural_key(text: str) -> str:
    """A key that sorts texts folded, and the numbers in them by value: 2 before 10."""
    return _NUMBER.sub(_measure_number, fold(text))


def _measure_number(found: re.Match[str]) -> str:
    """A number behind the number of its digits, which decides first."""
    digits = str(int(found[0])) if len(found[0]) < 1000 else found[0]
    return f"{len(digits):03}{digits}"
