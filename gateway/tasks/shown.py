"""URLs, codes and times as people read them. Pure.

What a stranger put into a URL cannot disguise it: control characters and those that turn the direction of writing are
shown as `\\u202e`, and a host in IDNA is shown in its own letters, with the URL as it was sent beside it.
"""

import re
from datetime import datetime

from gateway.web.i18n import Translator

from .models import Probe

MAX_SHOWN_CHARS = 300
"""A longer text is cut in its middle where it has one line."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]")
_LINKABLE = re.compile(r"https?://[^\s<>\"\\^`{|}]+", re.IGNORECASE)
_IDNA = re.compile(r"\bxn--[a-z0-9-]+", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//[^/?#\\]*|[^/?#\\]*", re.IGNORECASE)


def escape_controls(text: str) -> str:
    """A text whose invisible characters can be seen."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def show_url(url: str) -> str:
    """A URL in one line that can be read."""
    host = _HOST.match(url)
    end = host.end() if host else 0
    return shorten_middle(escape_controls(_IDNA.sub(_read_label, url[:end]) + url[end:]))


def shorten_middle(text: str) -> str:
    """A text of at most `MAX_SHOWN_CHARS`, with its beginning and its end."""
    if len(text) <= MAX_SHOWN_CHARS:
        return text
    half = MAX_SHOWN_CHARS // 3
    return f"{text[: 2 * half]}…{text[-half:]}"


def find_link(url: str | None) -> str | None:
    """The URL, if a page may link to it: of http or https, without characters that a URL does not have."""
    return url if url and _LINKABLE.fullmatch(url) and not _CONTROLS.search(url) else None


def show_code(probe: Probe) -> str:
    """What became of a URL in a word: `404`, `timeout`, `301 → 200`."""
    if probe.code is None:
        return "…"
    last = f"{probe.code:03d}" if probe.code else (probe.error or "").replace("_", " ")
    return f"{probe.hops[0].code} → {last}" if probe.hops else last


def show_reason(probe: Probe) -> str:
    """Where a URL leads, or why it gave no answer."""
    if probe.code and (probe.final_url or probe.location):
        return show_url(probe.final_url or probe.location or "")
    return shorten_middle(escape_controls(probe.detail or ""))


def show_seconds(words: Translator, seconds: float | None) -> str:
    """A duration in two figures: 4 ms, 0.2 s, 30 s, 12 min."""
    if seconds is None:
        return ""
    if seconds < 0.0995:
        return words("{n} ms", n=max(1, round(seconds * 1000)))
    if seconds < 9.95:
        return words("{n} s", n=words.decimal(seconds))
    return words("{n} s", n=round(seconds)) if seconds < 120 else words("{n} min", n=round(seconds / 60))


def show_span(words: Translator, seconds: float) -> str:
    """A long duration in its largest whole unit: 7 days, 12 hours, 90 minutes."""
    for unit_s, forms in ((86_400, "{n} day|{n} days"), (3600, "{n} hour|{n} hours"), (60, "{n} minute|{n} minutes")):
        if seconds >= unit_s and seconds % unit_s == 0:
            return words.count(int(seconds / unit_s), forms)
    return words.count(int(seconds), "{n} second|{n} seconds")


def show_ago(words: Translator, then: datetime, now: datetime) -> str:
    """How long ago something was."""
    seconds = (now - then).total_seconds()
    if seconds < 60:
        return words("just now")
    if seconds < 3600:
        return words("{n} min ago", n=int(seconds / 60))
    if seconds < 86_400:
        return words("{n} h ago", n=int(seconds / 3600))
    return words.count(int(seconds / 86_400), "{n} day ago|{n} days ago")


def _read_label(match: re.Match[str]) -> str:
    try:
        return match[0].lower().encode("ascii").decode("idna")
    except UnicodeError:
        return match[0]
