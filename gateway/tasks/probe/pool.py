"""Connections that wait for another request to their origin."""

import asyncio
from time import monotonic

from gateway.process.file_limit import raise_file_limit

from .connection import SiteConnection

MAX_IDLE = 2_000
"""How many connections are kept, but at most a quarter of the file descriptors; the oldest ends first."""
IDLE_S = 15.0

Place = tuple[bool, str, int]
"""What a connection leads to: with TLS or without, host, port."""


class Pool:
    """Kept connections by place. Every one of them can be ended by its site at any time."""

    def __init__(self) -> None:
        self._max_idle = min(MAX_IDLE, raise_file_limit() / 4)
        self._kept: dict[Place, list[SiteConnection]] = {}
        self._since: dict[SiteConnection, tuple[float, Place]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(self, place: Place) -> SiteConnection | None:
        """The connection that was used last, of those that are open."""
        for connection in reversed(self._kept.get(place, ())[:]):
            self._remove(connection)
            if connection.open:
                return connection
        return None

    def keep(self, place: Place, connection: SiteConnection) -> None:
        """Let a connection on which nothing is to come serve again."""
        if not connection.open:
            return
        self._kept.setdefault(place, []).append(connection)
        self._since[connection] = monotonic(), place
        if len(self._since) > self._max_idle:
            self._end(next(iter(self._since)))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._sweep)

    def close(self) -> None:
        """End all."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._since):
            self._end(connection)

    def _remove(self, connection: SiteConnection) -> None:
        _, place = self._since.pop(connection)
        connections = self._kept[place]
        connections.remove(connection)
        if not connections:
            del self._kept[place]

    def _end(self, connection: SiteConnection) -> None:
        self._remove(connection)
        connection.abort()

    def _sweep(self) -> None:
        """End the connections that have waited for too long, or that their sites have ended."""
        self._timer = None
        now = monotonic()
        for connection, (since, _) in list(self._since.items()):
            if now - since >= IDLE_S or not connection.open:
                self._end(connection)
        if self._since:
            self._timer = asyncio.get_running_loop().call_later(IDLE_S / 3, self._sweep)
