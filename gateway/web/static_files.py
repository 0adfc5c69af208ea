"""The files of our pages: style sheets, scripts, pictures.

A cache asks for them again each time, so that none is older than the page that needs it. Their entity tags are of what
they contain: the same from every gateway.
"""

import errno
import mimetypes
import os
from datetime import UTC, datetime
from pathlib import Path

from anyio import to_thread
from quart import Blueprint, Response, request
from werkzeug.sansio.http import is_resource_modified
from werkzeug.security import safe_join

from gateway.errors import NotFound
from gateway.openapi.operations import Content, Operation, Parameter, ResponseSpec, describes

from .http_date import read_date

_NO_FILE = {errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}
_VALIDATORS = (
    Parameter("ETag", "Names this state of it.", required=True),
    Parameter("Last-Modified", "The time of its last change.", required=True),
)
GET_STATIC = Operation(
    "A file of a page",
    (
        ResponseSpec(
            200,
            "Its bytes.",
            (Content("text/css"), Content("text/javascript"), Content("image/svg+xml"), Content("font/woff2")),
            _VALIDATORS,
        ),
        ResponseSpec(304, "Nothing has changed."),
    ),
    group="static",
    parameters=(
        Parameter("If-None-Match", "An entity tag: 304 if it is still so.", "header"),
        Parameter("If-Modified-Since", "A date: 304 if nothing has changed since.", "header"),
    ),
    errors=(NotFound,),
)


def add_static(views: Blueprint, prefix: str) -> None:
    """Serve the folder `static` beside the module of a blueprint under `prefix`, as its endpoint `static`."""
    folder = Path(views.root_path) / "static"

    @views.get(f"{prefix}/<path:filename>", endpoint="static")
    @describes(GET_STATIC)
    async def get_static(filename: str) -> Response:
        try:
            data, modified_s = await to_thread.run_sync(_read_file, folder, filename)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_FILE:
                raise
            raise NotFound("There is nothing at this address.") from None
        answer = Response(data, mimetype=mimetypes.guess_type(filename)[0] or "application/octet-stream")
        answer.last_modified = datetime.fromtimestamp(modified_s, UTC)
        await answer.add_etag()
        answer.headers["Cache-Control"] = "no-cache"
        since = read_date(request.headers.get("If-Modified-Since"))
        if not is_resource_modified(
            http_if_none_match=request.headers.get("If-None-Match"),
            http_if_modified_since=request.headers.get("If-Modified-Since") if since else None,
            etag=answer.headers["ETag"],
            last_modified=answer.last_modified,
        ):
            return Response(status=304, headers=answer.headers, content_type=answer.content_type)
        return answer


def _read_file(folder: Path, name: str) -> tuple[bytes, float]:
    """Whole, as each is small, and so that none stays open when its reader leaves; and when it was changed.

    :raises ValueError: it can be no name.
    :raises OSError: it is not there, a folder, or cannot be read.
    """
    path = safe_join(str(folder), name)
    if path is None:
        raise ValueError(name)
    with Path(path).open("rb") as file:
        return file.read(), os.fstat(file.fileno()).st_mtime
