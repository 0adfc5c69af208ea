"""The request target (RFC 9112, 3.2): its path and its host. Pure."""

import re

from gateway.errors import BadRequest

_ABSOLUTE = re.compile(rb"https?://([^/]+)(/.*)?", re.IGNORECASE)


def read_target(method: str, target: bytes) -> tuple[bytes, bytes | None]:
    """The path of a target without its query, and the authority of an absolute one, which overrides Host.

    The path of `OPTIONS *`, which is about the server itself, is `*`.

    :raises BadRequest: it is neither a path nor an HTTP URL.
    """
    if target.startswith(b"/") or (method, target) == ("OPTIONS", b"*"):
        return target, None
    if absolute := _ABSOLUTE.fullmatch(target):
        return absolute[2] or b"/", absolute[1]
    raise BadRequest("The target of a request is a path, or a URL that begins with http:// or https://.")
