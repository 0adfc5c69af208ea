"""The files of our pages: style sheets, scripts, pictures.

A cache asks for them again each time, so that none is older than the page that needs it.
"""

from pathlib import Path

from quart import Blueprint, Response, send_from_directory

from .contract import Answer, Content, Operation, Parameter, promises
from .errors import NotFound

_VALIDATORS = (
    Parameter("ETag", "Names this state of it.", required=True),
    Parameter("Last-Modified", "The time of its last change.", required=True),
)
GET_STATIC = Operation(
    "A file of a page",
    (
        Answer(
            200,
            "Its bytes.",
            (Content("text/css"), Content("text/javascript"), Content("image/svg+xml"), Content("font/woff2")),
            _VALIDATORS,
        ),
        Answer(206, "The part asked for.", (Content("*/*"),), _VALIDATORS),
        Answer(304, "Nothing has changed."),
    ),
    group="static",
    parameters=(Parameter("If-None-Match", "An entity tag: 304 if it is still so.", "header"),),
    errors=(NotFound,),
)


def add_static(views: Blueprint, prefix: str) -> None:
    """Serve the folder `static` beside the module of a blueprint under `prefix`, as its endpoint `static`."""
    folder = Path(views.root_path) / "static"

    @views.get(f"{prefix}/<path:filename>", endpoint="static")
    @promises(GET_STATIC)
    async def get_static(filename: str) -> Response:
        try:
            answer = await send_from_directory(folder, filename)
        except OSError:  # a name that is too long for any file
            raise NotFound("There is nothing at this address.") from None
        answer.headers["Cache-Control"] = "no-cache"
        return answer
