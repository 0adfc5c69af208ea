"""The list for players: `/audio.m3u8` and `/audio.rss`, of what a search finds, in an order."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from urllib.parse import urlencode

from quart import Blueprint, Response, request
from quart.typing import ResponseReturnValue

from gateway.openapi.operations import describes
from gateway.web.frame import find_site

from . import operations, playlist, podcast
from .index import AudioFile
from .library import Library
from .order import NEWEST
from .representation import write_pieces


def blueprint(library: Library) -> Blueprint:
    """The routes of the playlist and of the podcast."""
    views = Blueprint("exports", __name__)

    @views.get("/audio.m3u8")
    @describes(operations.GET_PLAYLIST)
    async def get_playlist() -> ResponseReturnValue:
        pieces = write_pieces(library, await _select(library), playlist.write_entries)
        return Response(_join(playlist.HEAD, pieces), content_type=f"{playlist.M3U}; charset=utf-8")

    @views.get("/audio.rss")
    @describes(operations.GET_PODCAST)
    async def get_podcast() -> ResponseReturnValue:
        site = find_site()
        query = urlencode(list(request.args.items(multi=True)))
        head = podcast.write_head(site, f"{site}audio.rss{'?' + query if query else ''}")
        pieces = write_pieces(library, await _select(library), partial(podcast.write_items, site=site))
        return Response(_join(head, pieces, podcast.FOOT), content_type=f"{podcast.RSS}; charset=utf-8")

    return views


async def _select(library: Library) -> Sequence[AudioFile]:
    return await library.select(await library.look(), request.args.get("q", ""), request.args.get("sort", NEWEST))


async def _join(head: bytes, pieces: AsyncIterator[bytes], foot: bytes = b"") -> AsyncIterator[bytes]:
    yield head
    async for piece in pieces:
        yield piece
    yield foot
