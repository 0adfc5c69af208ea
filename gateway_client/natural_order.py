"""The order of names as a person sorts them, which is that of the page: without case and accents, numbers by value."""

import re
from unicodedata import combining, normalize

_NUMBER = re.compile(r"(\d+)")


def make_natural_key(name: str) -> tuple[list[str | int], str]:
    """A key that sorts track 2 before track 10, and names that differ in case or accents alone by their characters."""
    plain = "".join(char for char in normalize("NFKD", normalize("NFKD", name).casefold()) if not combining(char))
    parts = _NUMBER.split(plain)  # text and numbers in turn, text first
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name
