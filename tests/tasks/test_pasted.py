"""URLs out of pasted texts of every kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks.models import MAX_URLS
from gateway.tasks.pasted import PastedUrls, read_form, read_pasted

SITEMAP = """<?xml version="1.0"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
 <url><loc>https://a.example/?x=1&amp;y=2</loc></url>
 <url><loc>https://a.example/b</loc></url>
</urlset>"""
TEXTS = {
    "list": (
        "https://a.example/\r\nb.example/x\r\n\r\n# no\r\nlocalhost:80/y",
        ["https://a.example/", "b.example/x", "localhost:80/y"],
    ),
    "prose": (
        "See https://a.example/x, or (http://b.example/Foo_(bar)).",
        ["https://a.example/x", "http://b.example/Foo_(bar)"],
    ),
    "markdown": (
        "* [a](https://a.example/q) **https://b.example/** <https://c.example>",
        ["https://a.example/q", "https://b.example/", "https://c.example"],
    ),
    "html": (
        '<!DOCTYPE html PUBLIC "x" "http://www.w3.org/TR/x.dtd"><a href="https://a.example/?a&amp;b">',
        ["https://a.example/?a&b"],
    ),
    "sitemap": (SITEMAP, ["https://a.example/?x=1&y=2", "https://a.example/b"]),
    "csv": (
        'index,url,to\n0,https://a.example/,https://z.example/\n1,"https://b.example/,x",\n2,c.example,',
        ["https://a.example/", "https://b.example/,x", "c.example"],
    ),
    "cells": ("https://a.example/,200\nhttps://b.example/,404", ["https://a.example/", "https://b.example/"]),
    "tabs": ("200\thttps://a.example/\n404\thttps://b.example/", ["https://a.example/", "https://b.example/"]),
    "commas": ("https://a.example/1,2\nhttps://b.example/", ["https://a.example/1,2", "https://b.example/"]),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_kinds(kind: str) -> None:
    """The URLs of a text are found, whatever kind of text it is, and none of its other addresses."""
    text, urls = TEXTS[kind]
    assert read_pasted(text) == PastedUrls(urls)


def test_unreadable_lines() -> None:
    """Of a list, the lines without a URL that can be asked are told; doubles are counted, and left out."""
    good = "https://a.example/"
    lines = [good, "", "hello world", good, "http://[bad/", "ftp://b.example/", "b.example", good]
    assert read_pasted("\n".join(lines)) == PastedUrls(["https://a.example/", "b.example"], 2, [3, 5, 6])


def test_short_rows() -> None:
    """A row of a table that ends before the column of URLs has those that begin with http or https, and no words."""
    rows = ["name,x,url", *(f"A,1,{host}.example" for host in "abcd"), "Total,5", "Sum,http://e.example/"]
    hosts = [f"{host}.example" for host in "abcd"]
    assert read_pasted("\n".join(rows)) == PastedUrls([*hosts, "http://e.example/"], 0, [6])


def test_prose_has_no_unreadable_lines() -> None:
    """Of prose, lines without a URL are no fault."""
    assert read_pasted("Hello,\nsee\nhttps://a.example/.\nBye").unreadable == []


def test_too_many() -> None:
    """Of more URLs than a task can have, the number is told."""
    found = read_pasted("\n".join(f"https://a.example/{number}" for number in range(MAX_URLS + 500)))
    assert len(found.urls) == MAX_URLS + 500


@pytest.mark.parametrize("piece", ["<!doctype", '<a xmlns="', "http://a(", '",', "http://"])
def test_hostile_text(piece: str) -> None:
    """A text of a hundred thousand beginnings is read in one pass."""
    assert len(read_pasted(piece * 100_000).urls) <= 1


@given(st.text(alphabet=st.sampled_from('htps:/.a()[]<>"\n,;&#é\u202e '), max_size=200))
def test_any_text(text: str) -> None:
    """Any text can be read, and no URL is there twice."""
    found = read_pasted(text)
    assert len(set(found.urls)) == len(found.urls)
    assert found.unreadable == sorted(set(found.unreadable))


@pytest.mark.anyio
async def test_form() -> None:
    """A form has its text, then its files, and the tick; one that is no form has nothing."""
    parts = (
        '--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhttps://a.example/\r\n'
        '--x\r\nContent-Disposition: form-data; name="follow"\r\n\r\n1\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhttps://b.example/\xff\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="b.txt"\r\n\r\n\xef\xbb\xbfc.example\r\n--x--\r\n'
    )
    form = await read_form(parts.encode("latin-1"), "multipart/form-data; boundary=x")
    assert form.found.urls == ["https://a.example/", "https://b.example/\ufffd", "c.example"]
    assert form.follow
    plain = await read_form(b"text=https%3A%2F%2Fa.example%2F", "application/x-www-form-urlencoded")
    assert (plain.found.urls, plain.follow) == (["https://a.example/"], False)
    assert (await read_form(b"\x00", "multipart/form-data")).text == ""
