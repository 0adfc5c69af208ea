"""What the views of `tus` promise over HTTP: the source of /openapi.json and /docs."""

from gateway.audio.library import NameTaken
from gateway.errors import BadRequest, BodyTooLarge, GatewayError, NotFound, Unavailable, Unprocessable, UnsupportedBody
from gateway.openapi.operations import Content, Operation, Parameter, ResponseSpec, refuse
from gateway.web.body_flow import BodyTimeout

from .partial import UploadLocked
from .resumable import ALGORITHMS, ChecksumMismatch, OffsetMismatch
from .storage import NoSpace
from .writer import NotAudio

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
CONTENT_TYPE = "application/offset+octet-stream"


class VersionUnsupported(GatewayError):
    """The client speaks another version of the protocol, or none."""

    status, code = 412, "tus-version-unsupported"

    @property
    def headers(self) -> dict[str, str]:
        """The versions there are."""
        return {"Tus-Version": VERSION}


_NUMBER = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_RESUMABLE = Parameter(
    "Tus-Resumable",
    "The version of the protocol.",
    "header",
    {"type": "string", "const": VERSION},
    VERSION,
    required=True,
)
_TOLD = Parameter("Tus-Resumable", "The version of the protocol.", required=True)
_OFFSET_TOLD = Parameter("Upload-Offset", "How many bytes are on the disk.", required=True)
_EXPIRES_TOLD = Parameter("Upload-Expires", "Until when it can go on, while it is not whole.")
_CHECKSUM = Parameter(
    "Upload-Checksum",
    f"An algorithm ({', '.join(ALGORITHMS)}) and the sum of the bytes of this request in Base64.",
    "header",
    {"type": "string", "pattern": f"^(?:{'|'.join(ALGORITHMS)}) [A-Za-z0-9+/]+={{0,2}}$"},
    "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
)
_KEY = {"key": Parameter("key", "The last part of the location of the upload.", example="0" * 32)}
_BYTES = (Content(CONTENT_TYPE, schema={"type": "string", "format": "binary"}),)
_HOLD_ERRORS = (NotFound, VersionUnsupported, UploadLocked, Unavailable)
_PUBLISH_ERRORS = (BodyTooLarge, NameTaken, NotAudio, NoSpace)
_TAKE_ERRORS = (BadRequest, BodyTimeout, ChecksumMismatch, *_PUBLISH_ERRORS)
_NEXT = {"key": "$response.header.Location#regex:.*/(.+)$"}

GET_OPTIONS = Operation(
    "Ask what of tus is spoken",
    (
        ResponseSpec(
            204,
            "Versions, extensions, limits.",
            headers=(
                Parameter("Allow", "The methods there are.", required=True),
                Parameter("Tus-Version", "The versions of the protocol.", required=True),
                Parameter("Tus-Extension", EXTENSIONS, required=True),
                Parameter("Tus-Max-Size", "How many bytes a file may have.", required=True),
                Parameter("Tus-Checksum-Algorithm", ",".join(ALGORITHMS), required=True),
                _TOLD,
            ),
        ),
    ),
)
POST_UPLOAD = Operation(
    "Begin a resumable upload",
    (
        ResponseSpec(
            201,
            "Bytes can be sent to its location.",
            headers=(Parameter("Location", "Where it is.", required=True), _OFFSET_TOLD, _EXPIRES_TOLD, _TOLD),
        ),
    ),
    description="tus 1.0 (https://tus.io). Bytes may come along, under their media type.",
    parameters=(
        _RESUMABLE,
        Parameter("Upload-Length", "How many bytes the file has.", "header", _NUMBER, "7412000", required=True),
        Parameter(
            "Upload-Metadata",
            "Pairs of a key and a value in Base64, with commas; `filename` must be one.",
            "header",
            {"type": "string", "pattern": r"^(?:[^,]*,)*\s*filename [A-Za-z0-9+/=]+\s*(?:,.*)?$"},
            "filename cHJlbHVkZS5tcDM=",
            required=True,
        ),
        _CHECKSUM,
    ),
    bodies=_BYTES,
    body_required=False,
    errors=(*_TAKE_ERRORS, Unprocessable, VersionUnsupported, Unavailable),
)
HEAD_UPLOAD = Operation(
    "Ask how far an upload is",
    (
        ResponseSpec(
            200,
            "So far.",
            headers=(
                _OFFSET_TOLD,
                Parameter("Upload-Length", "How many bytes it is to have.", required=True),
                Parameter("Upload-Metadata", "As it was sent."),
                _EXPIRES_TOLD,
                _TOLD,
            ),
        ),
    ),
    variables=_KEY,
    parameters=(_RESUMABLE,),
    errors=(*_HOLD_ERRORS, *_PUBLISH_ERRORS),
)
PATCH_UPLOAD = Operation(
    "Go on with an upload",
    (
        ResponseSpec(
            204,
            "The bytes are on the disk; with the last of them the file is in the list.",
            headers=(_OFFSET_TOLD, _EXPIRES_TOLD, _TOLD),
        ),
    ),
    variables=_KEY,
    parameters=(
        _RESUMABLE,
        Parameter("Upload-Offset", "Where these bytes begin.", "header", _NUMBER, "0", required=True),
        _CHECKSUM,
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
POST_OVERRIDDEN = Operation(
    "Any of these, where only POST can be sent",
    (
        ResponseSpec(200, "As HEAD.", headers=(_TOLD,)),
        ResponseSpec(204, "As PATCH or DELETE.", headers=(_TOLD,)),
        refuse(405, "X-HTTP-Method-Override names none of them.", "method-not-allowed"),
    ),
    variables=_KEY,
    parameters=(
        Parameter(
            "X-HTTP-Method-Override",
            "Which one is meant.",
            "header",
            {"type": "string", "enum": ["HEAD", "PATCH", "DELETE"]},
            required=True,
        ),
        _RESUMABLE,
        Parameter("Upload-Offset", "As with PATCH.", "header", _NUMBER),
        _CHECKSUM,
    ),
    bodies=_BYTES,
    body_required=False,
    errors=PATCH_UPLOAD.errors,
)
