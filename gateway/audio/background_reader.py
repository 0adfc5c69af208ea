"""Reads lengths and tags of new files while the list already has their names, and tells the operator how far it is."""

import logging
from time import monotonic

import anyio

from gateway.errors import GatewayError
from gateway.process.deadline import move_on_after

from .library import Library
from .order import NEWEST

_PIECE_S = 0.1
_REST_S = 0.005
"""Between two pieces, for the event loop."""
_YIELD_S = 0.05
"""How long a thread that answers a request goes first: beside one that computes it takes several times as long."""
_LIST_EVERY_S = (1, 5)
"""How often what is read so far is listed, at most and at least; in between for `_LIST_SHARE` of the time."""
_LIST_SHARE = 0.1
_LOG_EVERY_S = 10
_RETRY_S = 5
_PATIENCE_S = 2

logger = logging.getLogger(__name__)


class BackgroundReader:
    """Reads what the looks at one library leave unread. `run` is the coroutine."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._looked = anyio.Event()
        library.reads_later = True

    async def wait_looked(self) -> None:
        """Return once the names are known: 20,000 take half a second. A folder that hangs is not waited for."""
        with move_on_after(_PATIENCE_S):
            await self._looked.wait()

    async def run(self) -> None:
        """Look at the folder at the start, then read new files whenever there are some."""
        while True:
            try:
                await self._read_all()
                await self._library.new_files.wait()
            except GatewayError:  # the folder is away, which is in the log
                self._looked.set()
                await anyio.sleep(_RETRY_S)
            except Exception:
                logger.exception("new audio files could not be read")
                await anyio.sleep(_RETRY_S)

    async def _read_all(self) -> None:
        self._library.new_files = anyio.Event()
        listing = await self._library.look()
        await self._library.select(listing, "", NEWEST)  # as the page shows it first
        self._looked.set()
        if not (left := listing.unread):
            return
        started_s = told_s = monotonic()
        least_s, most_s = _LIST_EVERY_S
        list_at_s = started_s + least_s
        logger.info("reading %d new files of the audio folder", left)
        while left:
            left = await self._library.read_new(_PIECE_S)
            await anyio.sleep(_REST_S)
            with anyio.move_on_after(_YIELD_S):
                await self._library.wait_unasked()
            if (begun_s := monotonic()) >= list_at_s:
                await self._library.relist()
                list_at_s = begun_s + min(max(least_s, (monotonic() - begun_s) / _LIST_SHARE), most_s)
            if left and monotonic() - told_s >= _LOG_EVERY_S:
                told_s = monotonic()
                logger.info("%d of %d files of the audio folder are read", listing.entries - left, listing.entries)
        await self._library.relist()
        logger.info("the new files of the audio folder are read: %.1f s", monotonic() - started_s)
