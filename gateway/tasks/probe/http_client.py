"""GETs over kept and fresh connections: owns the bytes of a request.

All requests are alike: a GET without a body. The address is checked where a connection is made (`connector`), the
answer is read by `response`.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from .address_policy import Policy
from .connection import ConnectionCut, SiteConnection
from .connector import Connector
from .pool import Place, Pool
from .response import ResponseParser
from .urls import split_url

USER_AGENT = "gateway/0.1"
ORIGINS_KNOWN = 4_096
_TARGET = re.compile(r"/[!-~]*")
"""What cannot end a request line before its end; a normal form of `urls` has nothing else."""
Headers = tuple[tuple[str, str], ...]
"""Names and values, checked before."""
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """The way to one host with one user, and all of a request that follows its target."""

    tls: bool
    host: str
    port: int
    rest: bytes

    @property
    def place(self) -> Place:
        """What a connection leads to: users share it."""
        return self[:3]


class HttpAnswer:
    """The code, the head and its fields of an answer, and a body that is still to come. To be closed."""

    __slots__ = ("_connection", "_parser", "_place", "_pool", "code", "fields", "head")

    def __init__(self, pool: Pool, place: Place, connection: SiteConnection, parser: ResponseParser) -> None:
        self._pool = pool
        self._place = place
        self._connection = connection
        self._parser = parser
        self.code = parser.code
        self.head = parser.head
        self.fields: Mapping[str, str] = parser.fields

    @property
    def finished(self) -> bool:
        """Whether the body has come, or is not waited for."""
        return self._parser.ended or not self._connection.open

    async def finish(self) -> None:
        """Wait until the body has come, or never will: of a long one no more than `BODY_BYTES` are read."""
        await self._connection.finish()

    def close(self) -> None:
        """Keep the connection for the next request if all of the body has come, else end it."""
        if self._parser.ended:
            self._pool.keep(self._place, self._connection)
        else:
            self._connection.abort()


class HttpClient:
    """Sends GETs to addresses that `policy` allows.

    `name_servers` ("192.0.2.1:53") are asked instead of the system's.
    """

    def __init__(self, *, policy: Policy, name_servers: Sequence[str] = ()) -> None:
        self._connector = Connector(policy=policy, name_servers=name_servers)
        self._read_origin = lru_cache(ORIGINS_KNOWN)(read_origin)
        self._pool = Pool()

    async def get(self, url: str, headers: Headers = ()) -> HttpAnswer:
        """The answer of `url`, a normal form of `urls`, as far as its head. `headers` come in place of our own.

        A kept connection may have ended meanwhile: then a fresh one is asked, once (RFC 9112, 9.3.1).

        :raises AddressBlocked: the address may not be asked.
        :raises NameNotFound: the host has no address.
        :raises ResponseUnreadable: what came is not HTTP.
        :raises ssl.SSLError: no TLS, or a certificate that is not trusted.
        :raises OSError: no connection, or it ended before its answer (`ConnectionCut`).
        :raises ValueError: it is no URL that can be asked.
        """
        scheme, authority, target = split_url(url)
        if _TARGET.fullmatch(target) is None:
            raise ValueError("the URL has characters that cannot be sent")
        read = read_origin if headers else self._read_origin  # headers are large, and secrets: they are not kept
        origin = read(scheme, authority, headers)
        request = b"GET " + target.encode("ascii") + origin.rest
        kept = self._pool.take(origin.place)
        if kept is not None:
            try:
                return await self._ask(kept, origin, request)
            except ConnectionCut as cut:
                if cut.begun:
                    raise
        connection = await self._connector.connect(origin.host, origin.port, tls=origin.tls, protocol=SiteConnection)
        return await self._ask(connection, origin, request)

    async def close(self) -> None:
        """End every kept connection and the lookups under way."""
        self._pool.close()
        await self._connector.close()

    async def _ask(self, connection: SiteConnection, origin: Origin, request: bytes) -> HttpAnswer:
        try:
            parser = await connection.ask(request)
        except BaseException:
            connection.abort()
            raise
        return HttpAnswer(self._pool, origin.place, connection, parser)


def read_origin(scheme: str, authority: str, headers: Headers) -> Origin:
    """The way to the host of an authority, which may have a user and a password in it."""
    userinfo, _, place = authority.rpartition("@")
    fields = {"Host": place, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    if userinfo:
        user, _, password = map(unquote_to_bytes, userinfo.partition(":"))
        fields["Authorization"] = f"Basic {b64encode(user + b':' + password).decode()}"
    given = {name.lower() for name, _ in headers}
    kept = [(name, value) for name, value in fields.items() if name.lower() not in given]
    lines = "".join(f"\r\n{name}: {value}" for name, value in [*kept, *headers])
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, ""
    number = int(port) if port else _PORTS[scheme]
    return Origin(scheme == "https", host.strip("[]"), number, f" HTTP/1.1{lines}\r\n\r\n".encode())
