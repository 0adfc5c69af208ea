"""The page of the library: the list, the form, and what became of the files of a form, in the reader's language.

The names of the files that were added are in the query of the redirect; the page shows only names that the library has,
so a foreign link cannot make it say anything. No session, no cookie. The scripts fetch this same page and take
its rows, so that a row is made in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from pydantic_core import to_json
from quart import Blueprint, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from gateway.audio.uploads.form import UploadOutcome, receive_files
from gateway.audio.uploads.fragment import refuse_names
from gateway.audio.uploads.storage import NoSpace
from gateway.audio.uploads.writer import NotAudio
from gateway.errors import BadRequest, BodyTooLarge, GatewayError
from gateway.openapi.operations import describes
from gateway.web.body_flow import StreamedRequest
from gateway.web.i18n import Translator, choose_translator, format_duration

from . import operations as contract
from .index import AudioFile
from .library import Library, NameTaken
from .search import fingerprint, select_files

_QUERY_BYTES = 2000
"""How long the names in a redirect may be, percent-encoded; browsers and proxies take a few thousand bytes."""
_SORTS = {
    "-uploaded_at": "Newest first",
    "name": "By name",
    "-duration_s": "Longest first",
    "-size_bytes": "Largest first",
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


def add_page(views: Blueprint, library: Library) -> None:
    """The routes of the page."""

    @views.get("/")
    @describes(contract.GET_PAGE)
    async def get_page() -> ResponseReturnValue:
        try:
            refuse_names(request.args)  # Resumable.js asks here for a part: 200 would tell it that it has arrived
        except BadRequest as error:
            return await _show_page(library, [UploadOutcome("", error=error)])
        return await _show_page(library, None)

    @views.post("/")
    @describes(contract.POST_PAGE)
    async def post_page() -> ResponseReturnValue:
        try:
            outcomes = await receive_files(cast(StreamedRequest, request), library)
        except GatewayError as error:
            outcomes = [UploadOutcome("", error=error)]
        taken = [outcome.audio.name for outcome in outcomes if outcome.audio]
        if len(taken) < len(outcomes):
            return await _show_page(library, outcomes)
        return redirect(_locate_taken(taken), 303)


async def _show_page(library: Library, outcomes: list[UploadOutcome] | None) -> ResponseReturnValue:
    """The page as it is now, with the outcomes of a form, or with those that the query names."""
    words = choose_translator(request.accept_languages)
    files: Sequence[AudioFile] = ()
    error = next((outcome.error for outcome in outcomes or () if outcome.error), None)
    try:
        files = await library.list_files()
        messages = (
            _read_taken(files, words) if outcomes is None else [_describe(outcome, words) for outcome in outcomes]
        )
    except GatewayError as away:
        error, messages = away, [_describe(UploadOutcome("", error=away), words)]
    query, sort = request.args.get("q", ""), request.args.get("sort", "")
    sort = sort if sort in _SORTS else next(iter(_SORTS))
    html = await render_template(
        "audio.html",
        files=select_files(files, query=query, sort=sort),
        total=len(files),
        revision=fingerprint(files),
        query=query,
        sort=sort,
        sorts=_SORTS,
        messages=messages,
        limit_bytes=library.max_upload_bytes,
        words=words,
        table=to_json(words.table).decode(),
        hints=to_json({code: words(hint) for code, hint in _HINTS.items()}).decode(),
        format_duration=format_duration,
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Language": words.language,
        "Vary": "Accept-Language",
        **(error.headers if error else {}),
    }
    return html, error.status if error else 200, headers


def _locate_taken(names: list[str]) -> str:
    shown: list[str] = []
    left_bytes = _QUERY_BYTES
    for name in names:
        left_bytes -= len(quote(name)) + len("added=&")
        if left_bytes < 0:
            break
        shown.append(name)
    return url_for("audio.get_page", added=shown, more=len(names) - len(shown) or None)


def _read_taken(files: Sequence[AudioFile], words: Translator) -> list[Message]:
    present = {audio.name for audio in files}
    names = [name for name in dict.fromkeys(request.args.getlist("added")) if name in present]
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
