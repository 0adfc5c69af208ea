"""Answers as sites give them, and what each comes to: the code that curl prints, or a word."""

import gzip

from gateway.tasks.probe.response import HEAD_BYTES

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\n" + EMPTY
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

STATUS_LINES: dict[bytes, int | str] = {
    b"HTTP/1.0 200 OK": 200,
    b"HTTP/1.1 200": 200,
    b"HTTP/1.1 200 ": 200,
    b"HTTP/1.1  200 OK": 200,
    b"HTTP/1.1 200OK": 200,
    b"http/1.1 200 OK": 200,
    b"HTTP/2 200": 200,
    b"HTTP/2.0 200 OK": 200,
    b"HTTP/1.1 200 \xff\xfe\x80": 200,
    b"HTTP/1.1 200 a\x00b": 200,
    b"HTTP/1.1 200 OK\r": 200,
    b"HTTP/1.1 200 " + b"y" * 60_000: 200,
    b"HTTP/1.1 299 X": 299,
    b"HTTP/1.1 600 X": 600,
    b"HTTP/1.1 999 X": 999,
    b"HTTP/1.1 000 X": "protocol",
    b"HTTP/1.1 001 X": "protocol",
    b"HTTP/1.1 099 X": "protocol",
    b"HTTP/1.1 20 OK": "protocol",
    b"HTTP/1.1 2000 OK": "protocol",
    b"HTTP/1.1 -200 OK": "protocol",
    b"HTTP/1.1 +20 OK": "protocol",
    b"HTTP/1.1 0xC8 OK": "protocol",
    b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK": "protocol",
    b"HTTP/1.1 abc OK": "protocol",
    b"HTTP/1.1\t200 OK": "protocol",
    b"HTTP/0.9 200 OK": "protocol",
    b"HTTP/1.2 200 OK": "protocol",
    b"HTTP/3 200": "protocol",
    b"HTTP/1.1": "protocol",
    b"ICY 200 OK": "protocol",
    b" HTTP/1.1 200 OK": "protocol",
    b"\xef\xbb\xbfHTTP/1.1 200 OK": "protocol",
    b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 404 X": 404,
    b"HTTP/1.1 102 P\r\n\r\n" * 3 + b"HTTP/1.1 200 OK": 200,
    b"HTTP/1.1 100 C\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK": 200,
    b"HTTP/1.1 199 X\n\nHTTP/1.1 200 OK": 200,
    b"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK": "protocol",
}

FIELDS = [
    b"X: a\x00b", b"X\x00Y: a", b"X: a\x01\x7fb", b"NoColon", b": x", b"X : y", b"X Y: y", b"X\xe9: y", b"X: \xe9",
    b"X: \xff", b"X: y\r\n  z", b"X: a\rb", b"Set-Cookie: \xff=;;;=", b"Sec-WebSocket-Key1: x",
    b"Connection: \xff,,close,keep-alive",
    b"X: " + b"y" * 90_000, b"X" + b"y" * 60_000 + b": z", b"X: y\r\n" * 200, b"X: y\r\n" * 9_000,
    b"Content-Length: -1", b"Content-Length: +5", b"Content-Length: abc", b"Content-Length: 5abc", b"Content-Length: ",
    b"Content-Length: 5, 5", b"Content-Length: 99999999999999999999999999", b"Content-Length: 9223372036854775808",
    b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: gzip", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: identity", b"Content-Encoding: gzip", b"Connection: upgrade\r\nUpgrade: h2,h2c",
]  # fmt: skip
"""Fields that break rules, under a status line that does not."""

BODIES = [
    b"zz\r\nhello", b"-1\r\nhello", b"ffffffffffffffffffff\r\nhello", b"5\r\nhelloXX", b"5;a=b\r\nhello\r\n0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n", b"0\r\nX\x00 y\r\n\r\n", b"", b"5\r\nhe", b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
]  # fmt: skip
"""Chunks, good and bad."""

BLANK_LINES: dict[bytes, int | str] = {
    b"\r\n\r\n" + OK + EMPTY: 200,
    b"\r\n\r\n\r\n" + OK + EMPTY: "protocol",
    b"\r\nHTTP/1.1 103 E\r\n\r\n\r\n\r\n" + OK + EMPTY: 200,
    b"HTTP/1.1 103 E\r\n\r\n\r\n\r\n\r\n" + OK + EMPTY: "protocol",
}
"""Line ends where there should be none."""

ANSWERS: dict[bytes, int | str] = {
    **BLANK_LINES,
    **{line + b"\r\n" + EMPTY: end for line, end in STATUS_LINES.items()},
    **{OK + field + b"\r\n\r\nhello": 200 for field in FIELDS},
    **{CHUNKED + body: 200 for body in BODIES},
    b"": "reset",
    b"HTTP/": "reset",
    b"HTTP/1.1 2": "reset",
    OK: "reset",
    OK + b"Content-Length: 2\r\n": "reset",
    b"HTTP/1.1 100 Continue\r\n\r\n": "reset",
    b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok": "reset",
    b"\x00\x01 no http\r\n\r\n": "protocol",
    b"<html>hello</html>": "protocol",
    b"SSH-2.0-OpenSSH_9.2\r\n": "protocol",
    b"220 mail ESMTP\r\n": "protocol",
    b"\x15\x03\x01\x00\x02\x02\x46": "protocol",
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00\x00\x05\x00\xff": "protocol",
    OK + b"\r\nhello": 200,
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok": 200,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok": 200,
    b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": 200,
    OK + b"Content-Length: 100\r\n\r\nhello": 200,
    OK + b"Content-Length: 2\r\n\r\nhello": 200,
    OK + b"Content-Length: 0\r\n\r\nhello": 200,
    OK + EMPTY + NOT_FOUND: 200,
    OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello": 200,
    OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10_000_000)): 200,
    OK + b"X: " + b"y" * (HEAD_BYTES - 30) + b"\r\n\r\n": 200,
    OK + b"X: " + b"y" * HEAD_BYTES + b"\r\n\r\n": "protocol",
    b"HTTP/1.1 100 C\r\n\r\n" * (HEAD_BYTES // 18 + 1) + NOT_FOUND: "protocol",
    b"HTTP/1.1 204 No\r\n\r\nhello": 204,
    b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello": 204,
    b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n": 204,
    b"HTTP/1.1 204 No\r\n\r\n" + NOT_FOUND: 204,
    b"HTTP/1.1 205 No\r\n\r\nhello": 205,
    b"HTTP/1.1 304 No\r\n\r\nhello": 304,
    b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n": 304,
    b"HTTP/1.1 101 S\r\n\r\n": 101,
    b"HTTP/1.1 101 S\r\n\r\n" + NOT_FOUND: 101,
    b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello": 101,
    b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\x00\x00\x00\x04\x00": 101,
    b"HTTP/1.1 426 U\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok": 426,
    b"HTTP/1.1 301 X\r\n" + EMPTY: 301,
}

NOT_AS_CURL = {
    "an interim answer is none, curl 7 prints 100": {
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n" + EMPTY,
        b"HTTP/1.1 100 C\r\n\r\n" * (HEAD_BYTES // 18 + 1) + NOT_FOUND,
    },
    "a head that does not end may have said anything": {OK, OK + b"Content-Length: 2\r\n"},
    "a line end too many is forgiven": {
        *BLANK_LINES,
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    },
    "our head is shorter": {OK + b"X: " + b"y" * HEAD_BYTES + b"\r\n\r\n"},
    "curl 8 reads first lines in its own way, ours is that of curl 7": {
        line + b"\r\n" + EMPTY
        for line in (
            b"HTTP/1.1\t200 OK",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1 001 X",
            b"HTTP/1.1 099 X",
            b"HTTP/1.1 2000 OK",
            b"HTTP/3 200",
        )
    },
}
"""Where we differ from curl, and why."""
