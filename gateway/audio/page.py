"""The page of the library: the list, the form, and what became of the files of a form, in the reader's language.

The names of the files that were added are in the query of the redirect; the page shows only names that the library has,
so a foreign link cannot make it say anything. No session, no cookie. A page has a hundred rows; the scripts fetch this
same page for the others and take its rows, so that a row is made in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, cast
from urllib.parse import quote

from pydantic_core import to_json
from quart import Blueprint, Response, redirect, request, url_for
from quart.typing import ResponseReturnValue

from gateway.audio.uploads.form import UploadOutcome, receive_files
from gateway.audio.uploads.fragment import refuse_names
from gateway.audio.uploads.storage import NoSpace
from gateway.audio.uploads.writer import NotAudio
from gateway.errors import BadRequest, BodyTooLarge, GatewayError, Unprocessable
from gateway.openapi.operations import describes
from gateway.web.body_flow import StreamedRequest
from gateway.web.form_fields import read_fields
from gateway.web.frame import answer_page, compile_page
from gateway.web.i18n import Translator, choose_translator, format_duration

from . import operations
from .filenames import NameTaken
from .index import AudioFile
from .library import Library
from .listing import ListChanged, Listing
from .order import NEWEST
from .representation import locate_bytes, read_progress
from .rows import cut_name, find_covers
from .words import RUSSIAN

_QUERY_BYTES = 2000
"""How long the names in a redirect may be, percent-encoded; browsers and proxies take a few thousand bytes."""
PAGE_ROWS = 100
_FIELDS_BYTES = 1024 * 1024
"""How long a form without files may be: the names of some thousand boxes that were checked by mistake."""
_SORTS = {
    NEWEST: "Newest first",
    "name": "By name",
    "artist": "By artist",
    "title": "By title",
    "-length": "Longest first",
    "-size": "Largest first",
}
_HINTS: dict[str, str] = {
    NotAudio.code: "It was not kept. Its content decides, not its name.",
    NameTaken.code: "It was not replaced. Give the new file another name.",
    NoSpace.code: "It was not kept. Make room and try again.",
    "broken-off": "The server cannot be reached, or the file cannot be read.",  # what the scripts say
}


@dataclass(frozen=True)
class Message:
    """A line of the page: the name of a file where there is one, what became of it, and what to do."""

    name: str
    text: str
    hint: str = ""
    taken: bool = False


def blueprint(library: Library) -> Blueprint:
    """The routes of the page."""
    views = Blueprint("page", __name__, template_folder="templates")

    @views.before_app_serving
    async def prepare() -> None:
        await compile_page("audio.html")

    @views.get("/")
    @describes(operations.GET_PAGE)
    async def get_page() -> ResponseReturnValue:
        try:
            refuse_names(request.args)  # Resumable.js asks here for a part: 200 would tell it that it has arrived
        except BadRequest as error:
            return await _show_page(library, [UploadOutcome("", error=error)])
        return await _show_page(library, None)

    @views.post("/")
    @describes(operations.POST_PAGE)
    async def post_page() -> ResponseReturnValue:
        try:
            outcomes = await receive_files(cast(StreamedRequest, request), library)
        except GatewayError as error:
            outcomes = [UploadOutcome("", error=error)]
        taken = [outcome.audio.name for outcome in outcomes if outcome.audio]
        if len(taken) < len(outcomes):
            return await _show_page(library, outcomes)
        return redirect(_locate_taken(taken), 303)

    @views.post("/rename")
    @describes(operations.POST_RENAME)
    async def post_rename() -> ResponseReturnValue:
        names: list[str] = []
        try:
            fields = await read_fields(cast(StreamedRequest, request), _FIELDS_BYTES)
            names, new_names = fields.get("name", []), fields.get("new_name", [""])
            if len(names) != 1:
                raise Unprocessable("Select the one file that is to be renamed.", field="name")
            await library.rename(names[0], new_names[0])
        except GatewayError as error:
            return await _show_page(library, [UploadOutcome(names[0] if len(names) == 1 else "", error=error)])
        return redirect(url_for("page.get_page"), 303)

    return views


async def _show_page(library: Library, outcomes: list[UploadOutcome] | None) -> Response:
    """The page as it is now, with the outcomes of a form, or with those that the query names."""
    words = choose_translator(request.accept_languages, RUSSIAN)
    listing = Listing([])
    error = next((outcome.error for outcome in outcomes or () if outcome.error), None)
    try:
        listing = await _find_listing(library)
        messages = (
            _read_taken(listing.files, words)
            if outcomes is None
            else [_describe(outcome, words) for outcome in outcomes]
        )
    except GatewayError as away:
        error, messages = away, [_describe(UploadOutcome("", error=away), words)]
    return await answer_page(
        "audio.html",
        words,
        status=error.status if error else 200,
        headers=error.headers if error else {},
        **await _select_rows(library, listing),
        total=len(listing.files),
        revision=listing.revision,
        reading=read_progress(listing),
        messages=messages,
        limit_bytes=library.max_upload_bytes,
        hints=to_json({code: words(hint) for code, hint in _HINTS.items()}).decode(),
        format_duration=format_duration,
        locate_bytes=lambda name: request.root_path + locate_bytes(name),
        cut_name=cut_name,
    )


async def _find_listing(library: Library) -> Listing:
    """The list that the query names if it is still known, otherwise that of now."""
    revision = request.args.get("revision", "")
    try:
        return await (library.recall(revision) if revision else library.look())
    except ListChanged:
        return await library.look()


async def _select_rows(library: Library, listing: Listing) -> dict[str, Any]:
    """The hundred files that the query asks for, and where they stand among those that it finds."""
    query, sort = request.args.get("q", ""), request.args.get("sort") or NEWEST
    try:
        found = await library.select(listing, query, sort)
    except Unprocessable:
        sort = NEWEST
        found = await library.select(listing, query, sort)
    pages = max(1, ceil(len(found) / PAGE_ROWS))
    page = min(max(request.args.get("page", 1, type=int), 1), pages)
    first = (page - 1) * PAGE_ROWS
    files = found[first : first + PAGE_ROWS]
    return {
        "files": files,
        "covers": find_covers(files, request.root_path),
        "matching": len(found),
        "first": first,
        "page": page,
        "pages": pages,
        "query": query,
        "sort": sort,
        "sorts": _SORTS if sort in _SORTS else {**_SORTS, sort: sort},
    }


def _locate_taken(names: list[str]) -> str:
    shown: list[str] = []
    left_bytes = _QUERY_BYTES
    for name in names:
        left_bytes -= len(quote(name)) + len("added=&")
        if left_bytes < 0:
            break
        shown.append(name)
    return url_for("page.get_page", added=shown, more=len(names) - len(shown) or None)


def _read_taken(files: Sequence[AudioFile], words: Translator) -> list[Message]:
    added = dict.fromkeys(request.args.getlist("added"))
    present = {audio.name for audio in files if audio.name in added} if added else ()
    names = [name for name in added if name in present]
    messages = [Message(name, words("Added"), taken=True) for name in names]
    more = request.args.get("more", 0, type=int)
    if messages and 0 < more < len(files):
        messages.append(Message("", words("{n} more added", n=more), taken=True))
    return messages


def _describe(outcome: UploadOutcome, words: Translator) -> Message:
    if outcome.error is None:
        return Message(outcome.name, words("Added"), taken=True)
    error = outcome.error
    if isinstance(error, BodyTooLarge) and "limit_bytes" in error.fields:
        size = words.size(error.fields["limit_bytes"])
        one, all_of_it = "It was not kept. A file may have {size}.", "Nothing was kept. One upload may have {size}."
        return Message(outcome.name, words("Too large"), words(one if outcome.name else all_of_it, size=size))
    return Message(outcome.name, words(error.detail), words(_HINTS.get(error.code, "")))
