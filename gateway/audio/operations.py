"""What the views of `page` and `views` promise over HTTP: the source of /openapi.json and /docs."""

from typing import Any

from gateway.audio.uploads.storage import NoSpace
from gateway.audio.uploads.writer import NotAudio
from gateway.errors import BadRequest, BodyTooLarge, NotFound, Unavailable, Unprocessable, UnsupportedBody
from gateway.openapi.operations import (
    BINARY,
    FORM,
    HTML,
    JSON,
    OCTETS,
    TEXT,
    Content,
    Number,
    Operation,
    Parameter,
    ResponseSpec,
    Token,
    always,
    stream_events,
)
from gateway.web.body_flow import BodyTimeout
from gateway.web.conditional import PreconditionFailed, RangeNotSatisfiable
from gateway.web.form_fields import FIELDS

from .filenames import NameTaken
from .listing import ListChanged
from .models import NAME_FORM, File, Files, NewName
from .order import NEWEST, SORTS

ZIP = "application/zip"


_FILE: dict[str, Any] = {
    "name": "prelude.mp3", "size_bytes": 7_412_000, "content_type": "audio/mpeg", "duration_s": 192.1,
    "title": "Prelude", "artist": None, "album": None, "track_number": 1, "disc_number": None, "bit_rate_bps": 320_000,
    "sample_rate_hz": 44_100, "channels": 2, "playable": True, "cover": None,
    "uploaded_at": "2026-11-24T02:30:00.100Z",
    "url": "/audio/prelude.mp3",
}  # fmt: skip
_FILES = {"files": [_FILE], "total": 1, "offset": 0, "revision": "1f3a…", "reading": None}
_REVISION = {"type": "object", "properties": {"revision": TEXT}, "required": ["revision"]}
_NAME = {"name": Parameter("name", "The name of the file.", example="prelude.mp3")}
_NEW_NAME = {
    "name": Parameter(
        "name",
        "The name it will have: at most 255 bytes of UTF-8, no slash, no control characters, no dot at its front.",
        schema=TEXT | NAME_FORM,
        example="prelude.mp3",
    )
}
_READ_ERRORS = (NotFound, Unavailable)
_ADD_ERRORS = (BadRequest, BodyTimeout, BodyTooLarge, NotAudio, NameTaken, Unprocessable, NoSpace, Unavailable)
_ONE = (Content(JSON, File, example=_FILE),)
_BYTES = Content("audio/*", schema=BINARY)
_LINKS = {
    f"audio.{view}": {"name": "$response.body#/name"}
    for view in ("get_file", "get_audio", "get_cover", "patch_file", "delete_file")
}
_CREATED = ResponseSpec(
    201,
    "The file is on disk, whole, and in the list.",
    _ONE,
    (always("Location", "Where its bytes are."),),
    _LINKS,
)
_VALIDATORS = (
    always("ETag", "Names this state of the file."),
    always("Last-Modified", "The time of its last change."),
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
_CHANGE_CONDITIONS = tuple(
    Parameter(name, words, "header")
    for name, words in {
        "If-Match": "Entity tags: 412 if none of them is that of the file.",
        "If-None-Match": "Entity tags: 412 if one of them is that of the file; `*`: 412 if there is a file.",
        "If-Unmodified-Since": "A date: 412 if the file has changed since.",
    }.items()
)
_UNCHANGED = ResponseSpec(304, "Nothing has changed.", headers=_VALIDATORS)
_HAVE_THIS = "Only files whose name and tags have all these words, in any case, with or without accents."
QUERY = Parameter("q", _HAVE_THIS, example="prelude")
OFFSET = Number("offset", "How many files to pass over.", 0)
LIMIT = Number("limit", "At most so many files; without it all.", 0)
REVISION = Token(
    "revision",
    "a `revision` of an earlier answer: the list as it was then, so that parts fit together.",
    r"\w{1,64}",
    "query",
)


def _sort_by(default: str) -> Parameter:
    orders = [f"{sign}{key}" for key in SORTS for sign in ("", "-")]
    words = "The order; turned round with `-` before it. `newest` keeps together what came together."
    return Parameter("sort", words, schema=TEXT | {"enum": orders, "default": default})


BY_NAME, BY_NEWEST = _sort_by("name"), _sort_by(NEWEST)


def _form_of(files: dict[str, Any]) -> tuple[Content, ...]:
    return (Content(FORM, schema={"type": "object", "properties": {"file": files}, "required": ["file"]}),)


GET_PAGE = Operation(
    "The page",
    (ResponseSpec(200, "Every file with a player, and a form to upload.", (Content(HTML, schema=TEXT),)),),
    parameters=(
        QUERY,
        Parameter("sort", "The order, as of the list, `newest` by default; an unknown word counts as none."),
        Parameter("page", "Which hundred files, from 1 on."),
        Parameter("revision", "The `data-revision` of the page: the list as it was then, if it is still known."),
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
    (ResponseSpec(303, "All files were taken.", headers=(always("Location", "The page, with what was taken."),)),),
    description="The page says what was refused; its status is that of the first refusal.",
    bodies=_form_of({"type": "array", "items": BINARY, "minItems": 1}),
    errors=(*_ADD_ERRORS, UnsupportedBody),
    errors_as=HTML,
)
POST_RENAME = Operation(
    "Rename a file by the form of the page",
    (ResponseSpec(303, "It has its new name.", headers=(always("Location", "The page."),)),),
    description="For browsers without scripts; a refusal is said on the page.",
    bodies=(
        Content(
            FIELDS,
            schema={
                "type": "object",
                "properties": {"name": TEXT, "new_name": TEXT | NAME_FORM},
                "required": ["name", "new_name"],
            },
        ),
    ),
    errors=(
        BadRequest, BodyTimeout, NotFound, NameTaken, BodyTooLarge, UnsupportedBody, Unprocessable, NoSpace,
        Unavailable,
    ),
    errors_as=HTML,
)  # fmt: skip
GET_AUDIO = Operation(
    "The bytes of a file",
    (
        ResponseSpec(
            200,
            "All of them, under the type that they are of.",
            (_BYTES,),
            (
                *_VALIDATORS,
                always("Accept-Ranges", "`bytes`"),
                Parameter("Content-Disposition", "With `download`: `attachment`, and the name."),
            ),
        ),
        ResponseSpec(
            206,
            "The part asked for; several parts come as multipart/byteranges.",
            (_BYTES, Content("multipart/byteranges", schema=BINARY)),
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
    (
        ResponseSpec(
            200,
            "The files.",
            (Content(JSON, Files, example=_FILES),),
            (Parameter("Link", 'With `limit`, while there are more: `<…>; rel="next"` (RFC 8288).'),),
        ),
    ),
    description="All of them in one answer, or with `limit` part by part. New files are listed at once; their length "
    "and tags follow as they are read, and `reading` says how far that is.",
    parameters=(QUERY, BY_NAME, OFFSET, LIMIT, REVISION),
    errors=(BadRequest, ListChanged, Unprocessable, Unavailable),
)
GET_PLAYLIST = Operation(
    "The list as a playlist",
    (ResponseSpec(200, "Extended M3U, with relative addresses.", (Content("audio/mpegurl", schema=TEXT),)),),
    parameters=(QUERY, BY_NEWEST),
    errors=(Unprocessable, Unavailable),
)
GET_PODCAST = Operation(
    "The list as a podcast",
    (ResponseSpec(200, "RSS 2.0, an episode for each file.", (Content("application/rss+xml", schema=TEXT),)),),
    parameters=(QUERY, BY_NEWEST),
    errors=(Unprocessable, Unavailable),
)
POST_FILE = Operation(
    "Add a file by a form",
    (_CREATED,),
    description="The field is `file`. Decided on the first bytes: what is not audio is refused before it has all come.",
    bodies=_form_of(BINARY),
    errors=(*_ADD_ERRORS, UnsupportedBody),
)
GET_FILE = Operation(
    "Look at one file",
    (ResponseSpec(200, "The file, as in the list.", _ONE, _VALIDATORS), _UNCHANGED),
    description="Its ETag is the one that DELETE compares with `If-Match`.",
    variables=_NAME,
    parameters=_CONDITIONS,
    errors=(BadRequest, *_READ_ERRORS, PreconditionFailed),
)
_PICTURES = tuple(Content(f"image/{kind}", schema=BINARY) for kind in ("jpeg", "png", "gif", "webp"))
GET_COVER = Operation(
    "The picture in a file",
    (ResponseSpec(200, "The picture.", _PICTURES, _VALIDATORS), _UNCHANGED),
    variables=_NAME,
    parameters=_CONDITIONS,
    errors=(*_READ_ERRORS, PreconditionFailed),
)
PUT_FILE = Operation(
    "Add a file by its bytes",
    (_CREATED,),
    description="As `curl -T` sends them. A file that is there already is not replaced: delete it first.",
    variables=_NEW_NAME,
    parameters=_CHANGE_CONDITIONS[:2],
    bodies=(Content(OCTETS, schema=BINARY), _BYTES),
    errors=(*_ADD_ERRORS, PreconditionFailed),
)
DELETE_FILE = Operation(
    "Delete a file",
    (ResponseSpec(204, "It is gone."),),
    variables=_NAME,
    parameters=_CHANGE_CONDITIONS,
    errors=(*_READ_ERRORS, PreconditionFailed),
)
PATCH_FILE = Operation(
    "Rename a file",
    (ResponseSpec(200, "The file under its new name.", _ONE, links=_LINKS),),
    description="A file that has the new name already is not replaced. Who plays the file hears it to its end.",
    variables=_NAME,
    parameters=_CHANGE_CONDITIONS,
    bodies=(Content(JSON, NewName, example={"name": "fugue.mp3"}),),
    errors=(
        BadRequest, BodyTimeout, NotFound, NameTaken, PreconditionFailed, BodyTooLarge, UnsupportedBody, Unprocessable,
        NoSpace, Unavailable,
    ),
)  # fmt: skip
_ARCHIVE = ResponseSpec(
    200,
    "The files as they are, stored in a zip archive. It is made while it is sent; if a file vanishes or changes "
    "meanwhile, the connection breaks off before its `Content-Length`.",
    (Content(ZIP, schema=BINARY),),
    (always("Content-Length", "How long it will be."), always("Content-Disposition", "`attachment`, and its name.")),
)
GET_ARCHIVE = Operation(
    "Download several files in one",
    (_ARCHIVE,),
    description="Without `name`: all files, or those that `q` finds, in this order.",
    parameters=(
        Parameter("name", "The name of a file, once or more.", schema={"type": "array", "items": TEXT}),
        QUERY,
        BY_NAME,
    ),
    errors=(NotFound, Unprocessable, Unavailable),
)
POST_ARCHIVE = Operation(
    "Download many files in one",
    (_ARCHIVE,),
    description="The same for more names than a URL can have.",
    bodies=(
        Content(
            FIELDS,
            schema={
                "type": "object",
                "properties": {"name": {"type": "array", "items": TEXT, "minItems": 1}},
                "required": ["name"],
            },
        ),
    ),
    errors=(BadRequest, BodyTimeout, NotFound, BodyTooLarge, UnsupportedBody, Unprocessable, Unavailable),
)
_CHANGED = stream_events(("changed",), _REVISION, 'id: 1f3a…\nevent: changed\ndata: {"revision":"1f3a…"}\n\n')
GET_EVENTS = Operation(
    "Follow the list",
    (
        ResponseSpec(
            200,
            "Server-sent events: `changed`, after a change by any program. A comment now and then, and the end after a "
            "minute, for the listener to come again. Who wants only JSON gets the file of this name.",
            (_CHANGED, Content(JSON, File)),
        ),
    ),
    parameters=(
        Parameter("Last-Event-ID", "The `id` of the last event that was seen.", "header"),
        Parameter("since", "The same, for the first time."),
    ),
    errors=_READ_ERRORS,
)
