"""URLs out of files of each kind, good and hostile; sitemaps fetched from a real server."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from gateway_client import sitemaps, sources
from gateway_client.fetcher import Fetcher
from gateway_client.inputs import read_file, read_urls
from gateway_client.links import Url
from gateway_client.markup import split_srcset
from gateway_client.prose import trim
from gateway_client.sitemaps import SitemapReader
from gateway_client.terminal import CommandError, UsageError
from tests.clients.commands import Run
from tests.clients.test_crawl import SCRIPT, Tasks
from tests.clients.wire import serve_calls


def read(path: Path) -> list[Url]:
    """The URLs of a file without nested sitemaps."""
    return list(read_file(str(path), SitemapReader(lambda url: pytest.fail(f"{url} was fetched"))))


def read_bytes(folder: Path, name: str, data: bytes) -> list[str]:
    """The texts of the URLs of a file of this name and content."""
    path = folder / name
    path.write_bytes(data)
    return [url.text for url in read(path)]


HTML = """<!DOCTYPE html><html><head><title>a <a href="http://x/title"></title>
<link rel="stylesheet" href="/style.css"><link rel="preconnect" href="http://x/hint">
<!-- <a href="http://x/comment"> --><script src=http://x/script.js>"<a href='http://x/text'>"</script></head><body>
<A HREF='http://x/quoted?a=1&amp;b=2&copy=3'>text</A><a href=http://x/bare>x</a> <a title="a > b" href="http://x/gt">
<img src="http://x/img.png" srcset="http://x/1.png 1x, http://x/2,3.png 2x"><a href="#top"><a href="mailto:a@x">
<a href="tel:1"><a href="javascript:go()"><img src="data:image/png;base64,AA"><a href="ftp://x/f"><a href=" http://x/
blank "><a href="http://x/bare#part"><a href="http://x/&#xD800;"><form action="http://x/form"><a name=here>
<video src="http://x/v" poster="http://x/p"></video><a href="page/2"><a href="//y/z"><a href="http://">
"""
ABSOLUTE = [
    "http://x/script.js", "http://x/quoted?a=1&b=2&copy=3", "http://x/bare", "http://x/gt", "http://x/img.png",
    "http://x/1.png", "http://x/2,3.png", "http://x/blank", "http://x/\ufffd", "http://x/v", "http://x/p",
]  # fmt: skip
MARKDOWN = r"""# Title http://x/title
Read [this](http://x/inline "http title"), ![image](<http://x/with blank>), [wiki](http://x/Foo_(bar)) and
[![badge](http://x/badge.svg)](http://x/badge). Also <http://x/auto>, https://x/bare, (http://x/paren), **http://x/bold**
and `http://x/code`, ``a ` http://x/code`` http://x/after. [ref][1] [rel](docs/a.md) [top](#top) [mail](mailto:a@x)
<a href="http://x/html?a&amp;b">html</a> <img src='http://x/img'> [http://x/text](http://x/link) [e](http://x/a\_b)

[1]: http://x/definition 'title'
[^1]: footnote http://x/footnote.

```sh
curl http://x/fenced
```
- ~~~
  http://x/fenced
  ~~~
<!-- http://x/comment --> | http://x/cell | [empty]() [x](ftp://x/f)
"""
LINKED = [
    "title", "inline", "with blank", "Foo_(bar)", "badge.svg", "badge", "auto", "bare", "paren", "bold", "after",
    "html?a&b", "img", "text", "link", "a_b", "definition", "footnote", "cell",
]  # fmt: skip
STRAY = r"""- a ` b
- [l](http://x/1), `code`

# A ` b
[l](http://x/2) `c`

| ` | [l](http://x/3) |
| ` | b |

> a `

> [l](http://x/4) `

\`http://x/5\` and `\` http://x/6 `http://x/no`
"""
INDENTED = """    http://x/no

text
    http://x/1

    http://x/no

    http://x/no
- a

    http://x/2

      http://x/no

    - b

      http://x/3

# c
    http://x/no

\thttp://x/no
http://x/4
"""
ENDED = """> ```
> http://x/no

http://x/1

- ```
  http://x/no

http://x/2

1. a

   ```
   http://x/no
   ```
   http://x/3
"""
PROSE = """See <http://x/angle>, http://x/comma, "http://x/quote" (https://x/paren) or http://x/wiki/Foo_(bar).
Is it http://x/question? HTTP://x/upper! http://x/?a[]=1&b=c; and [http://x/bracket]: http://x/#part
(see http://x/wiki/A_(b)), 见http://x/cjk。然后 mailto:a@x git+https://x/git it's 'http://x/single'...
"""
FOUND = [
    "http://x/angle", "http://x/comma", "http://x/quote", "https://x/paren", "http://x/wiki/Foo_(bar)",
    "http://x/question", "HTTP://x/upper", "http://x/?a[]=1&b=c", "http://x/bracket", "http://x/",
    "http://x/wiki/A_(b)", "http://x/cjk", "http://x/single",
]  # fmt: skip
URLSET = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://i"><url><loc> http://x/?a=1&amp;b=2
</loc><lastmod>2024-01-01</lastmod><image:image><image:loc>http://x/image</image:loc></image:image></url>
<url><loc><![CDATA[http://x/2]]></loc></url><url><loc>/relative</loc></url></urlset>"""
MAPPED = ["http://x/?a=1&b=2", "http://x/2"]

FILES: dict[str, tuple[str, str, list[str]]] = {
    "list": ("list.txt", "# no\n\n x/1 \nhttp://x/2#part\nnot a url\nhttp://x/2#part\nhttp://x/3.\n<x>\n",
             ["x/1", "http://x/2#part", "not a url", "http://x/2#part", "http://x/3.", "<x>"]),
    "list of words": ("list", "a b\nc d\nhttp://x/1\n", ["a b", "c d", "http://x/1"]),
    "list with blanks in URLs": ("list", "http://x/a b\nhttp://x/c d\n", ["http://x/a b", "http://x/c d"]),
    "list with one odd line": ("list", "see http://x/1 there\nx.org\ny.org/a.\nz.org\n",
                               ["see http://x/1 there", "x.org", "y.org/a.", "z.org"]),
    "empty": ("list.txt", "", []),
    "prose": ("notes.txt", PROSE, FOUND),
    "prose of few words": ("notes", "See <http://x/1>, https://… and (http://x/2).\nhttps://x/Foo_(bar).\nBye\n",
                           ["http://x/1", "http://x/2", "https://x/Foo_(bar)"]),
    "own output": ("out.tsv.txt", "404\thttp://x/1\n000\thttp://x/2\n", ["http://x/1", "http://x/2"]),
    "markdown": ("a.MD", MARKDOWN, [f"http{'s' * (path == 'bare')}://x/{path}" for path in LINKED]),
    "markdown by content": ("-like", "Read [a](http://x/1),[b](http://x/2).\n", ["http://x/1", "http://x/2"]),
    "markdown with stray backticks": ("a.md", STRAY, [f"http://x/{each}" for each in range(1, 7)]),
    "markdown with indented code": ("a.md", INDENTED, [f"http://x/{each}" for each in range(1, 5)]),
    "markdown with blocks that end with their list or quote": (
        "a.md", ENDED, ["http://x/1", "http://x/2", "http://x/3"]),
    "markdown with tags that do not end": (
        "a.md", "If x <a or <q cite='y, http://x/1\n\nhttp://x/2 <a href='http://x/3'>l</a>\n",
        ["http://x/1", "http://x/2", "http://x/3"]),
    "html": ("a.html", HTML, [*ABSOLUTE, "http://"]),
    "html by content": ("page", HTML, [*ABSOLUTE, "http://"]),
    "html with base": ("a.htm",
                       '<a href="a"><base href="http://b/c/"><a href="../d?e#f"><a href="//y/z"><a href="//[">',
                       ["http://b/c/a", "http://b/d?e", "http://y/z", "//["]),
    "csv with a column": ("a.csv", 'code;URL;location\n1;" x/1 ";http://x/no\n2;"not\na url"\n3\n4;;\n',
                          ["x/1", "not\na url"]),
    "csv by content": ("a", "url,code\nhttp://x/1,200\nhttp://x/1,404\n", ["http://x/1", "http://x/1"]),
    "csv without one": ("a.csv", 'a,http://x/1\n"http://x/2,3","see http://x/4, or http://x/5."\n',
                        [f"http://x/{each}" for each in ("1", "2,3", "4", "5")]),
    "csv with an open quote": ("a.csv", 'a,b\n1,"http://x/1\n2,http://x/2\n', ["http://x/1", "http://x/2"]),
    "csv with tabs and more commas": (
        "a.tsv", "name\ttitle, with, some, commas\turl\nx\ty\thttp://x/a,b\n", ["http://x/a,b"]),
    "csv with tabs and NUL": ("a.tsv", "a\thttp://x/\0001\n\0\thttp://x/2", ["http://x/\0001", "http://x/2"]),
    "sitemap": ("sitemap.xml", URLSET, MAPPED),
    "sitemap by content": ("a.txt", "\n\n" + URLSET.partition("?>")[2], MAPPED),
    "sitemap with a prefix": ("a", '<s:urlset xmlns:s="s"><s:url><s:loc>http://x/1</s:loc></s:url></s:urlset>',
                              ["http://x/1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_kinds(name: str, tmp_path: Path) -> None:
    """Each kind of file is recognised by its ending or its content, and gives its URLs in order."""
    ending, text, expected = FILES[name]
    assert read_bytes(tmp_path, ending, text.encode()) == expected


@pytest.mark.parametrize("name", [name for name in FILES if "NUL" not in name and "open quote" not in name])
def test_encodings(name: str, tmp_path: Path) -> None:
    """UTF-8 with a byte order mark, UTF-16 with one, CRLF, lone CR and gzip change nothing."""
    ending, text, expected = FILES[name]
    plain = text.replace('encoding="UTF-8"', "").replace("not\na url", "not a url")
    data = plain.encode()
    forms = [
        b"\xef\xbb\xbf" + data,
        b"\xff\xfe" + plain.encode("utf-16-le"),
        b"\xfe\xff" + plain.encode("utf-16-be"),
        data.replace(b"\n", b"\r\n"),
        data.replace(b"\n", b"\r"),
        gzip.compress(data),
        gzip.compress(gzip.compress(data[:20]) + gzip.compress(data[20:])),
    ]
    expected = [url.replace("\n", " ") for url in expected]
    for form in forms:
        assert read_bytes(tmp_path, ending, form) == expected
    assert read_bytes(tmp_path, f"{ending}.gz", gzip.compress(data)) == expected


def test_places(tmp_path: Path) -> None:
    """A URL knows its file and line, whatever ends the lines."""
    for name, text in {
        "a.txt": "# 1\r\r\nhttp://x/3\rhttp://x/4\n",
        "a.md": "\n```\n```http\n\n",
        "b.md": "\n\n[a]( http://x/3)\n<a\nhref='http://x/4'>",
        "a.html": "<p>\n<!--\n--><a href=http://x/3>\r\n<a href=http://x/4>",
        "a.csv": "a,b\n\n,http://x/3\n1,http://x/4",
        "a.xml": "<urlset>\n<url>\n<loc>http://x/3</loc></url><url>\n<loc>http://x/4</loc></url></urlset>",
    }.items():
        path = tmp_path / name
        path.write_bytes(text.encode())
        urls = read(path)
        assert all(url.place == f"{path}:{url.text[-1]}" for url in urls)
        assert len(urls) == (0 if name == "a.md" else 2)


def test_long_chunks(tmp_path: Path) -> None:
    """A line end, a character or a surrogate pair on the border of two chunks is none of two."""
    for shift in range(4):
        first = "http://x/" + "é" * (sources.HEAD_BYTES // 2) + "a" * shift
        for end in ("\r\n", "\r", "\n"):
            text = f"{first}{end}😀.x/2{end}"
            for data in (text.encode(), b"\xff\xfe" + text.encode("utf-16-le")):
                (tmp_path / "list").write_bytes(data)
                assert read(tmp_path / "list") == [
                    Url(first, f"{tmp_path}/list:1"), Url("😀.x/2", f"{tmp_path}/list:2")
                ]  # fmt: skip


LEFT_OUT = {
    "a.html": (HTML, "3 relative links (it has no absolute <base>) and 1 link of other schemes (ftp)"),
    "b.html": ("<base href=/b><a href=x>", "1 relative link (it has no absolute <base>)"),
    "a.md": (MARKDOWN, "1 relative link (they lead to other files) and 1 link of other schemes (ftp)"),
    "a.xml": (URLSET, "1 relative link (a sitemap has absolute ones)"),
    "many.html": ("".join(f"<a href=s{i}:x>" for i in range(10, 20)),
                  f"10 links of other schemes ({', '.join(f's{i}' for i in range(10, 18))}, …)"),
    "c.html": ("<a href='#x'><a href='mailto:x'><a href=''>", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_left_out(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr says how many links are left out; fragments, mailto, tel, javascript and data are not told."""
    text, expected = LEFT_OUT[name]
    read_bytes(tmp_path, name, text.encode())
    assert capsys.readouterr().err == (f"{tmp_path}/{name}: left out {expected}\n" if expected else "")


def test_ends_of_urls() -> None:
    """Brackets that a URL opens belong to it, punctuation at its end does not."""
    for text, expected in {
        "http://x/a(b)c),d": "http://x/a(b)c",
        "http://x/((": "http://x/",
        "http://x/[a](b){c}.": "http://x/[a](b){c}",
        "http://x/a]": "http://x/a",
        "http://x/_*~'": "http://x/",
    }.items():
        assert trim(text) == expected
    assert split_srcset(" a,b 1x,c, d 2x , e") == ["a,b", "c", "d", "e"]


# --- Hostile files ------------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(i + 1)} "{f"&{chr(i)};" * 10}">' for i in range(ord("a"), ord("k"))
)
UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "laughs.xml": (f"{LAUGHS}]><urlset><url><loc>&k;</loc></url></urlset>", "it has a DTD"),
    "external.xml": ('<!DOCTYPE urlset SYSTEM "file:///etc/passwd"><urlset/>', "it has a DTD"),
    "entity.xml": ("<urlset><url><loc>&a;</loc></url></urlset>", "undefined entity"),
    "deep.xml": ("<urlset>" + "<a>" * 1_000_000, "its elements are over 32 deep"),
    "feed.xml": ("<rss><channel/></rss>", "its root is <rss>"),
    "empty.xml": ("", "no element found"),
    "cut.xml": ("<urlset><url><loc>http://x/", "no element found"),
    "surrogate.xml": ("<urlset><url><loc>&#xD800;</loc></url></urlset>", "invalid character"),
    "nul.xml": ("<urlset>\0</urlset>", "not well-formed"),
    "encoding.xml": ('<?xml version="1.0" encoding="none"?><urlset/>', "unknown encoding"),
    "cut.gz": (gzip.compress(b"x" * 9999)[:-9], "its gzip data are damaged"),
    "bad.gz": (b"\x1f\x8bno", "its gzip data are damaged"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable(name: str, tmp_path: Path) -> None:
    """A file that cannot be read is one line with its name; entities are never expanded."""
    content, expected = UNREADABLE[name]
    with pytest.raises(UsageError) as refused:
        read_bytes(tmp_path, name, content if isinstance(content, bytes) else content.encode())
    assert str(refused.value).startswith(f"{tmp_path}/{name}: ")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["a.html", "a.md", "a.xml", "a.csv"])
def test_too_large(name: str, tmp_path: Path) -> None:
    """A document of over 50 MiB is refused before it is in memory."""
    with (tmp_path / name).open("wb") as file:
        file.truncate(1024**3)
    with pytest.raises(UsageError, match="it has over 50 MiB"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["list", "a.html", "sitemap.xml"])
def test_gzip_bomb(name: str, tmp_path: Path) -> None:
    """Gzip data of 1 GiB are refused at 50 MiB."""
    (tmp_path / name).write_bytes(gzip.compress(bytes(16 * 1024 * 1024), 1) * 64)
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="it has over 50 MiB"):
            read(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 250 * 1024 * 1024
    finally:
        tracemalloc.stop()


PIECES = [
    "<", "<a ", "<a b=", "<a b='", "<!--", "<!", "</a ", "<script>", "<title>", "<div>", "&", "&#", "<a/", "`", "```\n",
    "`a``b", "[", "](", "](<", "](((", "](\\(", "](\t", "[a]: ", "http://x/(", "http://x/](", ")", "\0", "\n\n`", ":",
    "<http:", "'", '"', "a,", "\r", "<a b = ", "<img srcset='a, ", " \t", "http://x/), ", "\ud800",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", ".html", ".md", ".csv"])
@pytest.mark.timeout(60)
def test_repeated_pieces(ending: str, tmp_path: Path) -> None:
    """What is never closed, thousands of times, takes time that grows with its length alone."""
    for piece in PIECES:
        for start in ("", '<a href="', "see http://x/1 "):
            data = start.encode() + piece.encode("utf-8", "surrogatepass") * 30_000
            urls = read_bytes(tmp_path, f"a{ending}", data)
            assert len(urls) <= 30_001


def test_broken_characters(tmp_path: Path) -> None:
    """NUL, bytes that are not UTF-8 and half surrogates are percent-encoded or replaced, and sent as JSON can be."""
    bad = b"http://x/\xff\xed\xa0\x80\x00z"
    for name, data in {
        "list": bad,
        "a.txt": b"see " + bad + b" there",
        "a.html": b"<a href='" + bad + b"'>",
        "a.md": b"[a](" + bad + b")",
        "a.csv": b"url\n" + bad,
        "b.csv": b"x\n" + bad,
    }.items():
        (text,) = read_bytes(tmp_path, name, data)
        json.dumps(text).encode("utf-8")
        text.encode()
        assert text in ("http://x/%FF%ED%A0%80\0z", "http://x/%FF%ED%A0%80")
    assert read_bytes(tmp_path, "list", b"\xff\xfeh\x00\x00\xd8.\x00") == ["h\ufffd."]


def test_longest_urls_fit_their_tasks(tmp_path: Path) -> None:
    """A URL of megabytes is cut."""
    for name, data in {"a.html": "<a href='http://x/%s'>", "a.md": "<http://x/%s>", "a.csv": "url\n%s"}.items():
        (text,) = read_bytes(tmp_path, name, (data % ("😀" * 1_000_000)).encode())
        assert len(json.dumps(text)) < 1024 * 1024


# --- Sitemaps over HTTP -------------------------------------------------------------------------------------


class Site(ThreadingHTTPServer):
    """A server of a few documents by path; what it was asked for, in order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SiteHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.documents: dict[str, bytes | str] = {}
        self.asked: list[str] = []

    def handle_error(self, *_: object) -> None:
        """A client that leaves in the middle is expected."""

    def make_index(self, *paths: str) -> bytes:
        """A sitemap index of these paths."""
        places = "".join(f"<sitemap><loc>{self.url}{path}</loc></sitemap>" for path in paths)
        return f"<sitemapindex>{places}</sitemapindex>".encode()


class SiteHandler(BaseHTTPRequestHandler):
    """Answers with a document, or a redirect where that is a text."""

    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        document = self.server.documents.get(path)
        body = document if isinstance(document, bytes) else b""
        self.send_response(404 if document is None else 302 if isinstance(document, str) else 200)
        if isinstance(document, str):
            self.send_header("Location", document)
        if path.endswith(".packed"):
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body) * (2 if path == "/cut.xml" else 1)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = path == "/cut.xml"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A server in this process."""
    with Site() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(url: str) -> list[str]:
    """The texts of the URLs of a sitemap at a URL."""
    return [each.text for each in read_urls([], [], [url], 5.0)]


def test_fetched_sitemaps(site: Site) -> None:
    """A sitemap as it is, packed in a file, packed by the server, packed twice, moved, or as a plain list."""
    packed = gzip.compress(URLSET.encode())
    site.documents = {
        "/sitemap.xml": URLSET.encode(), "/a.xml.gz": packed, "/a.packed": packed,
        "/twice.packed": gzip.compress(packed), "/moved": "hop", "/hop": "/sitemap.xml?x=1", "/list.txt": b"x/1\nhttp://x/2\n",
    }  # fmt: skip
    for path in ("/sitemap.xml", "/a.xml.gz", "/a.packed", "/twice.packed", "/moved", "/sitemap.xml?a=b"):
        assert fetch(site.url + path) == MAPPED
    assert fetch(f"{site.url}/list.txt") == ["x/1", "http://x/2"]
    assert fetch(site.url.removeprefix("http://") + "/sitemap.xml") == MAPPED


def test_nested_sitemaps(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sitemaps of an index come in order, each once; one that cannot be read is told, and is a URL itself."""
    site.documents = {
        "/index.xml": site.make_index("/1.xml", "/gone.xml", "/index.xml", "/2.xml", "/1.xml"),
        "/1.xml": b"<urlset><url><loc>http://x/1</loc></url></urlset>",
        "/2.xml": site.make_index("/3.xml", "/bad.xml"),
        "/3.xml": gzip.compress(b"<urlset><url><loc>http://x/3</loc></url></urlset>"),
        "/bad.xml": b"<html></html>",
    }
    expected = ["http://x/1", f"{site.url}/gone.xml", "http://x/3", f"{site.url}/bad.xml"]
    assert fetch(f"{site.url}/index.xml") == expected
    assert site.asked == ["/index.xml", "/1.xml", "/gone.xml", "/2.xml", "/3.xml", "/bad.xml"]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"{site.url}/index.xml:1: {site.url}/gone.xml: answered 404 Not Found",
        f"{site.url}/2.xml:1: {site.url}/bad.xml: it is no sitemap: its root is <html>",
    ]
    (tmp_path / "index.xml").write_bytes(site.make_index("/1.xml"))
    assert [url.text for url in read_urls([], [str(tmp_path / "index.xml")], [], 5.0)] == ["http://x/1"]


def test_endless_indexes(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Indexes of indexes end at a depth, and at a number."""
    site.documents = {f"/{depth}": site.make_index(f"/{depth + 1}") for depth in range(9)}
    assert fetch(f"{site.url}/0") == [f"{site.url}/5"]
    assert "over 4 deep" in capsys.readouterr().err
    monkeypatch.setattr(sitemaps, "MAX_SITEMAPS", 3)
    site.documents = {"/": site.make_index(*(f"/{number}" for number in range(9)))}
    assert len(fetch(f"{site.url}/")) == 9
    assert site.asked[-3:] == ["/", "/0", "/1"]


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/gone.xml", 1, "answered 404 Not Found"),
        ("/loop", 1, "redirects over 10 times"),
        ("/away", 2, "no URL of http or https: ftp://x/"),
        ("/html", 2, "it is no sitemap: its root is <html>"),
        ("/cut.xml", 3, "broke off"),
        ("/bomb.xml.gz", 2, "it has over 50 MiB"),
        ("/big.xml", 2, "it has over 50 MiB"),
    ],
)
def test_sitemaps_that_fail(path: str, code: int, words: str, site: Site) -> None:
    """A sitemap that cannot be fetched or read ends the run in one line with its URL."""
    site.documents = {
        "/loop": "/loop", "/away": "ftp://x/", "/html": b"<html><body></body></html>", "/cut.xml": URLSET.encode(),
        "/bomb.xml.gz": gzip.compress(bytes(60 * 1024 * 1024), 1) if "bomb" in path else b"",
        "/big.xml": bytes(51 * 1024 * 1024) if "big" in path else b"",
    }  # fmt: skip
    with pytest.raises(CommandError) as failed:
        fetch(site.url + path)
    assert (failed.value.exit_code, str(failed.value).partition(": ")[0]) == (code, site.url + path)
    assert words in str(failed.value)


def test_sitemap_servers_that_are_away(site: Site) -> None:
    """No server is exit code 3, no URL is 2; a password is not shown."""
    for url, code in {
        "http://127.0.0.1:1/": 3,
        "http://[::1": 2,
        "ftp://x/": 2,
        "http://u:secret@[::1": 2,
        "": 2,
    }.items():
        with pytest.raises(CommandError) as failed:
            fetch(url)
        assert failed.value.exit_code == code
        assert "secret" not in str(failed.value)
    fetcher = Fetcher(0.2)
    fetcher.close()


# --- The command line ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.anyio
async def test_file_without_its_option(run: Run, tmp_path: Path) -> None:
    """A file name among the URLs is asked about; a folder of that name, or a URL, is not."""
    (tmp_path / "urls.txt").write_text("http://x/200\n")
    outcome = await run(SCRIPT, "urls.txt")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "crawl.py: urls.txt is a file: did you mean -f urls.txt?\n"
    (tmp_path / "x").mkdir()
    async with serve_calls(Tasks()) as url:
        assert (await run(SCRIPT, "x", "x/200", GATEWAY_URL=url)).code == 0


@pytest.mark.anyio
async def test_piped_input(run: Run, site: Site) -> None:
    """Without arguments a pipe is read as `-`; with them it is not."""
    site.documents = {"/": b"<urlset><url><loc>http://x/203</loc></url></urlset>"}
    async with serve_calls(Tasks()) as url:
        piped = await run(SCRIPT, stdin=b"http://x/200\n", GATEWAY_URL=url)
        both = await run(SCRIPT, "http://x/201", stdin=b"http://x/200\n", GATEWAY_URL=url)
        sitemap = await run(SCRIPT, "--sitemap", site.url, stdin=b"http://x/200\n", GATEWAY_URL=url)
    assert (piped.code, piped.out, piped.err) == (0, "200\thttp://x/200\n", "")
    assert both.out == "201\thttp://x/201\n"
    assert (sitemap.out, sitemap.err) == ("203\thttp://x/203\n", "")
