"""Bodies of uploads into the library, as they arrive: multipart/form-data (RFC 7578) and raw bytes.

Owns werkzeug's sansio multipart decoder. The end of a file's chunks is told only after the form went on as a
form must: with the final boundary or the next file. So a form that breaks off publishes nothing of its last
file, and a library that waits for the end needs to know nothing about forms.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Event, Field, File, MultipartDecoder, NeedData, State

from gateway.audio.index import AudioFile
from gateway.audio.library import Library
from gateway.errors import BadRequest, BodyTooLarge, GatewayError, Unprocessable, UnsupportedBody
from gateway.web.body_flow import StreamedRequest

from .disposition import parse_disposition, read_filename
from .fragment import refuse_fragment, refuse_names, refuse_value
from .writer import too_large

FIELD = "file"
FORM_SLACK_BYTES = 1024 * 1024
"""How much a form may be longer than the largest file."""
_MAX_HEADER_BYTES = 16 * 1024
_MAX_FIELD_BYTES = 64 * 1024
_MAX_PARTS = 1000
_SKIPPED_BYTES = 16 * 1024 * 1024
"""How much of a refused file is read to reach the next one in the form."""


@dataclass(frozen=True)
class UploadOutcome:
    """What became of one file of a form: taken, or refused for a reason."""

    name: str
    audio: AudioFile | None = None
    error: GatewayError | None = None


async def receive_raw(request: StreamedRequest, library: Library, name: str) -> AudioFile:
    """Take the body of a request as one file; raises as `Library.add`, `BodyTooLarge` before a byte is read, and

    :raises BadRequest: it is a part of a file, or breaks off.
    """
    refuse_fragment(request)
    expected_bytes = request.content_length
    if (expected_bytes or 0) > library.max_upload_bytes:
        raise too_large(library.max_upload_bytes)
    return await library.add(name, _count(request.stream_body(), expected_bytes))


async def _count(chunks: AsyncIterator[bytes], expected_bytes: int | None) -> AsyncIterator[bytes]:
    seen_bytes = 0
    async for chunk in chunks:
        seen_bytes += len(chunk)
        yield chunk
    if expected_bytes is not None and seen_bytes != expected_bytes:
        raise BadRequest("The body ended before its Content-Length.")


async def receive_file(request: StreamedRequest, library: Library) -> AudioFile:
    """Take the one file of a form.

    Raises as `Library.add`, and
    :raises UnsupportedBody: the body is no form.
    :raises BadRequest: the form is malformed or breaks off, or brings a part of a file.
    :raises Unprocessable: the form has no file, more than one, or none in the field `file`.
    """
    form, name = await _find_first(request, library, several=False)
    return await library.add(name, form)


async def receive_files(request: StreamedRequest, library: Library) -> list[UploadOutcome]:
    """Take every file of a form, each decided on its own; at least one outcome.

    Raises as `receive_file` what concerns the form and stands before its first file.
    """
    form, first = await _find_first(request, library, several=True)
    outcomes: list[UploadOutcome] = []
    name: str | None = first
    while name is not None:
        try:
            outcomes.append(UploadOutcome(name, audio=await library.add(name, form)))
        except GatewayError as error:
            outcomes.append(UploadOutcome(name, error=error))
        try:
            name = await form.next_file()
        except GatewayError as error:
            outcomes.append(UploadOutcome("", error=error))
            name = None
    return outcomes


async def _find_first(request: StreamedRequest, library: Library, *, several: bool) -> tuple["_Form", str]:
    """The form in a request, at its first file, and the name of that."""
    form = _Form(request, library.max_upload_bytes, several=several)
    name = await form.next_file()
    if name is None:
        raise Unprocessable(f"The form has no file in its field `{FIELD}`.")
    return form, name


class _Form(AsyncIterator[bytes]):
    """One multipart/form-data body, read once, from front to back.

    `next_file` goes to a file; iterating gives its bytes, and ends once the form has gone on behind it.
    """

    def __init__(self, request: StreamedRequest, max_upload_bytes: int, *, several: bool) -> None:
        refuse_fragment(request)
        if request.mimetype != "multipart/form-data":
            raise UnsupportedBody("The body must be a form: multipart/form-data.")
        boundary = request.mimetype_params.get("boundary", "")
        if not (boundary.isascii() and 1 <= len(boundary) <= 70):  # RFC 2046, 5.1.1
            raise BadRequest("The form names no usable boundary.")
        if (request.content_length or 0) > max_upload_bytes + FORM_SLACK_BYTES:
            raise too_large(max_upload_bytes)
        self._body = request.stream_body()
        self._decoder = MultipartDecoder(boundary.encode(), max_parts=_MAX_PARTS)
        self._several = several
        self._in_file = False
        self._files = 0
        self._field_bytes = 0
        self._field = ""
        self._value = b""
        self._next_name: str | None = None
        self._failed = False

    async def next_file(self) -> str | None:
        """The name of the next file, or None behind the last; what was not read of the one before is skipped.

        The name is the one on the sender's disk, without its folders.

        :raises GatewayError: as `receive_file`, once; after that there is no file.
        """
        if self._failed:
            return None
        with self._failing():
            if not self._files:
                await self._find_file()
            skipped_bytes = 0
            while self._in_file:
                skipped_bytes += len(await self._read_chunk())
                if skipped_bytes > _SKIPPED_BYTES:
                    raise BodyTooLarge("What stood behind this file in the form was not read.")
        name, self._next_name = self._next_name, None
        self._in_file = name is not None
        return name

    async def __anext__(self) -> bytes:
        with self._failing():
            while self._in_file:
                if chunk := await self._read_chunk():
                    return chunk
        raise StopAsyncIteration

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """After a refusal of the form there is no more file in it."""
        try:
            yield
        except GatewayError:
            self._failed, self._in_file = True, False
            raise

    async def _read_chunk(self) -> bytes:
        """The next bytes of the file at hand; with its last ones the form is read on to what follows."""
        event = await self._read_event()
        assert isinstance(event, Data)
        if not event.more_data:
            self._in_file = False
            await self._find_file()
        return event.data

    async def _find_file(self) -> None:
        """Go on to the next file, past the other fields, or to the final boundary."""
        while self._decoder.state is not State.EPILOGUE and self._next_name is None:
            event = await self._read_event()
            if isinstance(event, Data):
                self._take_field(event)
            elif isinstance(event, File | Field):
                self._begin_part(event)

    def _take_field(self, event: Data) -> None:
        self._field_bytes += len(event.data)
        if self._field_bytes > _MAX_FIELD_BYTES:
            raise BodyTooLarge("The fields of the form are too long.")
        self._value += event.data
        if not event.more_data:
            refuse_value(self._field, self._value)

    def _begin_part(self, event: File | Field) -> None:
        if sum(len(name) + len(value) for name, value in event.headers) > _MAX_HEADER_BYTES:
            raise BadRequest("The headers of the form are too long.")
        self._field, self._value = event.name or "", b""
        refuse_names([self._field, *event.headers.keys()])
        self._next_name = self._name_file(event.headers["content-disposition"])
        if self._next_name is not None:
            self._files += 1
            if self._files > 1 and not self._several:
                raise Unprocessable("Send one file in one form.")

    def _name_file(self, disposition: str) -> str | None:
        """The name of a part that is a file; None for a field, and for a file field that was left empty."""
        parameters = parse_disposition(disposition)
        filename = read_filename(parameters)
        if filename is not None and parameters.get("name") != FIELD:
            raise Unprocessable(f"The file must be in the field `{FIELD}`.", name=filename)
        return filename

    async def _read_event(self) -> Event:
        """The next event of the decoder, fed as it needs."""
        try:
            while isinstance(event := self._decoder.next_event(), NeedData):
                if len(self._decoder.buffer) > _MAX_HEADER_BYTES and self._decoder.state is not State.DATA:
                    raise BadRequest("The headers of the form are too long.")
                self._decoder.receive_data(await anext(self._body, None))
        except RequestEntityTooLarge:
            raise BodyTooLarge(f"The form has more than {_MAX_PARTS} parts.") from None
        except UnicodeDecodeError:
            raise Unprocessable("The names in a form must be UTF-8.") from None
        except ValueError:
            raise BadRequest("The form is malformed or breaks off.") from None
        return event
