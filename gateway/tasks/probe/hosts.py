"""Which hosts are valid: a name that DNS can hold, or an IP address. Pure.

WHATWG URL reads more as a host: `"http`, `(example.com)`, `example.com,`. No resolver looks these up, and curl refuses
them; they come from quotes, brackets and sentences round a URL. Underscores and hyphens anywhere in a label are in use.
"""

import re
from ipaddress import ip_address
from unicodedata import category

_NAME = re.compile(r"(?=[_.-]*[a-z0-9])(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")
"""Labels of at most 63 characters (RFC 1035, 2.3.4) with a letter or a digit among them."""
_SCHEMES = frozenset({"http", "https"})
"""The host of `http://http://example.com` and of `http//example.com`."""
_ALLOWED_PUNCTUATION = frozenset("-_\u00b7\u0375\u05f3\u05f4\u0f0b\u30fb")
"""Punctuation that names may have: hyphen, underscore, and the exceptions of RFC 5892, 2.6."""


def is_host(host: str) -> bool:
    """Whether `host`, in lower case and ASCII (IDNA), is a name or an address; one of IPv6 has no brackets."""
    if ":" in host:
        return _is_address(host)
    if host in _SCHEMES or _NAME.fullmatch(host) is None:
        return False
    return "xn--" not in host or not any(map(_has_punctuation, host.split(".")))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _has_punctuation(label: str) -> bool:
    """Whether a label in IDNA holds quotes, brackets or other marks beyond ASCII, or cannot be read."""
    if not label.startswith("xn--"):
        return False
    try:
        characters = label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return True
    return any(category(character)[0] == "P" for character in set(characters) - _ALLOWED_PUNCTUATION)
