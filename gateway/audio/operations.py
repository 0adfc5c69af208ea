"""What the views of `page` and `views` promise over HTTP: the source of /openapi.json and /docs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from gateway.audio.uploads.storage import NoSpace
from gateway.audio.uploads.writer import NotAudio
from gateway.errors import BadRequest, BodyTooLarge, NotFound, Unavailable, Unprocessable, UnsupportedBody
from gateway.openapi.operations import (
    FORM,
    HTML,
    JSON,
    OCTETS,
    TEXT,
    Content,
    Operation,
    Parameter,
    ResponseSpec,
    stream_events,
)
from gateway.web.body_flow import BodyTimeout
from gateway.web.conditional import PreconditionFailed, RangeNotSatisfiable

from .filenames import MAX_NAME_BYTES
from .library import NameTaken
from .search import SORT_KEYS


def _write_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class File(BaseModel):
    """A file of the library. Null: the file does not say it."""

    model_config = ConfigDict(frozen=True)

    name: str
    size_bytes: int
    content_type: str = Field(description="What its bytes are, whatever its name says.")
    duration_s: float | None
    title: str | None
    artist: str | None
    album: str | None
    bit_rate_bps: int | None
    sample_rate_hz: int | None
    channels: int | None
    cover: str | None = Field(description="The path of the picture in it.")
    uploaded_at: Annotated[datetime, PlainSerializer(_write_time), Field(json_schema_extra={"format": "date-time"})]
    url: str = Field(description="The path of its bytes.")


@dataclass(frozen=True, slots=True)
class Files:
    """Some files of the library."""

    files: list[File]


_FILE: dict[str, Any] = {
    "name": "prelude.mp3", "size_bytes": 7_412_000, "content_type": "audio/mpeg", "duration_s": 192.1,
    "title": "Prelude", "artist": None, "album": None, "bit_rate_bps": 320_000, "sample_rate_hz": 44_100,
    "channels": 2, "cover": None, "uploaded_at": "2026-11-24T02:30:00.100Z", "url": "/audio/prelude.mp3",
}  # fmt: skip
_REVISION = {"type": "object", "properties": {"revision": TEXT}, "required": ["revision"]}
_BINARY = {"type": "string", "format": "binary"}
_ONE_FILE = {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
_FILES = {
    "type": "object",
    "properties": {"file": {"type": "array", "items": _BINARY, "minItems": 1}},
    "required": ["file"],
}
_NEW_NAME = {
    "name": Parameter(
        "name",
        "The name it will have: at most 255 bytes of UTF-8, no slash, no control characters, no dot at its front.",
        schema={
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_NAME_BYTES,
            "pattern": r"^(?!\.)(?=.*\S)[^/\u0000-\u001f\u007f-\u009f]+$",
        },
        example="prelude.mp3",
    )
}
_NAME = {"name": Parameter("name", "The name of the file.", example="prelude.mp3")}
_READ_ERRORS = (NotFound, Unavailable)
_ADD_ERRORS = (
    BadRequest, BodyTimeout, BodyTooLarge, NotAudio, NameTaken, Unprocessable, NoSpace, Unavailable,
)  # fmt: skip
_LOCATION = Parameter("Location", "Where its bytes are.", required=True)
_CREATED = ResponseSpec(
    201,
    "The file is on disk, whole, and in the list.",
    (Content(JSON, File, example=_FILE),),
    (_LOCATION,),
    {
        f"audio.{view}": {"name": "$response.body#/name"}
        for view in ("get_file", "get_audio", "get_cover", "delete_file")
    },
)
_VALIDATORS = (
    Parameter("ETag", "Names this state of the file.", required=True),
    Parameter("Last-Modified", "The time of its last change.", required=True),
)
_CONDITIONS = tuple(
    Parameter(name, words, "header")
    for name, words in {
        "If-None-Match": "Entity tags: 304 if one of them is that of the file.",
        "If-Modified-Since": "A date: 304 if the file has not changed since.",
        "If-Match": "Entity tags: 412 if none of them is that of the file.",
        "If-Unmodified-Since": "A date: 412 if the file has changed since.",
    }.items()
)
_UNCHANGED = ResponseSpec(304, "Nothing has changed.", headers=_VALIDATORS)

GET_PAGE = Operation(
    "The page",
    (ResponseSpec(200, "Every file with a player, and a form to upload.", (Content(HTML, schema=TEXT),)),),
    group="page",
    parameters=(
        Parameter("q", "Only files whose name or tags have this."),
        Parameter("sort", "The order, as of the list; an unknown word counts as none."),
        Parameter(
            "added", "The name of a file that was just added, once or more.", schema={"type": "array", "items": TEXT}
        ),
        Parameter("more", "How many more were."),
    ),
    errors=(BadRequest, Unavailable),
    errors_as=HTML,
)
POST_PAGE = Operation(
    "The form of the page",
    (
        ResponseSpec(
            303,
            "All files were taken.",
            headers=(Parameter("Location", "The page, with what was taken.", required=True),),
        ),
    ),
    description="The page says what was refused; its status is that of the first refusal.",
    group="page",
    bodies=(Content(FORM, schema=_FILES),),
    errors=(*_ADD_ERRORS, UnsupportedBody),
    errors_as=HTML,
)
GET_AUDIO = Operation(
    "The bytes of a file",
    (
        ResponseSpec(
            200,
            "All of them, under the type that they are of.",
            (Content("audio/*", schema=_BINARY),),
            (
                *_VALIDATORS,
                Parameter("Accept-Ranges", "`bytes`", required=True),
                Parameter("Content-Disposition", "With `download`: `attachment`, and the name."),
            ),
        ),
        ResponseSpec(
            206,
            "The part asked for; several parts come as multipart/byteranges.",
            (Content("audio/*", schema=_BINARY), Content("multipart/byteranges", schema=_BINARY)),
            (*_VALIDATORS, Parameter("Content-Range", "Which part it is, if it is one.")),
        ),
        _UNCHANGED,
    ),
    variables=_NAME,
    parameters=(
        Parameter("download", "Whatever it says: as an attachment, under its name."),
        Parameter("Range", "Which part, or parts, of the bytes (RFC 9110, 14).", "header", example="bytes=0-499"),
        Parameter("If-Range", "An entity tag or a date: all the bytes, if it is not that of the file.", "header"),
        *_CONDITIONS,
    ),
    errors=(*_READ_ERRORS, PreconditionFailed, RangeNotSatisfiable),
)
GET_FILES = Operation(
    "List the files",
    (ResponseSpec(200, "The files.", (Content(JSON, Files, example={"files": [_FILE]}),)),),
    parameters=(
        Parameter("q", "Only files whose name or tags have this.", example="prelude"),
        Parameter(
            "sort",
            "The order; turned round with `-` before it.",
            schema={
                "type": "string",
                "enum": [f"{sign}{key}" for key in SORT_KEYS for sign in ("", "-")],
                "default": "name",
            },
        ),
    ),
    errors=(BadRequest, Unprocessable, Unavailable),
)
POST_FILE = Operation(
    "Add a file by a form",
    (_CREATED,),
    description="The field is `file`. Decided on the first bytes: what is not audio is refused before it has all come.",
    bodies=(Content(FORM, schema=_ONE_FILE),),
    errors=(*_ADD_ERRORS, UnsupportedBody),
)
GET_FILE = Operation(
    "Look at one file",
    (ResponseSpec(200, "The file, as in the list.", (Content(JSON, File, example=_FILE),)),),
    variables=_NAME,
    errors=(BadRequest, *_READ_ERRORS),
)
GET_COVER = Operation(
    "The picture in a file",
    (
        ResponseSpec(
            200,
            "The picture.",
            tuple(Content(kind, schema=_BINARY) for kind in ("image/jpeg", "image/png", "image/gif", "image/webp")),
            _VALIDATORS,
        ),
        _UNCHANGED,
    ),
    variables=_NAME,
    parameters=_CONDITIONS,
    errors=(*_READ_ERRORS, PreconditionFailed),
)
PUT_FILE = Operation(
    "Add a file by its bytes",
    (_CREATED,),
    description="As `curl -T` sends them. A file that is there already is not replaced: delete it first.",
    variables=_NEW_NAME,
    bodies=(Content(OCTETS, schema=_BINARY), Content("audio/*", schema=_BINARY)),
    errors=_ADD_ERRORS,
)
DELETE_FILE = Operation("Delete a file", (ResponseSpec(204, "It is gone."),), variables=_NAME, errors=_READ_ERRORS)
GET_EVENTS = Operation(
    "Follow the list",
    (
        ResponseSpec(
            200,
            "Server-sent events: `changed`, after a change by any program. A comment now and then, and the end after a "
            "minute, for the listener to come again. Who wants only JSON gets the file of this name.",
            (
                stream_events(("changed",), _REVISION, 'id: 1f3a…\nevent: changed\ndata: {"revision":"1f3a…"}\n\n'),
                Content(JSON, File),
            ),
        ),
    ),
    parameters=(
        Parameter("Last-Event-ID", "The `id` of the last event that was seen.", "header"),
        Parameter("since", "The same, for the first time."),
    ),
    errors=_READ_ERRORS,
)
