"""Bodies that no task can be made of, by the hundred: each is to be refused."""

import codecs
import gzip
import itertools
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from gateway.tasks.models import MAX_BODY_BYTES, MAX_URLS

FULL = MAX_BODY_BYTES
GOOD = '["http://127.0.0.1/"]'
JSON = "application/json"


class Body(NamedTuple):
    """A body, and what is said of it. `raw`: all that follows the request line and Host, instead of both."""

    name: str
    data: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    raw: bytes | None = None


def make_bodies() -> Iterator[Body]:
    """All of them; their names differ."""
    for family in (_nested, _crowds, _wrong_types, _numbers, _texts, _codings, _cut, _types, _lies):
        for name, body in family().items():
            prefix = family.__name__.lstrip("_")
            yield body._replace(name=f"{prefix}: {name}") if isinstance(body, Body) else Body(f"{prefix}: {name}", body)


def _fill(piece: bytes, size: int, before: bytes = b"[", after: bytes = b"]") -> bytes:
    return before + b",".join([piece] * ((size - len(before) - len(after)) // (len(piece) + 1))) + after


def _nested() -> dict[str, bytes]:
    bodies = {}
    for depth in (2, 100, 199, 200, 201, 1_000, 100_000, 2_000_000):
        for left, middle, right in (("[", "", "]"), ('{"urls":', "1", "}"), ('[{"a":', "[]", "}]"), ("[1,", "1", "]")):
            size = min(depth, FULL // (len(left) + len(right)) - 2)
            bodies[f"{left} {depth} deep"] = (left * size + middle + right * size).encode()
            bodies[f"{left} {depth} deep, not closed"] = (left * size).encode()
    return bodies


def _crowds() -> dict[str, bytes]:
    pieces = [b"1", b'""', b'"a"', b"null", b"{}", b"[]", b"1e9", b"true", b"[" * 150 + b"]" * 150, b"9" * 4_000,
              b'{"a":{}}',
              b'"\\u0041"', b'"\xc3\xa9"', b'"http://a.example/"', b"-0", b'[""]']  # fmt: skip
    bodies = {}
    for piece, size in itertools.product(pieces, (256 * 1024, FULL)):
        bodies[f"{piece[:20]!r} in {size}"] = _fill(piece, size)
        bodies[f"{piece[:20]!r} in {size} as urls"] = _fill(piece, size, b'{"urls":[', b"]}")
        bodies[f"{piece[:20]!r} in {size} under keys"] = _fill(b'"k":' + piece, size, b"{", b"}")
    bodies["the last of 10,000 is none"] = ("[" + '"a",' * 9_999 + "7]").encode()
    bodies["one URL too many"] = json.dumps(["a"] * (MAX_URLS + 1)).encode()
    bodies["a million"] = _fill(b'""', 3_000_000)
    bodies["many keys"] = b"{" + b",".join(b'"%d":0' % i for i in range(300_000)) + b"}"
    bodies["urls over and over"] = _fill(b'"urls":[]', FULL, b"{", b"}")
    bodies["spaces"] = b" " * FULL
    bodies["a list of spaces"] = b"[" + b" " * (FULL - 2) + b"]"
    bodies["commas"] = b"[" + b"," * (FULL - 2) + b"]"
    bodies["quotes"] = b'"' * FULL
    bodies["backslashes"] = b'["' + b"\\" * (FULL - 5) + b'"]'  # the last one escapes the quotation mark
    bodies["a byte too many"] = json.dumps(["a" * (FULL - 3)]).encode()
    return bodies


def _wrong_types() -> dict[str, bytes]:
    values = ["null", "true", "false", "0", "-1", "1.5", "1e400", '""', '"http://127.0.0.1/"', "[]", "{}", "[[]]",
              "[null]",
              '[{"url":"http://127.0.0.1/"}]', '{"0":"a"}', "NaN", "[1]", "[true]", '["a",0]']  # fmt: skip
    bodies: dict[str, bytes] = {}
    for value in values:
        bodies[value] = value.encode()
        bodies[f"urls {value}"] = f'{{"urls":{value}}}'.encode()
        bodies[f"first {value}"] = f'[{value if value[0] != chr(34) else 7},"a"]'.encode()
        bodies[f"last of urls {value}"] = f'{{"urls":["a",{value if value[0] != chr(34) else 7}]}}'.encode()
        bodies[f"last of 10,000 {value}"] = (
            f"[{''.join(chr(34) + 'a' + chr(34) + ',' for _ in range(9_999))}7]".encode()
        )
        if value not in ("true", "false"):
            bodies[f"follow_redirects {value}"] = f'{{"urls":["a"],"follow_redirects":{value}}}'.encode()
        bodies[f"another key {value}"] = f'{{"urls":["a"],"more":{value}}}'.encode()
        bodies[f"twice {value}"] = (
            f'{{"urls":["a"],"urls":{value if value[0] != "[" or value == "[]" else 1}}}'.encode()
        )
        bodies[f"after a list {value}"] = f"{GOOD}{value}".encode()
    return bodies


def _numbers() -> dict[str, bytes]:
    numbers = ["9" * 4_299, "9" * 4_300, "9" * 4_301, "9" * 100_000, "-" + "9" * 5_000, "0." + "9" * 10_000,
               "1e" + "9" * 1_000,
               "1e-" + "9" * 1_000, "0x10", "01", "+1", "1.", ".5", "--1", "1_000", "Infinity", "-Infinity", "NaN",
               "-NaN",
               "1e", "٣", "1n", "0b1", "18446744073709551616", "-9223372036854775809"]  # fmt: skip
    bodies = {f"{number[:12]} of {len(number)}": f"[{number}]".encode() for number in numbers}
    return bodies | {f"urls {number[:12]} of {len(number)}": f'{{"urls":{number}}}'.encode() for number in numbers}


def _texts() -> dict[str, bytes]:
    inside = [b"\xff", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf",
              b"\xf4\x90\x80\x80",
              b"\xf8\x88\x80\x80\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x92", b"\x00", b"\x01", b"\x1f", b"\n", b"\t",
              b"\\x41",
              b"\\u12", b"\\uZZZZ", b"\\ud800\\uZZZZ", b"\\ud8", b"\\", b"\\8", b"\\'", b'"']  # fmt: skip
    halves = [b"\\ud800", b"\\udfff", b"\\uD800\\ud800", b"\\udc00\\ud800", b"\\ud83d x", b"\\ud83d\\u0041"]
    bodies = {f"{text!r} inside": b'["http://127.0.0.1/' + text + b'"]' for text in inside}
    bodies |= {f"{text!r} as a key": b'{"' + text + b'":["a"]}' for text in [*inside, *halves]}
    bodies |= {f"{text!r} beside no URL": b'["' + text + b'", 7]' for text in halves}
    outside = [
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x0b",
        b"\x0c",
        b"\xc2\xa0",
        b"//",
        b"/**/",
        b"#",
        b"<",
        b"'",
        b",",
        b")]}'\n",
    ]
    bodies |= {f"{text!r} before": text + GOOD.encode() for text in outside}
    bodies |= {f"{text!r} after": GOOD.encode() + text for text in outside}
    bodies |= {text: text.encode() for text in ("['a']", "[a]", '["a",]', "[,]", "{urls:['a']}", "undefined",
                                                  "[\"a\" \"b\"]",
                                                '("a")', "True", "<xml/>", "urls=a", "--\r\n",
                                                "http://127.0.0.1/")}  # fmt: skip
    return bodies


def _codings() -> dict[str, bytes | Body]:
    bodies: dict[str, bytes | Body] = {}
    for coding in (
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "utf-8-sig",
        "cp037",
        "utf-7",
    ):
        data = GOOD.replace("http", "hé").encode(coding) if coding == "utf-7" else GOOD.encode(coding)
        data = data if coding != "utf-7" else b"+AFsAIg-a+ACIAXQ-"
        bodies[coding] = data
        bodies[f"{coding} by charset"] = Body("", data, {"Content-Type": f"{JSON}; charset={coding}"})
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF8):
        bodies[f"{mark!r} before"] = mark + GOOD.encode()
    bodies["latin-1"] = '["http://é.example/"]'.encode("latin-1")
    squeezed = gzip.compress(GOOD.encode())
    for name in (
        "gzip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "gzip, gzip",
        "GZIP",
        "identity, gzip",
        "no-such",
        "\xff",
    ):
        bodies[f"Content-Encoding {name}"] = Body("", squeezed, {"Content-Encoding": name})
        bodies[f"Content-Encoding {name}, not true"] = Body("", GOOD.encode(), {"Content-Encoding": name})
    bodies["gzip bomb"] = Body("", gzip.compress(bytes(2**24)), {"Content-Encoding": "gzip"})
    bodies["gzip unsaid"] = squeezed
    return bodies


def _cut() -> dict[str, bytes]:
    whole = json.dumps({"urls": ["http://127.0.0.1/\u00e9", "b\n"], "follow_redirects": True}).encode()
    return {f"after {size}": whole[:size] for size in range(len(whole))}


def _types() -> dict[str, Body]:
    kinds = ["text/xml", "application/xml", "text/html", "application/x-www-form-urlencoded", "text/json",
             "multipart/form-data; boundary=x", "application/octet-stream", "application/json5", "application/jsonp",
             "json",
             "application/ld+json", "*/*", "image/png", "\xff",
             "a/b" * 1_000]  # fmt: skip
    return {kind[:60]: Body("", GOOD.encode(), {"Content-Type": kind}) for kind in kinds}


def _lies() -> dict[str, Body]:
    typed = b"Content-Type: application/json\r\n"
    chunked = typed + b"Transfer-Encoding: chunked\r\n\r\n"
    length = len(GOOD)
    raws = {
        "chunk of no number": chunked + b"zz\r\n" + GOOD.encode() + b"\r\n0\r\n\r\n",
        "chunk of minus one": chunked + b"-1\r\n" + GOOD.encode() + b"\r\n0\r\n\r\n",
        "chunk too long": chunked + b"f" * 30 + b"\r\n" + GOOD.encode() + b"\r\n0\r\n\r\n",
        "chunk too short": chunked + b"2\r\n" + GOOD.encode() + b"\r\n0\r\n\r\n",
        "empty chunks": chunked + b"0\r\n\r\n",
        "chunk 0x": chunked + b"0x15\r\n" + GOOD.encode() + b"\r\n0\r\n\r\n",
        "chunks beyond the limit": chunked + (b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 5 + b"0\r\n\r\n",
        "a byte a chunk": chunked + b"1\r\n[\r\n" * 20_000 + b"0\r\n\r\n",
        "both lengths": typed + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n0\r\n\r\n",
        "two lengths": typed + f"Content-Length: {length}\r\nContent-Length: 5\r\n\r\n{GOOD}".encode(),
        "length of no number": typed + b"Content-Length: x\r\n\r\n" + GOOD.encode(),
        "length below zero": typed + b"Content-Length: -1\r\n\r\n" + GOOD.encode(),
        "length with a sign": typed + f"Content-Length: +{length}\r\n\r\n{GOOD}".encode(),
        "length beyond the limit": typed + f"Content-Length: {FULL + 1}\r\n\r\n".encode() + b" " * 1_000,
        "length beyond all": typed + b"Content-Length: 99999999999999999999\r\n\r\n" + GOOD.encode(),
        "length too short": typed + b"Content-Length: 5\r\n\r\n" + GOOD.encode(),
        "no length": typed + b"\r\n" + GOOD.encode(),
        "unknown coding": typed + b"Transfer-Encoding: gzip\r\n\r\n" + GOOD.encode(),
        "unknown coding before chunks": typed + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "two types": typed
        + typed.replace(b"json", b"xml")
        + f"Content-Length: {length}\r\n\r\n".encode()
        + b"<" * length,
        "field without a colon": typed + b"NoColon\r\n\r\n",
        "field with a space": typed + b"X : y\r\n\r\n",
        "field with a NUL": typed + b"X: \x00\r\n\r\n",
        "field without an end": typed + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    }
    return {name: Body("", b"", {}, raw) for name, raw in raws.items()}
