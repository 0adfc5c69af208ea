"""A name server over UDP and TCP on one port of loopback, with every behaviour that name servers have (RFC 1035)."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

from tests.hosting import Host

A, CNAME, AAAA = 1, 5, 28
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
_ANSWER, _TRUNCATED, _RECURSION = 0x8000, 0x0200, 0x0180


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said about a name. `truncated`: over UDP only that TCP be asked; `junk`: bytes that are no DNS."""

    addresses: Sequence[str] = ()
    code: int = 0
    alias: str | None = None
    ttl_s: int = 0
    delay_s: float = 0.0
    silent: bool = False
    truncated: bool = False
    junk: bytes | None = None


Zone = Mapping[str, Reply | Sequence[Reply]]


class NameServer(Host, asyncio.DatagramProtocol):
    """Answers from `zone`: for each name one reply, or several in turn, of which the last is repeated."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self.asked: Counter[tuple[str, int]] = Counter()
        self.over_tcp = 0

    @property
    def address(self) -> str:
        """Where it is, as c-ares writes it."""
        return f"127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        listener, datagrams = _bind_both()
        self._port = listener.getsockname()[1]
        await self._open([listener])
        self._datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=datagrams)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._datagrams.close()
        await super().__aexit__(kind, error, trace)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer one question over UDP."""
        self._start(self._answer_datagram(data, addr))

    async def _answer_datagram(self, data: bytes, addr: Any) -> None:
        answer = await self._answer(data, over_tcp=False)
        if answer is not None:
            self._datagrams.sendto(answer, addr)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.over_tcp += 1
        while True:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            answer = await self._answer(await reader.readexactly(size), over_tcp=True)
            if answer is not None:
                writer.write(struct.pack("!H", len(answer)) + answer)

    async def _answer(self, question: bytes, *, over_tcp: bool) -> bytes | None:
        name, kind, end = _read_question(question)
        known = self._zone.get(name, Reply(code=NXDOMAIN))
        replies = [known] if isinstance(known, Reply) else known
        reply = replies[min(self.asked[name, kind], len(replies) - 1)]
        self.asked[name, kind] += 1
        await asyncio.sleep(reply.delay_s)
        if reply.silent:
            return None
        if reply.junk is not None:
            return reply.junk
        records = [] if reply.truncated and not over_tcp else _write_records(reply, kind)
        flags = _ANSWER | _RECURSION | reply.code | (_TRUNCATED if reply.truncated and not over_tcp else 0)
        head = question[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        return head + question[12:end] + b"".join(records)


def _bind_both() -> tuple[socket.socket, socket.socket]:
    """A listener and a socket of UDP on one port, which is free for both."""
    while True:
        with ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with suppress(OSError):  # a client has the port
                datagrams.bind(listener.getsockname())
                stack.pop_all()
                return listener, datagrams


def _read_question(question: bytes) -> tuple[str, int, int]:
    labels, place = [], 12
    while size := question[place]:
        labels.append(question[place + 1 : place + 1 + size].decode("latin-1").lower())
        place += size + 1
    (kind,) = struct.unpack("!H", question[place + 1 : place + 3])
    return ".".join(labels), kind, place + 5


def _write_records(reply: Reply, kind: int) -> list[bytes]:
    owner = b"\xc0\x0c"  # the name of the question
    records = []
    if reply.alias is not None:
        owner, alias = _write_name(reply.alias), _write_name(reply.alias)
        records.append(b"\xc0\x0c" + struct.pack("!HHIH", CNAME, 1, reply.ttl_s, len(alias)) + alias)
    packed = [address.packed for address in map(ip_address, reply.addresses) if kind == (A, AAAA)[address.version == 6]]
    records += [owner + struct.pack("!HHIH", kind, 1, reply.ttl_s, len(address)) + address for address in packed]
    return records


def _write_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
