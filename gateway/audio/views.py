"""The API of the library and the bytes of the files with their ranges; the page is in `page`.

Requests become calls of the library here, and what it answers becomes JSON or bytes.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, closing
from typing import cast

from pydantic_core import to_json
from quart import Blueprint, Response, request, url_for
from quart.typing import ResponseReturnValue

from gateway.audio.uploads.form import receive_file, receive_raw
from gateway.audio.uploads.fragment import refuse_names
from gateway.openapi.operations import EVENTS, JSON, describes
from gateway.web import sse as event_stream
from gateway.web.body_flow import StreamedRequest
from gateway.web.conditional import Span, Validators, encode_disposition, plan_answer
from gateway.web.file_span import FileSpan
from gateway.web.static_files import add_static

from . import operations as contract
from .change_feed import ChangeFeed
from .index import AudioFile
from .library import Library, OpenAudio
from .operations import File, Files
from .page import add_page
from .search import select_files

_COVER_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""A picture comes from a stranger; opened by itself it may do nothing."""


def blueprint(library: Library, feed: ChangeFeed) -> Blueprint:
    """The routes of the audio library, on this library and the feed of its changes."""
    views = Blueprint("audio", __name__, template_folder="templates")
    add_static(views, "/static/audio")
    add_page(views, library)
    _add_bytes(views, library)
    _add_api(views, library)
    _add_events(views, library, feed)
    return views


def _add_bytes(views: Blueprint, library: Library) -> None:
    @views.get("/audio/<name>", strict_slashes=False)
    @describes(contract.GET_AUDIO)
    async def get_audio(name: str) -> ResponseReturnValue:
        opened = await library.open(name)
        try:
            return _answer_bytes(opened)
        except BaseException:
            opened.close()
            raise


def _add_api(views: Blueprint, library: Library) -> None:
    @views.get("/api/v1/audio/", strict_slashes=False)
    @describes(contract.GET_FILES)
    async def get_files() -> ResponseReturnValue:
        refuse_names(request.args)  # Resumable.js asks here for a part: 200 would tell it that it has arrived
        files = await library.list_files()
        query, sort = request.args.get("q", ""), request.args.get("sort", "name")
        found = select_files(files, query=query, sort=sort)
        return _answer_json(Files([_describe(audio) for audio in found]))

    @views.post("/api/v1/audio/", strict_slashes=False)
    @describes(contract.POST_FILE)
    async def post_file() -> ResponseReturnValue:
        return _answer_created(await receive_file(cast(StreamedRequest, request), library))

    @views.get("/api/v1/audio/<name>", strict_slashes=False)
    @describes(contract.GET_FILE)
    async def get_file(name: str) -> ResponseReturnValue:
        refuse_names(request.args)
        return _answer_json(_describe(await library.find(name)))

    @views.get("/api/v1/audio/<name>/cover", strict_slashes=False)
    @describes(contract.GET_COVER)
    async def get_cover(name: str) -> ResponseReturnValue:
        audio = await library.find(name)
        validators = Validators(audio.version, audio.uploaded_at)
        headers = {**validators.headers, "Cache-Control": "no-cache", "Content-Security-Policy": _COVER_POLICY}
        if plan_answer(request.headers, validators, 0, is_get=False).status == 304:
            return Response(status=304, headers=headers)
        cover = await library.read_cover(name)
        return Response(cover.data, content_type=cover.content_type, headers=headers)

    @views.put("/api/v1/audio/<name>", strict_slashes=False)
    @describes(contract.PUT_FILE)
    async def put_file(name: str) -> ResponseReturnValue:
        if request.path.endswith("/"):  # no route keeps it, and it must not be left out of a new name
            name += "/"
        return _answer_created(await receive_raw(cast(StreamedRequest, request), library, name))

    @views.delete("/api/v1/audio/<name>", strict_slashes=False)
    @describes(contract.DELETE_FILE)
    async def delete_file(name: str) -> ResponseReturnValue:
        await library.delete(name)
        return "", 204


def _add_events(views: Blueprint, library: Library, feed: ChangeFeed) -> None:
    @views.get("/api/v1/audio/events", strict_slashes=False)
    @describes(contract.GET_EVENTS)
    async def get_events() -> ResponseReturnValue:
        kinds = [EVENTS, JSON]
        if request.accept_mimetypes.best_match(kinds) == kinds[1]:  # a file may have this name too
            return _answer_json(_describe(await library.find("events")))
        if request.method == "HEAD":
            return Response(content_type=EVENTS)
        seen = request.headers.get("Last-Event-ID") or request.args.get("since")
        return event_stream.answer_events(_encode_changes(feed.follow(seen)))


async def _encode_changes(revisions: AsyncGenerator[str | None, None]) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async with aclosing(revisions):
        async for revision in revisions:
            if revision is None:
                yield b": still here\n\n"
            else:
                yield event_stream.encode_event("changed", to_json({"revision": revision}), revision)


def _describe(audio: AudioFile) -> File:
    return File(
        name=audio.name,
        size_bytes=audio.size_bytes,
        content_type=audio.content_type,
        duration_s=audio.duration_s,
        title=audio.title,
        artist=audio.artist,
        album=audio.album,
        bit_rate_bps=audio.bit_rate_bps,
        sample_rate_hz=audio.sample_rate_hz,
        channels=audio.channels,
        cover=url_for("audio.get_cover", name=audio.name) if audio.has_cover else None,
        uploaded_at=audio.uploaded_at,
        url=url_for("audio.get_audio", name=audio.name),
    )


def _answer_json(value: File | Files) -> Response:
    return Response(to_json(value), content_type=JSON)


def _answer_created(audio: AudioFile) -> Response:
    answer = _answer_json(_describe(audio))
    answer.status_code = 201
    answer.headers["Location"] = url_for("audio.get_audio", name=audio.name)
    return answer


def _answer_bytes(opened: OpenAudio) -> Response:
    """The file, the parts of it that are asked for, or that nothing has changed; takes over the open file."""
    audio = opened.audio
    is_get = request.method == "GET"
    validators = Validators(audio.version, audio.uploaded_at)
    plan = plan_answer(request.headers, validators, audio.size_bytes, is_get=is_get)
    response = Response(status=plan.status, content_type=audio.content_type, headers=validators.headers)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "no-cache"
    if "download" in request.args:
        response.headers["Content-Disposition"] = encode_disposition("attachment", audio.name)
    if plan.status == 206 and len(plan.spans) == 1:
        response.headers["Content-Range"] = plan.spans[0].describe(audio.size_bytes)
    parts = [(b"", span) for span in plan.spans]
    if len(parts) > 1:
        boundary = secrets.token_hex(16)
        response.content_type = f"multipart/byteranges; boundary={boundary}"
        parts = _frame_spans(plan.spans, audio, boundary)
    if plan.status != 304:
        response.content_length = sum(len(head) + span.end - span.start for head, span in parts)
    if parts and is_get:
        response.response = response.iterable_body_class(_stream(opened, parts))
    else:
        opened.close()
    return response


def _frame_spans(spans: tuple[Span, ...], audio: AudioFile, boundary: str) -> list[tuple[bytes, Span]]:
    """The spans, each with what stands before it in a multipart/byteranges body (RFC 9110, 14.6)."""
    head = f"\r\n--{boundary}\r\nContent-Type: {audio.content_type}\r\nContent-Range: {{}}\r\n\r\n"
    parts = [(head.format(span.describe(audio.size_bytes)).encode(), span) for span in spans]
    return [*parts, (f"\r\n--{boundary}--\r\n".encode(), Span(0, 0))]


async def _stream(opened: OpenAudio, parts: list[tuple[bytes, Span]]) -> AsyncIterator[bytes | FileSpan]:
    with closing(opened):
        for head, span in parts:
            if head:
                yield head
            if span.start < span.end:
                yield FileSpan(opened, span.start, span.end - span.start)
