"""Sitemaps (https://www.sitemaps.org/protocol.html) and indexes of them, nested ones fetched.

Bounded in size, depth and number. The XML is read by expat, which refuses a DTD before it sees an entity.
"""

from collections.abc import Callable, Iterator
from xml.parsers import expat

from .documents import read_list
from .links import Links, Url
from .sources import Kind, find_kind, unpack
from .terminal import CommandError, UsageError, escape_text, escape_url, print_error

MAX_ELEMENTS_DEEP = 32
MAX_INDEXES_DEEP = 4
MAX_SITEMAPS = 1_000
_ROOTS = {"urlset": "url", "sitemapindex": "sitemap"}


class Sitemap:
    """One sitemap: `links` of its `<loc>` elements; `is_index`: they lead to other sitemaps.

    :raises UsageError: it is no sitemap, not well-formed, too deep, or has a DTD.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.links = Links(name)
        self._path: list[str] = []
        self._text: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_dtd
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        self._root = ""
        try:
            self._parser.Parse(data, True)  # noqa: FBT003 - expat takes no keyword
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise UsageError(f"it is no sitemap: {escape_text(str(error))}") from None

    @property
    def is_index(self) -> bool:
        """Whether it lists sitemaps."""
        return self._root == "sitemapindex"

    def _refuse_dtd(self, *_: object) -> None:
        raise UsageError("it is no sitemap: it has a DTD")

    def _start(self, tag: str, _: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if not self._path:
            self._root = name
            if name not in _ROOTS:
                raise UsageError(f"it is no sitemap: its root is <{escape_text(name[:80])}>")
        self._path.append(name)
        if len(self._path) > MAX_ELEMENTS_DEEP:
            raise UsageError(f"it is no sitemap: its elements are over {MAX_ELEMENTS_DEEP} deep")
        self._text.clear()

    def _end(self, _: str) -> None:
        if self._path == [self._root, _ROOTS[self._root], "loc"]:
            self.links.add("".join(self._text), self._parser.CurrentLineNumber)
        self._path.pop()
        self._text.clear()


class SitemapReader:
    """The URLs of sitemaps; `fetch` gets the bytes of a URL, packed or not, and raises `CommandError`."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._fetch = fetch
        self._seen: set[str] = set()

    def fetch(self, url: str) -> Iterator[Url]:
        """The URLs of the sitemap at a URL, which may be a text of one URL a line.

        :raises CommandError: it cannot be fetched or read.
        """
        self._seen.add(url)
        yield from self._read_fetched(url, 0)

    def read(self, data: bytes, name: str, depth: int = 0) -> Iterator[Url]:
        """The URLs of a sitemap, or of all sitemaps of an index. One that cannot be read is a URL to check itself.

        :raises UsageError: it is no sitemap.
        """
        sitemap = Sitemap(data, name)
        sitemap.links.tell_left_out("a sitemap has absolute ones")
        for url in sitemap.links.urls:
            if not sitemap.is_index:
                yield url
            elif url.text not in self._seen:
                self._seen.add(url.text)
                yield from self._read_nested(url, depth + 1)

    def _read_nested(self, url: Url, depth: int) -> Iterator[Url]:
        try:
            if depth > MAX_INDEXES_DEEP:
                raise UsageError(f"it is in indexes over {MAX_INDEXES_DEEP} deep")
            if len(self._seen) > MAX_SITEMAPS:
                raise UsageError(f"there are over {MAX_SITEMAPS} sitemaps")
            yield from self._read_fetched(url.text, depth)
        except CommandError as error:
            print_error(f"{url.place}: {escape_url(url.text)}: {error}")
            yield url

    def _read_fetched(self, url: str, depth: int) -> Iterator[Url]:
        data = unpack(self._fetch(url))
        name = escape_url(url)
        if find_kind(url.partition("?")[0], data) is Kind.LIST:
            yield from read_list(iter([data]), name)
        else:
            yield from self.read(data, name, depth)
