"""The page of the library: the list, the form, and what became of the files of a form.

What was taken stands in the query of the redirect, as names; the page shows only names that the library has,
so a foreign link cannot make it say anything. No session, no cookie.
"""

from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from quart import Blueprint, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from ..contract import promises
from ..edge import EdgeRequest
from ..errors import BodyTooLarge, GatewayError
from . import contract
from .catalogue import AudioFile
from .disk import NoSpace
from .intake import NotAudio
from .library import Library, NameTaken
from .listing import fingerprint, select_files
from .upload import Outcome, receive_files

_QUERY_BYTES = 2000
"""How long the names in a redirect may be, percent-encoded; browsers and proxies take a few thousand bytes."""
_SORTS = {
    "-uploaded_at": "Newest first",
    "name": "By name",
    "-duration_s": "Longest first",
    "-size_bytes": "Largest first",
}
_HINTS: dict[type[GatewayError], str] = {
    NotAudio: "It was not kept. Its content decides, not its name.",
    NameTaken: "It was not replaced. Give the new file another name.",
    NoSpace: "It was not kept. Make room and try again.",
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
    @promises(contract.GET_PAGE)
    async def get_page() -> ResponseReturnValue:
        return await _show_page(library, None)

    @views.post("/")
    @promises(contract.POST_PAGE)
    async def post_page() -> ResponseReturnValue:
        try:
            outcomes = await receive_files(cast(EdgeRequest, request), library)
        except GatewayError as error:
            outcomes = [Outcome("", error=error)]
        taken = [outcome.audio.name for outcome in outcomes if outcome.audio]
        if len(taken) < len(outcomes):
            return await _show_page(library, outcomes)
        return redirect(_locate_taken(taken), 303)


async def _show_page(library: Library, outcomes: list[Outcome] | None) -> ResponseReturnValue:
    """The page as it is now, with the outcomes of a form, or with those that the query names."""
    files: list[AudioFile] = []
    error = next((outcome.error for outcome in outcomes or () if outcome.error), None)
    try:
        files = await library.list_files()
        messages = _read_taken(files) if outcomes is None else [_describe(outcome) for outcome in outcomes]
    except GatewayError as away:
        error, messages = away, [_describe(Outcome("", error=away))]
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
        limit=format_size(library.max_upload_bytes),
        format_duration=format_duration,
        format_size=format_size,
    )
    headers = {"Cache-Control": "no-store", **(error.headers if error else {})}
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


def _read_taken(files: list[AudioFile]) -> list[Message]:
    present = {audio.name for audio in files}
    names = [name for name in dict.fromkeys(request.args.getlist("added")) if name in present]
    messages = [Message(name, "Added", taken=True) for name in names]
    more = request.args.get("more", 0, type=int)
    if messages and 0 < more < len(files):
        messages.append(Message("", f"{more} more added", taken=True))
    return messages


def _describe(outcome: Outcome) -> Message:
    if outcome.error is None:
        return Message(outcome.name, "Added", taken=True)
    error = outcome.error
    if isinstance(error, BodyTooLarge) and "limit_bytes" in error.fields:
        what = "It was not kept. A file" if outcome.name else "Nothing was kept. One upload"
        return Message(outcome.name, "Too large", f"{what} may have {format_size(error.fields['limit_bytes'])}.")
    return Message(outcome.name, error.detail, _HINTS.get(type(error), ""))


def format_duration(duration_s: float | None) -> str:
    """A length as people write it: 0:07, 3:12, 1:02:03; a dash if it is not known."""
    if duration_s is None:
        return "–"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def format_size(size_bytes: int) -> str:
    """A size in decimal units with two or three figures: 640 kB, 7.4 MB."""
    size, units = float(size_bytes), ["TB", "GB", "MB", "kB", "B"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{size:.1f} {units[-1]}" if size < 9.95 and units[-1] != "B" else f"{size:.0f} {units[-1]}"
