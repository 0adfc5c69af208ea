"""The static files of the pages (style sheets, scripts, pictures), and responses with an entity tag.

A cache revalidates them each time, so that none is older than its page. An entity tag is a hash of the content: it is
the same on every gateway.
"""

import errno
import mimetypes
from pathlib import Path

from anyio import to_thread
from quart import Blueprint, Response, request
from werkzeug.http import generate_etag
from werkzeug.security import safe_join

from gateway.errors import NotFound
from gateway.openapi.operations import Content, Operation, Parameter, ResponseSpec, always, describes

from .conditional import PreconditionFailed, Validators, plan_answer

ETAG = always("ETag", "Names this state of it.")
CONDITIONS = (
    Parameter("If-None-Match", "Entity tags: 304 if one of them is the current one.", "header"),
    Parameter("If-Match", "Entity tags: 412 if none of them is the current one.", "header"),
)
UNCHANGED = ResponseSpec(304, "Nothing has changed.", headers=(ETAG,))
_NO_FILE = {errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}
_TYPES = (Content("text/css"), Content("text/javascript"), Content("image/svg+xml"), Content("font/woff2"))
GET_STATIC = Operation(
    "A file of a page",
    (ResponseSpec(200, "Its bytes.", _TYPES, (ETAG,)), UNCHANGED),
    group="static",
    parameters=CONDITIONS,
    errors=(NotFound, PreconditionFailed),
)


def add_static(views: Blueprint, prefix: str) -> None:
    """Serve the folder `static` beside the module of a blueprint under `prefix`, as its endpoint `static`."""
    folder = Path(views.root_path) / "static"

    @views.get(f"{prefix}/<path:filename>", endpoint="static")
    @describes(GET_STATIC)
    async def get_static(filename: str) -> Response:
        path = safe_join(str(folder), filename)
        try:
            data = await to_thread.run_sync(Path(path or "").read_bytes)  # whole, as each is small
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_FILE:
                raise
            raise NotFound("There is nothing at this address.") from None
        return answer_tagged(data, mimetypes.guess_type(filename)[0] or "application/octet-stream")


def answer_tagged(data: bytes, mimetype: str) -> Response:
    """A response with a strong entity tag; 304 if the client has this state of it (RFC 9110, 13.1.2).

    :raises PreconditionFailed: `If-Match` names another state.
    """
    validators = Validators(generate_etag(data))
    status = plan_answer(request.headers, validators, len(data), is_get=False).status  # not in ranges
    headers = validators.headers | {"Cache-Control": "no-cache"}
    return Response(b"" if status == 304 else data, status, headers=headers, mimetype=mimetype)
