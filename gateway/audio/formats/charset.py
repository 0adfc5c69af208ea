"""The encoding of text that old programs wrote in that of their machine, though its tag says ISO 8859-1. Pure.

Windows-1251 is told only where it is sure. Words of Russian in it are of bytes from 0xC0 on alone, while in French,
German or Spanish such bytes stand among ASCII letters, or alone. Greek, Hebrew and others, whose words look the same,
fail at the order of upper and lower case, or have few of the frequent letters of Cyrillic.
"""

import re
from collections.abc import Sequence

_WESTERN = "windows-1252"
"""A superset of the printable ISO 8859-1; five of its bytes are not assigned."""
_LATIN = "iso-8859-1"
_CYRILLIC = "windows-1251"
_LEAST_LETTERS = 4
_LEAST_FREQUENT = 0.66
_VOWEL_SHARES = (0.2, 0.7)
_LETTERS = "А-Яа-яЁёЄєІіЇїЎўҐґ"
_VOWELS = frozenset("аеёиоуыэюяєії")
_FREQUENT = frozenset("оеаинтсрвлкмдпуяыьі")
"""Nine letters of ten in Russian text are one of these."""
_PUNCTUATION = "«»„“”‘’‹›–—…•№©®°±§·\u00a0"
_FOREIGN = re.compile(rf"[^\0-\x7f{_LETTERS}{_PUNCTUATION}]")
_MIXED = re.compile(rf"[A-Za-z][{_LETTERS}]|[{_LETTERS}][A-Za-z]")
_ODD_CASE = re.compile("[а-яёєії][А-ЯЁЄІЇ]|[А-ЯЁЄІЇ]{2}[а-яёєії]")
_WORD = re.compile(f"[{_LETTERS}]{{3}}")
_LETTER = re.compile(f"[{_LETTERS}]")
_UNASSIGNED = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})


def find_charset(texts: Sequence[bytes]) -> str:
    """The encoding of all these texts, which one program wrote, as Python calls it."""
    data = b"\n".join(texts)
    if data.isascii():
        return "ascii"
    try:
        data.decode()
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"  # no text of another encoding follows its rules by accident
    if _is_cyrillic(data):
        return _CYRILLIC
    return _LATIN if any(byte in _UNASSIGNED for byte in data) else _WESTERN


def _is_cyrillic(data: bytes) -> bool:
    """Whether text is surely windows-1251."""
    text = data.decode(_CYRILLIC, "replace")
    letters = _LETTER.findall(text.lower())
    if len(letters) < _LEAST_LETTERS or not _WORD.search(text):
        return False
    if any(pattern.search(text) for pattern in (_FOREIGN, _MIXED, _ODD_CASE)):
        return False
    frequent = sum(letter in _FREQUENT for letter in letters) / len(letters)
    vowels = sum(letter in _VOWELS for letter in letters) / len(letters)
    return frequent >= _LEAST_FREQUENT and _VOWEL_SHARES[0] <= vowels <= _VOWEL_SHARES[1]
