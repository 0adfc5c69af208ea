"""What to say of a file that is no audio: for some kinds there is more to say than that."""

import re
from collections.abc import Sequence

NOT_AUDIO = "Non-audio file detected"
_EMPTY = "Non-audio file detected. The file is empty."
_PLAYLIST = "Non-audio file detected. This is a playlist: upload the files that it names."
_CUE_SHEET = "Non-audio file detected. This is a cue sheet: upload the file that it names."

_READ_BYTES = 16 * 1024
_BOM = "\ufeff"
_MARKED_PLAYLIST = re.compile(
    r"#EXTM3U|#EXTINF|\[playlist\]|\[reference\]|<asx\b|<\?wpl\b|<smil\b|<playlist\b|<winampxml\b|<\?zpl\b",
    re.IGNORECASE,
)
_XML_HEAD = re.compile(r"<\?xml.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE.*?>\s*", re.DOTALL | re.IGNORECASE)
_CUE_FILE = re.compile(r'FILE\s+("[^"]*"|\S+)\s+\w+$', re.IGNORECASE)
_CUE_TRACK = re.compile(r"TRACK\s+\d+\s+\w+", re.IGNORECASE)
_NAMED_AUDIO = re.compile(
    r"\.(mp[23]|m4[ab]|aac|ogg|oga|opus|spx|flac|wave?|aiff?|wma|webm|mka|mpc|ape|wv|midi?|amr|ac3|m3u8?)$|^https?://\S+$",
    re.IGNORECASE,
)
_MAX_LINE_CHARS = 1000


def explain_refusal(head: bytes) -> str:
    """The sentence for a file that begins so and is no audio; `head` is all of it where it is short."""
    if not head:
        return _EMPTY
    text = _read_text(head[:_READ_BYTES])
    if text is None:
        return NOT_AUDIO
    lines = [line.strip() for line in text.splitlines()]
    if len(head) >= _READ_BYTES:  # the last one may be cut
        lines.pop()
    if any(map(_CUE_FILE.match, lines)) and any(map(_CUE_TRACK.match, lines)):
        return _CUE_SHEET
    body = text.lstrip()
    while comment := _XML_HEAD.match(body):
        body = body[comment.end() :]
    return _PLAYLIST if _MARKED_PLAYLIST.match(body) or _names_audio(lines) else NOT_AUDIO


def _read_text(head: bytes) -> str | None:
    """The first bytes as text, or None if they are none; old programs write that in the code page of the system."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return head[: len(head) & ~1].decode("utf-16", errors="replace")
    if b"\0" in head:
        return None
    return head.decode("utf-8", errors="replace").removeprefix(_BOM)


def _names_audio(lines: Sequence[str]) -> bool:
    """Whether each line names an audio file: a playlist without a mark."""
    named = [line for line in lines if line and not line.startswith("#")]
    return bool(named) and all(len(line) <= _MAX_LINE_CHARS and _NAMED_AUDIO.search(line) for line in named)
