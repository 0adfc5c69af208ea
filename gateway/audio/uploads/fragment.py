"""Requests that bring a part of a file: chunked uploads of other clients. Each part would be taken for a whole file.

Such a client says so by a header, in the query or in a field of its form; any of them is refused. There is one way to
send a file in parts, tus 1.0. Knows no bodies.
"""

import re
from collections.abc import Iterable

from gateway.errors import BadRequest
from gateway.web.body_flow import StreamedRequest

_SIGN = re.compile(
    r"chunk"  # Dropzone, Resumable.js, Flow.js, Plupload, Syncfusion, Krajee, DevExtreme, ownCloud
    r"|(?:part|piece|slice|segment|block)(?:index|number|num|no|count|byteoffset|id)$"  # Fine Uploader, S3, B2, Azure
    r"|total(?:part|piece|slice|segment|block)s?$"
    r"|(?:^|byte|file|start|upload)offset$"  # Plupload without numbers, FilePond
    r"|(?:content|bytes?|file|upload)range$"  # RFC 9110, 14.5; jQuery File Upload
    r"|uploadconcat|uploaddeferlength"  # tus
)
"""What is in the names of headers and fields that describe a part, without their case, hyphens and underscores."""
_SIGN_IN_JSON = re.compile(rb'"[^"]*chunk[^"]*"\s*:', re.IGNORECASE)  # Kendo


def refuse_fragment(request: StreamedRequest) -> None:
    """Refuse a request whose headers or query say that its body is a part of a file.

    :raises BadRequest: they do.
    """
    headers = request.headers
    refuse_names([*headers.keys(), *request.args])
    # https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/, and the draft-03 that iOS 17 speaks.
    if headers.get("Upload-Complete", "?1").strip() != "?1":
        raise _refuse("Upload-Complete")
    if headers.get("Upload-Incomplete", "?0").strip() != "?0":
        raise _refuse("Upload-Incomplete")
    # A file begins with this in FilePond, and its bytes come later.
    if headers.get("Upload-Length", "").strip() != headers.get("Content-Length", "") and "Upload-Length" in headers:
        raise _refuse("Upload-Length")


def refuse_names(names: Iterable[str]) -> None:
    """Refuse the names of headers or fields if one of them describes a part of a file.

    :raises BadRequest: one does.
    """
    for name in names:
        if _SIGN.search(re.sub("[-_]", "", name.lower())):
            raise _refuse(name)


def refuse_value(name: str, value: bytes) -> None:
    """Refuse the value of a field if it describes a part of a file, as JSON.

    :raises BadRequest: it does.
    """
    if value.lstrip().startswith(b"{") and _SIGN_IN_JSON.search(value):
        raise _refuse(name)


def _refuse(name: str) -> BadRequest:
    shown = name[:100]
    detail = f"`{shown}` describes a part of a file. Send the file whole, or in order by tus 1.0 to /api/v1/uploads/."
    return BadRequest(detail, field=shown)
