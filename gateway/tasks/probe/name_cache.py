"""The addresses of names that were looked up a moment ago, and one lookup for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

from .resolver import Addresses, NameNotFound

NAME_KEPT_S = 10.0
NAMES_KEPT = 4_096


class _Lookup:
    """One lookup. Once it is `done` it has addresses or an error; if it has neither, it was cancelled."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.addresses: Addresses = []
        self.error: NameNotFound | None = None
        self._ends_at = asyncio.get_running_loop().time() + NAME_KEPT_S

    def is_old(self) -> bool:
        """Whether what was found has been kept for long enough."""
        return self.done.is_set() and asyncio.get_running_loop().time() > self._ends_at


class NameCache:
    """Addresses by name, found by `look_up`."""

    def __init__(self, look_up: Callable[[str], Awaitable[Addresses]]) -> None:
        self._look_up = look_up
        self._lookups: dict[str, _Lookup] = {}

    async def resolve(self, host: str) -> Addresses:
        """The addresses of `host`, found less than `NAME_KEPT_S` ago.

        :raises NameNotFound: there is none.
        """
        while True:
            lookup = self._lookups.get(host)
            if lookup is None or lookup.is_old():
                return await self._share(host)
            await lookup.done.wait()
            if lookup.error is not None:
                raise lookup.error
            if lookup.addresses:
                return lookup.addresses

    async def _share(self, host: str) -> Addresses:
        """Look a name up, also for those who ask meanwhile."""
        lookup = _Lookup()
        self._lookups.pop(host, None)
        self._lookups[host] = lookup
        if len(self._lookups) > NAMES_KEPT:
            del self._lookups[next(iter(self._lookups))]
        try:
            lookup.addresses = await self._look_up(host)
        except NameNotFound as error:
            lookup.error = error
            raise
        finally:
            if not lookup.addresses and self._lookups.get(host) is lookup:
                del self._lookups[host]
            lookup.done.set()
        return lookup.addresses
