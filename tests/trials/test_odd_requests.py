"""Requests of odd pieces over real sockets: none gets a 5xx but for those of the contract, none leaves a traceback."""

import re
import socket
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx
import pytest

from gateway.factory import create_app
from gateway.settings import Settings
from tests.audio.formats.corpus import make_wave
from tests.processes import running
from tests.trials.conftest import Trial

ALLOWED = {501, 503, 505, 507}
"""An unknown transfer coding and another HTTP (RFC 9110), Redis that is away, a full disk."""
WAIT_S = 1.0
"""A request that promises more body than it has is not answered."""
STATUS = re.compile(rb"^HTTP/1\.1 ([2-9][0-9]{2}) [^\r\n]*\r\n", re.MULTILINE)

METHODS = [b"GET"] * 6 + [b"POST"] * 4 + [
    b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"LOCK", b"get", b"!#$%",
    b"A" * 300,
]  # fmt: skip
VERSIONS = [b"HTTP/1.1"] * 12 + [
    b"HTTP/1.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"HTTP/11", b"",
]  # fmt: skip
TARGETS = [
    b"?", b"?x", b"*", b"http://[", b"http://a:x/", b"http://localhost", b"https://localhost:99999/", b"s://]ufd/:",
    b"//", b"///x", b"/%", b"/%ff", b"/%00", b"/..", b"/./", b"/;", b"/\\", b":", b"x", b"http:", b"/" + b"a/" * 4000,
    b"/#", b"/\x7f", b"/\xff", b"http://xn--/", b"http://..", b"/%2e%2e/%2f", b"//localhost//", b"/[", b"/]://[",
]  # fmt: skip
HOSTS = [b"localhost"] * 8 + [
    b"127.0.0.1:80", b"[::1]", b"..", b".a", b"a..b", b"a" * 64, b"xn--a", b"xn--", b"-", b"_", b"[", b"[::1", b"[]",
    b"[v1.a]", b"a:", b"a:x", b"a:99999", b"\xff", b"\xc3\xa9", b"", b" ", b"a b", b"a,b", b"a@b", b"0", b"0x7f000001",
    b"1.1", b"localhost.", b"%", b"a%b",
]  # fmt: skip
NAMES = [
    b"Accept", b"Accept-Encoding", b"Accept-Language", b"Authorization", b"Connection", b"Content-Disposition",
    b"Content-Encoding", b"Content-Length", b"Content-Range", b"Content-Type", b"Cookie", b"Expect", b"Forwarded",
    b"Idempotency-Key", b"If-Match", b"If-Modified-Since", b"If-None-Match", b"If-Range", b"If-Unmodified-Since",
    b"Last-Event-ID", b"Origin", b"Prefer", b"Range", b"Referer", b"Sec-Fetch-Site", b"TE", b"Transfer-Encoding",
    b"Tus-Resumable", b"Upgrade", b"Upload-Checksum", b"Upload-Length", b"Upload-Metadata", b"Upload-Offset",
    b"User-Agent", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Http-Method-Override",
    b"X-Request-Id", b"Content-Location", b"Digest", b"Upload-Defer-Length", b"Upload-Concat",
]  # fmt: skip
VALUES = [
    b"", b"0", b"1", b"-1", b"5", b"99999999999999999999", b"1e9", b"0x1", b"\xff", b"\xc3\xa9", b"*", b"a", b",",
    b";", b"=", b'"', b'"a', b'""', b"W/", b'W/"a"', b"bytes=", b"bytes=0-", b"bytes=-1", b"bytes=5-2",
    b"bytes=0-,1-,2-", b"bytes=99999999999999999999-", b"bytes 0-4/5", b"bytes */x", b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Sun, 99 Nov 99999 99:99:99 GMT", b"Thu, 01 Jan 0001 00:00:00 GMT", b"Fri, 31 Dec 9999 23:59:59 -9999", b"gzip",
    b"identity", b"chunked", b"application/json", b"application/json; charset=x", b"text/plain; charset=utf-7",
    b"text/plain", b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=a",
    b"application/offset+octet-stream", b"audio/wav", b"100-continue", b"close", b"upgrade", b"websocket", b"h2c",
    b"null", b"http://localhost", b"http://[", b"same-origin", b"cross-site", b"Basic", b"Basic =", b"Basic /w==",
    b"Bearer \xff", b"1.0.0", b"filename YQ==", b"filename /w==", b"filename =, a", b"sha1 =", b"md5 \xff", b"wait=1",
    b"wait=x", b"wait=99999999999999999999", b"wait", b"form-data; name=file; filename*=x''%ff", b"en;q=2", b"*;q=x",
    b"a=b; a; =; \xff", b"(" * 500, b"," * 2000, b"a;q=0," * 300, b"1-0", b"x" * 5000, b"\x01", b"\x1f",
]  # fmt: skip
QUERIES = [
    b"", b"?", b"?q=%ff", b"?q=" + b"a" * 3000, b"?sort=x", b"?limit=-1&offset=-1", b"?offset=99999999999999999999",
    b"?limit=1e3", b"?limit=%00", b"?show=%F0%9F", b"?&&==&", b"?%", b"?lang=..", b"?added=%00&more=x", b"?download",
    b"?format=csv", b"?format=\xff", b"?q=[&sort=]", b"?more=99999999999999999999", b"?q=%ED%A0%80", b"?:",
]  # fmt: skip
BODIES = [
    b"", b"hello", b"[]", b"{}", b"[1]", b'["a"]', b'["http://["]', b'["\\ud800"]', b"[" * 5000, b'["a"', b"\xff",
    b"null", b'{"name":"\\u0000"}', b'{"name":1}', b'{"name":"/"}', b'{"urls":["a"],"x":1}', b"--a\r\n", b"--a--\r\n",
    b"1e999", b'--a\r\nContent-Disposition: form-data; name="file"; filename="x.wav"\r\n\r\nRIFF\r\n--a--\r\n',
    b'[1e999]', b'--a\r\nContent-Disposition: \xff\r\n\r\nx', b"RIFF\x24\0\0\0WAVEfmt ", b'"a"', b"123", b'[["a"]]',
    b'["\\u0000"]',
]  # fmt: skip
CHUNKED = [
    b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"5 \r\nhello", b"ffffffffffffffff\r\nx", b"\r\n", b"5\r\nhel", b"g\r\n",
]  # fmt: skip
PARTS = [
    b"a", b"a.wav", b"%ff", b"%00", b"..", b"%2e%2e", b"%2f", b"a%2fb", b"a" * 300, b"%F0%9F%8E%B5", b".", b"%", b"~",
    b"con", b"5f0c1a9e-0000-4000-8000-000000000000", b"0" * 32, b"-", b"%5c", b"%ED%A0%80", b"a:b", b"*", b"%7f", b" ",
]  # fmt: skip


USUAL = [
    b"Content-Type: application/json", b"Tus-Resumable: 1.0.0", b"Content-Type: application/offset+octet-stream",
    b"Upload-Length: 5", b"Upload-Offset: 0", b"Content-Type: multipart/form-data; boundary=a", b"Connection: close",
]  # fmt: skip


def make_request(random: Random, rules: list[str]) -> bytes:
    """A request whose pieces are odd or usual, the most of them usual."""
    path = re.sub("<[^>]+>", lambda _: random.choice(PARTS).decode("latin-1"), random.choice(rules)).encode("latin-1")
    target = random.choice(TARGETS) if random.random() < 0.15 else path + random.choice(QUERIES)
    lines = [b" ".join((random.choice(METHODS), target, random.choice(VERSIONS)))]
    lines += [b"Host: " + random.choice(HOSTS) for _ in range(random.choice((1, 1, 1, 1, 1, 1, 1, 1, 0, 2)))]
    lines += [line for line in USUAL if random.random() < 0.2]
    lines += [random.choice(NAMES) + b": " + random.choice(VALUES) for _ in range(random.randrange(6))]
    body, framing = random.choice(BODIES), random.random()
    if framing < 0.6:
        lines.append(b"Content-Length: %d" % len(body))
    elif framing < 0.8:
        body = random.choice(CHUNKED)
        lines.append(b"Transfer-Encoding: chunked")
    return b"\r\n".join((*lines, b"", body))


def ask(port: int, sent: bytes) -> int:
    """The status of an answer; 0: the gateway waits for more, or has closed."""
    received = b""
    with suppress(ConnectionError, TimeoutError):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
            connection.sendall(sent)
            while not (found := STATUS.search(received)) and (part := connection.recv(65_536)):
                received += part
        return int(found[1]) if found else 0
    return 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_odd_requests(tmp_path: Path, settings: Settings, trial: Trial) -> None:
    """Odd request lines, Hosts, fields, queries and bodies for every route."""
    rules = sorted({rule.rule for rule in create_app(settings).url_map.iter_rules()})
    answered = 0
    with running(tmp_path) as gateway:
        httpx.put(f"{gateway.url}/api/v1/audio/a.wav", content=make_wave(10_000)).raise_for_status()
        for number in trial.run(full=20_000, short=500):
            sent = make_request(Random(number), rules)
            status = ask(gateway.port, sent)
            answered += status > 0
            trial.check(status < 500 or status in ALLOWED, f"{status} for attempt {number}: {sent[:300]!r}")
        log = gateway.log.read_text(errors="replace")
    trial.check(answered > trial.attempts / 2, f"{answered} answers")
    trial.check("Traceback" not in log, log[log.find("Traceback") - 500 :][:4000])
