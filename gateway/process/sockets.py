"""How much of an answer the system takes before its peer does: process-wide, so it stands alone.

Linux lets a socket hold megabytes that were not sent yet, and says that there is room again once a third of that is
gone. A peer that takes 40 kB a second stands still for longer than the idle time then, as far as anybody here can see.
TCP_NOTSENT_LOWAT bounds what is not sent; connections inherit it from the socket that listens. A server of ASGI shows
its sockets to nobody, so they are looked for among the descriptors of the process.
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
