"""Resumable uploads on the wire: tus 1.0.0 (https://tus.io/protocols/resumable-upload) at /api/v1/uploads/.

Core, creation, creation-with-upload, expiration, termination. The headers of the protocol become calls of
`ResumableUploads` here, and what it answers becomes headers again. Upload-Checksum is ignored: a client learns from
Tus-Extension that nothing is checked by it.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import anyio
from quart import Blueprint, Response, request, url_for
from quart.typing import ResponseReturnValue
from werkzeug.http import http_date

from gateway.errors import BadRequest, GatewayError, Unprocessable, UnsupportedBody
from gateway.openapi.operations import describes
from gateway.web.body_flow import StreamedRequest

from . import operations
from .fragment import refuse_names
from .operations import CONTENT_TYPE, VERSION, VersionUnsupported
from .resumable import ResumableUploads, Upload

_PATH = "/api/v1/uploads/"
Route = Callable[..., Callable[[Any], Any]]
_NUMBER = re.compile(r"[0-9]{1,18}")
_METADATA_KEY = re.compile(r"[!-+\--~]+")


def blueprint(uploads: ResumableUploads) -> Blueprint:
    """The routes of resumable uploads."""
    views = Blueprint("uploads", __name__)
    views.before_request(_check_version)
    views.after_request(_add_headers)
    route = partial(views.route, strict_slashes=False, provide_automatic_options=False)
    _add_creation(route, uploads)
    _add_upload(route, uploads)
    return views


async def _check_version() -> None:
    if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
        raise VersionUnsupported(f"The header Tus-Resumable must be {VERSION}.")


async def _add_headers(response: Response) -> Response:
    response.headers["Tus-Resumable"] = VERSION
    response.headers["Cache-Control"] = "no-store"
    return response


def _add_creation(route: Route, uploads: ResumableUploads) -> None:
    @route(_PATH, methods=["OPTIONS"])
    @route(_PATH + "<key>", methods=["OPTIONS"])
    @describes(operations.GET_OPTIONS)
    async def get_options(key: str | None = None) -> ResponseReturnValue:
        capabilities = {
            "Allow": "HEAD, PATCH, DELETE, OPTIONS" if key else "POST, OPTIONS",
            "Tus-Version": VERSION,
            "Tus-Extension": operations.EXTENSIONS,
            "Tus-Max-Size": str(uploads.max_upload_bytes),
        }
        return Response(status=204, headers=capabilities)

    @route(_PATH, methods=["POST"])
    @describes(operations.POST_UPLOAD)
    async def post_upload() -> ResponseReturnValue:
        upload = await _create(uploads)
        headers = _describe(upload) | {"Location": url_for("uploads.patch_upload", key=upload.key)}
        return Response(status=201, headers=headers)


def _add_upload(route: Route, uploads: ResumableUploads) -> None:
    @route(_PATH + "<key>", methods=["HEAD"])
    @describes(operations.HEAD_UPLOAD)
    async def head_upload(key: str) -> Response:
        upload = await uploads.find(key)
        headers = _describe(upload) | {"Upload-Length": str(upload.length_bytes)}
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        return Response(status=200, headers=headers)

    @route(_PATH + "<key>", methods=["PATCH"])
    @describes(operations.PATCH_UPLOAD)
    async def patch_upload(key: str) -> Response:
        if request.mimetype != CONTENT_TYPE:
            raise UnsupportedBody(f"The body must be of the type {CONTENT_TYPE}.")
        _refuse_fragment()
        return Response(status=204, headers=_describe(await _append(uploads, key, _read_number("Upload-Offset"))))

    @route(_PATH + "<key>", methods=["DELETE"])
    @describes(operations.DELETE_UPLOAD)
    async def delete_upload(key: str) -> Response:
        await uploads.remove(key)
        return Response(status=204)


async def _create(uploads: ResumableUploads) -> Upload:
    """The new upload, with the bytes that came along (creation-with-upload)."""
    _refuse_fragment()
    metadata = request.headers.get("Upload-Metadata", "")
    name = read_metadata(metadata).get("filename")
    if name is None:
        raise Unprocessable("The header Upload-Metadata must have a filename.")
    try:
        shown = name.decode()
    except UnicodeDecodeError:
        raise Unprocessable("The filename in Upload-Metadata is not UTF-8.") from None
    upload = await uploads.create(shown, _read_number("Upload-Length"), metadata)
    if request.mimetype != CONTENT_TYPE:
        return upload
    try:
        return await _append(uploads, upload.key, 0)
    except BaseException:
        with anyio.CancelScope(shield=True), suppress(GatewayError):
            await uploads.remove(upload.key)  # its client never learns where it is
        raise


async def _append(uploads: ResumableUploads, key: str, offset_bytes: int) -> Upload:
    asked = cast(StreamedRequest, request)
    return await uploads.append(key, offset_bytes, asked.stream_body(), expected_bytes=asked.content_length or 0)


def _refuse_fragment() -> None:
    """:raises BadRequest: the bytes are a part of another file (concatenation), or of one without a length."""
    refuse_names([name for name in (*request.headers.keys(), *request.args) if name.lower() != "upload-offset"])


def _describe(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset_bytes)}
    if upload.offset_bytes < upload.length_bytes:
        headers["Upload-Expires"] = http_date(upload.expires_at)
    return headers


def _read_number(header: str) -> int:
    value = request.headers.get(header, "")
    if not _NUMBER.fullmatch(value):
        raise BadRequest(f"The header {header} must be a number of bytes.")
    return int(value)


def read_metadata(value: str) -> dict[str, bytes]:
    """The pairs of an Upload-Metadata header: `key base64,key base64`; a key alone has an empty value.

    :raises BadRequest: it is malformed, or has a key twice.
    """
    pairs: dict[str, bytes] = {}
    for pair in value.split(",") if value.strip() else []:
        key, _, encoded = pair.strip(" \t").partition(" ")
        malformed = BadRequest("The header Upload-Metadata is malformed.")
        if not _METADATA_KEY.fullmatch(key) or key in pairs:
            raise malformed
        try:
            pairs[key] = b64decode(encoded, validate=True)
        except ValueError:
            raise malformed from None
    return pairs
