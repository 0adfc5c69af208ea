"""The target of a request (RFC 9112, 3.2), read before anything of the framework does: which path under which name."""

import re

from gateway.errors import BadRequest

_ABSOLUTE = re.compile(rb"https?://([^/]+)(/.*)?", re.IGNORECASE)


def read_target(method: str, target: bytes) -> tuple[bytes, bytes | None]:
    """The path of a target that has no query any more, and the authority if it names one, which overrides Host.

    `OPTIONS *` asks for the server itself; its path is `*`.

    :raises BadRequest: it is neither a path nor a URL of HTTP.
    """
    if target.startswith(b"/") or (method, target) == ("OPTIONS", b"*"):
        return target, None
    if absolute := _ABSOLUTE.fullmatch(target):
        return absolute[2] or b"/", absolute[1]
    raise BadRequest("The target of a request is a path, or a URL that begins with http:// or https://.")
