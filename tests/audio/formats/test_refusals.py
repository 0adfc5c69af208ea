"""The words for files that are no audio: empty ones, playlists, cue sheets, and all others."""

import pytest

from gateway.audio.formats.detect import may_be_audio
from gateway.audio.formats.refusals import NOT_AUDIO, explain_refusal
from tests.audio.formats.corpus import HTML

PLAYLISTS = {
    "m3u": b"#EXTM3U\n#EXTINF:1,Song\nsong.mp3\n",
    "m3u of Windows": b"\xef\xbb\xbf#EXTM3U\r\n#EXTINF:1,Song\r\nC:\\Music\\song.mp3\r\n",
    "m3u of UTF-16": "#EXTM3U\nsong.mp3\n".encode("utf-16"),
    "m3u without its mark": b"one.mp3\nCaf\xe9/two.ogg\n\n# words\nhttp://radio.example/stream\n",
    "m3u8 of a stream": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nsegment0.ts\n",
    "pls": b"[playlist]\nFile1=song.mp3\nNumberOfEntries=1\n",
    "xspf": b'<?xml version="1.0"?>\n<!-- mine -->\n<playlist version="1" xmlns="http://xspf.org/ns/0/">',
    "asx": b'<ASX version="3.0"><entry><ref href="song.wma"/></entry></ASX>',
    "wpl": b'<?wpl version="1.0"?><smil><body><seq><media src="song.mp3"/></seq></body></smil>',
}
CUE_SHEET = (
    b'REM DATE 1999\r\nPERFORMER "Anna"\r\nFILE "album.flac" WAVE\r\n  TRACK 01 AUDIO\r\n    INDEX 01 00:00:00\r\n'
)


@pytest.mark.parametrize("name", PLAYLISTS)
def test_playlist(name: str) -> None:
    """A playlist is named as one, and its reader told what to upload."""
    assert explain_refusal(PLAYLISTS[name]) == f"{NOT_AUDIO}. This is a playlist: upload the files that it names."
    assert not may_be_audio(PLAYLISTS[name] + PLAYLISTS[name].lstrip(b"\xff\xfe\xef\xbb\xbf") * 20)


def test_cue_sheet() -> None:
    """A cue sheet is named as one, also behind a mark of UTF-8."""
    words = f"{NOT_AUDIO}. This is a cue sheet: upload the file that it names."
    assert explain_refusal(CUE_SHEET) == explain_refusal(b"\xef\xbb\xbf" + CUE_SHEET) == words


def test_empty() -> None:
    """An empty file is called empty."""
    assert explain_refusal(b"") == f"{NOT_AUDIO}. The file is empty."


@pytest.mark.parametrize(
    "data",
    [
        HTML,
        b"FILE a WAVE\nno track",
        b"only words\n",
        b"\n\n",
        b"\0\1\2",
        b"a.mp3\nand words\n",
        b"<playlists>",
        b"\xff" * 99,
    ],
)
def test_others(data: bytes) -> None:
    """Of all others there is nothing more to say."""
    assert explain_refusal(data) == NOT_AUDIO


@pytest.mark.parametrize("pattern", [b"\n", b"<!--", b".mp3?", b"FILE x\n", b"<?xml ", b'FILE "', b"#\n", b"a.mp3\n"])
def test_bounded_work(pattern: bytes) -> None:
    """Text that repeats what the patterns look for is read once."""
    assert explain_refusal(pattern * 200_000).startswith(NOT_AUDIO)
