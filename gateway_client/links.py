"""The URLs of one document: resolved, without fragments, each once; counts the links that it leaves out."""

import re
from typing import NamedTuple
from urllib.parse import urljoin

from .terminal import escape_text, escape_url, print_error

MAX_URL_CHARS = 64 * 1024
"""Longer ones are cut. Each fits a task, at up to twelve bytes a character in JSON; the server takes far less."""
MAX_SCHEMES = 8
_SCHEME = re.compile("([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SILENT = frozenset({"about", "blob", "callto", "cid", "data", "javascript", "mailto", "sms", "tel"})
"""Schemes that are left out without a message."""
_BLANKS = "".join(map(chr, range(33)))


class Url(NamedTuple):
    """A URL as it was given, and where: `list.txt:14`, empty for an argument."""

    text: str
    place: str = ""


class Links:
    """Collects the links of the document `name`; relative ones are resolved against `base`, if it is absolute."""

    def __init__(self, name: str, base: str = "") -> None:
        self.urls: list[Url] = []
        self._name = name
        self._base = base if is_web(base) else ""
        self._seen: set[str] = set()
        self._relative = 0
        self._schemes: dict[str, int] = {}

    def add(self, text: str, line: int) -> None:
        """Add a link as the document has it. Its fragment is dropped; a link to a fragment alone is no link."""
        text = re.sub("[\t\n\r]", "", text[:MAX_URL_CHARS]).strip(_BLANKS).partition("#")[0]
        scheme = _SCHEME.match(text)
        if not text or (scheme and scheme[1].lower() in _SILENT):
            return
        if scheme and not is_web(text):
            name = scheme[1].lower()
            self._schemes[name] = self._schemes.get(name, 0) + 1
        elif scheme or self._base:
            self._add_absolute(text if scheme else self._resolve(text), line)
        else:
            self._relative += 1

    def tell_left_out(self, reason: str) -> None:
        """One line on stderr, if links were left out; `reason`: why the relative ones were."""
        words = []
        if self._relative:
            words.append(f"{_count(self._relative, 'relative link')} ({reason})")
        if self._schemes:
            shown = ", ".join(sorted(self._schemes)[:MAX_SCHEMES])
            more = ", …" if len(self._schemes) > MAX_SCHEMES else ""
            words.append(f"{_count(sum(self._schemes.values()), 'link')} of other schemes ({shown}{more})")
        if words:
            print_error(f"{self._name}: left out {escape_text(' and '.join(words))}")

    def _add_absolute(self, text: str, line: int) -> None:
        text = escape_bytes(text)
        if text not in self._seen:
            self._seen.add(text)
            self.urls.append(Url(text, f"{self._name}:{line}"))

    def _resolve(self, text: str) -> str:
        try:
            return urljoin(self._base, text)
        except ValueError:  # such as //[ : the server says what is wrong with it
            return text


def is_web(text: str) -> bool:
    """Whether a link is absolute and of http or https."""
    return re.match("https?:", text, re.IGNORECASE) is not None


def escape_bytes(text: str) -> str:
    """Text in which a byte that was not UTF-8 is `%FF`."""
    if text.isascii():
        return text
    return re.sub("[\ud800-\udfff]", lambda byte: escape_url(byte[0]), text)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
