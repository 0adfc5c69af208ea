"""Addresses that answer no connection, as behind a firewall that drops: listeners whose queue is full."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

_SYN_SENT = "02"


@contextmanager
def deaf(hosts: Sequence[str], port: int) -> Iterator[None]:
    """Nothing that connects to one of these addresses of loopback hears anything."""
    with ExitStack() as stack:
        for host in hosts:
            listener = stack.enter_context(socket.socket())
            listener.bind((host, port))
            listener.listen(0)
            # Linux keeps one connection more than it is told, and drops the next.
            stack.enter_context(socket.create_connection((host, port)))
        yield


def count_tries(port: int) -> int:
    """How many connections to this port of IPv4 are being tried on this machine."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == _SYN_SENT for line in lines)
