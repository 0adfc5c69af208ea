"""The list as a podcast: RSS 2.0 with the elements of Apple's podcast namespace. Pure.

The text of names and tags is made fit for XML 1.0, which has no control characters even when they are escaped.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

from .index import AudioFile
from .playlist import make_title
from .representation import locate_bytes

RSS = "application/rss+xml"
FOOT = b"</channel>\n</rss>\n"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is no character of XML 1.0 (2.2)."""
_TITLE = "Gateway audio"


def write_head(site: str, feed: str) -> bytes:
    """The feed up to its first item; `site` is the URL of the page, `feed` that of the feed itself."""
    link = f'<atom:link rel="self" type="{RSS}" href={quoteattr(feed)}/>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"'
        ' xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">\n'
        f"<channel>\n<title>{_TITLE}</title>\n<link>{escape(site)}</link>\n{link}\n"
        "<description>The audio files of this gateway.</description>\n"
        f"<lastBuildDate>{format_datetime(datetime.now(UTC), usegmt=True)}</lastBuildDate>\n"
        "<itunes:explicit>false</itunes:explicit>\n"
    ).encode()


def write_items(files: Sequence[AudioFile], site: str) -> bytes:
    """The items of these files."""
    return "".join(_write_item(audio, site.rstrip("/")) for audio in files).encode()


def _write_item(audio: AudioFile, site: str) -> str:
    path = locate_bytes(audio.name)
    url = quoteattr(site + path)
    enclosure = f'<enclosure url={url} length="{audio.size_bytes}" type={quoteattr(audio.content_type)}/>'
    elements = [
        ("title", make_title(audio)),
        ("description", " · ".join(filter(None, (audio.artist, audio.album, audio.name)))),
        ("pubDate", format_datetime(audio.uploaded_at, usegmt=True)),
        ("itunes:author", audio.artist),
        ("itunes:duration", None if audio.duration_s is None else str(round(audio.duration_s))),
    ]
    texts = "".join(f"<{name}>{escape(_clean(text))}</{name}>" for name, text in elements if text)
    # The path alone: an episode stays the same when the host or the tags are others.
    return f'<item>{texts}<guid isPermaLink="false">{escape(path)}</guid>{enclosure}</item>\n'


def _clean(text: str) -> str:
    return _NO_XML.sub(" ", text)
