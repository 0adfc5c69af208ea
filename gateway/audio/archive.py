"""Several files of the library as one zip archive, made while it is sent; its length is known before."""

from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import cast
from unicodedata import normalize
from zlib import crc32

from quart import Blueprint, Response, request
from quart.typing import ResponseReturnValue

from gateway.errors import NotFound, Unprocessable
from gateway.openapi.operations import describes
from gateway.web.body_flow import StreamedRequest
from gateway.web.conditional import encode_disposition
from gateway.web.file_pieces import read_pieces
from gateway.web.form_fields import read_fields

from . import operations
from .index import AudioFile, not_found
from .library import Library
from .order import check_sort
from .zip_stream import ZipEntry, ZipWriter, measure_archive

_FORM_BYTES = 8 * 1024 * 1024
"""How long a form of names may be: 10,000 long ones, percent-encoded."""


def blueprint(library: Library) -> Blueprint:
    """The routes of the archive."""
    views = Blueprint("archive", __name__)

    @views.get("/audio.zip")
    @describes(operations.GET_ARCHIVE)
    async def get_archive() -> ResponseReturnValue:
        names, query, sort = request.args.getlist("name"), request.args.get("q", ""), request.args.get("sort", "name")
        check_sort(sort)
        if names:
            return _answer_archive(library, await _find_files(library, names))
        files = await library.select(await library.look(), query, sort)
        if not files:
            raise NotFound("There are no such files.")
        return _answer_archive(library, files)

    @views.post("/audio.zip")
    @describes(operations.POST_ARCHIVE)
    async def post_archive() -> ResponseReturnValue:
        names = (await read_fields(cast(StreamedRequest, request), _FORM_BYTES)).get("name", [])
        if not names:
            raise Unprocessable("No file is selected.", field="name")
        return _answer_archive(library, await _find_files(library, names))

    return views


async def _find_files(library: Library, names: list[str]) -> list[AudioFile]:
    """The files of these names, in whatever Unicode form, each once, in this order.

    :raises NotFound: one of them is not there.
    """
    listed = {audio.name: audio for audio in await library.list_files()}
    wanted = dict.fromkeys(normalize("NFC", name) for name in names)
    missing = [name for name in wanted if name not in listed]
    if missing:
        raise not_found(missing[0])
    return [listed[name] for name in wanted]


def _answer_archive(library: Library, files: Sequence[AudioFile]) -> Response:
    headers = {"Content-Disposition": encode_disposition("attachment", "audio.zip")}
    response = Response(content_type=operations.ZIP, headers=headers)
    response.content_length = measure_archive(map(_describe, files))
    if request.method != "HEAD":
        response.response = response.iterable_body_class(_stream(library, files))
    return response


def _describe(audio: AudioFile) -> ZipEntry:
    return ZipEntry(audio.name, audio.size_bytes, audio.uploaded_at)


async def _stream(library: Library, files: Sequence[AudioFile]) -> AsyncIterator[bytes]:
    """The archive. An error in the middle breaks the connection off: the answer must not look whole.

    :raises NotFound, EOFError: a file was deleted or renamed, or has another size by now.
    """
    writer = ZipWriter()
    for audio in files:
        opened = await library.open(audio.name)
        with closing(opened):
            if opened.audio.size_bytes != audio.size_bytes:
                raise EOFError(f"the file {audio.name!r} of an archive has another size by now")
            yield writer.begin(_describe(audio))
            crc = 0
            async for piece in read_pieces(opened, 0, audio.size_bytes):
                crc = crc32(piece, crc)
                yield piece
        yield writer.end(crc)
    yield writer.finish()
