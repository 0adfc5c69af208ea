"""TLS to sites: whom to trust, which ciphers to offer, and how much of a site's TLS to read.

The connections of this context hand OpenSSL one record at a time and count them: a record of one byte, a session ticket
and a key update cost some µs each and are no end by themselves. All of it rests on what `ssl` documents for it:
`SSLContext.sslobject_class`, `wrap_bio` and `MemoryBIO`.
"""

import ssl
from collections.abc import Mapping
from typing import Any, cast

MAX_STEPS = 512
"""Records, and packets that end no record, of a handshake or of one answer."""
HANDSHAKE_BYTES = 128 * 1024
"""OpenSSL takes 100 KiB of certificates."""
OVERHEAD_BYTES = 16 * 1024
"""What the TLS of one answer may have beside its content: headers and tags of records, tickets, key updates."""
_HEADER_BYTES = 5
_RECORD_TYPES = range(20, 25)
_MAX_RECORD_BYTES = 16 * 1024 + 2048
"""RFC 5246, 6.2.3."""


class TlsExcess(ssl.SSLError):
    """A site sent more TLS than its answer is worth."""

    def __init__(self) -> None:
        super().__init__("the site sent too many TLS records")
        self.reason = self.args[0]

    def __str__(self) -> str:
        return str(self.reason)


class SiteTls(ssl.SSLObject):
    """The TLS of one connection, made by `SiteContext.wrap_bio` alone."""

    def attach(self, incoming: ssl.MemoryBIO, inner: ssl.MemoryBIO, host: str | None) -> None:
        """Move records from `incoming` to `inner`, where OpenSSL reads; look for `host` in the certificate, if any."""
        self._incoming = incoming
        self._inner = inner
        self._host = host
        self._header = b""
        self._failing = False
        self._steps = 0
        self._left_bytes = HANDSHAKE_BYTES

    def do_handshake(self) -> None:
        """Go on with the handshake.

        :raises SSLWantReadError: more has to come.
        :raises SSLCertVerificationError: the certificate is not trusted, or for another host.
        :raises TlsExcess: too much came.
        """
        while True:
            try:
                super().do_handshake()
                break
            except ssl.SSLWantReadError:
                if self._exceeded:
                    raise TlsExcess from None
                if not self._feed():
                    raise
        if self._host is not None:
            _check_names(self.getpeercert(), self._host)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the name that `ssl` gives it
        """The content of the next record that has some.

        Event loops lose what they have read when a later read of the same turn fails: the head of the answer could be
        in it. So the turn ends first, as if nothing more had come, and the next one fails.

        :raises SSLWantReadError: more has to come.
        :raises TlsExcess: too much came beside the answer.
        """
        if self._failing:
            raise TlsExcess
        while True:
            self._failing = self._exceeded
            if self._failing or (not self.pending() and not self._feed()):
                raise ssl.SSLWantReadError
            try:
                content: Any = super().read(len, buffer)
            except ssl.SSLWantReadError:  # it was a ticket, or the like
                continue
            self._left_bytes += content if isinstance(content, int) else content.__len__()
            return content

    def write(self, data: Any) -> int:
        """Send a request; what comes from now on is its answer."""
        self._steps = 0
        self._left_bytes = OVERHEAD_BYTES
        return super().write(data)

    def _feed(self) -> bool:
        """Give OpenSSL the next whole record; bytes that are not a record at once, so that it reports them."""
        incoming = self._incoming
        self._steps += 1
        if not self._header and incoming.pending >= _HEADER_BYTES:
            self._header = incoming.read(_HEADER_BYTES)
        size = int.from_bytes(self._header[3:], "big")
        if self._header and (self._header[0] not in _RECORD_TYPES or size > _MAX_RECORD_BYTES):
            size = incoming.pending
        if not self._header or incoming.pending < size:
            fed = b""
        else:
            fed, self._header = self._header + incoming.read(size), b""
        self._left_bytes -= len(fed)
        self._inner.write(fed)
        return bool(fed)

    @property
    def _exceeded(self) -> bool:
        return self._steps > MAX_STEPS or self._left_bytes < 0


class SiteContext(ssl.SSLContext):
    """A client's side of TLS; see `make_context`. `by_hand` has no check of the host: `SiteTls` makes it."""

    by_hand: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as `ssl` has it
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """The TLS of a connection to `server_hostname`.

        OpenSSL matches no wildcard with a label that has an underscore; curl and browsers do.
        """
        inner = ssl.MemoryBIO()
        host = server_hostname if isinstance(server_hostname, str) and "_" in server_hostname else None
        wrap = super().wrap_bio if host is None else self.by_hand.wrap_bio
        tls = cast(SiteTls, wrap(inner, outgoing, server_side, server_hostname, session))
        tls.attach(incoming, inner, host)
        return tls


def make_context() -> ssl.SSLContext:
    """What curl verifies and offers: the system's authorities (or SSL_CERT_FILE), and the ciphers that OpenSSL calls
    DEFAULT. Python's own list and flags differ by version and by who built it."""
    context = SiteContext(ssl.PROTOCOL_TLS_CLIENT)
    context.by_hand = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.by_hand.check_hostname = False
    for each in (context, context.by_hand):
        each.sslobject_class = SiteTls
        each.load_default_certs()
        each.set_ciphers("DEFAULT")
        each.set_alpn_protocols(["http/1.1"])
    return context


def _check_names(certificate: Mapping[str, Any] | None, host: str) -> None:
    """Match a host with the DNS names of its certificate (RFC 9525, 6.3): a wildcard is the whole of the first label.

    :raises SSLCertVerificationError: none of them is for this host.
    """
    names = [name for kind, name in (certificate or {}).get("subjectAltName", ()) if kind == "DNS"]
    wanted = host.rstrip(".").lower()
    first, _, domain = wanted.partition(".")
    wildcard = f"*.{domain}" if first and "." in domain else None
    if not any(name.lower() in (wanted, wildcard) for name in names):
        error = ssl.SSLCertVerificationError(f"Hostname mismatch, certificate is not valid for {host!r}.")
        error.reason = "CERTIFICATE_VERIFY_FAILED"
        raise error
