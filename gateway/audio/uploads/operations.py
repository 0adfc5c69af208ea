"""What the views of `tus` promise over HTTP: the source of /openapi.json and /docs."""

from gateway.audio.filenames import NameTaken
from gateway.errors import BadRequest, BodyTooLarge, GatewayError, NotFound, Unavailable, Unprocessable, UnsupportedBody
from gateway.openapi.operations import BINARY, TEXT, Content, Operation, Parameter, ResponseSpec, always
from gateway.web.body_flow import BodyTimeout

from .partial import OffsetMismatch, UploadLocked
from .storage import NoSpace
from .writer import NotAudio

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination"
CONTENT_TYPE = "application/offset+octet-stream"


class VersionUnsupported(GatewayError):
    """The client speaks another version of the protocol, or none."""

    status, code = 412, "tus-version-unsupported"

    @property
    def headers(self) -> dict[str, str]:
        """The versions there are."""
        return {"Tus-Version": VERSION}


_NUMBER = TEXT | {"pattern": "^[0-9]{1,18}$"}
_RESUMABLE = Parameter(
    "Tus-Resumable", "The version of the protocol.", "header", TEXT | {"const": VERSION}, VERSION, required=True
)
_TOLD = always("Tus-Resumable", "The version of the protocol.")
_OFFSET = always("Upload-Offset", "How many bytes are on the disk.")
_EXPIRES = Parameter("Upload-Expires", "Until when it can go on, while it is not whole.")
_KEY = {"key": Parameter("key", "The last part of the location of the upload.", example="0" * 32)}
_BYTES = (Content(CONTENT_TYPE, schema=BINARY),)
_HOLD_ERRORS = (NotFound, VersionUnsupported, UploadLocked, Unavailable)
_PUBLISH_ERRORS = (BodyTooLarge, NameTaken, NotAudio, NoSpace)
_TAKE_ERRORS = (BadRequest, BodyTimeout, *_PUBLISH_ERRORS)

_CAPABILITIES = (
    always("Allow", "The methods there are."),
    always("Tus-Version", "The versions of the protocol."),
    always("Tus-Extension", EXTENSIONS),
    always("Tus-Max-Size", "How many bytes a file may have."),
    _TOLD,
)
GET_OPTIONS = Operation(
    "Ask what of tus is spoken", (ResponseSpec(204, "Versions, extensions, limits.", headers=_CAPABILITIES),)
)
_PLACE = always("Location", "Where it is.")
POST_UPLOAD = Operation(
    "Begin a resumable upload",
    (ResponseSpec(201, "Bytes can be sent to its location.", headers=(_PLACE, _OFFSET, _EXPIRES, _TOLD)),),
    description="tus 1.0 (https://tus.io). Bytes may come along, under their media type.",
    parameters=(
        _RESUMABLE,
        Parameter("Upload-Length", "How many bytes the file has.", "header", _NUMBER, "7412000", required=True),
        Parameter(
            "Upload-Metadata",
            "Pairs of a key and a value in Base64, with commas; `filename` must be one.",
            "header",
            TEXT | {"pattern": r"^(?:[^,]*,)*\s*filename [A-Za-z0-9+/=]+\s*(?:,.*)?$"},
            "filename cHJlbHVkZS5tcDM=",
            required=True,
        ),
    ),
    bodies=_BYTES,
    body_required=False,
    errors=(*_TAKE_ERRORS, Unprocessable, VersionUnsupported, Unavailable),
)
_LENGTH = always("Upload-Length", "How many bytes it is to have.")
_METADATA = Parameter("Upload-Metadata", "As it was sent.")
HEAD_UPLOAD = Operation(
    "Ask how far an upload is",
    (ResponseSpec(200, "So far.", headers=(_OFFSET, _LENGTH, _METADATA, _EXPIRES, _TOLD)),),
    variables=_KEY,
    parameters=(_RESUMABLE,),
    errors=(*_HOLD_ERRORS, *_PUBLISH_ERRORS),
)
_TAKEN = "The bytes are on the disk; with the last of them the file is in the list."
PATCH_UPLOAD = Operation(
    "Go on with an upload",
    (ResponseSpec(204, _TAKEN, headers=(_OFFSET, _EXPIRES, _TOLD)),),
    variables=_KEY,
    parameters=(
        _RESUMABLE,
        Parameter("Upload-Offset", "Where these bytes begin.", "header", _NUMBER, "0", required=True),
    ),
    bodies=_BYTES,
    errors=(*_HOLD_ERRORS, *_TAKE_ERRORS, OffsetMismatch, UnsupportedBody),
)
DELETE_UPLOAD = Operation(
    "Give an upload up",
    (ResponseSpec(204, "What had arrived is gone.", headers=(_TOLD,)),),
    variables=_KEY,
    parameters=(_RESUMABLE,),
    errors=_HOLD_ERRORS,
)
