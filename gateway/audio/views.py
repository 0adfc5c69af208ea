"""The API of the library and the bytes of the files with their ranges; the page is in `page`.

Requests become calls of the library here, and what it answers becomes JSON or bytes.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, closing
from typing import cast
from urllib.parse import quote, urlencode

from pydantic_core import to_json
from quart import Blueprint, Response, request, url_for
from quart.typing import ResponseReturnValue

from gateway.audio.uploads.form import receive_file, receive_raw
from gateway.audio.uploads.fragment import refuse_names
from gateway.errors import NotFound, UnsupportedBody
from gateway.openapi.operations import EVENTS, JSON, describes
from gateway.web.body_flow import StreamedRequest
from gateway.web.conditional import Span, Validators, check_change, encode_disposition, plan_answer
from gateway.web.file_pieces import read_pieces
from gateway.web.sse import answer_events, encode_event
from gateway.web.static_files import add_static

from . import operations
from .change_feed import ChangeFeed
from .index import AudioFile
from .library import Library, OpenAudio
from .models import File, Files, parse_new_name
from .order import check_sort
from .representation import PIECE_FILES, describe_file, read_progress, write_files

_RENAME_BYTES = 16 * 1024
"""How long the body of a new name may be: each of 255 bytes can be written as `\\u0000`."""
_COVER_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""A picture comes from a stranger; opened by itself it may do nothing."""


def blueprint(library: Library, feed: ChangeFeed, *, accel_redirect: str | None = None) -> Blueprint:
    """The routes of the audio library, on this library and the feed of its changes.

    `accel_redirect` is the path under which a proxy serves the audio folder to X-Accel-Redirect; None: there is none.
    """
    views = Blueprint("audio", __name__)
    add_static(views, "/static/audio")
    _add_bytes(views, library, accel_redirect)
    _add_api(views, library)
    _add_rename(views, library)
    _add_events(views, library, feed)
    return views


def _add_bytes(views: Blueprint, library: Library, accel_redirect: str | None) -> None:
    @views.get("/audio/<name>", strict_slashes=False)
    @describes(operations.GET_AUDIO)
    async def get_audio(name: str) -> ResponseReturnValue:
        opened = await library.open(name)
        try:
            return _let_proxy_answer(opened, accel_redirect) if accel_redirect else _answer_bytes(opened)
        except BaseException:
            opened.close()
            raise


def _add_api(views: Blueprint, library: Library) -> None:
    @views.get("/api/v1/audio/", strict_slashes=False)
    @describes(operations.GET_FILES)
    async def get_files() -> ResponseReturnValue:
        # Resumable.js asks here for a part: 200 would tell it that it has arrived.
        refuse_names(name for name in request.args if name != operations.OFFSET.name)
        return await _answer_list(library)

    @views.post("/api/v1/audio/", strict_slashes=False)
    @describes(operations.POST_FILE)
    async def post_file() -> ResponseReturnValue:
        return _answer_created(await receive_file(cast(StreamedRequest, request), library))

    @views.get("/api/v1/audio/<name>", strict_slashes=False)
    @describes(operations.GET_FILE)
    async def get_file(name: str) -> ResponseReturnValue:
        refuse_names(request.args)
        audio = await library.find(name)
        validators = _validate(audio)
        # Compressed it would have a weak ETag, which If-Match never takes.
        headers = {**validators.headers, "Cache-Control": "no-cache, no-transform"}
        if plan_answer(request.headers, validators, 0, is_get=False).status == 304:
            return Response(status=304, content_type=JSON, headers=headers)
        return _answer_json(describe_file(audio, request.root_path), headers)

    @views.get("/api/v1/audio/<name>/cover", strict_slashes=False)
    @describes(operations.GET_COVER)
    async def get_cover(name: str) -> ResponseReturnValue:
        with closing(await library.open(name)) as opened:
            validators = _validate(opened.audio)
            headers = {**validators.headers, "Cache-Control": "no-cache", "Content-Security-Policy": _COVER_POLICY}
            if plan_answer(request.headers, validators, 0, is_get=False).status == 304:
                return Response(status=304, content_type="image/*", headers=headers)
            cover = await opened.read_cover()
        return Response(cover.data, content_type=cover.content_type, headers=headers)

    @views.put("/api/v1/audio/<name>", strict_slashes=False)
    @describes(operations.PUT_FILE)
    async def put_file(name: str) -> ResponseReturnValue:
        if request.path.endswith("/"):  # no route keeps it, and it must not be left out of a new name
            name += "/"
        if "If-Match" in request.headers or "If-None-Match" in request.headers:
            await _check_put(library, name)
        return _answer_created(await receive_raw(cast(StreamedRequest, request), library, name))

    @views.delete("/api/v1/audio/<name>", strict_slashes=False)
    @describes(operations.DELETE_FILE)
    async def delete_file(name: str) -> ResponseReturnValue:
        headers = request.headers
        await library.delete(name, lambda audio: check_change(headers, _validate(audio)))
        return "", 204


async def _check_put(library: Library, name: str) -> None:
    """The conditions of a new file, before its bytes are read: `If-None-Match: *` is 412 where the name is taken.

    A file is never replaced, so one that is there and meets its conditions is refused as taken all the same.
    """
    try:
        validators = _validate(await library.find(name))
    except NotFound:
        validators = None
    check_change(request.headers, validators)


def _validate(audio: AudioFile) -> Validators:
    return Validators(audio.version, audio.uploaded_at)


def _add_rename(views: Blueprint, library: Library) -> None:
    @views.patch("/api/v1/audio/<name>", strict_slashes=False)
    @describes(operations.PATCH_FILE)
    async def patch_file(name: str) -> ResponseReturnValue:
        headers = request.headers
        if request.mimetype != JSON:
            raise UnsupportedBody('Send the new name as application/json: {"name": "new.mp3"}.')
        new_name = parse_new_name(await cast(StreamedRequest, request).read_body(_RENAME_BYTES))

        renamed = await library.rename(name, new_name, lambda audio: check_change(headers, _validate(audio)))
        return _answer_json(describe_file(renamed, request.root_path))


def _add_events(views: Blueprint, library: Library, feed: ChangeFeed) -> None:
    @views.get("/api/v1/audio/events", strict_slashes=False)
    @describes(operations.GET_EVENTS)
    async def get_events() -> ResponseReturnValue:
        if request.accept_mimetypes.best_match([EVENTS, JSON]) == JSON:  # a file may have this name too
            return _answer_json(describe_file(await library.find("events"), request.root_path))
        if request.method == "HEAD":
            return Response(content_type=EVENTS)
        seen = request.headers.get("Last-Event-ID") or request.args.get("since")
        return answer_events(_encode_changes(feed.follow(seen)))


async def _encode_changes(revisions: AsyncGenerator[str | None, None]) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async with aclosing(revisions):
        async for revision in revisions:
            if revision is None:
                yield b": still here\n\n"
            else:
                yield encode_event("changed", to_json({"revision": revision}), revision)


async def _answer_list(library: Library) -> Response:
    """The part of the list that the query asks for; what takes long is done in threads."""
    query = request.args
    offset, limit = operations.OFFSET.read(query), operations.LIMIT.read(query) if "limit" in query else None
    revision = operations.REVISION.read(query)
    sort = check_sort(query.get("sort", "name"))
    listing = await library.recall(revision) if revision else await library.look()
    found = await library.select(listing, query.get("q", ""), sort)
    part = found if not offset and limit is None else found[offset : None if limit is None else offset + limit]
    answer = Files([], len(found), offset, listing.revision, read_progress(listing))
    body = write_files(library, part, answer, request.root_path)
    content = body if len(part) > PIECE_FILES else b"".join([piece async for piece in body])
    response = Response(content, content_type=JSON)
    if limit and offset + limit < len(found):
        following = query.to_dict() | {"offset": offset + limit, "limit": limit, "revision": listing.revision}
        response.headers["Link"] = f'<{url_for("audio.get_files")}?{urlencode(following)}>; rel="next"'
    return response


def _answer_json(value: File, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(value), content_type=JSON, headers=headers)


def _answer_created(audio: AudioFile) -> Response:
    answer = _answer_json(describe_file(audio, request.root_path))
    answer.status_code = 201
    answer.headers["Location"] = url_for("audio.get_audio", name=audio.name)
    return answer


def _let_proxy_answer(opened: OpenAudio, accel_redirect: str) -> Response:
    """What a proxy needs to send the file itself: it looks at conditions and ranges, and has validators of its own."""
    opened.close()
    response = Response(content_type=opened.audio.content_type, headers=_describe_use(opened.audio))
    response.headers["X-Accel-Redirect"] = accel_redirect + quote(opened.disk_name)
    return response


def _describe_use(audio: AudioFile) -> dict[str, str]:
    """The headers of how a browser uses the file: it asks again each time, and saves it where that is asked for."""
    headers = {"Cache-Control": "no-cache"}
    if "download" in request.args:
        headers["Content-Disposition"] = encode_disposition("attachment", audio.name)
    return headers


def _answer_bytes(opened: OpenAudio) -> Response:
    """The file, the parts of it that are asked for, or that nothing has changed; takes over the open file."""
    audio = opened.audio
    is_get = request.method == "GET"
    validators = _validate(audio)
    plan = plan_answer(request.headers, validators, audio.size_bytes, is_get=is_get)
    headers = {**validators.headers, **_describe_use(audio), "Accept-Ranges": "bytes"}
    response = Response(status=plan.status, content_type=audio.content_type, headers=headers)
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


async def _stream(opened: OpenAudio, parts: list[tuple[bytes, Span]]) -> AsyncIterator[bytes]:
    with closing(opened):
        for head, span in parts:
            if head:
                yield head
            async for piece in read_pieces(opened, span.start, span.end):
                yield piece
