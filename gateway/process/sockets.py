"""Bounds the unsent bytes of the sockets of this process (TCP_NOTSENT_LOWAT).

Linux buffers megabytes for a socket, and reports room again only when a third of them is sent: a peer that reads
40 kB/s would exceed the idle timeout. Accepted connections inherit the bound from the listening socket. An ASGI
server does not expose its sockets, so they are found among the descriptors of the process.
"""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

UNSENT_BYTES = 128 * 1024
_OWN_FILES = Path("/proc/self/fd")


def bound_unsent_bytes() -> None:
    """Bound what each TCP socket of this process holds unsent, and each connection that it will accept.

    Where the system knows no such bound, or does not show the descriptors, nothing happens.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is None or not _OWN_FILES.is_dir():
        return
    for name in os.listdir(_OWN_FILES):  # noqa: PTH208 - names, and one of them is gone by then: its own
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as own:
                if own.family in (socket.AF_INET, socket.AF_INET6) and own.type == socket.SOCK_STREAM:
                    own.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
