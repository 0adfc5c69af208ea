"""The Content-Disposition of a part of a form: its field, and the file name its sender meant. Pure.

Browsers write the bytes of the name as UTF-8 (RFC 7578, 4.2). .NET and PowerShell send an encoded word (RFC 2047) as
`filename` and the name itself as `filename*` (RFC 8187); urllib3 1 sends `filename*` alone, Spring the word alone.
"""

import re
from email.errors import HeaderParseError
from email.header import decode_header
from urllib.parse import unquote_to_bytes

from gateway.errors import Unprocessable

_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))""")
_WORD = r"=\?[!->@-~]+\?[BbQq]\?[!->@-~]*\?="
_ENCODED_WORDS = re.compile(rf"{_WORD}(?:[ \t]*{_WORD})*")
_EXTENDED = re.compile(r"([^']*)'[^']*'((?:[^%]|%[0-9A-Fa-f]{2})*)")
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1"})
"""Those of RFC 5987, 3.2.1. In another one the same bytes could be many names."""


def parse_disposition(disposition: str) -> dict[str, str]:
    """The parameters of a Content-Disposition, the first of a name.

    Browsers write a quotation mark as %22 (the HTML standard), other clients as RFC 9110 does, with a backslash;
    any other backslash is one.
    """
    parameters: dict[str, str] = {}
    for key, quoted, token in _PARAMETER.findall(disposition):
        value = re.sub(r'\\(["\\])', r"\1", quoted).replace("%22", '"')
        parameters.setdefault(key.lower(), value or token)
    return parameters


def read_filename(parameters: dict[str, str]) -> str | None:
    """The name of the file, without its folders; None if there is none, or if it is empty.

    `filename*` counts where `filename` is missing or an encoded word; elsewhere RFC 7578, 4.2 forbids it.

    :raises Unprocessable: the name is encoded, and cannot be read.
    """
    plain, extended = parameters.get("filename"), parameters.get("filename*")
    encoded = plain and _ENCODED_WORDS.fullmatch(plain)
    if plain and not encoded:
        name = plain
    elif extended:
        name = _read_extended(extended)
    elif plain:
        name = _read_words(plain)
    else:
        return None
    return re.split(r"[/\\]", name)[-1]


def _read_extended(value: str) -> str:
    """A value of RFC 8187: `charset'language'percent-encoded`."""
    match = _EXTENDED.fullmatch(value)
    if match is None:
        raise _unreadable(value)
    return _decode(unquote_to_bytes(match[2]), match[1], value)


def _read_words(value: str) -> str:
    """Encoded words of RFC 2047; their charset may name a language too (RFC 2231, 5)."""
    try:
        words = decode_header(value)
    except (HeaderParseError, ValueError):
        raise _unreadable(value) from None
    return "".join(_decode(data, (charset or "").partition("*")[0], value) for data, charset in words)


def _decode(data: bytes, charset: str, value: str) -> str:
    if charset.lower() not in _CHARSETS:
        raise _unreadable(value)
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise _unreadable(value) from None


def _unreadable(value: str) -> Unprocessable:
    return Unprocessable("The name of the file is encoded in a way that cannot be read.", name=value)
