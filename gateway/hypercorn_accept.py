"""Which connections hypercorn 0.18 takes, their sockets and their TLS, under the bare command too.

By itself it takes connections until no descriptor is left for files; over TLS it offers HTTP/2, gives a handshake 60 s
and a client that does not answer the end 30 s and a traceback; a key that cannot be used is a traceback too. What it is
told by its options or a file counts over the defaults here. And Linux reports room in a socket only when a third of its
megabytes is sent: a slow client seems to stop.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from math import inf
from typing import Any, ClassVar

from hypercorn.asyncio import run
from hypercorn.config import Config
from hypercorn.events import Closed, Event

from gateway.errors import StartRefused
from gateway.process.file_limit import FileLimit

from .hypercorn_fixes import FLUSH_S, Ended, FixedTCPServer

UNSENT_BYTES = 128 * 1024
"""How much of an answer the system holds unsent for one client."""
HANDSHAKE_S = 15.0
"""How long a TLS handshake may take, as long as a request head; hypercorn.toml has it too."""
_create_ssl_context = Config.create_ssl_context


class AdmittedTCPServer(FixedTCPServer):
    """One connection, served if there are descriptors enough."""

    file_limit: ClassVar = FileLimit(inf)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._socket: socket.socket = self.writer.get_extra_info("socket")
        self._has_tls = self.writer.get_extra_info("ssl_object") is not None
        if self._socket.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    async def run(self) -> None:
        """Serve it to its end, or close it at once."""
        if not await self.file_limit.admit(self._socket.fileno()):
            self.writer.transport.abort()
            return
        with suppress(OSError):  # of TLS: its client has not answered the end, or with something else
            await super().run()

    async def protocol_send(self, event: Event) -> None:
        """Send bytes, or close; over TLS within a time, whether the client answers that or not."""
        if self._has_tls and isinstance(event, Closed | Ended):
            self.loop.call_later(FLUSH_S, self.writer.transport.abort)
        await super().protocol_send(event)


def fix_accept(file_limit: FileLimit) -> None:
    """Take connections so from now on, if hypercorn serves this process; after `fix_hypercorn`."""
    AdmittedTCPServer.file_limit = file_limit
    run.TCPServer = AdmittedTCPServer  # type: ignore[assignment, attr-defined]
    Config.ssl_handshake_timeout = HANDSHAKE_S
    Config.alpn_protocols = ["http/1.1"]
    Config.create_ssl_context = create_ssl_context  # type: ignore[method-assign]


def create_ssl_context(self: Config) -> ssl.SSLContext | None:
    """The side of the server in TLS.

    :raises StartRefused: the key or the certificate cannot be used.
    """
    try:
        return _create_ssl_context(self)
    except OSError as error:
        # Not the tracebacks of what is cancelled now.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # noqa: ARG005
        words = getattr(error, "reason", None) or error.strerror or error
        raise StartRefused(f"TLS: keyfile {self.keyfile}, certfile {self.certfile}: {words}") from None
